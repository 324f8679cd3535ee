"""Change the sample rate by a polyphase filter: a sinc under a Kaiser window.

Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/; Kaiser & Schafer 1980
for the window. The filter passes 0 to PASS of the lower Nyquist frequency; ZEROS zero crossings on
each side and BETA put everything that would alias more than 80 dB down.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np

PASS = 0.92  # where the filter is at half, as a share of the lower Nyquist frequency
ZEROS = 48
BETA = 8.6  # of the Kaiser window: side lobes near -85 dB
FILTER = "windowed sinc, Kaiser 8.6, 48 zero crossings"
_AT_ONCE = 1 << 22  # products that are in memory together


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """(S,) float at `rate` -> (ceil(S wanted / rate),) float32 at `wanted` samples a second."""
    if rate == wanted or not len(samples):
        return np.asarray(samples, dtype=np.float32)
    shared = gcd(rate, wanted)
    up, down = wanted // shared, rate // shared
    reach = _reach(up, down)
    count = ceil(len(samples) * up / down)
    padded = np.concatenate(
        [np.zeros(reach), np.asarray(samples, np.float64), np.zeros(2 * reach + 2)]
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    made = np.empty(count, np.float32)
    block = max(1, _AT_ONCE // (2 * reach + 1))
    for first in range(0, count, block):
        number = np.arange(first, min(count, first + block), dtype=np.int64)
        place, phase = np.divmod(number * down, up)
        if up <= 4096:
            taps = _taps(up, down)[phase]
        else:  # rates without a common divisor: a table of all phases would be large
            taps = _kernel(phase / up, up, down)
        made[first : first + len(number)] = np.einsum("nk,nk->n", windows[place], taps)
    return made


def _reach(up: int, down: int) -> int:
    """Input samples that the filter sees on each side."""
    return ceil(ZEROS / _cutoff(up, down)) + 1


def _cutoff(up: int, down: int) -> float:
    """As a share of the input's Nyquist frequency."""
    return PASS * min(1.0, up / down)


@lru_cache(maxsize=8)
def _taps(up: int, down: int) -> np.ndarray:
    """(up, 2 reach + 1): the filter at each of the `up` places between two input samples."""
    return _kernel(np.arange(up) / up, up, down)


def _kernel(fraction: np.ndarray, up: int, down: int) -> np.ndarray:
    """(N,) places after an input sample, in samples -> (N, 2 reach + 1), each row of sum 1, so that
    a constant stays what it is.
    """
    reach, cutoff = _reach(up, down), _cutoff(up, down)
    distance = np.arange(-reach, reach + 1)[None, :] - fraction[:, None]
    inside = np.clip(1 - (distance * cutoff / ZEROS) ** 2, 0.0, None)
    taps = np.sinc(cutoff * distance) * np.i0(BETA * np.sqrt(inside)) * (inside > 0)
    rows: np.ndarray = taps / taps.sum(1, keepdims=True)
    return rows
