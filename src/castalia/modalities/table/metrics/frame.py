"""Rows as columns of numbers, for scores: values of numbers and moments, codes of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from castalia.modalities.table.columns.base import Column, is_missing
from castalia.modalities.table.columns.identifier import Identifier, Text
from castalia.modalities.table.row import Header, Row


@dataclass(frozen=True)
class Frame:
    """Rows of one side. values (N, C) float64: numbers, moments, or codes of categories; NaN where
    a number is missing. A missing category is a category.
    """

    values: np.ndarray
    names: tuple[str, ...]
    ordered: np.ndarray  # (C,) bool: numbers and moments

    def __len__(self) -> int:
        return len(self.values)

    def of(self, rows: np.ndarray) -> Frame:
        """Some of the rows, by index or mask."""
        return Frame(self.values[rows], self.names, self.ordered)


def judged(header: Header) -> list[tuple[int, Column]]:
    """The columns that scores look at: identifiers and texts are made anew, so they say nothing."""
    return [
        (place, column)
        for place, column in enumerate(header.columns)
        if not isinstance(column, Identifier | Text) and column.kind != "constant"
    ]


def frames(sides: Mapping[str, Sequence[Row]], header: Header) -> dict[str, Frame]:
    """Every side with the same codes."""
    chosen = judged(header)
    ordered = np.array([_numeric(column) for _, column in chosen], dtype=bool)
    names = tuple(header.names[place] for place, _ in chosen)
    codes: list[dict[str, int]] = [{} for _ in chosen]
    made = {}
    for side, rows in sides.items():
        values = np.full((len(rows), len(chosen)), np.nan)
        for number, (place, column) in enumerate(chosen):
            cells = [row.cells[place] or "" for row in rows]
            if ordered[number]:
                known: dict[str, float] = {}
                for cell in set(cells):
                    value = None if is_missing(cell) else column.value(cell)
                    known[cell] = np.nan if value is None else value
                values[:, number] = [known[cell] for cell in cells]
            else:
                own = codes[number]
                values[:, number] = [own.setdefault(cell, len(own)) for cell in cells]
        made[side] = Frame(values, names, ordered)
    return made


def _numeric(column: Column) -> bool:
    return column.kind in ("number", "integer", "date", "datetime", "time")


def independent(frame: Frame, n: int, rng: np.random.Generator) -> Frame:
    """n rows whose columns are drawn each by itself."""
    values = np.stack(
        [rng.choice(frame.values[:, place], n) for place in range(frame.values.shape[1])], 1
    )
    return Frame(values, frame.names, frame.ordered)
