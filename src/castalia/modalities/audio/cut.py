"""Cut a long recording into sounds: at pauses, or into pieces of one length."""

from __future__ import annotations

import numpy as np

from castalia.modalities.audio.sound import Sound

STEP = 0.01  # seconds over which loudness is measured
QUIET = -40.0  # dB below the loud parts: a pause
PAUSE = 0.15  # seconds of quiet that part two sounds
SHORTEST = 0.06  # seconds of a sound; less is a click
AROUND = 0.03  # seconds of the pause that stay on each side


def by_silence(sound: Sound) -> list[Sound]:
    """The sounds between pauses of `PAUSE` seconds or more; all of it where there is none. Loud is
    what a twentieth of the recording exceeds.
    """
    step = max(1, round(STEP * sound.rate))
    count = -(-len(sound.samples) // step)
    padded = np.zeros(count * step, np.float32)
    padded[: len(sound.samples)] = sound.samples
    power = np.square(padded.reshape(count, step), dtype=np.float64).mean(1)
    loud = np.quantile(power, 0.95)
    if loud <= 0:
        return []
    active = np.flatnonzero(power > loud * 10 ** (QUIET / 10))
    if not len(active):
        return []
    gaps = np.flatnonzero(np.diff(active) > PAUSE / STEP)
    firsts = active[np.concatenate([[0], gaps + 1])]
    lasts = active[np.concatenate([gaps, [len(active) - 1]])] + 1
    around = round(AROUND * sound.rate)
    return [
        sound.part(max(0, first * step - around), min(len(sound.samples), last * step + around))
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
        if (last - first) * STEP >= SHORTEST
    ]


def by_length(sound: Sound, seconds: float) -> list[Sound]:
    """Pieces of `seconds`, one after another; a rest of less than half of that is left out unless
    it is all there is.
    """
    size = max(1, round(seconds * sound.rate))
    starts = range(0, len(sound.samples), size)
    pieces = [sound.part(start, start + size) for start in starts]
    if len(pieces) > 1 and 2 * len(pieces[-1].samples) < size:
        pieces.pop()
    return pieces
