"""How far rows are apart: the mean over columns of how much two cells differ (Gower 1971).

Two cells of a category differ by 0 or 1. Two numbers differ by the difference of their ranks among
the training values, so that a heavy tail does not swallow the scale; a missing cell differs from
any value by 1. Columns that are made anew (identifiers, texts), that never vary, or that another
column decides say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.row import Header, Row

BLOCK = 1 << 22  # differences that are held at once


class Space:
    """Rows as vectors of ranks and codes, of the learned columns of a header."""

    def __init__(self, header: Header, training: Sequence[Row]) -> None:
        self.columns = [
            (place, column) for place, column in enumerate(header.columns) if column.size > 1
        ]
        self.ordered = np.array([isinstance(column, Binned) for _, column in self.columns])
        self._codes: list[dict[str, float]] = [{} for _ in self.columns]

    def coded(self, rows: Sequence[Row]) -> np.ndarray:
        """(N, C) float32: ranks in [0, 1] of numbers, codes of categories, below 0 of cells that
        hold no number.
        """
        made = np.empty((len(rows), len(self.columns)), np.float32)
        for number, (place, column) in enumerate(self.columns):
            codes = self._codes[number]
            for row, item in enumerate(rows):
                cell = item.cells[place] or ""
                code = codes.get(cell)
                if code is None:
                    code = self._code(number, column, cell)
                    if len(codes) < 1 << 20:
                        codes[cell] = code
                made[row, number] = code
        return made

    def _code(self, number: int, column: object, cell: str) -> float:
        if not isinstance(column, Binned):
            return float(len(self._codes[number]))
        share = None if is_missing(cell) else column.quantile(cell)
        return -2.0 - len(self._codes[number]) % 1000 if share is None else share

    def between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(N, M) float32 in [0, 1] for coded rows (N, C) and (M, C)."""
        total = np.zeros((len(one), len(other)), np.float32)
        for place, ordered in enumerate(self.ordered):
            a, b = one[:, place, None], other[None, :, place]
            if not ordered:
                total += a != b
                continue
            far = np.abs(a - b)
            total += np.minimum(far, 1.0)
        return total / max(1, len(self.ordered))

    def nearest(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(place (N,) int64, distance (N,) float32) of the nearest of `other` to each of `one`."""
        places = np.zeros(len(one), np.int64)
        far = np.full(len(one), np.inf, np.float32)
        if not len(other):
            return places - 1, far
        step = max(1, BLOCK // len(other))
        for start in range(0, len(one), step):
            distances = self.between(one[start : start + step], other)
            places[start : start + step] = distances.argmin(1)
            far[start : start + step] = distances.min(1)
        return places, far
