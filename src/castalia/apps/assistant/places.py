"""How an answer and its places are shown in a terminal."""

from __future__ import annotations

from castalia.apps.assistant.answering import Answer, Citation
from castalia.sentences import say


def lines(answer: Answer) -> list[str]:
    """The answer, and a line for each place."""
    return [answer.answer, *(say("  in {0}", place(one)) for one in answer.citations)]


def place(one: Citation) -> str:
    """ "guide.pdf, page 3": where a citation stands."""
    if one.page:
        return say("{0}, page {1}", one.source, one.page)
    if one.line:
        return say("{0}, line {1}", one.source, one.line)
    return one.source
