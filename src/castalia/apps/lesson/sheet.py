"""A made lesson, and the files of it: worksheet and key as pages, JSON, CSV, GIFT."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.apps.lesson.exercise import Exercise, Passage
from castalia.apps.lesson.page import key_page, worksheet_page
from castalia.language import Voice
from castalia.sentences import say

FORMAT = 1
COLUMNS = ("number", "kind", "question", "choices", "answer", "steps")


@dataclass(frozen=True)
class Lesson:
    """refused: drawn exercises that the checker did not find right; they are not in it."""

    title: str
    language: str
    seed: int
    exercises: tuple[Exercise, ...]
    passages: tuple[Passage, ...]
    refused: int = 0
    band: tuple[float, float] | None = None

    @property
    def heading(self) -> str:
        return self.title or Voice(self.language)(say("Worksheet"))

    def document(self) -> dict[str, Any]:
        """JSON, with the answers."""
        voice = Voice(self.language)
        return {
            "format": FORMAT,
            "title": self.heading,
            "language": self.language,
            "seed": self.seed,
            "refused": self.refused,
            "exercises": [voice.plain(one.document()) for one in self.exercises],
            "passages": [
                {
                    "text": ("" if self.language == "zh" else " ").join(one.sentences),
                    "grade": round(one.grade, 2),
                    "sentence_length": round(one.sentence_length, 1),
                    "line": one.line,
                }
                for one in self.passages
            ],
        }

    def worksheet(self) -> str:
        """The page without answers."""
        return worksheet_page(self.heading, self.language, self.exercises, self.passages)

    def key(self) -> str:
        """The page with answers."""
        return key_page(self.heading, self.language, self.exercises, self.seed)

    def table(self) -> str:
        """CSV with one line an exercise."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for number, one in enumerate(self.exercises, 1):
            choices = " | ".join(one.choices)
            writer.writerow([number, one.kind, one.question, choices, one.answer, one.steps])
        return out.getvalue()

    def gift(self) -> str:
        """Moodle's GIFT: choices where there are some, else short answers."""
        return (
            "\n\n".join(
                f"::{number} {one.kind}::{_escaped(one.question)}{_answers(one)}"
                for number, one in enumerate(self.exercises, 1)
            )
            + "\n"
        )

    def write(self, folder: Path) -> Path:
        """worksheet.html, key.html, lesson.json, lesson.csv and lesson.gift.txt in `folder`; the
        worksheet.
        """
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / "lesson.json", self.document())
        atomic.write(folder / "lesson.csv", "\ufeff" + self.table())
        atomic.write(folder / "lesson.gift.txt", self.gift())
        atomic.write(folder / "key.html", self.key())
        page = folder / "worksheet.html"
        atomic.write(page, self.worksheet())
        return page


def _answers(one: Exercise) -> str:
    if one.choices:
        right = one.answer if one.answer in one.choices else one.answer.lower()
        marked = [f"{'=' if choice == right else '~'}{_escaped(choice)}" for choice in one.choices]
        return " {" + " ".join(marked) + "}"
    # of "x = 5" the bare number is right, too
    also = one.answer.removeprefix("x = ")
    accepted = dict.fromkeys([one.answer, also, also.replace("−", "-")])
    return " {" + " ".join(f"={_escaped(answer)}" for answer in accepted) + "}"


def _escaped(text: str) -> str:
    for sign in "\\~=#{}:":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", "\\n")
