"""Audible labels of sounds: the rhythm short long, short short, which is AI in Morse code.

GB 45438-2025 has this rhythm beside spoken words; it needs no voice and no language. It comes
before the sound.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from castalia.governance.labels.wording import Language
from castalia.modalities.audio.sound import Sound, on_grid

DOT = 0.08  # seconds; ITU-R M.1677: a dash has 3, a pause between letters 3, within one 1
PITCH = 700.0  # hertz
LOUD = 0.3  # of the sound's peak
SOFTEST = 0.05  # of full scale
EASE = 0.005  # seconds in which a tone comes and goes


def labelled(item: Sound, language: Language) -> Sound:
    """A sound that is about a second longer."""
    level = max(SOFTEST, LOUD * item.peak)
    beats = [(1, 1), (3, 3), (1, 1), (1, 7)]  # (tone, pause) in dots
    parts = []
    for tone, pause in beats:
        parts += [_tone(tone * DOT, item.rate), np.zeros(round(pause * DOT * item.rate))]
    notice = level * np.concatenate(parts)
    return replace(item, samples=np.concatenate([on_grid(notice), item.samples]))


def _tone(seconds: float, rate: int) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    ease = np.clip(np.minimum(time, seconds - time) / EASE, 0, 1)
    tone: np.ndarray = ease * np.sin(2 * np.pi * min(PITCH, rate / 4) * time)
    return tone
