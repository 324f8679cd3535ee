"""Marks in content, whatever it is: the carrier and its bound, the code, the key."""

from __future__ import annotations

import binascii
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from castalia.errors import RunError
from castalia.governance.watermark import key
from castalia.governance.watermark.carrier import Carrier, chance, folded, repeated
from castalia.governance.watermark.convolution import LENGTH, check, coded, likeliest
from castalia.governance.watermark.key import Key

NUMBER = 0x0123456789ABCDEF


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path / "settings"))
    return tmp_path / "settings"


# The carrier --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 64), (8192,)])
def test_a_tile_is_found_at_any_shift_under_louder_noise(shape: tuple[int, ...]):
    band, shift = ((6, 28), (5, 9)) if len(shape) == 2 else ((40, 3000), (777,))
    carrier = Carrier(b"key", shape, band, LENGTH)
    noise = 2 * np.random.default_rng(0).normal(size=shape)
    moved = np.roll(carrier.tile(coded(NUMBER)), shift, range(len(shape)))
    spectrum = carrier.spectrum(moved + noise)
    peak = carrier.find(spectrum)
    assert peak.shift == shift
    assert chance(peak.z, np.prod(shape)) < 1e-6
    assert likeliest(carrier.said(spectrum, peak.shift)) == (NUMBER, True)
    other = Carrier(b"another key", shape, band, LENGTH)
    assert chance(other.find(other.spectrum(moved + noise)).z, np.prod(shape)) > 1e-3


def test_no_key_exceeds_the_bound_more_often_than_it_says():
    # data that are the worst case of no model: one loud stripe
    data = np.random.default_rng(1).normal(size=(32, 32))
    data[:, 3] += 20
    chances = []
    for number in range(300):
        carrier = Carrier(b"%d" % number, (32, 32), (2, 14))
        chances.append(chance(carrier.find(carrier.spectrum(data)).z, 32 * 32))
    for level in (0.01, 0.1, 0.3):
        assert np.mean(np.array(chances) <= level) <= level


def test_tiles_are_laid_and_summed_in_a_circle():
    tile = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(folded(repeated(tile, (6, 8)), (3, 4)), 4 * tile)
    cut = repeated(tile, (7, 5))
    assert cut.shape == (7, 5)
    assert folded(cut, (3, 4))[1, 1] == 2 * tile[1, 1]


# The code -----------------------------------------------------------------------------------------


def test_a_number_survives_one_wrong_bit_in_seven():
    rng = np.random.default_rng(2)
    values = np.array(coded(NUMBER)) * 2.0 - 1
    assert len(values) == LENGTH
    for _ in range(5):
        wrong = rng.permutation(LENGTH)[: LENGTH // 7]
        turned = values.copy()
        turned[wrong] *= -1
        assert likeliest(turned) == (NUMBER, True)


def test_the_check_says_that_noise_is_no_number():
    rng = np.random.default_rng(3)
    assert not any(likeliest(rng.normal(size=LENGTH))[1] for _ in range(40))


def test_the_check_is_the_published_one():
    # CRC-16/CCITT-FALSE of the eight bytes "12345678", by binascii's polynomial 0x1021
    assert check(int.from_bytes(b"12345678")) == binascii.crc_hqx(b"12345678", 0xFFFF)


# The key ------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_is_the_users_alone(settings: Path):
    assert Key.known() is None
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: Key.own(), range(8)))
    assert len(set(keys)) == 1
    assert Key.known() == keys[0]
    assert stat.S_IMODE(key.place().stat().st_mode) == 0o600
    assert key.place().is_relative_to(settings)


def test_a_damaged_key_is_never_replaced(settings: Path):
    Key.own()
    key.place().write_text("not a key")
    with pytest.raises(RunError, match="damaged"):
        Key.own()


def test_marks_tell_weights_and_installations_apart():
    one, other = Key(b"1" * 32), Key(b"2" * 32)
    marks = {one.mark_of("a"), one.mark_of("b"), other.mark_of("a"), other.mark_of("b")}
    assert len(marks) == 4
    assert "1" * 32 not in repr(one)
    assert all(len(mark) == 16 and int(mark, 16) >= 0 for mark in marks)
