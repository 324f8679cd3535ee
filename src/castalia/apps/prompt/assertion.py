"""What assertions are made of: the assertion as a suite has it, what it is asked about, and what it
says. The kinds are in assertions.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from castalia.apps.prompt.answers import Answers
from castalia.apps.prompt.models import Answer, Model
from castalia.config import Config

NOT = "not-"


class Assertion(Config):
    """type: one of KINDS, with or without `not-`. The others are fields of some kinds: value: what
    is looked for; threshold: the least score that passes; min, max: bounds of a number; run: the
    run whose data teach a classifier, or whose codec reads an item; weight: in a case's score.
    """

    type: str
    value: Any = None
    threshold: float | None = None
    min: float | None = None
    max: float | None = None
    unit: str = ""
    measure: str = ""
    run: str = ""
    name: str = ""
    weight: float = Field(1.0, ge=0)

    @property
    def kind(self) -> str:
        return self.type.removeprefix(NOT)

    @property
    def title(self) -> str:
        """What a table calls it."""
        value = self.value if isinstance(self.value, str | int | float) else ""
        return self.name or f"{self.type} {str(value)[:60]}".strip()


@dataclass
class Tools:
    """What assertions may use. base: what paths are relative to. answers: kept ones, where items
    are and to which a judge's go. judge: the model that judges, None where the suite names none.
    """

    base: Path
    answers: Answers
    judge: Model | None = None
    trust: bool = False
    opened: dict[str, Any] = field(default_factory=dict)  # runs and classifiers, by their names


@dataclass(frozen=True)
class Asked:
    """One answer in its case. model: the one that gave it. question: what it was asked."""

    answer: Answer
    values: Mapping[str, Any]
    model: Model
    question: str
    seed: int
    tools: Tools


@dataclass(frozen=True)
class Verdict:
    """score: in [0, 1]; words: why, for people. undecided: nothing could be said, so it does not
    pass, whichever way it was asked.
    """

    passed: bool
    score: float
    words: str = ""
    undecided: bool = False


def whether(passed: bool, words: str = "") -> Verdict:
    """A verdict without degrees; words: why it does not pass."""
    return Verdict(passed, float(passed), "" if passed else words)
