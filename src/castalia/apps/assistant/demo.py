"""castalia demo assistant: a desk of questions about Castalia, in English and Chinese, and how it
does on questions that it has not seen.
"""

from __future__ import annotations

from pathlib import Path

from castalia.apps.assistant import judging
from castalia.apps.assistant.answering import ask
from castalia.apps.assistant.desk import build
from castalia.apps.assistant.places import lines
from castalia.cli.console import echo
from castalia.sentences import say

DATA = Path(__file__).parent / "data"
ASKED = (
    "Which python version do I need?",
    "数据会不会被上传？",
    "What does a licence for ten users cost?",
)
RATE = 0.2  # so few entries promise little: 0.05 needs 59 questions without an answer


def demo(folder: Path) -> Path:
    """Builds, asks and judges; the page."""
    desk = build([DATA / "faq.csv"], false_answers=RATE).save(folder / "desk")
    for question in ASKED:
        echo(f"> {question}", *lines(ask(desk, question)))
    judged = judging.evaluate(desk, DATA / "questions.csv")
    echo(say("ask more: castalia assistant chat {0}", folder / "desk"))
    return judging.write_page(judged, desk, folder, "assistant")
