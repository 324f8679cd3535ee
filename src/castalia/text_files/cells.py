"""Cells of a column as numbers and as moments, whatever way the file writes them.

A way of writing is chosen for a whole column, never for a cell: 1,234.5 or 1.234,5; 3/4/2024 as
the third of April or the fourth of March.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

from castalia.sentences import say

MISSING = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "-", "--", ".", "?", "#n/a", "#na", "#value!"}
)
_AROUND = "€$£¥￥%％'’ \t\u00a0\u2009\u202f"
_SPACES = re.compile(r"[\s\u00a0\u2009\u202f'’]")
_POINT = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+)?(\.\d+)?([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)?(,\d+)?([eE][+-]?\d+)?")
_ISO = re.compile(
    r"\d{4}-\d{1,2}(-\d{1,2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?"
)
_FORMS = (
    ("%Y-%m-%d",),
    ("%Y/%m/%d",),
    ("%Y.%m.%d",),
    ("%Y%m%d",),
    ("%Y年%m月%d日",),
    ("%d.%m.%Y",),
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d/%m/%y", "%m/%d/%y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%b %d, %Y",),
    ("%B %d, %Y",),
    ("%d %b %Y",),
    ("%d %B %Y",),
    ("%d-%b-%Y",),
    ("%d-%b-%y",),
    ("%Y-%m",),
)
_HEAD = 200  # cells by which the way of writing is looked for first
_EPOCH, _SECONDS = datetime(1970, 1, 1), (10**8, 10**10)
_CLOCK = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AP]M)?$", re.IGNORECASE)


class Numbers(NamedTuple):
    """values: as written, NaN for a missing cell. percent: whether cells carry a sign of percent.
    wrong: the place of the first cell that is no number, or None. decimals: the most that one has.
    """

    values: list[float]
    percent: bool
    wrong: int | None
    decimals: int


def numbers(cells: Sequence[str], missing: Collection[str] = MISSING) -> Numbers:
    """A column of numbers: with thousands, currencies, signs of percent, and (1.2) for -1.2.
    missing: what counts as no number, in small letters.
    """
    bare, percent = [], False
    for cell in cells:
        text = cell.strip()
        if text.startswith("(") and text.endswith(")"):
            text = "-" + text[1:-1]
        percent = percent or text.endswith(("%", "％"))
        text = text.replace("−", "-").strip(_AROUND)
        bare.append("" if text.lower() in missing else _SPACES.sub("", text))
    readings = [
        _read(bare, form, thousands, point)
        for form, thousands, point in ((_POINT, ",", "."), (_COMMA, ".", ","))
    ]
    values, wrong, decimals = min(readings, key=lambda one: one[1] is not None)
    return Numbers(values, percent, wrong, decimals)


def _read(
    cells: Sequence[str], form: re.Pattern[str], thousands: str, point: str
) -> tuple[list[float], int | None, int]:
    """(numbers, the place of the first cell that is none, most decimals)."""
    found, most = [], 0
    for place, cell in enumerate(cells):
        if not cell:
            found.append(math.nan)
            continue
        if not any(map(str.isdigit, cell)) or not form.fullmatch(cell):
            return [], place, 0
        value = float(cell.replace(thousands, "").replace(point, "."))
        if not math.isfinite(value):
            return [], place, 0
        if "e" not in cell and "E" not in cell:
            most = max(most, len(cell.partition(point)[2]))
        found.append(value)
    return found, None, most


def moments(cells: Sequence[str]) -> tuple[list[datetime | None], list[str]]:
    """(each cell as a moment, None where it is none; sentences about ways of writing that were
    open, or several). Zones are taken to UTC.
    """
    different = list(dict.fromkeys(cells))  # most files say a day many times
    found, notes = _moments(different)
    known = dict(zip(different, found, strict=True))
    return [known[cell] for cell in cells], notes


def _moments(cells: Sequence[str]) -> tuple[list[datetime | None], list[str]]:
    found: list[datetime | None] = [None] * len(cells)
    head = [cell for cell in cells if cell.strip()][:_HEAD]
    usual = sorted(_FORMS, key=lambda forms: -max(_read_by(head, form) for form in forms))
    used, notes = 0, list[str]()
    for forms in usual:
        left = [place for place, one in enumerate(found) if one is None and cells[place].strip()]
        if not left:
            break
        readings = [[_moment(cells[place], form) for place in left] for form in forms]
        counts = [sum(one is not None for one in reading) for reading in readings]
        if not max(counts):
            continue
        # where both would do, the order of the file says which number is the month
        full = [place for place, count in enumerate(counts) if count == max(counts)]
        turns = [_turns(readings[place]) for place in full]
        used += 1
        for place, one in zip(left, readings[full[turns.index(min(turns))]], strict=True):
            found[place] = one
        if len(full) > 1 and turns[0] == turns[1]:
            notes.append(
                say(
                    "dates such as {0} can be read in two ways; the day was taken to stand first",
                    cells[left[0]].strip(),
                )
            )
    if used > 1:
        notes.append(say("dates are written in {0} ways; all were read", used))
    return found, notes


def _read_by(cells: Sequence[str], form: str) -> int:
    return sum(_moment(cell, form) is not None for cell in cells)


def counted_moments(cells: Sequence[str]) -> list[datetime | None]:
    """Years, or seconds or milliseconds since 1970, as moments; None for any other number."""
    found: list[datetime | None] = []
    for cell in cells:
        bare = cell.strip().removesuffix(".0")
        value = int(bare) if bare.isdecimal() and len(bare) <= 13 else -1
        if 1000 <= value < 3000:
            found.append(datetime(value, 1, 1))
        elif _SECONDS[0] <= value < _SECONDS[1]:
            found.append(_EPOCH + timedelta(seconds=value))
        elif 1000 * _SECONDS[0] <= value < 1000 * _SECONDS[1]:
            found.append(_EPOCH + timedelta(milliseconds=value))
        else:
            found.append(None)
    return found


def _moment(cell: str, form: str) -> datetime | None:
    text = cell.strip()
    if form == "%Y-%m-%d" and _ISO.fullmatch(text):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is not None:
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    clock = _CLOCK.search(text)
    hours = ""
    if clock is not None:
        text, hours = text[: clock.start()].strip(), clock[0].strip().lstrip("Tt").upper()
    if form == "%Y%m%d":
        text = text.removesuffix(".0")
        if len(text) != 8:
            return None
    try:
        day = datetime.strptime(text, form)
    except ValueError:
        return None
    if not hours:
        return day
    found_time = _time(hours)
    return None if found_time is None else datetime.combine(day.date(), found_time)


def _time(text: str) -> time | None:
    for form in ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p"):
        try:
            return datetime.strptime(text, form).time()
        except ValueError:
            continue
    return None


def _turns(reading: Sequence[datetime | None]) -> int:
    """How often the direction of time changes."""
    known = [one for one in reading if one is not None]
    signs = [later > earlier for earlier, later in pairwise(known)]
    return sum(one != other for one, other in pairwise(signs))
