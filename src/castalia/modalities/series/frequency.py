"""The steps of time between values: found from stamps, counted, and written as stamps.

Steps are seconds, months (quarters, years), or only numbers. A moment is a whole number of the
unit: seconds since 1970 in UTC, months since the year 0, or the number itself; step k of a series
stands at `anchor + k * count`. So leap days and months of unequal length are steps like any other.
A stamp with a zone is taken in UTC, one without as it is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from castalia.sentences import Message, plural, say

Unit = Literal["second", "month", "number"]
_EPOCH = datetime(1970, 1, 1)
HOUR, DAY, WEEK = 3600, 86_400, 604_800
LONGEST_SEASON = 1000  # steps
ALIKE = 0.9  # of the strongest autocorrelation, that an earlier season needs
SEASONAL = 0.2  # an autocorrelation below this is no season
_NAMES = {
    ("second", 1): "second",
    ("second", 60): "minute",
    ("second", HOUR): "hour",
    ("second", DAY): "day",
    ("second", WEEK): "week",
    ("month", 1): "month",
    ("month", 3): "quarter",
    ("month", 12): "year",
    ("number", 1): "step",
}
_SEASONS = {("second", DAY): 7, ("second", WEEK): 52}
_FORMS = (
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%b %d, %Y",
    "%d %b %Y",
)
_AMERICAN = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")
_ISO = re.compile(
    r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?"
)
_YEAR = re.compile(r"[12]\d{3}(\.0+)?")
_QUARTER = re.compile(r"([12]\d{3})[- ]?[Qq]([1-4])")


@dataclass(frozen=True)
class Frequency:
    """unit, count: of one step. anchor: the moment of step 0, in the unit. form: how stamps are
    written, for `strftime`; "": as numbers. day: of the month on which months are stamped; 31: the
    last.
    """

    unit: Unit = "number"
    count: int = 1
    anchor: int = 0
    form: str = ""
    day: int = 1

    @property
    def parts(self) -> tuple[int, str]:
        """(30, "minute"): the step in the largest unit of which it has a whole number."""
        sizes = sorted(
            ((size, name) for (unit, size), name in _NAMES.items() if unit == self.unit),
            reverse=True,
        )
        size, name = next(one for one in sizes if self.count % one[0] == 0)
        return self.count // size, name

    @property
    def name(self) -> str:
        """ "hour", "30 minutes": for files and reports, in English."""
        count, name = self.parts
        return name if count == 1 else f"{count} {name}s"

    @property
    def season(self) -> int:
        """Steps of the usual season: a day of hours, a week of days, a year of weeks, months or
        quarters; 1 where there is none.
        """
        if (self.unit, self.count) in _SEASONS:
            return _SEASONS[self.unit, self.count]
        if self.unit == "second" and self.count < DAY and DAY % self.count == 0:
            return min(DAY // self.count, LONGEST_SEASON)
        return 12 // self.count if self.unit == "month" and 12 % self.count == 0 else 1

    def stamp(self, step: int) -> str:
        """How step `step` is written."""
        moment = self.anchor + step * self.count
        try:
            if self.unit == "second":
                return (_EPOCH + timedelta(seconds=moment)).strftime(self.form)
            if self.unit == "month":
                return _of_month(moment, self.day).strftime(self.form)
        except (OverflowError, ValueError):  # beyond the years that there are
            pass
        return str(moment)

    def moment(self, step: int) -> datetime | None:
        """When step `step` begins, as stamps say it; None for numbered steps and beyond the years
        that there are.
        """
        when = self.anchor + step * self.count
        if self.unit == "number":
            return None
        try:
            return _of_month(when, 1) if self.unit == "month" else _EPOCH + timedelta(seconds=when)
        except (OverflowError, ValueError):
            return None

    @property
    def zoned(self) -> bool:
        """Whether stamps said their zone, so that steps are counted in UTC."""
        return self.form.endswith("+00:00")

    def to_json(self) -> list[object]:
        return [self.unit, self.count, self.anchor, self.form, self.day]


INDEX = Frequency()


def spoken(parts: Sequence[Any]) -> Message:
    """A step in words, from `Frequency.parts`."""
    count, name = int(parts[0]), str(parts[1])
    words = {
        "second": plural("{0} second", "{0} seconds", count),
        "minute": plural("{0} minute", "{0} minutes", count),
        "hour": plural("{0} hour", "{0} hours", count),
        "day": plural("{0} day", "{0} days", count),
        "week": plural("{0} week", "{0} weeks", count),
        "month": plural("{0} month", "{0} months", count),
        "quarter": plural("{0} quarter of a year", "{0} quarters of a year", count),
        "year": plural("{0} year", "{0} years", count),
    }
    return words.get(name) or say("numbered, without dates")


def _of_month(month: int, day: int) -> datetime:
    year, place = divmod(month, 12)
    following = datetime(year + (place == 11), (place + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return datetime(year, place + 1, min(day, last))


def moment(text: str, month_first: bool = False) -> datetime | None:
    """A stamp as a moment, in UTC where it says its zone, else as it is written; None for anything
    else. month_first: of dates with slashes, where both orders are possible.
    """
    bare = text.strip()
    if _ISO.fullmatch(bare):
        try:
            found = datetime.fromisoformat(f"{bare}-01" if len(bare) == 7 else bare)
        except ValueError:
            return None
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    if _YEAR.fullmatch(bare):
        return datetime(int(float(bare)), 1, 1)
    if quarter := _QUARTER.fullmatch(bare):
        return datetime(int(quarter[1]), 3 * int(quarter[2]) - 2, 1)
    for form in (*_AMERICAN, *_FORMS) if month_first else _FORMS:
        try:
            return datetime.strptime(bare, form)
        except ValueError:
            continue
    return None


def counted(step: int) -> datetime | None:
    """Step number `step` as a moment that `numbered` knows; None for one that is too large."""
    try:
        return _EPOCH + timedelta(seconds=step)
    except OverflowError:
        return None


def numbered(frequency: Frequency) -> Frequency:
    """The frequency of steps that are numbered, from that of `counted` moments."""
    return Frequency("number", frequency.count, frequency.anchor)


def has_zone(text: str) -> bool:
    """Whether a stamp says its zone."""
    return bool((match := _ISO.fullmatch(text.strip())) and match[5])


def found(stamps: Sequence[datetime], zoned: bool = False) -> Frequency:
    """The frequency that most steps between neighbouring stamps have; days where there are fewer
    than two.
    """
    moments = sorted(set(stamps))
    if len(moments) < 2:
        return Frequency(
            "second", DAY, _seconds(moments[0]) if moments else 0, _form(moments, zoned)
        )
    months = [12 * one.year + one.month - 1 for one in moments]
    days = [one.day for one in moments]
    clock = {(one.hour, one.minute, one.second) for one in moments}
    steps = np.diff(months)
    last = [(_of_month(month, 31)).day for month in months]
    if clock == {(0, 0, 0)} and steps.min() >= 1 and (len(set(days)) == 1 or days == last):
        count = int(np.gcd.reduce(steps))
        usual = int(np.bincount(steps).argmax())
        count = usual if np.mean(steps % usual == 0) > 0.5 else count
        form = "%Y" if count % 12 == 0 and set(days) == {1} and months[0] % 12 == 0 else "%Y-%m-%d"
        return Frequency("month", count, months[0], form, 31 if days == last else days[0])
    seconds = np.array([_seconds(one) for one in moments])
    differences, counts = np.unique(np.diff(seconds), return_counts=True)
    usual = int(differences[counts.argmax()])
    usual = max(1, usual)
    phases, held = np.unique(seconds % usual, return_counts=True)
    # the first stamp may be a wrong one; clocks drift by a hundredth of a step
    exact = (seconds - phases[held.argmax()]) / usual
    steps = np.round(exact)[np.abs(exact - np.round(exact)) <= 0.01]
    first = int(phases[held.argmax()]) + int(steps[0]) * usual
    return Frequency("second", usual, first, _form(moments, zoned))


def places(frequency: Frequency, stamps: Sequence[datetime]) -> np.ndarray:
    """(n,) float64: the steps at which stamps stand; not whole where one lies between two."""
    if frequency.unit == "month":
        numbers = [12 * one.year + one.month - 1 for one in stamps]
    else:
        numbers = [_seconds(one) for one in stamps]
    return (np.array(numbers, dtype=np.float64) - frequency.anchor) / frequency.count


def _seconds(when: datetime) -> int:
    return math.floor((when - _EPOCH).total_seconds())


def _form(moments: Sequence[datetime], zoned: bool) -> str:
    if all((one.hour, one.minute, one.second) == (0, 0, 0) for one in moments) and not zoned:
        return "%Y-%m-%d"
    return "%Y-%m-%d %H:%M:%S" + ("+00:00" if zoned else "")


def season_of(values: Sequence[np.ndarray], longest: int) -> int:
    """The season that series have in common, from the mean autocorrelation of their differences:
    the earliest lag of 2 .. longest that is a peak nearly as high as the highest; 1 where none is.
    """
    total, count = np.zeros(longest + 2), 0
    for one in values:
        known = one[np.isfinite(one)]
        steps = np.diff(known)
        if len(steps) < longest + 4 or not steps.std() > 0:
            continue
        steps = (steps - steps.mean()) / steps.std()
        size = 1 << (2 * len(steps) - 1).bit_length()
        power = np.abs(np.fft.rfft(steps, size)) ** 2
        total += np.fft.irfft(power)[: longest + 2] / len(steps)
        count += 1
    if not count:
        return 1
    mean = total / count
    inner = np.arange(2, longest + 1)
    peaks = inner[(mean[inner] >= mean[inner - 1]) & (mean[inner] >= mean[inner + 1])]
    if not len(peaks) or mean[peaks].max() < SEASONAL:
        return 1
    return int(peaks[mean[peaks] >= ALIKE * mean[peaks].max()][0])
