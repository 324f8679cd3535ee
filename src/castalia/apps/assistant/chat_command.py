"""castalia assistant chat DESK: questions in the terminal, one a line."""

from __future__ import annotations

import sys

from castalia.apps.assistant.options import Desk, ModelName, PhrasedBy
from castalia.cli.console import echo
from castalia.errors import CastaliaError
from castalia.language import translate
from castalia.sentences import say


def command(
    desk: Desk,
    llm: PhrasedBy = "",
    model: ModelName = "",
) -> int:
    """Ask a desk one question after the other."""
    from castalia.apps.assistant.answering import ask
    from castalia.apps.assistant.desk import open_desk
    from castalia.apps.assistant.phrasing import phrased_by
    from castalia.apps.assistant.places import lines

    opened, phrase = open_desk(desk), phrased_by(llm, model) if llm else None
    history: list[str] = []
    if sys.stdin.isatty():
        echo(say("ask something; Ctrl-D ends"), err=True)
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return 0
        if not question.strip():
            continue
        try:
            echo(*lines(ask(opened, question, history, phrase=phrase)))
            history.append(question)
        except CastaliaError as error:  # the conversation goes on
            echo(translate(error), err=True)
