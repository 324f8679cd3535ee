"""A keyed pattern in the spectrum of a tile that repeats: put into data, found at any shift.

Spread spectrum (Cox et al. 1997, doi:10.1109/83.650120) on a periodic tile (Kutter 1998,
doi:10.1117/12.337424): a cut piece of the data has the same tile, moved in a circle, so that one
Fourier transform tries every shift. Each frequency of the band carries two signs that the key
gives, one for its real and one for its imaginary part. Some tell where the tile begins and that it
is there at all, the others carry bits. What a tile is made of (pixels, samples) is not known here.

The bound. To data that do not depend on the key its signs are fair coins. So the correlation with
them, over the root of the sum of its squared weights, exceeds z with a probability of at most
exp(-z^2 / 2) (Hoeffding 1963, doi:10.1080/01621459.1963.10500830, theorem 2), whatever the data
are; among n alignments that may be tried, with at most n times that. No model of pictures or sounds
enters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]
LOUDEST = 3.0  # root mean squares: what is louder in a ring of frequencies is cut to that
LEADING = 0.4  # of the signs: those that tell presence and place where bits are carried, too
WHITENING = 0.7  # power of a ring's power that it is divided by; 0.5 makes all rings equally loud
_TINY = 1e-30


def chance(z: float, tried: float) -> float:
    """The most that the probability of a correlation of `z` or more can be in data without the
    mark, where it is the largest of `tried` alignments.
    """
    return min(1.0, tried * math.exp(-0.5 * z * z)) if z > 0 else 1.0


class Peak(NamedTuple):
    """The best shift of a tile, in steps of each axis, and its correlation."""

    z: float
    shift: tuple[int, ...]


class Carrier:
    """Signs of one key on one band of one shape of tiles.

    shape   of a tile: even numbers.
    band    lowest and highest frequency, in periods a tile, by its length over all axes.
    bits    how many bits it carries beside its presence; 0: none.
    ring    width of a ring of frequencies that are weighted alike, in periods a tile.
    """

    def __init__(
        self,
        key: bytes,
        shape: Sequence[int],
        band: tuple[float, float],
        bits: int = 0,
        ring: float = 1,
    ) -> None:
        self.shape, self.bits = tuple(shape), bits
        axes = [np.fft.fftfreq(side, 1 / side) for side in shape[:-1]]
        axes.append(np.fft.rfftfreq(shape[-1], 1 / shape[-1]))
        grid = np.meshgrid(*axes, indexing="ij")
        radius = np.sqrt(sum(axis**2 for axis in grid))
        # one of each pair of conjugate frequencies: the last axis is halved, but for its ends
        inner = (grid[-1] > 0) & (grid[-1] < shape[-1] / 2)
        self._places = np.nonzero(inner & (radius >= band[0]) & (radius <= band[1]))
        self._axes = [axis[self._places] for axis in grid]
        self._radius = radius[self._places]
        self._rings = np.round(self._radius / ring).astype(np.int64)
        count = 2 * len(self._radius)
        stream = hashlib.shake_256(key).digest(9 * count)
        self._signs = np.frombuffer(stream[:count], np.uint8) % 2 * 2.0 - 1
        order = np.argsort(np.frombuffer(stream[count:], np.uint64), kind="stable")
        leaders = round(LEADING * count) if bits else count
        self._owner = np.full(count, -1)  # the bit that a sign carries; -1: it leads
        if bits:
            self._owner[order[leaders:]] = np.arange(count - leaders) % bits
        leads = np.where(self._owner < 0, self._signs, 0.0)
        self._leading = leads[0::2] + 1j * leads[1::2]

    def tile(self, bits: Sequence[int] = ()) -> Array:
        """(*shape) of root mean square 1: the pattern that says these bits."""
        values = self._signs.copy()
        if self.bits:
            said = np.asarray(bits) * 2.0 - 1
            carried = self._owner >= 0
            values[carried] *= said[self._owner[carried]]
        spectrum = self._whole(values[0::2] + 1j * values[1::2])
        tile = np.fft.irfftn(spectrum, self.shape, axes=range(len(self.shape)))
        return np.asarray(tile / np.sqrt(np.mean(tile**2)))

    def spectrum(self, tile: Array, highest: float = math.inf) -> Spectrum:
        """The band's frequencies of a tile of data, up to `highest` periods a tile. The power of
        each ring is brought down and loud frequencies are cut, so that content covers least.
        """
        found = np.fft.rfftn(tile)[self._places]
        power = np.bincount(self._rings, np.abs(found) ** 2)
        power /= np.maximum(1, np.bincount(self._rings))
        mean = power[self._rings] + _TINY
        loud = np.abs(found) / np.sqrt(mean)
        cut = np.minimum(1, LOUDEST / np.maximum(loud, _TINY))
        return np.asarray(np.where(self._radius <= highest, found * cut / mean**WHITENING, 0))

    def find(self, spectrum: Spectrum) -> Peak:
        """Where the leading signs fit best, over all shifts."""
        matched = self._whole(spectrum * self._leading.conj())
        sums = np.fft.irfftn(matched, self.shape, axes=range(len(self.shape)))
        place = np.unravel_index(int(np.argmax(sums)), self.shape)
        turned = self._turned(spectrum, place)
        # the real part meets one sign, the imaginary part the other
        met = turned.real * self._leading.real + turned.imag * self._leading.imag
        squares = (turned.real * self._leading.real) ** 2 + (turned.imag * self._leading.imag) ** 2
        z = float(met.sum()) / math.sqrt(float(squares.sum()) + _TINY)
        return Peak(z, tuple(int(axis) for axis in place))

    def said(self, spectrum: Spectrum, shift: Sequence[int]) -> Array:
        """(bits,) how clearly each bit is 1 (above 0) or 0 (below), in root mean squares."""
        turned = self._turned(spectrum, shift)
        met = np.empty(2 * len(turned))
        met[0::2], met[1::2] = turned.real, turned.imag
        carried = self._owner >= 0
        sums = np.bincount(
            self._owner[carried], met[carried] * self._signs[carried], minlength=self.bits
        )
        return np.asarray(sums / np.sqrt(np.mean(sums**2) + _TINY))

    def _turned(self, spectrum: Spectrum, shift: Sequence[int]) -> Spectrum:
        """The spectrum as if the tile began at the shift."""
        phase = sum(
            axis * (int(step) / side)
            for axis, step, side in zip(self._axes, shift, self.shape, strict=True)
        )
        return np.asarray(spectrum * np.exp(2j * np.pi * phase))

    def _whole(self, band: Spectrum) -> Spectrum:
        spectrum = np.zeros((*self.shape[:-1], self.shape[-1] // 2 + 1), complex)
        spectrum[self._places] = band
        return spectrum


def folded(values: Array, shape: Sequence[int]) -> Array:
    """(*shape): the sum of all tiles that data of as many axes consist of, zeros at their end."""
    counts = [-(-size // side) for size, side in zip(values.shape, shape, strict=True)]
    ends = [
        (0, count * side - size)
        for count, side, size in zip(counts, shape, values.shape, strict=True)
    ]
    split = [part for pair in zip(counts, shape, strict=True) for part in pair]
    return np.asarray(np.pad(values, ends).reshape(split).sum(tuple(range(0, len(split), 2))))


def repeated(tile: Array, shape: Sequence[int]) -> Array:
    """(*shape): the tile as often as it takes."""
    counts = [-(-size // side) for size, side in zip(shape, tile.shape, strict=True)]
    return np.asarray(np.tile(tile, counts)[tuple(slice(size) for size in shape)])
