"""A small folder of "speech": each letter is a tone of its own, texts stand beside the sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from castalia.modalities.audio import wav
from castalia.modalities.audio.sound import Sound

RATE = 8_000
LETTERS = {"a": 400.0, "b": 800.0, "c": 1_500.0, "d": 2_600.0}
SECONDS = 0.1  # of a letter, on average


def said(text: str, seed: int) -> Sound:
    """The letters of a text one after another, each a fifth longer or shorter, with a little noise;
    other characters are silent.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for letter in text.lower():
        time = np.arange(round(RATE * SECONDS * rng.uniform(0.8, 1.2))) / RATE
        loud = 0.5 if letter in LETTERS else 0.0
        parts.append(loud * np.sin(2 * np.pi * LETTERS.get(letter, 0.0) * time))
    wave = np.concatenate(parts)
    return Sound((wave + 1e-3 * rng.normal(size=len(wave))).astype(np.float32), RATE, 1, "")


def spoken(folder: Path, count: int = 24) -> Path:
    """`count` texts of one to four letters, said, each with its text beside it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        text = "".join(rng.choice([*LETTERS], size=rng.integers(1, 5)))
        wav.write(said(text, number), folder / f"{number:03d}.wav")
        (folder / f"{number:03d}.txt").write_text(f"{text.capitalize()}.", encoding="utf-8")
    return folder
