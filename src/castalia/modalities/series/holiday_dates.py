"""Days of public holidays, from a file of the user's own: a date a line.

They are stored in the run, so a forecast does not need the file. Not here: holidays by country. The
package `holidays` knows them, but holds python-dateutil back; it writes such a file in one line.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from castalia import bounded
from castalia.errors import DataError, RecipeError
from castalia.modalities.series import frequency
from castalia.omissions import omit
from castalia.sentences import say


def holiday_dates(path: Path) -> tuple[date, ...]:
    """The days, sorted: the first cell of each line. Raises RecipeError where there is no file,
    DataError for one without dates.
    """
    if not path.is_file():
        raise RecipeError(
            say("there is no file of holidays"),
            f"codec.holidays={path}",
            say("name a file with a date a line, as 2025-12-25"),
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
            say("name a file with a date a line, as 2025-12-25"),
        )
    if len(odd) > 1:  # one line may name the column
        omit(
            say("lines of the file of holidays that are no dates"),
            len(odd),
            example=f"{path.name}: {odd[-1][:40]}",
            remedy=say("name a file with a date a line, as 2025-12-25"),
        )
    return tuple(sorted(days))
