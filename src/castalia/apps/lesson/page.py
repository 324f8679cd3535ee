"""The worksheet and its key as pages for A4 paper, with fractions set as fractions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from castalia.apps.lesson.exercise import GAP, Exercise, Passage
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.pages.render import render
from castalia.sentences import Message, say

HEADS: dict[str, Message] = {
    "arithmetic": say("Work these out."),
    "fractions": say("Fractions: give each answer in lowest terms."),
    "equations": say("Solve the equations."),
    "units": say("Write in the other unit."),
    "stories": say("Read, think, and write the answer."),
    "vocabulary": say("Words."),
    "cloze": say(
        "Read the text and fill the gaps. A number in brackets says how many letters the word has."
    ),
}
SHORT = ("arithmetic", "fractions", "equations", "units")  # two in a row
LETTERS = "ABCDEFGH"
_FRACTION = re.compile(r"(?<![\w/])(?:(\d+) )?(\d+|\d*[a-z]|\([^()]+\))/(\d+)(?![\w/])")


def worksheet_page(
    title: str, language: str, exercises: Sequence[Exercise], passages: Sequence[Passage]
) -> str:
    """HTML without answers."""
    sections = _sections(language, exercises, passages)
    return render("worksheet.html.j2", language, title=title, sections=sections)


def key_page(title: str, language: str, exercises: Sequence[Exercise], seed: int) -> str:
    """HTML with answers, and the way to them."""
    rows = [
        {
            "number": number,
            "question": _set(one.question),
            "answer": _set(one.answer),
            "working": [_set(line) for line in one.working],
            "why": one.why,
            "steps": one.steps,
        }
        for number, one in enumerate(exercises, 1)
    ]
    return render("lesson_key.html.j2", language, title=title, rows=rows, seed=seed)


def _sections(
    language: str, exercises: Sequence[Exercise], passages: Sequence[Passage]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number, one in enumerate(exercises, 1):
        if not found or found[-1]["kind"] != one.kind:
            found.append(
                {
                    "kind": one.kind,
                    "head": HEADS[one.kind],
                    "short": one.kind in SHORT or (one.kind == "vocabulary" and not one.choices),
                    "items": [],
                    "texts": [],
                }
            )
        section = found[-1]
        if one.kind == "cloze":
            if not section["texts"] or section["texts"][-1]["place"] != one.passage:
                inside = {n: e for n, e in enumerate(exercises, 1) if e.passage == one.passage}
                reading = _reading(language, passages[one.passage], inside)
                section["texts"].append({"place": one.passage, **reading, "gaps": []})
            if one.choices:
                section["texts"][-1]["gaps"].append(_item(number, one))
        else:
            section["items"].append(_item(number, one))
    return found


def _reading(language: str, passage: Passage, gaps: Mapping[int, Exercise]) -> dict[str, Any]:
    """A passage with its gaps numbered, and how hard it is."""
    sentences = list(passage.sentences)
    for number, one in gaps.items():
        sentences[one.sentence] = one.question.replace(GAP, f"\x00{number}\x01")
    between = "" if language == "zh" else " "
    text = Html.escape(between.join(sentences))
    marked = re.sub("\x00(\\d+)\x01", r'<span class="gap"><sup>\1</sup></span>', str(text))
    voice = Voice(language)
    values = passage.grade, passage.sentence_length
    level = (
        voice.say("school year {0:.1f}, {1:.0f} words a sentence", *values)
        if language == "en"
        else voice.say("school year {0:.1f}, {1:.0f} characters a sentence", *values)
    )
    return {"text": Html(marked), "level": level}


def _item(number: int, one: Exercise) -> dict[str, Any]:
    return {
        "number": number,
        "question": _asked(one),
        "choices": list(zip(LETTERS, one.choices, strict=False)),
        "line": one.kind in ("stories", "vocabulary") and not one.choices,
        "solve": one.kind == "equations",
    }


def _asked(one: Exercise) -> Html:
    """The question with room for the answer in place of "?"."""
    if one.kind in ("stories", "vocabulary", "cloze"):
        return Html.escape(one.question)
    room = Html('<span class="room"></span>')
    return Html(str(_set(one.question)).replace("?", str(room)))


def _set(text: str) -> Html:
    """Escaped, fractions one over the other."""

    def stacked(match: re.Match[str]) -> str:
        whole = f"{match[1]}" if match[1] else ""
        return f'{whole}<span class="frac"><span>{match[2]}</span><span>{match[3]}</span></span>'

    return Html(_FRACTION.sub(stacked, str(Html.escape(text))))
