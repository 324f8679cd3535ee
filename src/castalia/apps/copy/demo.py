"""castalia demo copy: texts for five made products in the current language, checked again from
their files.
"""

from __future__ import annotations

from pathlib import Path

from castalia.cli.console import echo
from castalia.language import current
from castalia.sentences import say

DATA = Path(__file__).parent / "data"


def demo(folder: Path) -> Path:
    """The page of the texts."""
    from castalia.apps.copy.file_checks import checked
    from castalia.apps.copy.making import FORMS, TONES, copy
    from castalia.apps.copy.writing import write

    language = current()
    table = DATA / f"products.{language}.csv"
    made = copy(table, tone=TONES, form=FORMS, n=2, language=language)
    page, summary = write(made, folder, language)
    for one in summary.first[:5]:
        echo(one.words)
    found = checked(folder / "copy.csv", table)
    echo(
        say(
            "{0:,} texts, {1:,} of them with something that the table does not say",
            len(found.every),
            len(found.wrong),
        )
    )
    return page
