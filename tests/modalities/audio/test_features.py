"""castalia-sound32-v1: what it sees, what it does not, and where it is used."""

from __future__ import annotations

import pytest
import torch
from tests.modalities.audio.sounds import phrases

from castalia.data.stream import to_unit
from castalia.errors import SpecError
from castalia.evaluation.features import RAW, extract, features_for, second_networks
from castalia.evaluation.frechet_distance import frechet
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.metrics.features import NAME
from castalia.modalities.image.codec import ImageCodec
from castalia.spec import Dense

SOUNDS = phrases(80)


def rows_of(form: str) -> tuple[AudioCodec, torch.Tensor]:
    codec = AudioCodec(AudioConfig(form=form, bands=48, hop=64))
    codec.fit(SOUNDS)
    return codec, to_unit(codec.spec, torch.stack([codec.encode(item) for item in SOUNDS]))


def test_it_is_the_default_of_sounds_and_of_nothing_else():
    codec, rows = rows_of("mel")
    assert features_for(codec.spec, codec=codec).name == NAME
    assert features_for(codec.spec).name != NAME  # a spec alone may be a picture
    assert features_for(Dense((1, 32, 32)), codec=ImageCodec()).name.startswith("castalia-net")
    assert second_networks(codec.spec, NAME) == []
    assert features_for(codec.spec, RAW, codec).name == RAW
    with pytest.raises(SpecError, match="sounds only"):
        features_for(Dense((1, 32, 32)), NAME, ImageCodec())
    assert extract(features_for(codec.spec, codec=codec), [rows]).shape == (80, 32)


def test_forms_agree():
    """The same sounds give about the same numbers, in units of their deviations."""
    seen = []
    for form in ("mel", "complex", "wave"):
        codec, rows = rows_of(form)
        seen.append(extract(features_for(codec.spec, codec=codec), [rows]))
    for other in seen[1:]:
        assert (other - seen[0]).abs().median() < 0.15


def test_loudness_and_place_do_not_count():
    codec, rows = rows_of("wave")
    look = features_for(codec.spec, codec=codec).extract
    quiet = look(0.3 * rows)
    assert torch.allclose(look(rows), quiet, atol=1e-3)
    moved = torch.roll(rows, 4 * codec.layout.hop, -1)
    shorter = rows.abs().flip(-1).cumsum(-1).flip(-1)[:, 0, -4 * codec.layout.hop] < 1e-6
    assert shorter.sum() > 20
    assert (look(moved) - look(rows))[shorter].abs().median() < 0.1


def test_it_sees_damage():
    """The more noise, and the more of the spectrum is lost, the larger the distance."""
    codec, rows = rows_of("mel")
    look = features_for(codec.spec, codec=codec).extract
    real = look(rows)
    for damage in (
        lambda x, much: (x + much * torch.randn(x.shape, generator=_rng())).clamp(-1, 1),
        lambda x, much: torch.where(torch.arange(48)[:, None] > 48 - 40 * much, -1.0, x),
        lambda x, much: torch.nn.functional.avg_pool2d(x, 1 + 2 * round(6 * much), 1,
                                                       round(6 * much)),
    ):  # fmt: skip
        distances = [frechet(look(damage(rows, much)), real) for much in (0.0, 0.25, 0.75)]
        assert distances[0] < 1e-3 < distances[1] < distances[2]


def test_silence_is_finite():
    codec, rows = rows_of("mel")
    look = features_for(codec.spec, codec=codec).extract
    odd = torch.stack([torch.full_like(rows[0], value) for value in (-1.0, float("nan"), 1.0)])
    assert bool(torch.isfinite(look(odd)).all())


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
