"""Sales as units of each item in equal periods: what a file of lines says, in one matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from castalia.errors import DataError
from castalia.sentences import plural, say
from castalia.text_files import columns

PERIODS = ("day", "week", "month")
DAYS = {"day": 1.0, "week": 7.0, "month": 30.44}
MOST_ITEMS, MOST_PERIODS = 100_000, 4000
FEWEST_PERIODS = 8


@dataclass(frozen=True)
class Sales:
    """units: (items, periods) float64, never negative; all zeros before `first`, the place of the
    first sale of each item. last: the place of its last one. starts: the first day of each period.
    whole: no item was ever sold in parts of a unit. notes: sentences about what was done.
    """

    source: str
    period: str
    starts: tuple[date, ...]
    items: tuple[str, ...]
    labels: tuple[str, ...]
    units: np.ndarray
    first: np.ndarray
    last: np.ndarray
    whole: bool
    lines: int
    notes: list[str] = field(default_factory=list)

    @property
    def season(self) -> int:
        """Periods after which the calendar comes again: a week of days, else a year."""
        return {"day": 7, "week": 52, "month": 12}[self.period]


def read(
    path: Path,
    item: str,
    time: str,
    units: str | None,
    *,
    label: str | None = None,
    period: str | None = None,
    cover: float = 14.0,
) -> Sales:
    """The sales in a table of one line a sale. units: the column of units sold, negative where they
    came back; None: each line is one unit. label: a column with names of items. period: "day",
    "week" or "month"; None: by `cover`, the days that an order has to last.

    Raises DataError for a file that cannot be used, naming the line where there is one.
    """
    wanted = [item, time, *([units] if units else []), *([label] if label else [])]
    table = columns.read(path, list(dict.fromkeys(wanted)))
    moments, notes = table.moments(time)
    amounts = np.ones(len(table)) if units is None else _amounts(table, units)
    names = table.cells(item)
    if not any(names):
        raise DataError(say("no line names an item"), path.name, say("name the column of items"))
    days = np.array([one.toordinal() for one in moments])
    codes, known = _codes(names)
    notes += _named(names, known)
    if len(known) > MOST_ITEMS:
        raise DataError(
            say("there are {0:,} items", len(known)),
            path.name,
            say("{0:,} at most: group them, or leave those out that hardly sell", MOST_ITEMS),
        )
    chosen = period or period_for(int(days.max() - days.min()) + 1, cover)
    places, starts, whole_days = _places(days, chosen)
    if len(starts) < FEWEST_PERIODS:
        raise DataError(
            plural(
                "the sales span {0} whole period",
                "the sales span {0} whole periods",
                len(starts),
            ),
            path.name,
            say("{0} at least: give a longer history, or shorter periods", FEWEST_PERIODS),
        )
    if len(starts) > MOST_PERIODS:
        raise DataError(
            say("the sales span {0:,} periods", len(starts)),
            path.name,
            say("{0:,} at most: choose longer periods, or a later beginning", MOST_PERIODS),
        )
    kept = (places >= 0) & (places < len(starts)) & (codes >= 0)
    if whole_days:
        notes.append(whole_days)
    matrix = np.zeros((len(known), len(starts)))
    np.add.at(matrix, (codes[kept], places[kept]), amounts[kept])
    notes += _returned(amounts[kept], matrix)
    matrix = np.maximum(matrix, 0.0)
    sold = matrix > 0
    alive = sold.any(1)
    if not alive.any():
        raise DataError(
            say("nothing was sold: every total is zero or below"),
            path.name,
            say("look at the column of units"),
        )
    if not alive.all():
        notes.append(
            plural(
                "{0:,} item has no sales left after returns and is left out",
                "{0:,} items have no sales left after returns and are left out",
                int((~alive).sum()),
            )
        )
    quiet = int((~sold.any(0)).sum())
    if quiet:
        notes.append(
            plural(
                "{0} period has no sale at all; it counts as zero",
                "{0} periods have no sale at all; they count as zero",
                quiet,
            )
        )
    titles = _labels(names, table.cells(label), known) if label else list(known)
    order = np.flatnonzero(alive)
    sold = sold[alive]
    return Sales(
        source=path.name,
        period=chosen,
        starts=starts,
        items=tuple(known[place] for place in order),
        labels=tuple(titles[place] for place in order),
        units=matrix[alive],
        first=sold.argmax(1),
        last=sold.shape[1] - 1 - sold[:, ::-1].argmax(1),
        whole=bool(np.equal(amounts, np.round(amounts)).all()),
        lines=len(table),
        notes=notes,
    )


def period_for(days: int, cover: float) -> str:
    """Days where an order lasts less than two weeks and there are two months of them; months where
    it lasts two months and there are three years; else weeks.
    """
    if cover < 14 and days >= 60:
        return "day"
    return "month" if cover >= 60 and days >= 3 * 365 else "week"


def amount(value: float, whole: bool) -> str:
    """Units as people write them."""
    return f"{value:.0f}" if whole else f"{value:.2f}"


def _amounts(table: columns.Source, units: str) -> np.ndarray:
    values = np.array(table.numbers(units)[0])
    empty = np.flatnonzero(np.isnan(values))
    if len(empty):
        raise DataError(
            say("a cell of the column '{0}' is empty", units),
            table.place(units, int(empty[0])),
            say("write how many units were sold, or leave the line out"),
        )
    return values


def _codes(names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(a number for each line, -1 where it names no item; the items in the order of their
    appearance).
    """
    known: dict[str, int] = {}
    codes = [known.setdefault(name, len(known)) if name else -1 for name in names]
    return np.array(codes), list(known)


