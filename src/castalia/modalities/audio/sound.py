"""The native item: a sound with one channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

PEAK = 0.89  # of a sound that is made as loud as all others: 1 dB below full scale


@dataclass(frozen=True, eq=False)
class Sound:
    """samples (S,) float32, full scale is [-1, 1]; the mean of the file's channels.

    rate      samples a second.
    channels  of the file.
    stored    how the file held it, in a few words ("WAV 16-bit").
    """

    samples: np.ndarray
    rate: int
    channels: int = 1
    stored: str = ""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        """The largest magnitude of a sample."""
        return float(np.abs(self.samples).max(initial=0.0))

    def part(self, first: int, last: int) -> Sound:
        """Samples `first` to `last`, the latter not included."""
        return replace(self, samples=self.samples[first:last])


def on_grid(samples: np.ndarray) -> np.ndarray:
    """(S,) float -> float32 values that 16-bit files hold, so that writing loses nothing more."""
    whole = np.rint(np.clip(samples, -1.0, 32767 / 32768) * 32768)
    grid: np.ndarray = (whole / 32768).astype(np.float32)
    return grid


def levelled(samples: np.ndarray) -> np.ndarray:
    """The same with the peak `PEAK`; silence stays silence."""
    peak = float(np.abs(samples).max(initial=0.0))
    scaled: np.ndarray = samples * (PEAK / peak) if peak > 0 else samples
    return scaled
