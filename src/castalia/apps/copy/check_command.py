"""castalia copy check TEXTS PRODUCTS.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.apps.copy.options import Currency, NameColumn
from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say

SHOWN = 20  # texts in the terminal


def command(
    texts: Annotated[
        Path,
        typer.Argument(
            metavar="TEXTS", help="a table with the columns product and text, or paragraphs"
        ),
    ],
    table: Annotated[
        Path, typer.Argument(metavar="PRODUCTS", help="a table with one line a product")
    ],
    name: NameColumn = "",
    currency: Currency = "",
    json: AsJson = False,
) -> int:
    """Find what texts say that the table does not, or that advertisements must not say; exit code 7
    where there is anything.
    """
    from castalia.apps.copy.file_checks import checked
    from castalia.errors import Refused
    from castalia.language import Voice, current

    found = checked(texts, table, currency, name)
    code = Refused.exit_code if found.wrong else 0
    if json:
        say_json(found.document(Voice(current())))
        return code
    for one in found.wrong[:SHOWN]:
        echo(say("{0}: {1}", one.place, one.words[:100]))
        for finding in one.findings:
            echo(say("    {0}", finding.why))
    for one in found.unknown[:SHOWN]:
        echo(say("{0} was not checked: {1}", one.place, one.unknown))
    echo(
        say(
            "{0:,} texts: {1:,} proved, {2:,} not, {3:,} that could not be checked",
            len(found.every),
            len(found.every) - len(found.wrong) - len(found.unknown),
            len(found.wrong),
            len(found.unknown),
        )
    )
    return code
