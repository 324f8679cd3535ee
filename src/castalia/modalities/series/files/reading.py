"""Read series from tables: CSV, TSV, Excel, Parquet and JSON lines.

Three layouts are told apart by what is in the first rows (layout.py): long (a column of ids, one of
stamps, values), several variables beside one column of stamps, and a series a row. Each variable is
a series of its own, so that a model of one channel serves any number of them (channel independence,
Nie et al. 2023, arXiv:2211.14730).

Stamps are put on a grid of equal steps. What does not fit there is counted and named: stamps that
are out of order (sorted), doubled ones (the last is kept), steps without a value (gaps), and stamps
between two steps (left out).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.series import frequency
from castalia.modalities.series.files.layout import (
    MONTHS,
    Layout,
    flag_or_number,
    layout_of,
    number,
    stamp_of,
)
from castalia.modalities.series.frequency import INDEX, Frequency
from castalia.modalities.series.series import Series
from castalia.omissions import omit
from castalia.sentences import say
from castalia.text_files import tables

LONGEST = 10_000_000  # steps of one series, gaps included
MOST_DECIMALS = 9
LOOKED = 2000  # values by which the decimals are found
SHORTEST = 8  # values of a series; fewer say nothing of its course


def read(path: Path, encoding: str | None, roles: dict[str, Any]) -> Iterator[Series]:
    """The series of a file in their order. roles: `time`, `id`, `values` and `known` where columns
    are named (layout.py). Raises DataError naming the file where it holds none.
    """
    label, numbered = tables.rows(path, encoding)
    rows = [row for _, row in numbered]
    if not rows:
        raise DataError(
            say("the table is empty"),
            path.name,
            say("give it a line that names the columns, and rows below it"),
        )
    layout = layout_of(rows, path.name, **roles)
    found = 0
    for one in _series(rows, layout, path.name):
        known = int(np.isfinite(one.values).sum())
        if known < SHORTEST:
            omit(
                say("series of fewer than {0} values", SHORTEST),
                1,
                example=f"{path.name}, {one.name}",
                remedy=say("give longer ones, or leave them out"),
            )
            continue
        found += 1
        yield replace(one.part(0, len(one)), label=label, decimals=_decimals(one.values))
    if not found:
        raise DataError(
            say("no series of {0} values or more is in the file", SHORTEST),
            path.name,
            say("give a column of stamps and a column of numbers"),
        )


def _series(rows: Sequence[dict[str, Any]], layout: Layout, name: str) -> Iterator[Series]:
    if layout.kind == "rows":
        for place, row in enumerate(rows):
            cells = [number(row.get(column)) for column in layout.values]
            while cells and math.isnan(cells[-1]):
                cells.pop()
            own = str(row.get(layout.id)) if layout.id else f"row {place + 1}"
            yield Series(own, np.array(cells, dtype=np.float64))
        return
    if layout.kind == "calendar":
        yield _calendar(rows, layout)
        return
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row.get(layout.id)) if layout.id else "", []).append(row)
    for own, members in groups.items():
        steps, grid = _grid(members, layout, f"{name}, {own}" if own else name)
        known = None
        if layout.known:
            cells = [[flag_or_number(row.get(name)) for row in members] for name in layout.known]
            known = np.stack([_placed(np.array(row), steps) for row in cells])
        for column in layout.values:
            values = _placed(np.array([number(row.get(column)) for row in members]), steps)
            title = own if own and len(layout.values) == 1 else f"{own} {column}".strip()
            there = np.flatnonzero(np.isfinite(values))
            if len(there):
                values = values[: there[-1] + 1]
            yield Series(title, values, 0, grid, column, known=known)


def _placed(given: np.ndarray, steps: np.ndarray | None) -> np.ndarray:
    """Cells (n,) at their steps, NaN between them; of two at one step the last."""
    if steps is None:
        return given
    values = np.full(int(steps.max()) + 1 if len(steps) else 0, np.nan)
    values[steps[steps >= 0]] = given[steps >= 0]
    return values


def _grid(
    rows: list[dict[str, Any]], layout: Layout, where: str
) -> tuple[np.ndarray | None, Frequency]:
    """(the step of each row, -1 for one that is left out; the frequency). Sorts the rows in place;
    None for the steps of rows without stamps.
    """
    if layout.time is None:
        return None, INDEX
    texts = ["" if (cell := row.get(layout.time)) is None else str(cell) for row in rows]
    stamps = [stamp_of(row.get(layout.time)) for row in rows]
    lost = sum(one is None for one in stamps)
    if lost:
        omit(
            say("rows whose stamp cannot be read"),
            lost,
            example=f"{where}: {texts[stamps.index(None)][:40]}",
            remedy=say("write stamps as 2024-12-31 23:59:00"),
        )
    pairs = [(s, row) for s, row in zip(stamps, rows, strict=True) if s is not None]
    if any(one[0] > other[0] for one, other in itertools.pairwise(pairs)):
        omit(
            say("series whose stamps are out of order; they were sorted"),
            1,
            example=where,
            remedy=say("sort the rows by time"),
        )
        pairs.sort(key=lambda pair: pair[0])
    rows[:] = [row for _, row in pairs]
    moments = [stamp for stamp, _ in pairs]
    zoned = any(frequency.has_zone(text) for text in texts[:100])
    grid = frequency.found(moments, zoned)
    if not moments:
        return np.zeros(0, dtype=np.int64), grid
    exact = frequency.places(grid, moments)
    whole = np.round(exact).astype(np.int64)
    # clocks drift: a stamp within a hundredth of a step is on it
    on_grid = np.abs(exact - whole) <= 0.01
    if grid.unit == "month":
        on_grid = exact == whole
    if not on_grid.all():
        place = int(np.flatnonzero(~on_grid)[0])
        omit(
            say("values between two steps of one {0}, which were left out", grid.name),
            int((~on_grid).sum()),
            example=f"{where}: {moments[place]}",
            remedy=say("if the frequency changes there, make two files of it, or resample one"),
        )
    if whole.max(initial=0) >= LONGEST:
        raise bounded.exceeded("rows", say("the series has too many steps"), where)
    doubled = int(len(whole[on_grid]) - len(np.unique(whole[on_grid])))
    if doubled:
        order = whole[on_grid]
        place = int(np.flatnonzero(np.diff(order) == 0)[0]) if (np.diff(order) == 0).any() else 0
        omit(
            say("stamps that stand twice, of which the last was kept"),
            doubled,
            example=f"{where}: {np.array(moments)[on_grid][place]}",
            remedy=say("name the column that tells the series apart: codec.id=COLUMN"),
        )
    if all(frequency.moment(text) is None for text in texts[:100]):
        grid = frequency.numbered(grid)
    steps = np.where(on_grid, whole, -1)
    gaps = int(whole[on_grid].max(initial=-1)) + 1 - len(np.unique(whole[on_grid]))
    if gaps:
        omit(
            say("steps without a row, which are gaps of the series"),
            gaps,
            example=where,
            remedy=say("nothing, if there was no value; castalia edit RUN infill fills them"),
        )
    return steps, grid


def _calendar(rows: Sequence[dict[str, Any]], layout: Layout) -> Series:
    """A year a row and a month a column."""
    by_month = {column.strip().lower()[:3]: column for column in layout.values}
    years = [int(float(str(row[layout.time]))) for row in rows]
    first, values = min(years), np.full(12 * (max(years) - min(years) + 1), np.nan)
    for year, row in zip(years, rows, strict=True):
        for place, month in enumerate(MONTHS):
            values[12 * (year - first) + place] = number(row.get(by_month[month]))
    known = np.flatnonzero(np.isfinite(values))
    stop = known[-1] + 1 if len(known) else 0
    return Series("", values[:stop], 0, Frequency("month", 1, 12 * first, "%Y-%m-%d"))


def _decimals(values: np.ndarray) -> int | None:
    """Digits behind the point with which the values are written; None where there are too many."""
    known = values[np.isfinite(values)][:LOOKED]
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(np.round(known, decimals), known, rtol=1e-13, atol=0.0):
            return decimals
    return None
