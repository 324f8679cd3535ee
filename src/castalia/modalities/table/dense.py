"""Rows as vectors of numbers, for families of dense data: spans of one-hot categories and of real
numbers.

A number is its normal score: the quantile of the value among the training values, through the
inverse of the normal distribution, so that any shape of column is standard normal (a quantile
transformation, Beasley et al. 2009). Special cells (missing, "NA") and values that stand alone with
much mass are categories of a one-hot span before it. Decoding takes the largest entry of each
one-hot span.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor

from castalia.modalities.table.columns.base import Column
from castalia.modalities.table.columns.binned import Binned
from castalia.spec import Dense, Span

SPIKE = 0.05  # mass from which a single value has a category of its own
FARTHEST = 4.0  # standard deviations
_NORMAL = NormalDist()


class _Part:
    """A column's entries: `choices` one-hot entries (0: none), then a real one where it has
    numbers between.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.spikes: list[str] = []
        self.real = isinstance(column, Binned)
        if isinstance(column, Binned):
            self.spikes = list(column.specials)
            self.spikes += [
                column.scale.write(one.low)
                for one in column.bins
                if one.low == one.high and one.mass >= SPIKE
            ]
            self.places = {cell: place for place, cell in enumerate(self.spikes)}
            self.choices = len(self.spikes) + 1 if self.spikes else 0
        else:
            self.choices = column.size
        self.width = self.choices + int(self.real)

    def spans(self, start: int) -> list[Span]:
        made = [Span(start, self.choices, "onehot")] if self.choices else []
        return [*made, Span(start + self.choices, 1, "real")] if self.real else made

    def encode(self, cell: str) -> list[float]:
        if not isinstance(self.column, Binned):
            return _onehot(self.column.encode(cell), self.choices)
        place = self.places.get(cell, len(self.spikes))
        share = self.column.quantile(cell)
        score = 0.0 if share is None else _NORMAL.inv_cdf(min(max(share, 5e-5), 1 - 5e-5))
        return [*(_onehot(place, self.choices) if self.choices else []), score]

    def decode(self, values: Sequence[float]) -> str:
        best = max(range(self.choices), key=lambda place: values[place]) if self.choices else 0
        if not isinstance(self.column, Binned):
            return self.column.decode(best, 0.5)
        if self.choices and best < len(self.spikes):
            return self.spikes[best]
        score = min(max(values[self.choices], -FARTHEST), FARTHEST)
        return self.column.at_quantile(_NORMAL.cdf(score))


class DenseForm:
    """Learned columns one behind the other."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._parts = [_Part(column) for column in columns]
        spans: list[Span] = []
        width = 0
        for part in self._parts:
            spans += part.spans(width)
            width += part.width
        self.spec = Dense((width,), tuple(spans), "standard", None, "vector")

    def encode(self, cells: Sequence[str]) -> Tensor:
        """(D,) float32 of one cell a column."""
        values = [
            value
            for part, cell in zip(self._parts, cells, strict=True)
            for value in part.encode(cell)
        ]
        return torch.tensor(values, dtype=torch.float32)

    def decode(self, x: Tensor) -> list[str]:
        """One cell a column, from any values."""
        values = torch.nan_to_num(x.detach().cpu().flatten().double(), 0.0, 1e6, -1e6).tolist()
        cells, start = [], 0
        for part in self._parts:
            cells.append(part.decode(values[start : start + part.width]))
            start += part.width
        return cells


def _onehot(place: int, width: int) -> list[float]:
    return [float(number == place) for number in range(width)]


def normal_score(share: float) -> float:
    """The standard normal quantile of a share in (0, 1)."""
    return _NORMAL.inv_cdf(min(max(share, 1e-9), 1 - 1e-9)) if math.isfinite(share) else 0.0