def _named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """What to say of the names of items."""
    found = []
    nameless = sum(not name for name in names)
    if nameless:
        found.append(
            plural(
                "{0:,} line names no item and is left out",
                "{0:,} lines name no item and are left out",
                nameless,
            )
        )
    alike = Counter("".join(name.casefold().split()) for name in known)
    twice = sum(count - 1 for count in alike.values())
    if twice:
        found.append(
            plural(
                "{0:,} item differs from another in capitals or spaces alone; they are kept apart",
                "{0:,} items differ from others in capitals or spaces alone; they are kept apart",
                twice,
            )
        )
    return found


def _labels(names: Sequence[str], labels: Sequence[str], known: Sequence[str]) -> list[str]:
    """The commonest label of each item, of equally common ones the first."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in known}
    for name, one in zip(names, labels, strict=True):
        if name and one:
            counts[name][one] += 1
    return [counts[name].most_common(1)[0][0] if counts[name] else name for name in known]


def _returned(amounts: np.ndarray, totals: np.ndarray) -> list[str]:
    """What to say of returns."""
    back = amounts < 0
    if not back.any():
        return []
    below = totals < 0
    found = [
        say(
            "{0:,} lines are returns, {1:,.0f} units: they are taken off the sales of their period",
            int(back.sum()),
            -float(amounts[back].sum()),
        )
    ]
    if below.any():
        found.append(
            say(
                "in {0:,} periods of an item more came back than was sold ({1:,.0f} units); they "
                "count as zero",
                int(below.sum()),
                -float(totals[below].sum()),
            )
        )
    return found


def _places(days: np.ndarray, period: str) -> tuple[np.ndarray, tuple[date, ...], str]:
    """(the period of each day, the first day of each whole period, what was left out). Weeks end
    with the last day of the file, so that none of them is cut; months are those of the calendar,
    without a cut one at either end.
    """
    low, high = int(days.min()), int(days.max())
    if period == "day":
        starts = tuple(date.fromordinal(day) for day in range(low, high + 1))
        return days - low, starts, ""
    if period == "week":
        weeks = (high - low + 1) // 7
        begin = high + 1 - 7 * weeks
        starts = tuple(date.fromordinal(begin + 7 * week) for week in range(weeks))
        cut = begin - low
        words = plural(
            "the first {0} day makes no whole week and is left out",
            "the first {0} days make no whole week and are left out",
            cut,
        )
        return (days - begin) // 7, starts, words if cut else ""
    first, last = date.fromordinal(low), date.fromordinal(high)
    months = [
        date(year, month, 1)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
        if (first.year, first.month) <= (year, month) <= (last.year, last.month)
    ]
    numbers = np.array(
        [date.fromordinal(int(day)).year * 12 + date.fromordinal(int(day)).month for day in days]
    )
    begin = months[0].year * 12 + months[0].month
    head = first.day > 1
    tail = (last + timedelta(1)).month == last.month
    starts = tuple(months[head : len(months) - tail])
    words = say("months that are cut by the beginning or the end of the file are left out")
    return numbers - begin - head, starts, words if head or tail else ""
