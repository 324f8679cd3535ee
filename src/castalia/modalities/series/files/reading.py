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
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.series import frequency
from castalia.modalities.series.files.layout import MONTHS, Layout, layout_of
from castalia.modalities.series.files.notation import (
    PLAIN,
    is_missing,
    notation_of,
    otherwise_written,
    stamps_of,
)
from castalia.modalities.series.frequency import INDEX, Frequency, spoken
from castalia.modalities.series.series import Series
from castalia.omissions import omit
from castalia.sentences import say
from castalia.text_files import tables

LONGEST = 10_000_000  # steps of one series, gaps included
MOST_DECIMALS = 9
LOOKED = 2000  # values by which the decimals are found
FLAGS = {"true": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "no": 0.0, "n": 0.0}
_NUMBERED = re.compile(r".+ \(\d+\)")  # as tables.py calls the second column of a name
FAR, FEWEST_STAMPS = 0.01, 20  # share of stamps that may be far off, of how many at least
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
    _twice(layout, path.name)
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
            say("give at least {0} rows with a stamp and a number", SHORTEST),
        )


def _twice(layout: Layout, where: str) -> None:
    """Names columns whose name stood twice; the reader of tables numbered them."""
    again = [one for one in (*layout.values, *layout.texts) if _NUMBERED.fullmatch(one)]
    if again:
        omit(
            say("columns whose name stands twice; each is a series of its own"),
            len(again),
            example=f"{where}: {again[0]}",
            remedy=say("rename one of them, or choose: codec.values=[COLUMN]"),
        )


def _numbers(rows: Sequence[dict[str, Any]], column: str, where: str) -> np.ndarray:
    """(n,): a column's numbers, NaN where a cell is none, which is named."""
    cells = [row.get(column) for row in rows]
    number = notation_of(cells).number
    found = np.array([number(cell) for cell in cells])
    odd = [cell for cell in np.array(cells, object)[np.isnan(found)] if not is_missing(cell)]
    if odd:
        omit(
            say("cells that hold no number, taken as missing values"),
            len(odd),
            example=f"{where}, {column}: {str(odd[0])[:40]}",
            remedy=say("mend them, or leave them empty"),
        )
    return found


def _flags(rows: Sequence[dict[str, Any]], column: str, where: str) -> np.ndarray:
    """(n,): numbers, or 1 and 0 of yes and no."""
    words = [str(row.get(column) or "").strip().lower() for row in rows]
    if not any(word in FLAGS for word in words):
        return _numbers(rows, column, where)
    return np.array([FLAGS.get(word, PLAIN.number(word)) for word in words])


def _series(rows: Sequence[dict[str, Any]], layout: Layout, name: str) -> Iterator[Series]:
    if layout.kind == "rows":
        number = notation_of([row.get(one) for row in rows for one in layout.values]).number
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
    columns = {column: _numbers(rows, column, name) for column in layout.values}
    flags = {column: _flags(rows, column, name) for column in layout.known}
    stamps = _stamps(rows, layout.time, name)
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(str(row.get(layout.id)) if layout.id else "", []).append(place)
    for own, members in groups.items():
        where = f"{name}, {own}" if own else name
        order, steps, grid = _grid([stamps[place] for place in members], where)
        chosen = np.array(members)[order]
        known = None
        if flags:
            known = np.stack([_placed(one[chosen], steps) for one in flags.values()])
        for column, given in columns.items():
            values = _placed(given[chosen], steps)
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


def _stamps(
    rows: Sequence[dict[str, Any]], time: str | None, where: str
) -> list[tuple[str, datetime | None]]:
    """(text, moment) of each row; what is read with doubt is named."""
    if time is None:
        return [("", None)] * len(rows)
    cells = [row.get(time) for row in rows]
    texts, moments = ["" if cell is None else str(cell) for cell in cells], stamps_of(cells)
    lost = sum(one is None for one in moments)
    if lost:
        omit(
            say("rows whose stamp cannot be read"),
            lost,
            example=f"{where}: {texts[moments.index(None)][:40]}",
            remedy=say("write stamps as 2024-12-31 23:59:00"),
        )
    others = otherwise_written(
        [text for text, when in zip(texts, moments, strict=True) if when is not None]
    )
    if others:
        omit(
            say("stamps that are written in another way than most; all were read"),
            len(others),
            example=f"{where}: {others[0][:40]}",
            remedy=say("look whether days and months are where they should be"),
        )
    return list(zip(texts, moments, strict=True))


