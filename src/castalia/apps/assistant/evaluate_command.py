"""castalia assistant evaluate DESK QUESTIONS.csv [--out DIR] [--json]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.apps.assistant.options import Desk
from castalia.cli.console import echo, open_page, say_json, table
from castalia.cli.options import AsJson, OpenPage
from castalia.sentences import say


def command(
    desk: Desk,
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="table with the columns question and answer; no answer: there is none",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder for a page with the curve")
    ] = None,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Count how often a desk answers, and rightly, on questions that it has not seen."""
    from castalia.apps.assistant import judging
    from castalia.apps.assistant.desk import open_desk

    opened = open_desk(desk)
    judged = judging.evaluate(opened, questions)
    if json:
        say_json(judging.document(judged))
    else:
        rows = [
            (
                one.language or say("all"),
                f"{one.answerable}",
                f"{one.answered:.1%}",
                f"{one.right:.1%}",
                f"{one.unanswerable}",
                f"{one.false:.1%}",
                f"{one.bound:.1%}",
            )
            for one in judging.tallies(judged)
        ]
        echo(
            table(
                (
                    say("language"),
                    say("with an answer"),
                    say("answered"),
                    say("right"),
                    say("without one"),
                    say("false answers"),
                    say("at most (95%)"),
                ),
                rows,
            )
        )
    if out is not None:
        page = judging.write_page(judged, opened, out, questions.stem)
        if not json:
            echo(say("look at: {0}", page))
        if show:
            open_page(page)
    return 0
