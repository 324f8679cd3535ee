"""Edits of sounds, with an oracle in a model's place: what is known stays, joins have no steps, and
noise goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.modalities.audio.sounds import phrases, tone
from torch import Tensor, nn

from castalia.errors import RecipeError, SpecError
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.edits import DenoiseSounds, InfillSounds
from castalia.modalities.audio.restoration import joined_at
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.sampling.edit import options_of

RATE = 8_000


class Oracle(nn.Module):
    """Knows the one item there is; it infills and restores it exactly. `asked` is what it saw."""

    device = torch.device("cpu")
    name = "oracle"

    def __init__(self, row: Tensor) -> None:
        super().__init__()
        self.row, self.asked = row, {}

    def infill(
        self,
        x: Tensor,
        keep: Tensor,
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        self.asked = {"x": x, "keep": keep, "cond": cond, "temperature": temperature}
        return torch.where(keep, x, self.row.expand_as(x))

    def restore(
        self,
        consistent: Callable[[Tensor], Tensor],
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        return consistent(self.row.expand(len(rngs), *self.row.shape))

    def denoise(self, x: Tensor, deviation: Tensor, cond: dict[str, Any]) -> Tensor:
        return self.row.expand_as(x)


def known(item: Sound, form: str = "mel", **more: Any) -> tuple[AudioCodec, Oracle]:
    codec = AudioCodec(AudioConfig(form=form, **more))
    codec.fit([*phrases(6), item])
    return codec, Oracle(codec.form.rows(codec.waves([item]))[0])


def infill(codec: AudioCodec, model: Any, item: Sound, gap: str, **more: Any) -> list[Sound]:
    edit = InfillSounds()
    options = options_of("infill", edit, {"gap": gap, "steps": 2, **more})
    return edit.run(model, codec, [item], options, 0, {"label": torch.tensor([1])})


@pytest.mark.parametrize("form", ["mel", "complex", "wave"])
def test_outside_a_gap_every_sample_stays(form: str):
    item = tone(300, 0.5, fade=1.0)
    codec, model = known(item, form)
    made = infill(codec, model, item, "0.2-0.25")
    assert len(made) == 2 and len(model.asked["cond"]["label"]) == 2
    first, last = round(0.2 * RATE), round(0.25 * RATE)
    for one in made:
        assert one.rate == RATE and len(one.samples) == len(item.samples)
        assert np.abs(one.samples[:first] - item.samples[:first]).max() < 4e-5
        assert np.abs(one.samples[last:] - item.samples[last:]).max() < 4e-5
        # an oracle of magnitudes finds the tone again, phases included; one of samples all of it
        error = one.samples[first:last] - item.samples[first:last]
        most = 0.6 if form == "mel" else 0.05
        assert np.square(error).mean() < most * np.square(item.samples[first:last]).mean()


def test_what_the_gap_held_is_not_told():
    item = tone(300, 0.5, fade=1.0)
    codec, model = known(item)
    infill(codec, model, item, "0.2-0.3")
    before = model.asked["x"]
    other = Sound(item.samples.copy(), RATE)
    other.samples[round(0.2 * RATE) : round(0.3 * RATE)] = 0.3
    infill(codec, model, other, "0.2-0.3")
    assert torch.equal(before, model.asked["x"])
    keep = model.asked["keep"][0, 0, 0]
    centres = torch.arange(len(keep)) * codec.layout.hop / RATE
    assert not keep[(centres > 0.19) & (centres < 0.31)].any()
    assert keep[(centres < 0.17) | (centres > 0.33)].all()


def test_a_sound_goes_on():
    item = tone(300, 0.25, fade=0.5)
    long = tone(300, 0.5, fade=0.5)
    codec, model = known(long)
    made = infill(codec, model, item, "0.25-")[0]
    assert 0.4 < made.seconds <= codec.seconds
    assert np.abs(made.samples[:1900] - item.samples[:1900]).max() < 4e-5
    assert np.square(made.samples[2400:3200]).mean() > 0.2 * np.square(item.samples).mean()


def test_joins_do_not_click():
    """A sine and another level inside: the join is as smooth as the sine itself, and the given
    samples stay.
    """
    given = np.sin(np.arange(4000) / 20)
    drawn = np.full(4000, 0.7)
    made = joined_at(drawn, given, 1000, 2000, RATE)
    bends = np.abs(np.diff(made, 2))
    # a step of 0.7 would bend by as much
    assert bends.max() < 0.02
    assert np.array_equal(made[:1000], given[:1000]) and np.array_equal(made[2000:], given[2000:])
    assert made[1500] == pytest.approx(0.7)
    assert np.isfinite(joined_at(drawn, given, 3, 10, RATE)).all()


def test_gaps_that_cannot_be():
    item = tone(300, 0.4)
    codec, model = known(item)
    for gap in ("0-0.4", "3-4", "0-"):
        with pytest.raises(RecipeError, match="gap"):
            infill(codec, model, item, gap)
    for gap in ("a-b", "0.3-0.2", "0.3", "-0.3", "1e9-2"):
        with pytest.raises(RecipeError, match="START-END"):
            options_of("infill", InfillSounds(), {"gap": gap})
    with pytest.raises(RecipeError, match="which part"):
        edit = InfillSounds()
        edit.run(model, codec, [item], options_of("infill", edit, {}), 0, {})


@pytest.mark.parametrize("quiet", [None, "0.5-0.7"])
def test_noise_is_taken_away(quiet: str | None):
    """10 dB of noise below a fading tone: what is left is less than a third of it, and beats
    spectral gating, which knows no sound.
    """
    clean = np.concatenate([tone(300, 0.5, fade=3.0).samples, np.zeros(1600, np.float32)])
    item = Sound(clean, RATE)
    codec, model = known(item)
    rng = np.random.default_rng(0)
    level = np.sqrt(np.square(clean[:4000]).mean() / 10)
    noisy = Sound(on_grid(clean + level * rng.standard_normal(len(clean))), RATE)
    edit = DenoiseSounds()
    (made,) = edit.run(model, codec, [noisy], options_of("denoise", edit, {"quiet": quiet}), 0, {})
    assert len(made.samples) == len(clean)
    before = np.square(noisy.samples - clean).mean()
    assert np.square(made.samples - clean).mean() < 0.34 * before


def test_noise_is_a_matter_of_magnitudes():
    item = tone(300)
    codec, model = known(item, "wave")
    edit = DenoiseSounds()
    with pytest.raises(SpecError, match="magnitudes"):
        edit.run(model, codec, [item], options_of("denoise", edit, {}), 0, {})
    codec, model = known(item)
    with pytest.raises(RecipeError, match="between these times"):
        edit.run(model, codec, [item], options_of("denoise", edit, {"quiet": "5-6"}), 0, {})
