"""A file of prices or returns as a market: returns of several assets at the same moments, in order.

What was found in the file and what was done about it is kept as sentences (`notes`): nothing is
dropped in silence. Prices and returns are told apart by content: prices stay near where they were
(the autocorrelation of their levels is near 1), returns do not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from castalia.apps.risk import roles
from castalia.errors import DataError, RecipeError, meant
from castalia.sentences import Message, plural, say
from castalia.text_files.columns import read as read_columns

Kind = Literal["prices", "returns"]
PERSISTENT = 0.7  # autocorrelation of levels from which they are prices
IN_PERCENT = 0.2  # median size above which returns are taken to be written in percent
LARGE = 0.03  # median size from which it is asked whether they are
STALE = 0.2  # of returns that are 0, from which it is said
USUAL = {1: 252, 7: 52, 30: 12, 91: 4, 365: 1}  # days of a step: steps of a year


@dataclass(frozen=True, eq=False)
class Market:
    """returns  (T, N) float64, simple returns of a step, above -1, in the order of time.
    stamps      (T,) where each return ends, as "2024-12-31"; "" without dates.
    names       of the N assets. source: the name of the file. kind: what the file held.
    per_year    steps of a year, by which figures are annualised.
    step        what a step is called: "day", "week", ...; notes: what was found and done.
    """

    returns: np.ndarray
    stamps: tuple[str, ...]
    names: tuple[str, ...]
    source: str
    kind: Kind
    per_year: int = 252
    step: str = "step"
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.returns)

    def portfolio(self, weights: np.ndarray) -> np.ndarray:
        """(T,) returns of a portfolio that is set back to the weights (N,) at each step."""
        found: np.ndarray = self.returns @ weights
        return found

    def when(self, place: int) -> str:
        """The date of a return, or its number."""
        return self.stamps[place] or str(place + 1)


def market(
    path: Path,
    *,
    kind: Kind | None = None,
    time: str | None = None,
    values: Sequence[str] = (),
    asset: str | None = None,
    wanted: Collection[str] = (),
) -> Market:
    """The market of a table. kind None: found by content. time, values, asset: columns; none: found
    by content, `asset` in a long table that names an asset in each row. wanted: assets that count,
    where some are named: gaps of others lose no row. Raises DataError for a file without usable
    numbers, RecipeError for a column that is not there.
    """
    source = read_columns(path)
    lines, columns = list(source.lines), source.columns
    for name in (time, asset, *values):
        if name is not None and name not in columns:
            raise RecipeError(
                say("the table has no column '{0}'", name[:80]),
                path.name,
                say("{0}columns: {1}", meant(name, columns), ", ".join(list(columns)[:20])),
            )
    if len(lines) < 3:
        raise DataError(
            plural("the table has {0} row", "the table has {0} rows", len(lines)),
            path.name,
            say("a risk needs a series of prices or returns: hundreds of rows"),
        )
    notes: list[str] = []
    stamps, time = roles.moments_of(columns, time, path.name, lines, notes)
    asset = asset or roles.asset_column(columns, time, stamps)
    if asset is None:
        chosen = list(values) or roles.assets(columns, time, path.name, lines, notes)
        chosen = [name for name in chosen if name in wanted] or chosen
        matrix, percent = _wide(columns, chosen, path.name, lines)
        table, order = stamps, np.arange(len(lines))
    else:
        matrix, table, order, chosen, percent = _long(
            columns, stamps, asset, time, values, path.name, lines
        )
    matrix, table, order = _in_order(matrix, table, order, path.name, lines, notes)
    whole = np.isfinite(matrix).all(1)
    if not whole.all():
        lost = int((~whole).sum())
        notes.append(
            plural(
                "{0:,} row lacks a value and was left out; the return after it spans the gap",
                "{0:,} rows lack a value and were left out; the return after them spans the gap",
                lost,
            )
        )
        matrix = matrix[whole]
        table = [one for one, keep in zip(table, whole, strict=True) if keep]
        order = order[whole]
    if len(matrix) < 3:
        raise DataError(
            say("fewer than three rows have all values"),
            path.name,
            say("choose columns that are filled: --value NAME"),
        )
    found = kind or _kind(matrix, percent, path.name)
    if kind is None:
        notes.append(
            say("read as prices: the levels stay near where they were; --returns says otherwise")
            if found == "prices"
            else say("read as returns: the levels do not persist; --prices says otherwise")
        )
    if found == "prices":
        returns = _of_prices(matrix, chosen, path.name, lines, order)
        table = table[1:]
    else:
        returns = _of_returns(matrix, chosen, percent, path.name, lines, order, notes)
    spread = returns.std(0)
    for name, one in zip(chosen, spread, strict=True):
        if not one > 1e-12:
            raise DataError(
                say("the column '{0}' never changes", name),
                path.name,
                say("there is no risk to measure; choose another column: --value NAME"),
            )
    still = (returns == 0).mean(0)
    if still.max() > STALE:
        name = chosen[int(still.argmax())]
        notes.append(
            say(
                "{0:.0%} of the returns of '{1}' are exactly 0: are prices stale?",
                still.max(),
                name,
            )
        )
    step, per_year = _step(table, notes)
    written = tuple("" if one is None else _stamp(one) for one in table)
    return Market(returns, written, tuple(chosen), path.name, found, per_year, step, tuple(notes))


def weights_of(given: Mapping[str, float], names: Sequence[str]) -> tuple[np.ndarray, str | None]:
    """((N,) weights that sum to 1, 0 of what is not named; a sentence where none were given).
    Raises RecipeError for an asset that is not there, and for another sum.
    """
    if not given:
        note = None
        if len(names) > 1:
            note = say("no weights were given: each of {0} assets has the same", len(names))
        return np.full(len(names), 1 / len(names)), note
    for name in given:
        if name not in names:
            raise RecipeError(
                say("no asset is called '{0}'", name[:80]),
                f"--weight {name[:80]}",
                say("{0}assets: {1}", meant(name, names), ", ".join(names[:20])),
            )
    found = np.array([given.get(name, 0.0) for name in names])
    if not np.isfinite(found).all():
        raise RecipeError(say("a weight is no number"), "--weight", say("such as SPX=0.6"))
    total = float(found.sum())
    if abs(total - 1) > 1e-6:
        scaled = ", ".join(
            f"{name}={value / total:.4g}" for name, value in given.items() if abs(total) > 1e-9
        )
        raise RecipeError(
            say("the weights sum to {0:.6g}, not to 1", total),
            ", ".join(f"{name}={value:g}" for name, value in given.items())[:200],
            say("in proportion: {0}", scaled) if scaled else say("give weights that sum to 1"),
        )
    return found, None


def _wide(
    columns: Mapping[str, list[str]], names: Sequence[str], where: str, lines: Sequence[int]
) -> tuple[np.ndarray, bool]:
    found = [roles.numbers_of(columns[name], name, where, lines) for name in names]
    return np.array([one.values for one in found]).T, any(one.percent for one in found)


def _long(
    columns: Mapping[str, list[str]],
    stamps: Sequence[datetime | None],
    asset: str,
    time: str | None,
    values: Sequence[str],
    where: str,
    lines: Sequence[int],
) -> tuple[np.ndarray, list[datetime | None], np.ndarray, list[str], bool]:
    """A table of an asset a row as one of an asset a column; moments in the order of the file."""
    if time is None:
        raise DataError(
            say("a table of an asset a row needs a column of dates"), where, "--time COLUMN"
        )
    rest = {name: kept for name, kept in columns.items() if name != asset}
    number = (list(values) or roles.assets(rest, time, where, lines, []))[0]
    read = roles.numbers_of(columns[number], number, where, lines)
    names = list(dict.fromkeys(columns[asset]))
    if len(names) > roles.MOST_ASSETS:
        raise DataError(
            say("the column '{0}' names {1:,} assets", asset, len(names)),
            where,
            say("leave rows out: {0} at most", roles.MOST_ASSETS),
        )
    moments = list(dict.fromkeys(stamps))
    row_of = {one: place for place, one in enumerate(moments)}
    column_of = {one: place for place, one in enumerate(names)}
    matrix = np.full((len(moments), len(names)), np.nan)
    order = np.zeros(len(moments), dtype=np.int64)
    seen: dict[tuple[int, int], float] = {}
    for place, (stamp, name, value) in enumerate(
        zip(stamps, columns[asset], read.values, strict=True)
    ):
        cell = row_of[stamp], column_of[name]
        if cell in seen and not _same(seen[cell], value):
            raise _doubled(where, lines[place], f"{columns[time][place]}, {name}")
        seen[cell] = matrix[cell] = value
        order[cell[0]] = place
    return matrix, moments, order, names, read.percent


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _doubled(where: str, line: int, what: str) -> DataError:
    return DataError(
        say("a date stands twice, with different values"),
        say("{0}, line {1}: {2}", where, line, what),
        say("keep one of the rows; if they are of several assets, name that column: --asset NAME"),
    )


def _in_order(
    matrix: np.ndarray,
    stamps: Sequence[datetime | None],
    order: np.ndarray,
    where: str,
    lines: Sequence[int],
    notes: list[str],
) -> tuple[np.ndarray, list[datetime | None], np.ndarray]:
    """Sorted by time, equal rows once. Raises DataError where a moment has two values."""
    if any(one is None for one in stamps):
        return matrix, list(stamps), order
    known = [one for one in stamps if one is not None]
    ranks = np.array(sorted(range(len(known)), key=known.__getitem__))
    if (np.diff(ranks) != 1).any():
        notes.append(
            say("the rows were newest first; they were turned around")
            if (np.diff(ranks) == -1).all()
            else say("the dates were out of order; the rows were sorted")
        )
    matrix, order, known = matrix[ranks], order[ranks], [known[place] for place in ranks]
    keep = np.ones(len(known), dtype=bool)
    for place in range(1, len(known)):
        if known[place] == known[place - 1]:
            if not np.array_equal(matrix[place], matrix[place - 1], equal_nan=True):
                raise _doubled(where, lines[int(order[place])], _stamp(known[place]))
            keep[place] = False
    if not keep.all():
        twice = int((~keep).sum())
        notes.append(
            plural(
                "{0:,} row stood twice and was counted once",
                "{0:,} rows stood twice and were counted once",
                twice,
            )
        )
    return (
        matrix[keep],
        [one for one, kept in zip(known, keep, strict=True) if kept],
        order[keep],
    )


def _kind(matrix: np.ndarray, percent: bool, where: str) -> Kind:
    if percent:
        return "returns"
    persistent = []
    for column in matrix.T:
        # of ranks, because one wrong price must not look like no persistence
        ranks = column.argsort(kind="stable").argsort(kind="stable")
        centred = ranks - ranks.mean()
        size = float(centred @ centred)
        persistent.append(float(centred[1:] @ centred[:-1]) / size if size > 0 else 1.0)
    if np.median(persistent) >= PERSISTENT:
        return "prices"
    if (matrix > 0).all():
        raise DataError(
            say("these numbers may be prices or returns: none is negative, and none persists"),
            where,
            say("say which: --prices or --returns"),
        )
    return "returns"


def _of_prices(
    matrix: np.ndarray,
    names: Sequence[str],
    where: str,
    lines: Sequence[int],
    order: np.ndarray,
) -> np.ndarray:
    bad = np.argwhere(~(matrix > 0))
    if len(bad):
        row, column = (int(one) for one in bad[0])
        raise DataError(
            plural(
                "{0:,} price is not above zero, so it has no return",
                "{0:,} prices are not above zero, so they have no return",
                len(bad),
            ),
            say(
                "{0}, line {1}: {2} = {3:g}",
                where,
                lines[int(order[row])],
                names[column],
                matrix[row, column],
            ),
            say("mend the cell, leave it empty if there was no price, or say --returns"),
        )
    found: np.ndarray = matrix[1:] / matrix[:-1] - 1
    return found


def _of_returns(
    matrix: np.ndarray,
    names: Sequence[str],
    percent: bool,
    where: str,
    lines: Sequence[int],
    order: np.ndarray,
    notes: list[str],
) -> np.ndarray:
    size = float(np.median(np.abs(matrix)))
    if not percent and (size > IN_PERCENT or matrix.min() <= -1):
        notes.append(
            say(
                "the returns were taken to be written in percent: their usual size is {0:.3g}", size
            )
        )
        matrix = matrix / 100
    elif not percent and size > LARGE:
        notes.append(
            say(
                "a usual return is {0:.1%}: if the numbers are percent, write signs of percent",
                size,
            )
        )
    if matrix.min() <= -1:
        row, column = (int(one) for one in np.argwhere(matrix <= -1)[0])
        raise DataError(
            say("a return is a loss of everything, or more"),
            say(
                "{0}, line {1}: {2} = {3:.4g}%",
                where,
                lines[int(order[row])],
                names[column],
                100 * matrix[row, column],
            ),
            say("mend the cell; if these are prices, say --prices"),
        )
    if (matrix >= 0).all() and (matrix != 0).any():
        raise DataError(
            say("no return is a loss"),
            where,
            say("if these are prices, say --prices; a risk needs losses that were seen"),
        )
    return matrix


def _step(stamps: Sequence[datetime | None], notes: list[str]) -> tuple[str, int]:
    """(what a step is called, steps of a year)."""
    known = [one for one in stamps if one is not None]
    if len(known) < 2:
        notes.append(say("without dates, a year is taken to have 252 steps"))
        return "step", 252
    gaps = [(later - earlier).total_seconds() / 86_400 for earlier, later in pairwise(known)]
    usual = Counter(round(gap, 4) for gap in gaps).most_common(1)[0][0]
    size = min(USUAL, key=lambda days: abs(math.log(max(usual, 1e-3) / days)))
    name = {1: "day", 7: "week", 30: "month", 91: "quarter", 365: "year"}[size]
    per_year = USUAL[size]
    if size == 1:
        if usual < 0.9:
            name = "step"
        years = (known[-1] - known[0]).total_seconds() / 86_400 / 365.25
        if years > 0.5:
            per_year = max(1, round(len(gaps) / years))
        elif usual < 0.9:
            per_year = max(1, round(252 / usual))
    # a week-end is no gap, nor are holidays around one
    long = sum(gap > (5 if size == 1 else 1.6 * usual) for gap in gaps)
    if long:
        notes.append(
            plural(
                "{0:,} step is longer than usual: days are missing, and its return spans them",
                "{0:,} steps are longer than usual: days are missing, and their returns span them",
                long,
            )
        )
    return name, per_year


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%d}" if (when.hour, when.minute, when.second) == (0, 0, 0) else str(when)


def span(step: str, count: int) -> Message:
    """ "1 day", "252 days": so many steps of a market."""
    match step:
        case "day":
            return plural("{0:,} day", "{0:,} days", count)
        case "week":
            return plural("{0:,} week", "{0:,} weeks", count)
        case "month":
            return plural("{0:,} month", "{0:,} months", count)
        case "quarter":
            return plural("{0:,} quarter", "{0:,} quarters", count)
        case "year":
            return plural("{0:,} year", "{0:,} years", count)
    return plural("{0:,} step", "{0:,} steps", count)