def _grid(
    rows: Sequence[tuple[str, datetime | None]], where: str
) -> tuple[list[int], np.ndarray | None, Frequency]:
    """(places of the rows that count, in time's order; the step of each, -1 for one that is left
    out, None without stamps; the frequency).
    """
    if all(not text for text, _ in rows):
        return list(range(len(rows))), None, INDEX
    order = [place for place, (_, when) in enumerate(rows) if when is not None]
    moments = [when for _, when in rows if when is not None]
    if any(one > other for one, other in itertools.pairwise(moments)):
        omit(
            say("series whose stamps are out of order; they were sorted"),
            1,
            example=where,
            remedy=say("sort the rows by time"),
        )
        order = [order[place] for place in sorted(range(len(moments)), key=moments.__getitem__)]
        moments.sort()
    first, stop = _near(moments)
    if stop - first < len(moments):
        far = moments[0] if first else moments[-1]
        omit(
            say("stamps far from all others, whose rows were left out"),
            len(moments) - (stop - first),
            example=f"{where}: {far}",
            remedy=say("mend the stamps"),
        )
        order, moments = order[first:stop], moments[first:stop]
    texts = [text for text, _ in rows]
    zoned = any(frequency.has_zone(text) for text in texts[:100])
    grid = frequency.found(moments, zoned)
    if not moments:
        return order, np.zeros(0, dtype=np.int64), grid
    exact = frequency.places(grid, moments)
    whole = np.round(exact).astype(np.int64)
    # clocks drift: a stamp within a hundredth of a step is on it
    on_grid = np.abs(exact - whole) <= 0.01
    if grid.unit == "month":
        on_grid = exact == whole
    on_grid &= whole >= 0
    if not on_grid.all():
        place = int(np.flatnonzero(~on_grid)[0])
        omit(
            say("values between two steps of {0}, which were left out", spoken(grid.parts)),
            int((~on_grid).sum()),
            example=f"{where}: {moments[place]}",
            remedy=say("if the frequency changes there, make two files of it, or resample one"),
        )
    if whole.max(initial=0) >= LONGEST:
        raise bounded.exceeded("rows", say("the series has too many steps"), where)
    doubled = int(len(whole[on_grid]) - len(np.unique(whole[on_grid])))
    if doubled:
        place = int(np.flatnonzero(np.diff(whole[on_grid]) == 0)[0])
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
            example=f"{where}: {grid.stamp(_first_gap(whole[on_grid]))}",
            remedy=say("nothing, if there was no value; castalia edit RUN infill fills them"),
        )
    return order, steps, grid


def _first_gap(steps: np.ndarray) -> int:
    """The first step of 0, 1, 2, ... that is not among the steps."""
    there = np.unique(steps)
    return int(np.flatnonzero(np.append(there, -1) != np.arange(len(there) + 1))[0])


def _near(moments: Sequence[datetime]) -> tuple[int, int]:
    """(first, stop) of the sorted moments that belong together: without those, at most FAR of them,
    that a gap longer than all the others' span parts from them.
    """
    count, most = len(moments), max(1, int(FAR * len(moments)))
    if count < FEWEST_STAMPS:
        return 0, count
    core = moments[most : count - most]
    span = core[-1] - core[0]
    first = next((n for n in range(most, 0, -1) if moments[n] - moments[n - 1] > span), 0)
    stop = next(
        (n for n in range(count - most, count) if moments[n] - moments[n - 1] > span), count
    )
    return first, stop


def _calendar(rows: Sequence[dict[str, Any]], layout: Layout) -> Series:
    """A year a row and a month a column."""
    by_month = {column.strip().lower()[:3]: column for column in layout.values}
    years = [int(float(str(row[layout.time]))) for row in rows]
    first, values = min(years), np.full(12 * (max(years) - min(years) + 1), np.nan)
    for year, row in zip(years, rows, strict=True):
        for place, month in enumerate(MONTHS):
            values[12 * (year - first) + place] = PLAIN.number(row.get(by_month[month]))
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
