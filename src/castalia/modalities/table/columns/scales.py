"""How cells write numbers and moments: as whole units and back, in the data's own form.

A number is a whole multiple of 10^-decimals: "1.234,50 €" is 123450 units where the decimal sign is
a comma, the thousands have dots and the suffix is " €". A date is the days since 1970, a moment or
a time of day its seconds. What is written back has the data's decimals, signs and format.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Any, NamedTuple, Protocol

from castalia.modalities.table.columns.base import is_missing

MOST_DECIMALS = 9
LARGEST = 2**53  # of units: a float64 holds every whole number up to here
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_POINT = re.compile(
    r"([^\d.,+\-]{0,4}?)\s?([+-]?)(\d{1,3}(?:[,' ]\d{3})+|\d+)?(\.\d+)?\s?(\D{0,4})"
)
_COMMA = re.compile(r"([^\d.,+\-]{0,4}?)\s?([+-]?)(\d{1,3}(?:[.' ]\d{3})+|\d+)?(,\d+)?\s?(\D{0,4})")
_ZERO_FIRST = re.compile(r"[+-]?0\d")
ENOUGH = 0.9  # share of the cells with a value that must fit a form
MEASURED = 0.98  # of the numbers have no more decimals than a column's
MOST_FORMS = 3  # of moments in one column
LOOKED = 2000  # different cells by which the forms of moments are chosen


class Scale(Protocol):
    """parse: the units of a cell, None where it is of another form. write: a cell of units."""

    def parse(self, cell: str) -> int | None: ...

    def write(self, units: int) -> str: ...

    def value(self, units: int) -> float: ...

    def typed(self) -> Callable[[str], Any]: ...

    def state(self) -> dict[str, Any]: ...


class Numbers:
    """decimals: of the finest number. fixed: all have as many. point: the decimal sign. thousands:
    what parts them, "" for nothing. prefix, suffix: around the digits.
    """

    sort = "numbers"

    def __init__(
        self,
        decimals: int = 0,
        fixed: bool = False,
        point: str = ".",
        thousands: str = "",
        prefix: str = "",
        suffix: str = "",
    ) -> None:
        self.decimals, self.fixed, self.point = decimals, fixed, point
        self.thousands, self.prefix, self.suffix = thousands, prefix, suffix
        self._scale = 10**decimals

    def parse(self, cell: str) -> int | None:
        text = cell.strip()
        if self.prefix and text.startswith(self.prefix):
            text = text[len(self.prefix) :].lstrip()
        if self.suffix and text.endswith(self.suffix):
            text = text[: -len(self.suffix)].rstrip()
        if self.thousands:
            text = text.replace(self.thousands, "")
        if self.point != ".":
            text = text.replace(self.point, ".")
        if not _PLAIN.fullmatch(text):
            return None
        number = float(text)
        units = number * self._scale
        return round(units) if math.isfinite(units) and abs(units) < LARGEST else None

    def write(self, units: int) -> str:
        sign, size = "-" if units < 0 else "", abs(units)
        whole, part = divmod(size, self._scale)
        digits = f"{whole:,}".replace(",", self.thousands) if self.thousands else str(whole)
        if self.decimals:
            after = str(part).zfill(self.decimals)
            after = after if self.fixed else after.rstrip("0")
            digits += self.point + after if after else ""
        return f"{self.prefix}{sign}{digits}{self.suffix}"

    def value(self, units: int) -> float:
        return units / self._scale

    def typed(self) -> Callable[[str], Any]:
        def number(cell: str) -> Any:
            units = self.parse(cell)
            if units is None:
                return cell if not is_missing(cell) else None
            return units if not self.decimals else units / self._scale

        return number

    def state(self) -> dict[str, Any]:
        return {
            "sort": self.sort,
            "decimals": self.decimals,
            "fixed": self.fixed,
            "point": self.point,
            "thousands": self.thousands,
            "prefix": self.prefix,
            "suffix": self.suffix,
        }


class Form(NamedTuple):
    """A way to write moments: a pattern, what it is, and its text for `strftime`."""

    pattern: re.Pattern[str]
    kind: str
    format: str


def _form(kind: str, format: str) -> Form:
    parts = {
        "%Y": r"\d{4}",
        "%m": r"\d{1,2}",
        "%d": r"\d{1,2}",
        "%H": r"\d{1,2}",
        "%M": r"\d{2}",
        "%S": r"\d{2}",
        "%b": r"[A-Za-z]{3}",
        "%B": r"[A-Za-z]{3,9}",
        "%y": r"\d{2}",
    }
    pattern = re.escape(format).replace("%%", "%")
    for name, digits in parts.items():
        pattern = pattern.replace(re.escape(name), digits)
    return Form(re.compile(pattern), kind, format)


_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
)
_CLOCKS = ("%H:%M:%S", "%H:%M")
FORMS = (
    *(_form("date", one) for one in _DATES),
    *(
        _form("datetime", f"{day}{between}{clock}")
        for day in _DATES
        for between in (" ", "T")
        for clock in _CLOCKS
    ),
    *(_form("time", one) for one in _CLOCKS),
    *(_form("datetime", f"%Y-%m-%dT{clock}Z") for clock in _CLOCKS),
)
_EPOCH = date(1970, 1, 1)


class Moments:
    """forms: formats of `strftime`, the most frequent first, in which all are written. padded:
    whether days and months have two digits. kind: "date" (units are days), "datetime" or "time"
    (seconds).
    """

    sort = "moments"

    def __init__(self, forms: list[str], kind: str, padded: bool = True) -> None:
        self.forms, self.kind, self.padded = forms, kind, padded

    def parse(self, cell: str) -> int | None:
        text = cell.strip()
        for form in self.forms:
            try:
                when = datetime.strptime(text, form)
            except ValueError:
                continue
            if self.kind == "date":
                return when.toordinal() - _EPOCH.toordinal()
            if self.kind == "time":
                return when.hour * 3600 + when.minute * 60 + when.second
            return int(when.replace(tzinfo=UTC).timestamp())
        return None

    def write(self, units: int) -> str:
        form = self.forms[0]
        if self.kind == "time":
            units %= 86_400
            return self._written(time(units // 3600, units // 60 % 60, units % 60), form)
        try:
            if self.kind == "date":
                return self._written(date.fromordinal(_EPOCH.toordinal() + units), form)
            return self._written(datetime.fromtimestamp(units, UTC), form)
        except (ValueError, OverflowError, OSError):
            return self._written(_EPOCH, form)

    def _written(self, when: date | datetime | time, form: str) -> str:
        if not self.padded:
            for name, part in (("%d", "day"), ("%m", "month"), ("%H", "hour")):
                form = form.replace(name, str(getattr(when, part, 0)))
        return when.strftime(form)

    def value(self, units: int) -> float:
        return float(units)

    def typed(self) -> Callable[[str], Any]:
        return str

    def state(self) -> dict[str, Any]:
        return {"sort": self.sort, "forms": self.forms, "kind": self.kind, "padded": self.padded}


def restored(state: Mapping[str, Any]) -> Scale:
    """What `state` gave."""
    fields = {key: value for key, value in state.items() if key != "sort"}
    return Moments(**fields) if state["sort"] == Moments.sort else Numbers(**fields)


def numbers_of(cells: Mapping[str, int], enough: float = ENOUGH) -> Numbers | None:
    """The way in which these cells (with counts) write numbers; None where fewer than a share
    `enough` are numbers, or some begin with a zero as codes do.
    """
    texts = {cell.strip(): count for cell, count in cells.items() if not is_missing(cell)}
    if not texts or any(_ZERO_FIRST.match(text) for text in texts):
        return None
    total = sum(texts.values())
    if _share(texts, _PLAIN) >= enough:
        return _measured(texts, Numbers(), total)
    best: tuple[float, Numbers] | None = None
    for pattern, point in ((_POINT, "."), (_COMMA, ",")):
        prefixes: Counter[str] = Counter()
        suffixes: Counter[str] = Counter()
        thousands: Counter[str] = Counter()
        fit = 0
        for text, count in texts.items():
            match = pattern.fullmatch(text)
            if match is None or not (match[3] or match[4]):
                continue
            fit += count
            prefixes[_affix(text, match, 1)] += count
            suffixes[_affix(text, match, 5)] += count
            for sign in ".,' ":
                if match[3] and sign in match[3]:
                    thousands[sign] += count
        if not fit:
            continue
        scale = Numbers(
            point=point,
            thousands=thousands.most_common(1)[0][0] if thousands else "",
            prefix=_shared(prefixes, fit),
            suffix=_shared(suffixes, fit),
        )
        share = sum(count for text, count in texts.items() if scale.parse(text) is not None) / total
        if best is None or share > best[0] + 1e-9:
            best = (share, scale)
    return _measured(texts, best[1], total) if best is not None and best[0] >= enough else None


def _shared(affixes: Counter[str], fit: int) -> str:
    """What nearly all have before or behind their digits."""
    most, count = affixes.most_common(1)[0]
    return most if count >= ENOUGH * fit else ""


def _affix(text: str, match: re.Match[str], group: int) -> str:
    """What stands before or behind the digits, with the space between."""
    if group == 1:
        start = min(
            place for place in (match.start(2), match.start(3), match.start(4)) if place >= 0
        )
        return text[:start] if match[1] else ""
    stop = max(match.end(3), match.end(4))
    return text[stop:] if match[5] else ""


def _share(texts: Mapping[str, int], pattern: re.Pattern[str]) -> float:
    return sum(count for text, count in texts.items() if pattern.fullmatch(text)) / max(
        1, sum(texts.values())
    )


def _measured(texts: Mapping[str, int], scale: Numbers, total: int) -> Numbers:
    """The scale with the decimals of the cells."""
    places: Counter[int] = Counter()
    largest = 0.0
    for text, count in texts.items():
        if (units := scale.parse(text)) is None:
            continue
        digits = text.removeprefix(scale.prefix).removesuffix(scale.suffix)
        if "e" in digits.lower():
            digits = f"{float(digits):.{MOST_DECIMALS}f}".rstrip("0")
        places[len(digits.partition(scale.point)[2])] += count
        largest = max(largest, abs(units))
    decimals, running = 0, 0
    for decimals in sorted(places):  # those of nearly all; a few are computed, not measured
        running += places[decimals]
        if running >= MEASURED * sum(places.values()):
            break
    decimals = min(MOST_DECIMALS, decimals)
    while decimals and largest * 10**decimals >= LARGEST:
        decimals -= 1
    fixed = len(places) == 1 and decimals == max(places)
    return Numbers(decimals, fixed, scale.point, scale.thousands, scale.prefix, scale.suffix)


def moments_of(cells: Mapping[str, int]) -> Moments | None:
    """The ways in which these cells write dates, moments or times of day; None where most are
    none.
    """
    texts = {cell.strip(): count for cell, count in cells.items() if not is_missing(cell)}
    if not texts or not any(character in "-/.: " for character in next(iter(texts))):
        return None
    whole, texts = texts, dict(islice(texts.items(), LOOKED))
    total, left = sum(texts.values()), dict(texts)
    chosen: list[str] = []
    kind = ""
    while left and len(chosen) < MOST_FORMS:
        best: tuple[int, Form] | None = None
        for form in FORMS:
            if kind and form.kind != kind:
                continue
            fit = _fitting(left, form)
            if fit and (best is None or fit > best[0]):
                best = (fit, form)
        if best is None or best[0] < 0.01 * total:
            break
        kind = best[1].kind
        chosen.append(best[1].format)
        left = {
            text: count
            for text, count in left.items()
            if not (best[1].pattern.fullmatch(text) and _parses(text, best[1].format))
        }
    if not chosen or sum(left.values()) > (1 - ENOUGH) * total:
        return None
    form = chosen[0]
    padded = not any(re.search(r"(?<!\d)\d(?!\d)", text) for text in texts if _parses(text, form))
    made = Moments(chosen, kind, padded)
    fit = sum(count for text, count in whole.items() if made.parse(text) is not None)
    return made if fit >= ENOUGH * sum(whole.values()) else None


def _fitting(texts: Mapping[str, int], form: Form) -> int:
    matching = [(text, count) for text, count in texts.items() if form.pattern.fullmatch(text)]
    return sum(count for text, count in matching if _parses(text, form.format))


def _parses(text: str, format: str) -> bool:
    try:
        datetime.strptime(text, format)
    except ValueError:
        return False
    return True


def steps(units: Iterable[int]) -> int:
    """The greatest common divisor: values are whole multiples of it. At least 1."""
    return math.gcd(*units) or 1
