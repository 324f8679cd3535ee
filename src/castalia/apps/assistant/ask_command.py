"""castalia assistant ask DESK "QUESTION" [--json]."""

from __future__ import annotations

from typing import Annotated

import typer

from castalia.apps.assistant.options import Desk, ModelName, PhrasedBy
from castalia.cli.console import echo, say_json


def command(
    desk: Desk,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="what you want to know")],
    before: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTION", help="what was asked before; may be given several times, in order"
        ),
    ] = None,
    llm: PhrasedBy = "",
    model: ModelName = "",
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="one JSON document: answered, answer, citations, confidence, language"
        ),
    ] = False,
) -> int:
    """Ask a desk one question."""
    from castalia.apps.assistant.answering import ask
    from castalia.apps.assistant.desk import open_desk
    from castalia.apps.assistant.phrasing import phrased_by
    from castalia.apps.assistant.places import lines

    phrase = phrased_by(llm, model) if llm else None
    answer = ask(open_desk(desk), question, before or [], phrase=phrase)
    if json:
        say_json(answer.document())
    else:
        echo(*lines(answer))
    return 0
