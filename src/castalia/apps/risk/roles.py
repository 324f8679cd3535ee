"""Which columns of a table are dates, names of assets, and numbers; found by content, and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from castalia.errors import DataError
from castalia.sentences import plural, say
from castalia.text_files import cells

MOST_ASSETS = 50
BARS = frozenset({"open", "high", "low", "volume"})  # columns beside the close that are no assets
CLOSES = ("adj close", "adj_close", "adjusted close", "adjclose", "close", "price", "last")


def moments_of(
    columns: Mapping[str, list[str]],
    time: str | None,
    where: str,
    lines: Sequence[int],
    notes: list[str],
) -> tuple[list[datetime | None], str | None]:
    """(a moment for each row, None without dates; the column of dates)."""
    names = [time] if time is not None else sorted(columns, key=lambda one: not _is_time(one))
    for name in names:
        filled = [cell for cell in columns[name] if cell.strip().lower() not in cells.MISSING]
        numeric = cells.numbers(filled).wrong is None
        called = time is not None or _is_time(name)
        if not filled or (numeric and not called):
            continue  # numbers of eight digits in a column that is not called a date
        if not _mostly(cells.moments(filled[:200])[0]):
            if numeric and _mostly(cells.counted_moments(filled)):
                return cells.counted_moments(columns[name]), name
            if called and numeric:
                notes.append(say("'{0}' counts steps: rows are taken in their order", name))
                return [None] * len(lines), name
            if not called:
                continue
        found, said = cells.moments(columns[name])
        lost = [place for place, one in enumerate(found) if one is None]
        if lost:
            raise DataError(
                plural("{0:,} date cannot be read", "{0:,} dates cannot be read", len(lost)),
                say("{0}, line {1}: {2}", where, lines[lost[0]], columns[name][lost[0]][:40]),
                say("write dates as 2024-12-31, or leave those rows out"),
            )
        notes += said
        return found, name
    notes.append(say("no column of dates was found: rows are taken in the order of the file"))
    return [None] * len(lines), None


def _mostly(found: Sequence[datetime | None]) -> bool:
    return sum(one is not None for one in found) >= 0.9 * len(found) > 0


def _is_time(name: str) -> bool:
    return name.strip().lower() in {
        *("date", "time", "datetime", "timestamp", "day", "ds", "month", "week", "period", "year"),
        *("日期", "时间", "交易日", "datum", "fecha"),
    }


def asset_column(
    columns: Mapping[str, list[str]], time: str | None, stamps: Sequence[datetime | None]
) -> str | None:
    """The column that names an asset in each row, where moments repeat and it tells them apart."""
    if time is None or len(set(stamps)) == len(stamps):
        return None
    for name, kept in columns.items():
        if name == time or cells.numbers(kept[:200]).wrong is None or not all(kept):
            continue
        different = len(set(kept))
        if 1 < different <= len(kept) / 2 and len(set(zip(stamps, kept, strict=True))) == len(kept):
            return name
    return None


def assets(
    columns: Mapping[str, list[str]],
    time: str | None,
    where: str,
    lines: Sequence[int],
    notes: list[str],
) -> list[str]:
    """The columns of numbers; of bars (open, high, low, close) the close alone."""
    usable, counts = [], []
    for name, kept in columns.items():
        filled = [cell for cell in kept if cell.strip().lower() not in cells.MISSING]
        if name == time or not filled:
            continue
        read = cells.numbers(kept)
        if read.wrong is None:
            (counts if _counts(read.values) else usable).append(name)
        elif _is_nearly_numeric(filled):  # one bad cell must not drop an asset
            numbers_of(kept, name, where, lines)
    if counts:
        notes.append(say("columns that only count rows were left out: {0}", ", ".join(counts)))
    lower = {name.strip().lower(): name for name in usable}
    if len(BARS & set(lower)) >= 2:
        close = next((lower[one] for one in CLOSES if one in lower), None)
        if close is not None:
            notes.append(say("the table has bars of a market; '{0}' was read of them", close))
            return [close]
    others = [name for name in columns if name not in (time, *usable, *counts)]
    if not usable:
        example = next(iter(others), "")
        wrong = cells.numbers(columns[example]).wrong if example else None
        raise DataError(
            say("the table has no column of numbers"),
            where if wrong is None else f"{where}: {example}: {columns[example][wrong][:40]}",
            say("give a column of prices or returns: --value NAME"),
        )
    if len(usable) > MOST_ASSETS:
        raise DataError(
            say("the table has {0} columns of numbers", len(usable)),
            where,
            say("name those that are assets: --value NAME, {0} at most", MOST_ASSETS),
        )
    if others:
        notes.append(say("columns that are no numbers were left out: {0}", ", ".join(others[:8])))
    return usable


def _counts(values: Sequence[float]) -> bool:
    """Whether whole numbers rise by the same from row to row: numbers of rows, and no market."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    return len(steps) == 1 and steps.pop() > 0 and float(values[0]).is_integer()


def _is_nearly_numeric(filled: Sequence[str]) -> bool:
    return sum(cells.numbers([cell]).wrong is None for cell in filled) >= 0.9 * len(filled)


def numbers_of(kept: Sequence[str], name: str, where: str, lines: Sequence[int]) -> cells.Numbers:
    found = cells.numbers(kept)
    if found.wrong is not None:
        raise DataError(
            say("a cell of the column '{0}' is no number", name),
            say("{0}, line {1}: {2}", where, lines[found.wrong], kept[found.wrong][:40]),
            say("mend the cell, or leave it empty if there was no value"),
        )
    if found.percent:
        return found._replace(values=[value / 100 for value in found.values])
    return found
