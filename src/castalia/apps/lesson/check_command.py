"""castalia lesson check FILE [--text TEXT] [--words LIST]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say

SHOWN = 20  # wrong ones in the terminal


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="a table with the columns question and answer, or a lesson.json"
        ),
    ],
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="that cloze and vocabulary are of")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", help="a table with the columns word and meaning")
    ] = None,
    json: AsJson = False,
) -> int:
    """Check the answers of exercises from anywhere; exit code 3 where one is wrong."""
    from castalia.apps.lesson.file_checks import checked
    from castalia.errors import DataError

    found = checked(file, text, words)
    if json:
        say_json(found.document())
        return DataError.exit_code if found.wrong else 0
    for one in [*found.wrong, *found.unread][:SHOWN]:
        expected = say("; right: {0}", one.verdict.expected) if one.verdict.expected else ""
        echo(
            say("{0}: {1}", one.place, one.exercise.question[:100]),
            say("    {0}: {1}{2}", one.exercise.answer, one.verdict.why, expected),
        )
    echo(
        say(
            "{0:,} exercises: {1:,} right, {2:,} wrong, {3:,} that could not be checked",
            len(found.every),
            len(found.right),
            len(found.wrong),
            len(found.unread),
        )
    )
    return DataError.exit_code if found.wrong else 0
