"""How unlikely each window of a series is, given what came before it: where a course is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from castalia.modalities.series.coding import Coding
from castalia.modalities.series.series import Series

LEAST = 4  # values of a window


@dataclass(frozen=True)
class Window:
    """`count` values of a series from step `first` on. nats: -log of their probability, for each of
    them; NaN before it is known.
    """

    series: Series
    first: int
    count: int
    nats: float = float("nan")

    def __repr__(self) -> str:
        last = self.series.stamp(self.first + self.count - 1)
        return f"{self.series.name} {self.series.stamp(self.first)} – {last}".strip()


class Ratings(Sequence[Window]):
    """Windows as one table: id, time, until, nats of a value."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.windows = list(windows)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self.windows[place]

    def __len__(self) -> int:
        return len(self.windows)

    def table(self) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        return ["id", "time", "until", "nats"], (
            (
                one.series.name,
                one.series.stamp(one.first),
                one.series.stamp(one.first + one.count - 1),
                round(one.nats, 4),
            )
            for one in self.windows
        )

    def curves(self) -> list[Series]:
        """The nats of each series as a series of windows, for plots."""
        found: dict[str, list[Window]] = {}
        for one in self.windows:
            found.setdefault(one.series.name, []).append(one)
        return [
            Series(name, np.array([one.nats for one in windows])) for name, windows in found.items()
        ]


def windows(
    coding: Coding, items: Sequence[Series], length: int
) -> list[tuple[Window, Tensor, int]]:
    """(window, tokens (n,) int64 of what came before it and of itself, how many are its own): of
    each series every season of steps from where the predictor sees its whole past on, one after
    another, in a context of `length` tokens. Windows with gaps are not rated.
    """
    size = min(max(LEAST, coding.season), length // 2)
    found = []
    for item in items:
        ids = torch.from_numpy(coding.encode(item.values))
        # the predictor sees a whole past from `lags` on; tokens 0 .. 2 are the head
        for first in range(max(1, min(coding.lags, len(item) // 2)), len(item) - size + 1, size):
            if not np.isfinite(item.values[first : first + size]).all():
                continue
            stop = first + size + 2
            row = ids[max(0, stop - length - 1) : stop]
            found.append((Window(item, first, size), row, size))
    return found


def rated(windows: Sequence[Window], nats: Sequence[float]) -> list[Window]:
    """The windows with the nats (of all their values) that they have."""
    return [replace(one, nats=value / one.count) for one, value in zip(windows, nats, strict=True)]
