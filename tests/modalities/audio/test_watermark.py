"""Marks in sounds: what they survive, how soft they are, where there is no room."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from castalia.governance.watermark.key import Key
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.modalities.audio.watermark import LEAST, MARK

KEY, NUMBER = Key(b"k" * 32), "deadbeef12345678"


def speech(seconds: float, seed: int = 0, rate: int = 16_000) -> Sound:
    """Syllables of a voice: harmonics of a pitch that glides, a breath of noise, pauses between."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time + seed)) / rate
    voice = sum(np.sin(n * pitch + rng.uniform(0, 6)) / n for n in range(1, 40))
    loud = np.clip(np.sin(2 * np.pi * 3 * time) + 0.3, 0.01, 1)
    return Sound(on_grid(0.2 * loud * (voice + 0.3 * rng.normal(size=len(time)))), rate)


def mp3(sound: Sound) -> Sound:
    soundfile = pytest.importorskip("soundfile")
    memory = io.BytesIO()
    samples = resampled(sound.samples, sound.rate, 44_100)
    soundfile.write(
        memory,
        samples,
        44_100,
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=2 / 3,
    )
    # (320 - 2 / 3 of (320 - 32)) kbit/s
    assert 8 * memory.tell() / (len(samples) / 44_100) < 133_000
    memory.seek(0)
    return Sound(soundfile.read(memory, dtype="float32")[0], 44_100)


def noisy(sound: Sound) -> Sound:
    loud = float(np.sqrt(np.mean(sound.samples**2)))
    noise = np.random.default_rng(0).normal(size=len(sound.samples)) * loud / 10
    return replace(sound, samples=(sound.samples + noise).astype(np.float32))


ATTACKS: dict[str, Callable[[Sound], Sound]] = {
    "nothing": lambda one: one,
    "mp3": mp3,
    "rate": lambda one: Sound(resampled(one.samples, one.rate, 11_025), 11_025),
    "softer": lambda one: replace(one, samples=one.samples * 0.3),
    "cut": lambda one: one.part(len(one.samples) // 7, len(one.samples) * 9 // 10),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_long_sound_keeps_64_bits(attack: str):
    reading = MARK.look(ATTACKS[attack](MARK.marked(speech(12), KEY, NUMBER, 40)), KEY)
    assert reading.found
    assert reading.mark == NUMBER


def test_a_long_sound_is_found_under_noise():
    assert MARK.look(noisy(MARK.marked(speech(12), KEY, NUMBER, 40)), KEY).found


@pytest.mark.parametrize("attack", ["nothing", "mp3", "softer"])
def test_a_short_sound_says_that_it_was_made_here_and_no_number(attack: str):
    reading = MARK.look(ATTACKS[attack](MARK.marked(speech(2), KEY, NUMBER, 40)), KEY)
    assert reading.found
    assert reading.mark == ""


@pytest.mark.parametrize("quality", [36, 40, 45])
def test_the_mark_is_as_soft_as_asked(quality: float):
    plain = speech(3)
    made = MARK.marked(plain, KEY, NUMBER, quality)
    added = np.mean((made.samples - plain.samples) ** 2)
    ratio = 10 * np.log10(np.mean(plain.samples**2) / added)
    assert quality - 20 <= ratio < quality - 14
    assert (made.rate, made.samples.shape) == (plain.rate, plain.samples.shape)


def test_neither_other_keys_nor_other_sounds_have_the_mark():
    marked = MARK.marked(speech(6), KEY, NUMBER, 40)
    assert not MARK.look(marked, Key(b"x" * 32)).found
    assert not any(MARK.look(speech(3, seed), KEY).found for seed in range(1, 6))


def test_short_sounds_and_silence_say_that_there_is_no_room():
    assert f"{LEAST:g}" in MARK.trouble(speech(0.2))
    silence = Sound(np.zeros(20_000, np.float32), 8_000)
    assert MARK.look(silence, KEY).chance is None
    assert MARK.trouble(silence)
