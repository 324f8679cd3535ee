"""Sounds that tests make: tones that fade, noise, words of both."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from castalia.modalities.audio.sound import Sound, on_grid


def tone(
    hertz: float, seconds: float = 0.4, rate: int = 8_000, fade: float = 6.0, seed: int = 0
) -> Sound:
    """Three partials and a little noise, fading."""
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in (1, 2, 3))
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(time))
    return Sound(on_grid((0.4 * wave + noise) * np.exp(-fade * time)), rate, 1, "WAV 16-bit")


def hiss(seconds: float = 0.4, rate: int = 8_000, seed: int = 0, fade: float = 12.0) -> Sound:
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return Sound(on_grid(0.3 * noise * np.exp(-fade * time)), rate, 1, "WAV 16-bit")


def several(count: int, rate: int = 8_000) -> list[Sound]:
    """Half tones of several pitches, half hisses of several lengths."""
    rng = np.random.default_rng(count)
    made = []
    for number in range(count):
        if number % 2:
            made.append(hiss(0.15 + 0.3 * rng.random(), rate, number, 6 + 10 * rng.random()))
        else:
            made.append(tone(150 * 2 ** (2 * rng.random()), 0.2 + 0.3 * rng.random(), rate,
                             4 + 6 * rng.random(), number))  # fmt: skip
    return made


def phrases(count: int, rate: int = 8_000) -> list[Sound]:
    """Four tones or hisses one after another, so that no two are alike."""
    rng, made = np.random.default_rng(count), []
    for number in range(count):
        parts = [
            hiss(0.05 + 0.1 * rng.random(), rate, 4 * number + k, 10 * rng.random()).samples
            if rng.random() < 0.3
            else tone(120 * 2 ** (3 * rng.random()), 0.05 + 0.1 * rng.random(), rate,
                      10 * rng.random(), 4 * number + k).samples
            for k in range(4)
        ]  # fmt: skip
        made.append(Sound(np.concatenate(parts), rate, 1, "WAV 16-bit"))
    return made


def file(
    path: Path,
    body: bytes,
    *,
    kind: int = 1,
    channels: int = 1,
    rate: int = 8_000,
    bits: int = 16,
    promised: int | None = None,
    extra: bytes = b"",
) -> Path:
    """A WAV file made by hand; promised: what its header says of the length of `body`."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits) + extra
    size = len(body) if promised is None else promised
    data = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + body
    path.write_bytes(b"RIFF" + struct.pack("<I", (4 + len(data)) & 0xFFFFFFFF) + b"WAVE" + data)
    return path
