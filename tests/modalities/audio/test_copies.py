"""Planted copies are found in every form; new sounds are none; a restored matcher does the same."""

from __future__ import annotations

import pytest
import torch
from tests.modalities.audio.sounds import phrases

from castalia.data.stream import to_unit
from castalia.governance.copy_matchers import matcher_for
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.copies import Sounds, shifted
from castalia.nn.counter_random import generator

SOUNDS = phrases(90)


def rows_of(form: str) -> tuple[AudioCodec, torch.Tensor]:
    codec = AudioCodec(AudioConfig(form=form, bands=48))
    codec.fit(SOUNDS)
    return codec, to_unit(codec.spec, torch.stack([codec.encode(item) for item in SOUNDS]))


@pytest.mark.parametrize("form", ["mel", "complex", "wave"])
def test_planted_copies_are_nearer_than_new_sounds(form: str):
    codec, rows = rows_of(form)
    assert matcher_for(codec) is Sounds
    matcher = Sounds(codec, rows[:60].split(25))
    assert len(matcher) == 60
    nearest = matcher.match(rows[60:]).distance.min()
    for kind in Sounds.planted:
        planted = matcher.match(matcher.plant(rows[:30], kind, generator("copies", kind)))
        found = planted.distance < nearest
        assert found.double().mean() >= 0.9, kind
        assert (planted.train == torch.arange(30))[found].all()
    exact = matcher.match(rows[:30])
    assert exact.kinds == ["exact"] * 30 and exact.distance.max() < 1e-3


def test_edges():
    codec, rows = rows_of("mel")
    matcher = Sounds(codec, rows[:20])
    assert len(matcher.match(rows[:0])) == 0
    odd = torch.stack([torch.full_like(rows[0], value) for value in (float("nan"), -1.0, 1e9)])
    assert bool(torch.isfinite(matcher.match(odd).distance).all())
    again = Sounds.restore(codec, *matcher.state())
    assert torch.equal(again.match(rows[20:30]).distance, matcher.match(rows[20:30]).distance)
    assert len(Sounds(codec, rows[:1]).match(rows[:2])) == 2


def test_shifted():
    x = torch.arange(4.0)
    assert shifted(x, 1).tolist() == [0, 0, 1, 2] and shifted(x, -1).tolist() == [1, 2, 3, 0]
    assert shifted(x, 0).tolist() == [0, 1, 2, 3]
