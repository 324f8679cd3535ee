"""The audio codec: contracts of each form, stated losses, ends of sounds, what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.modalities.audio.sounds import hiss, several, tone

from castalia.data.stream import to_unit
from castalia.errors import DataError, SpecError
from castalia.modalities.audio import wav
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.sound import PEAK, Sound
from castalia.nn.counter_random import generator
from castalia.testing import CODEC_CHECKS

ITEMS = several(6)
# Griffin-Lim loses something on every trip, phases compressed by a root lose 16 bits' rounding
LOSSY = {"round trip is stable"}


def fitted(form: str = "mel", items: list[Sound] = ITEMS, **more: object) -> AudioCodec:
    codec = AudioCodec(AudioConfig(form=form, **more))
    codec.fit(items)
    return codec


def unit(codec: AudioCodec, *items: Sound) -> torch.Tensor:
    return to_unit(codec.spec, torch.stack([codec.encode(item) for item in items]))


@pytest.mark.parametrize("form", ["mel", "magnitude", "complex"])
@pytest.mark.parametrize("check", [name for name in CODEC_CHECKS if name not in LOSSY])
def test_contract(form: str, check: str):
    CODEC_CHECKS[check](fitted(form), ITEMS)


@pytest.mark.parametrize(("form", "most"), [("mel", 2.0), ("magnitude", 2.0), ("complex", 0.1)])
def test_a_trip_loses_little(form: str, most: float):
    """Log-spectral distance in dB, over what is less than 50 dB below the loudest."""
    codec = fitted(form)
    before = unit(codec, *ITEMS)
    after = unit(codec, *(codec.decode(row) for row in before))
    low = codec.layout.loudest - 50
    levels = [codec.form.loudness(rows).clamp_min(low) for rows in (before, after)]
    assert (levels[0] - levels[1]).square().mean().sqrt() < most


def test_specs_of_the_forms():
    shapes = {form: fitted(form, seconds=0.5, hop=64).spec.shape for form in
              ("mel", "magnitude", "complex", "wave")}  # fmt: skip
    assert shapes == {
        "mel": (1, 64, 64),
        "magnitude": (1, 128, 64),
        "complex": (2, 128, 64),
        "wave": (1, 4096),
    }


def test_rate_and_length_are_those_of_the_data():
    codec = fitted(items=[tone(300, 0.3)] * 99 + [tone(300, 3.0)])
    assert codec.layout.rate == 8_000
    assert 0.3 <= codec.seconds < 0.45  # 98% are no longer
    assert fitted(items=[tone(300, 9.0)] * 3).seconds == pytest.approx(4.0, abs=0.15)
    assert fitted(items=[tone(300, 0.3, 44_100)] * 3).layout.rate == 22_050
    assert fitted(items=[tone(300, 0.3, 44_100)] * 3, rate=44_100).layout.rate == 44_100
    with pytest.raises(DataError, match="no sound"):
        fitted(items=[])
    with pytest.raises(SpecError, match="fit"):
        _ = AudioCodec().spec


def test_silence_at_the_end_is_left_out():
    codec = fitted("mel", seconds=0.8)
    for item in (tone(300, 0.3, fade=2.0), hiss(0.2, fade=2.0)):
        made = codec.decode(unit(codec, item)[0])
        assert abs(made.seconds - item.seconds) < 0.04
    exact = fitted("wave", seconds=0.8, level="none")
    item = tone(300, 0.3)
    made = exact.decode(unit(exact, item)[0])
    assert np.array_equal(made.samples, item.samples[: len(made.samples)])
    assert not item.samples[len(made.samples) :].any()


@pytest.mark.parametrize("form", ["mel", "magnitude", "complex", "wave"])
def test_odd_sounds_pass(form: str):
    """Silence, one sample, an hour's worth of samples a second: finite numbers and a file."""
    codec = fitted(form)
    for samples in (np.zeros(800), np.array([0.5]), np.ones(5), np.full(90_000, -1.0)):
        item = Sound(samples.astype(np.float32), 8_000)
        made = codec.decode(unit(codec, item)[0])
        assert np.isfinite(made.samples).all() and len(made.samples) >= 1
    silent = codec.decode(unit(codec, Sound(np.zeros(800, np.float32), 8_000))[0])
    assert silent.peak == 0


def test_all_are_equally_loud():
    quiet, loud = tone(300), tone(300)
    quiet = Sound(loud.samples * 0.01, 8_000)
    codec = fitted("wave")
    both = unit(codec, quiet, loud)
    assert torch.allclose(both[0], both[1], atol=1e-6)
    assert both.abs().amax() == pytest.approx(PEAK)
    assert unit(fitted("wave", level="none"), quiet).abs().amax() < 0.01


def test_what_is_left_out_is_said():
    codec = fitted(seconds=0.3)
    long = Sound(tone(300, 1.0, 44_100).samples, 44_100, 2, "FLAC 16-bit")
    words = [str(one.what) for one in codec.omitted(long)]
    assert len(words) == 3 and "channels" in words[0] and "end" in words[1]
    assert codec.describe(long) == "FLAC 16-bit stereo 44100 Hz"
    assert list(codec.omitted(tone(300, 0.2))) == []


def test_a_shift_moves_in_time():
    codec = fitted("mel")
    x = torch.stack([codec.encode(item) for item in ITEMS])
    moved = codec.augmentations["shift"](x.clone(), generator("shift", 0))
    for before, after in zip(x, moved, strict=True):
        steps = [s for s in range(8) if torch.equal(torch.roll(before, s, -1), after)]
        assert steps and steps[0] <= max(1, x.shape[-1] // 20)


def test_preview_has_a_spectrogram_of_each(tmp_path: Path):
    """A rising tone is bright along a rising line."""
    time = np.arange(8_000) / 8_000
    rising = Sound(np.sin(2 * np.pi * (200 * time + 800 * time**2)).astype(np.float32), 8_000)
    picture = np.asarray(AudioCodec().preview([rising]).convert("L")).astype(float)
    rows = picture.argmax(0)[10:-10]
    assert rows[:20].mean() > rows[-20:].mean() + 10
    wav.write(rising, tmp_path / "a.wav")
    assert AudioCodec.content(tmp_path / "a.wav") != AudioCodec.content(_other(tmp_path))


def _other(folder: Path) -> Path:
    wav.write(tone(300), folder / "b.wav")
    return folder / "b.wav"
