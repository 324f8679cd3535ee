"""How a column writes numbers and dates, chosen for the whole column and never for a cell: 1,234.5
or 1.234,5; 3/4/2024 as the third of April or the fourth of March.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from castalia.modalities.series import frequency

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_AROUND = "€$£¥￥%％ \t"
_SPACES = re.compile(r"[\s\u00a0\u2009\u202f'’]")
_POINT = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+)?(\.\d*)?([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)?(,\d*)?([eE][+-]?\d+)?")
_SLASHED = re.compile(r"\s*(\d{1,2})/(\d{1,2})/\d{4}\b.*")
_SHAPE = (
    (re.compile(r"\d{4}-"), "-"),
    (re.compile(r"\d{4}/"), "/ from the year on"),
    (re.compile(r"\d{1,2}/"), "/"),
    (re.compile(r"\d{1,2}\."), "."),
    (re.compile(r"\d*\s*[A-Za-z]"), "words"),
)


class Notation(NamedTuple):
    """thousands, point: the marks between the digits of numbers."""

    thousands: str = ","
    point: str = "."

    def number(self, cell: Any) -> float:
        """The number of a cell; NaN where it is none."""
        if cell is None or isinstance(cell, bool):
            return math.nan
        if isinstance(cell, int | float):
            return float(cell) if math.isfinite(cell) else math.nan
        text = _SPACES.sub("", str(cell).strip(_AROUND)).replace("−", "-")
        form = _POINT if self.point == "." else _COMMA
        if not form.fullmatch(text) or not any(map(str.isdigit, text)):
            return math.nan
        value = float(text.replace(self.thousands, "").replace(self.point, "."))
        return value if math.isfinite(value) else math.nan


PLAIN, COMMA = Notation(), Notation(".", ",")


def notation_of(cells: Sequence[Any]) -> Notation:
    """The notation in which most cells are numbers; points where both do."""
    texts = [cell for cell in cells if isinstance(cell, str)]

    def read(one: Notation) -> int:
        return sum(not math.isnan(one.number(cell)) for cell in texts)

    return COMMA if read(COMMA) > read(PLAIN) else PLAIN


def is_missing(cell: Any) -> bool:
    """Whether a cell says that there is no value."""
    return cell is None or str(cell).strip().lower() in MISSING


def stamps_of(cells: Sequence[Any]) -> list[datetime | None]:
    """The moments of a column of stamps, None for a cell that is none; bare numbers, which count
    steps, as so many seconds after 1970.
    """
    texts = ["" if cell is None else str(cell) for cell in cells]
    first = month_first(texts)
    found = []
    for text in texts:
        when = frequency.moment(text, first)
        if when is None and (value := PLAIN.number(text)).is_integer():
            when = frequency.counted(int(value))
        found.append(when)
    return found


def month_first(texts: Sequence[str]) -> bool:
    """Whether dates with slashes begin with the month: where a second number above 12 says so and
    no first one contradicts; where nothing says it, the order in which time turns less often, and
    days first where both are alike.
    """
    pairs = [(int(match[1]), int(match[2])) for text in texts if (match := _SLASHED.match(text))]
    if any(one > 12 for one, _ in pairs):
        return False
    if any(other > 12 for _, other in pairs):
        return True
    slashed = [text for text in texts if _SLASHED.match(text)]
    turns = [_turns([frequency.moment(text, first) for text in slashed]) for first in (False, True)]
    return turns[1] < turns[0]


def _turns(moments: Sequence[datetime | None]) -> int:
    known = [one for one in moments if one is not None]
    return sum(later < earlier for earlier, later in pairwise(known))


def otherwise_written(texts: Sequence[str]) -> list[str]:
    """The stamps that are written in another form than most."""
    shapes = [next((name for form, name in _SHAPE if form.match(one)), "") for one in texts]
    counts = Counter(shapes)
    usual = max(counts, key=lambda one: counts[one], default="")
    return [text for text, shape in zip(texts, shapes, strict=True) if text and shape != usual]
