"""An exercise: a question as it is printed, its answer, and how to get there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KINDS = (
    "arithmetic",
    "fractions",
    "equations",
    "units",
    "stories",
    "vocabulary",
    "cloze",
)
FROM_TEXT = ("vocabulary", "cloze")
GAP = "____"


@dataclass(frozen=True)
class Exercise:
    """question: with "?" or GAP where the answer goes. working: lines from the question to the
    answer, one for each step. choices: to choose from; empty where the answer is written. passage:
    the place of the reading text it belongs to, and sentence: of the sentence in it; -1 for none.
    why: what makes the answer the only one, in cloze and vocabulary.
    """

    kind: str
    question: str
    answer: str
    working: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    passage: int = -1
    sentence: int = -1
    why: str = ""

    @property
    def steps(self) -> int:
        """One for each line of the working; of words, which have none, 1."""
        return len(self.working) or 1

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "kind": self.kind,
            "question": self.question,
            "answer": self.answer,
            "steps": self.steps,
        }
        if self.choices:
            found["choices"] = list(self.choices)
        if self.working:
            found["working"] = list(self.working)
        if self.why:
            found["why"] = self.why
        if self.passage >= 0:
            found["passage"] = self.passage
        return found


@dataclass(frozen=True)
class Passage:
    """A reading text: its sentences, how hard it is by `measure`, and in which band that lies."""

    sentences: Sequence[str]
    grade: float
    sentence_length: float
    line: int
