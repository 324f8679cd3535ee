"""Which columns of a table are stamps, ids and values, and whether it is a table of series at all.

Decided by what is in the first rows. A table is one of series where a column holds stamps in steps
and others numbers, or where each row is a long line of numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from castalia.errors import CastaliaError, DataError, meant
from castalia.modalities.series import frequency
from castalia.modalities.series.files.notation import PLAIN, is_missing, notation_of, stamps_of
from castalia.sentences import say
from castalia.text_files import tables

LOOKED = 400  # rows
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
TIMES = frozenset({"time", "date", "datetime", "timestamp", "ds", "day", "month", "year", "period"})
COUNTS = frozenset({"time", "step", "t", "index"})
IDS = frozenset({"id", "unique_id", "item_id", "series", "series_id", "name", "v1"})
WIDE = 24  # columns of numbers from which a row without stamps is a series
ERRORS = frozenset({"#n/a", "#na", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!"})
REGULAR = 0.7  # of the steps between stamps that must be alike


class Layout(NamedTuple):
    """kind: "long" (stamps go down), "rows" (a series a row), "calendar" (a year a row). time, id:
    columns, None where there is none. values: columns of numbers. texts: columns that are neither.
    known: columns that are known ahead, as they were named.
    """

    kind: Literal["long", "rows", "calendar"]
    time: str | None
    id: str | None
    values: tuple[str, ...]
    texts: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


def layout_of(
    rows: Sequence[Mapping[str, Any]],
    where: str,
    time: str | None = None,
    id: str | None = None,
    values: Sequence[str] = (),
    known: Sequence[str] = (),
) -> Layout:
    """The layout of a table's rows. Raises DataError where a column that is named is not there, and
    where there are no numbers.
    """
    names = list(dict.fromkeys(name for row in rows[:LOOKED] for name in row))
    for name in (time, id, *values, *known):
        if name is not None and name not in names:
            raise DataError(
                say("the table has no column '{0}'", name),
                where,
                say("{0}columns: {1}", meant(name, names), ", ".join(names[:20])),
            )
    head = rows[:LOOKED]
    cells = {name: [row.get(name) for row in head] for name in names}
    numbers = {name for name in names if _is_numeric(cells[name])}
    lower = {name: name.strip().lower() for name in names}
    if time is None:
        stamped = [name for name in names if _is_stamps(cells[name], lower[name])]
        time = next((name for name in stamped if lower[name] in TIMES), next(iter(stamped), None))
    if time is None:  # steps that are only numbered
        counted = [name for name in names if lower[name] in COUNTS and name in numbers]
        time = next((name for name in counted if _is_counted(cells[name])), None)
    rest = [name for name in names if name not in (time, id, *known)]
    if time is not None and {lower[name][:3] for name in rest} == set(MONTHS) and len(rest) == 12:
        return Layout("calendar", time, None, tuple(rest))
    texts = [name for name in rest if name not in numbers and _has_text(cells[name])]
    if id is None:
        repeated = [name for name in texts if len(set(map(str, cells[name]))) <= len(head) / 2]
        id = next(
            (name for name in rest if lower[name] in IDS and (name in texts or time is not None)),
            next(iter(repeated if time is not None else texts), None),
        )
    chosen = tuple(values) or tuple(name for name in rest if name in numbers and name != id)
    if not chosen:
        raise DataError(
            say("the table has no column of numbers that could be a series"),
            where,
            say("name columns: codec.values=[COLUMN], codec.time=COLUMN"),
        )
    others = tuple(name for name in texts if name != id)
    if time is None and len(chosen) >= WIDE:
        return Layout("rows", None, id, chosen, others)
    own = id if time is not None or id in texts else None
    return Layout("long", time, own, chosen, others, tuple(known))


def _is_numeric(cells: Sequence[Any]) -> bool:
    known = [
        cell for cell in cells if not is_missing(cell) and str(cell).strip().lower() not in ERRORS
    ]
    number = notation_of(known).number
    return bool(known) and sum(not math.isnan(number(cell)) for cell in known) >= 0.9 * len(known)


def _has_text(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, str) and cell.strip() for cell in cells)


def _is_stamps(cells: Sequence[Any], name: str) -> bool:
    """Whether nearly all cells are stamps. Bare years count where the column is called so."""
    known = [str(cell) for cell in cells if cell not in (None, "")]
    if len(known) < 2 or (_is_numeric(known) and name not in ("year", "years")):
        return False
    return sum(frequency.moment(cell) is not None for cell in known) >= 0.9 * len(known)


def _is_counted(cells: Sequence[Any]) -> bool:
    """Whether the cells are whole numbers that mostly rise."""
    known = [PLAIN.number(cell) for cell in cells]
    rises = sum(later > earlier for earlier, later in pairwise(known))
    return all(one.is_integer() for one in known) and 2 * rises > len(known) - 1


def is_series(path: Path) -> bool:
    """Whether a table is one of series; False where it cannot be read."""
    try:
        _, numbered = tables.rows(path)
        rows = [row for _, row in islice(numbered, LOOKED)]
        return bool(rows) and _is_series(rows, path.name)
    except (CastaliaError, OSError, ValueError):
        return False


def _is_series(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    layout = layout_of(rows, name)
    if layout.kind == "rows":
        return not layout.texts and len(layout.values) >= 4 * WIDE
    if layout.kind == "calendar":
        return True
    if layout.time is None or layout.texts or len(rows) < 16:
        return False
    groups: dict[str, list[Any]] = {}
    moments = stamps_of([row.get(layout.time) for row in rows])
    for row, when in zip(rows, moments, strict=True):
        groups.setdefault(str(row.get(layout.id)) if layout.id else "", []).append(when)
    if len(rows) < 4 * len(groups):
        return False
    regular = total = 0
    for stamps in groups.values():
        known = [one for one in stamps if one is not None]
        steps = Counter(
            int((later - earlier).total_seconds()) for earlier, later in pairwise(known)
        )
        # months and years of unequal length are alike
        usual = max(steps, key=lambda one: steps[one], default=0)
        regular += sum(n for step, n in steps.items() if usual > 0 and abs(step / usual - 1) < 0.11)
        total += sum(steps.values())
    return total > 0 and regular >= REGULAR * total
