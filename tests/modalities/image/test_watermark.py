"""Marks in pictures: what they survive, what they cost, where there is no room."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
from PIL.Image import Resampling
from PIL.ImageEnhance import Brightness

from castalia.governance.watermark.key import Key
from castalia.modalities.image.watermark import LEAST, MARK

KEY, NUMBER = Key(b"k" * 32), "deadbeef12345678"


def scene(side: int, seed: int = 0) -> PIL.Image.Image:
    """A picture with the spectrum of photographs (amplitude 1 / frequency), colours and an edge."""
    rng = np.random.default_rng(seed)
    rows, columns = np.meshgrid(*[np.fft.fftfreq(side)] * 2, indexing="ij")
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / side)
    layers = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * fall).real for _ in "RGB"]
    values = np.stack(layers, -1)
    values = 128 + 40 * values / values.std()
    values[: side // 2, side // 3 :] += 30
    return PIL.Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def jpeg(picture: PIL.Image.Image) -> PIL.Image.Image:
    memory = io.BytesIO()
    picture.save(memory, "JPEG", quality=70)
    return PIL.Image.open(memory).convert("RGB")


def cut(picture: PIL.Image.Image) -> PIL.Image.Image:
    side = picture.width
    return picture.crop((side // 30, side // 15, side // 30 + side * 9 // 10, side * 29 // 30))


ATTACKS: dict[str, Callable[[PIL.Image.Image], PIL.Image.Image]] = {
    "nothing": lambda one: one,
    "jpeg": jpeg,
    "cut": cut,
    "smaller": lambda one: one.resize((one.width // 2, one.height // 2), Resampling.BICUBIC),
    "larger": lambda one: one.resize((one.width * 2, one.height * 2), Resampling.BICUBIC),
    "darker": lambda one: Brightness(one).enhance(0.8),
    "turned": lambda one: one.rotate(-3, Resampling.BICUBIC),
}


@pytest.fixture(scope="module")
def large() -> PIL.Image.Image:
    return MARK.marked(scene(320), KEY, NUMBER, 40)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_mark_of_64_bits_survives(large: PIL.Image.Image, attack: str):
    reading = MARK.look(ATTACKS[attack](large), KEY)
    assert reading.found
    assert reading.mark == NUMBER


@pytest.mark.parametrize("side", [320, 64])
@pytest.mark.parametrize("quality", [36, 40, 45])
def test_a_mark_keeps_the_quality_that_is_asked_for(side: int, quality: float):
    plain = scene(side)
    made = MARK.marked(plain, KEY, NUMBER, quality)
    noise = np.mean((np.asarray(plain, float) - np.asarray(made, float)) ** 2)
    assert quality <= 10 * np.log10(255**2 / noise) < quality + 1
    assert (made.size, made.mode) == (plain.size, plain.mode)


@pytest.mark.parametrize("attack", ["nothing", "jpeg", "cut", "larger", "darker"])
def test_a_small_picture_says_that_it_was_made_here_and_no_number(attack: str):
    reading = MARK.look(ATTACKS[attack](MARK.marked(scene(64), KEY, NUMBER, 40)), KEY)
    assert reading.found
    assert reading.mark == ""


def test_neither_other_keys_nor_other_pictures_have_the_mark(large: PIL.Image.Image):
    assert not MARK.look(large, Key(b"x" * 32)).found
    assert not MARK.look(scene(320, 5), KEY).found
    assert not MARK.look(scene(64, 6), KEY).found


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_colour_is_marked_or_left_but_never_taken_for_marked(level: int):
    plain = PIL.Image.new("L", (128, 128), level)
    assert not MARK.look(plain, KEY).found
    assert MARK.marked(plain, KEY, NUMBER, 40).size == plain.size


def test_a_picture_that_is_too_small_says_so():
    tiny = scene(64).resize((LEAST - 1, LEAST))
    assert str(LEAST) in MARK.trouble(tiny)
    reading = MARK.look(tiny, KEY)
    assert reading.chance is None
    assert reading.trouble
