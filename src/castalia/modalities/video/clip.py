"""A clip: frames at a constant rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import floor

import numpy as np


@dataclass(frozen=True)
class Clip:
    """frames (T, H, W, 1 or 3) uint8; rate in frames a second.

    stored  how the file stored it ("GIF", "h264 in mov,mp4"); sound: whether there was any; more:
            frames of the file behind these, which were not read; varied: whether the file's frames
            were shown for different times, so that these are the frames at even times.
    """

    frames: np.ndarray
    rate: float
    stored: str = ""
    sound: bool = False
    more: int = 0
    varied: bool = False

    @property
    def seconds(self) -> float:
        return len(self.frames) / self.rate

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.frames.shape[2], self.frames.shape[1]


def at_even_times(
    timed: Iterable[tuple[float, np.ndarray]], end: float, rate: float
) -> Iterator[np.ndarray]:
    """Frames with the second at which each begins, in order, to the frames that are shown at 0, 1 /
    rate, 2 / rate ... before `end`; each frame is shown until the next one.
    """
    number, shown = 0, None
    for begins, frame in timed:
        # half a thousandth of a frame: times are rounded in files
        while shown is not None and number / rate < begins - 5e-4 / rate:
            yield shown
            number += 1
        shown = frame
    while shown is not None and number / rate < end - 5e-4 / rate:
        yield shown
        number += 1


def resampled(count: int, rate: float, wanted: int, wanted_rate: float) -> list[int]:
    """Which of `count` frames at `rate` are shown at the first `wanted` times of `wanted_rate`; the
    last one stays where a clip is too short.
    """
    return [min(count - 1, floor(number * rate / wanted_rate + 1e-6)) for number in range(wanted)]
