"""Days of public holidays: a country's, from the package `holidays` (extra `series`), or those of a
file of the user's own, a date a line. They are stored in the run, so a forecast needs neither.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from castalia import bounded
from castalia.errors import DataError, MissingExtra, RecipeError
from castalia.modalities.series import frequency
from castalia.omissions import omit
from castalia.sentences import say

COUNTRY = re.compile(r"[A-Z]{2}(-[A-Za-z0-9]{1,3})?")
AHEAD = 10  # years beyond the data


def holiday_dates(source: str, first: int, last: int) -> tuple[date, ...]:
    """The days, sorted. source: a country and part of it ("GB", "DE-BY"), whose holidays of the
    years first .. last + AHEAD are known, or a file. Raises RecipeError for an unknown country,
    MissingExtra without the package, DataError for a file without dates.
    """
    if COUNTRY.fullmatch(source):
        return _of_country(source, first, last + AHEAD)
    return _of_file(Path(source))


def _of_country(source: str, first: int, last: int) -> tuple[date, ...]:
    try:
        import holidays
    except ImportError as error:
        raise MissingExtra("holidays", "series", f"codec.holidays={source}") from error
    country, _, part = source.partition("-")
    try:
        found = holidays.country_holidays(
            country, subdiv=part or None, years=range(first, last + 1)
        )
    except NotImplementedError as error:
        raise RecipeError(
            say("no holidays are known of '{0}'", source),
            f"codec.holidays={source}",
            say("name a country as GB or DE-BY, or a file with a date a line"),
        ) from error
    return tuple(sorted(found))


def _of_file(path: Path) -> tuple[date, ...]:
    if not path.is_file():
        raise RecipeError(
            say("there is no file of holidays"),
            f"codec.holidays={path}",
            say("name a country as GB or DE-BY, or a file with a date a line"),
        )
    days, odd = set(), []
    for line in bounded.read_text(path).splitlines():
        cell = re.split(r"[,;\t]", line.strip())[0].strip(' "')
        when = frequency.moment(cell) if cell else None
        if when is not None:
            days.add(when.date())
        elif cell:
            odd.append(cell)
    if not days:
        raise DataError(
            say("the file of holidays has no dates"),
            path.name,
            say("write a date a line, as 2025-12-25"),
        )
    if len(odd) > 1 or (odd and len(days) < 2):  # one line may name the column
        omit(
            say("lines of the file of holidays that are no dates"),
            len(odd),
            example=f"{path.name}: {odd[-1][:40]}",
            remedy=say("write a date a line, as 2025-12-25"),
        )
    return tuple(sorted(days))
