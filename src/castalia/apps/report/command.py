"""castalia report DATA... [--template T.md] --out DIR; castalia report TEXT --facts FACTS.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page, say_json
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import plural, say


def command(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="tables; with --facts: the text to be checked"),
    ],
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Markdown with marks; default: an overview"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder for the report and its facts")
    ] = None,
    facts: Annotated[
        Path | None,
        typer.Option(
            metavar="FACTS.json",
            help="check that a text, such as a polished report, says no other number than these",
        ),
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Write a report in which every number comes from cells, or check a text against its facts."""
    from castalia.apps.report.writing import report
    from castalia.errors import RecipeError
    from castalia.language import current

    if facts is not None:
        return _check(data, facts, json)
    if out is None:
        raise RecipeError(
            say("a report is written into a folder"), where="--out", fix=say("--out DIR")
        )
    made = report(data, template, language=current())
    page = made.write(out, Path(data[0]).stem, current())
    if json:
        say_json({"folder": str(out), "markdown": made.text, **made.document()})
        return 0
    echo(
        say("{0} in {1}", plural("{0} fact", "{0} facts", len(made.facts)), out),
        say("look at: {0}", page),
    )
    if show:
        open_page(page)
    return 0


def _check(texts: list[str], facts: Path, json: bool) -> int:
    from castalia.apps.report.writing import checked
    from castalia.errors import Refused

    loose, lost = checked([Path(one) for one in texts], facts)
    if json:
        say_json(
            {
                "unproved": [
                    {"number": one.number, "line": one.line, "around": one.around} for one in loose
                ],
                "lost": lost,
            }
        )
    else:
        for one in loose:
            echo(say("line {0}: the number {1} comes from no cell", one.line, one.number))
            echo(f"    {one.around}")
        for name in lost:
            echo(say("no longer there: {0}", name))
        if not loose:
            echo(say("every number is one of the report's facts"))
    return Refused.exit_code if loose else 0
