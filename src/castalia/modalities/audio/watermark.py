"""A blind mark in sounds: a keyed pattern, as loud everywhere as the sound there allows.

Spread spectrum (Kirovski & Malvar 2003, doi:10.1109/TSP.2003.809384): the pattern repeats every
half second at 8 kHz (governance/watermark/carrier.py), so that a part of a recording, and the delay
that MP3 puts before it, are found by one Fourier transform. Each cell of a spectrogram holds the
pattern so many decibels below the sound around it; the reader makes all cells equally loud first,
but for those that steady noise may have filled.

A sound of at least `ROOM` seconds carries 64 bits, a shorter one only that this installation made
it. Not found: sounds that are played faster or slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from castalia.governance.watermark.carrier import Array, Carrier, chance, folded, repeated
from castalia.governance.watermark.convolution import LENGTH, coded, likeliest
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import Reading
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.modalities.audio.spectrogram import istft, stft
from castalia.sentences import say

RATE = 8_000
TILE = 4_096
HOP = 64
BAND = (300, 3_400)  # hertz, as telephones have it
ROOM = 4.0  # seconds
LEAST = 0.8
LESS = 20.0  # dB: the pattern lies `quality` less this below the sound
AROUND = 2  # cells on each side that loudness is taken from
FLOOR = 1e-3  # of the loudest cell: what is softer is silence
QUIET = 0.3  # share of the cells that are as soft as steady noise
RING = 16.0


@dataclass(frozen=True)
class Form:
    seconds: float  # of the shortest sound that is marked so
    bits: int


LONG, SHORT = Form(ROOM, LENGTH), Form(LEAST, 0)


class SoundMark:
    """`MarksItems` for sounds."""

    name = "sound-1"
    native = Sound

    def trouble(self, item: Sound) -> str:
        """Why a sound takes no mark; "": it takes one."""
        if item.seconds < LEAST:
            return say("sounds below {0:g} seconds are too short for a mark", LEAST)
        if item.peak == 0:
            return say("silence takes no mark")
        return ""

    def marked(self, item: Sound, key: Key, mark: str, quality: float) -> Sound:
        """A sound of the same rate and length. The pattern lies `quality` - 20 dB below it."""
        form = _form_of(item)
        bits = coded(int(mark, 16)) if form.bits else ()
        tile = _carrier(key.derived(self.name), form).tile(bits)
        plain = resampled(item.samples, item.rate, RATE)
        pattern = stft(_row(repeated(tile, plain.shape)), HOP)
        heard = pattern * (_loudness(stft(_row(plain), HOP)) / _loudness(pattern))
        strength = 10 ** ((LESS - quality) / 20)
        added = resampled(strength * _samples(heard, len(plain)), RATE, item.rate)
        samples = item.samples + _fitted(added, len(item.samples))
        return replace(item, samples=on_grid(samples))

    def look(self, item: Sound, key: Key) -> Reading:
        """What is in a sound; both forms are looked for."""
        trouble = self.trouble(item)
        if trouble:
            return Reading(None, trouble=trouble)
        cells = stft(_row(resampled(item.samples, item.rate, RATE)), HOP)
        loud = _loudness(cells)
        noise = loud.flatten().quantile(QUIET)  # cells below it tell little of the pattern
        even = cells * (loud / (loud.square() + noise.square()))
        samples = _samples(even, cells.shape[-1] * HOP)
        tile = folded(samples, (TILE,))
        best = Reading(1.0)
        for form in (LONG, SHORT):
            found = _read(tile, key.derived(self.name), form)
            best = found if (found.chance or 0.0) < (best.chance or 0.0) else best
        return best


MARK = SoundMark()


def _form_of(sound: Sound) -> Form:
    return LONG if sound.seconds >= ROOM else SHORT


@lru_cache(8)
def _carrier(secret: bytes, form: Form) -> Carrier:
    band = BAND[0] * TILE / RATE, BAND[1] * TILE / RATE
    return Carrier(secret + b"%d" % form.bits, (TILE,), band, form.bits, RING)


def _read(tile: Array, secret: bytes, form: Form) -> Reading:
    carrier = _carrier(secret, form)
    spectrum = carrier.spectrum(tile)
    peak = carrier.find(spectrum)
    probability = chance(peak.z, 2 * TILE)
    if not form.bits:
        return Reading(probability)
    number, checked = likeliest(carrier.said(spectrum, peak.shift))
    return Reading(probability, f"{number:016x}" if checked else "")


def _row(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(samples, np.float32))[None]


def _samples(cells: Tensor, count: int) -> Array:
    return _fitted(istft(cells, HOP)[0].double().numpy(), count)


def _fitted(samples: np.ndarray, count: int) -> Array:
    """The first `count` samples, silence behind them where there are fewer."""
    kept = np.asarray(samples[:count], np.float64)
    return np.pad(kept, (0, count - len(kept)))


def _loudness(cells: Tensor) -> Tensor:
    """Root mean square of the cells around each, and a little."""
    power = cells.abs().square()[None]
    size = 2 * AROUND + 1
    mean = torch.nn.functional.avg_pool2d(power, size, 1, AROUND, count_include_pad=False)[0]
    return mean.sqrt() + FLOOR * mean.amax().sqrt() + 1e-9
