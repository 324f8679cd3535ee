"""A time series as it is between files and tensors: values at equal steps of time, with gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from castalia.modalities.series.frequency import INDEX, Frequency

LONGEST_BETWEEN = 10_000  # steps between two stretches of one series


@dataclass(frozen=True, eq=False)
class Series:
    """name      what the file calls it: its id, its column, or both.
    values    (T,) float64, NaN where there is none; the first is a number.
    start     number of the first step, in the frequency's own count (frequency.py).
    frequency  of the steps.
    column    what its values are called.
    decimals  of the finest value that the data write; None: not rounded.
    label     how the file stored it, for reports.
    coding    what its values mean to a model (coding.py), where a codec knows; else None.
    known     (K, T + F) float64, NaN where empty: columns that are known ahead, at its steps and at
              those behind its end of which the file has rows; None: no such columns.
    """

    name: str
    values: np.ndarray
    start: int = 0
    frequency: Frequency = INDEX
    column: str = "value"
    decimals: int | None = None
    label: str = "CSV"
    coding: Any = field(default=None, repr=False)
    known: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Series)
            and self.start == other.start
            and self.frequency == other.frequency
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def content(self) -> bytes:
        """What is hashed: the values, whatever they are called and whenever they were measured."""
        return np.ascontiguousarray(self.values, "<f8").tobytes()

    def part(self, first: int, stop: int) -> Series:
        """Steps `first` to `stop`, without the gaps at its beginning. The part at the end keeps
        what is known of steps behind it.
        """
        values = self.values[first:stop]
        there = np.flatnonzero(np.isfinite(values))
        skipped = int(there[0]) if len(there) else len(values)
        known = self.known
        if known is not None:
            known = known[:, first + skipped : stop if stop < len(self) else None]
        start = self.start + first + skipped
        return replace(self, values=values[skipped:], start=start, known=known)

    def stamp(self, place: int) -> str:
        """When the value at `place` is, as files write it; it may lie beyond the last."""
        return self.frequency.stamp(self.start + place)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Values as exact as the data's."""
        return values if self.decimals is None else np.round(values, self.decimals)


def joined(stretches: Sequence[Series]) -> list[Series]:
    """Neighbouring stretches of one series as one, steps between them as gaps."""
    made: list[Series] = []
    for one in stretches:
        last = made[-1] if made else None
        between = None if last is None else one.start - last.start - len(last)
        if (
            last is None
            or between is None
            or not 0 <= between <= LONGEST_BETWEEN
            or (last.name, last.column, last.frequency) != (one.name, one.column, one.frequency)
        ):
            made.append(one)
            continue
        gap = np.full(between, np.nan)
        known = None
        if last.known is not None and one.known is not None:
            before = last.known[:, : len(last) + between]
            empty = np.full((len(before), len(last) + between - before.shape[1]), np.nan)
            known = np.concatenate([before, empty, one.known], 1)
        values = np.concatenate([last.values, gap, one.values])
        made[-1] = replace(last, values=values, known=known)
    return made


class Collection(Sequence[Series]):
    """Several series that are written as one file."""

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = list(series)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self.series[place]

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)
