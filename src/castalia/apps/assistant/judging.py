"""How often a desk answers, and rightly, on questions with known answers that it was not calibrated
on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.apps.assistant import terms
from castalia.apps.assistant.answering import ask
from castalia.apps.assistant.desk import Desk, matched
from castalia.apps.assistant.reading import questions_of
from castalia.evaluation.exact_tests import upper_bound
from castalia.language import current
from castalia.pages.render import render


@dataclass(frozen=True)
class Judged:
    """One question. right: whether the passage that was quoted is the right one."""

    question: str
    answerable: bool
    answered: bool
    right: bool
    confidence: float
    seconds: float
    answer: str
    language: str


@dataclass(frozen=True)
class Tally:
    """answered and right: shares of the answerable questions that are answered, and of these
    answers that are right; 0 where there are none. false: of unanswerable questions that are
    answered; bound: the upper end of its 95% interval (one-sided).
    """

    language: str
    answerable: int
    unanswerable: int
    answered: float
    right: float
    false: float
    bound: float


def evaluate(desk: Desk, questions: Path) -> list[Judged]:
    """Each question of a table, asked by itself. Raises as `desk.matched`."""
    return judge(desk, matched(desk.passages, questions_of(questions), questions))


def judge(desk: Desk, asked: Sequence[tuple[str, int | None]]) -> list[Judged]:
    """The same of questions with the numbers of their passages, None where there is no answer."""
    found = []
    for question, number in asked:
        begun = time.perf_counter()
        answer = ask(desk, question, log=False)
        seconds = time.perf_counter() - begun
        right = answer.answered and answer.citations[0].passage == number
        found.append(
            Judged(
                question, number is not None, answer.answered, right, answer.confidence, seconds,
                answer.answer, terms.language(question),
            )
        )  # fmt: skip
    return found


def tallies(judged: Sequence[Judged]) -> list[Tally]:
    """Of all questions (language ""), and of each language where there are several."""
    spoken = sorted({one.language for one in judged})
    parts = [("", list(judged))]
    if len(spoken) > 1:
        parts += [(one, [row for row in judged if row.language == one]) for one in spoken]
    return [_tally(language, rows) for language, rows in parts]


def curve(judged: Sequence[Judged]) -> list[tuple[float, float]]:
    """(share of unanswerable questions that would be answered, share of answerable ones), one
    point for each threshold.
    """
    negative = [one.confidence for one in judged if not one.answerable]
    positive = [one.confidence for one in judged if one.answerable]
    levels = sorted({*negative, *positive, 0.0, 1.1})
    return [
        (
            sum(one >= level for one in negative) / max(len(negative), 1),
            sum(one >= level for one in positive) / max(len(positive), 1),
        )
        for level in levels
    ]


def write_page(judged: Sequence[Judged], desk: Desk, folder: Path, title: str) -> Path:
    """judged.html in `folder`."""
    points = curve(judged)
    wrong = [one for one in judged if one.answered and not one.right]
    atomic.write(
        folder / "judged.html",
        render(
            "judged.html.j2",
            current(),
            title=title,
            tallies=tallies(judged),
            wanted=desk.gate.wanted,
            line=" ".join(f"{40 + 300 * x:.1f},{220 - 200 * y:.1f}" for x, y in points),
            wrong=wrong[:50],
            silent=[one for one in judged if one.answerable and not one.answered][:50],
        ),
    )
    return folder / "judged.html"


def document(judged: Sequence[Judged]) -> dict[str, Any]:
    """JSON."""
    return {
        "tallies": [vars(one) for one in tallies(judged)],
        "curve": curve(judged),
        "questions": [vars(one) for one in judged],
    }


def _tally(language: str, rows: Sequence[Judged]) -> Tally:
    known = [one for one in rows if one.answerable]
    unknown = [one for one in rows if not one.answerable]
    answered = [one for one in known if one.answered]
    false = sum(one.answered for one in unknown)
    return Tally(
        language,
        len(known),
        len(unknown),
        len(answered) / max(len(known), 1),
        sum(one.right for one in answered) / max(len(answered), 1),
        false / max(len(unknown), 1),
        upper_bound(false, len(unknown)),
    )
