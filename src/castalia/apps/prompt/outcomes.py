"""What a tested suite says: outcomes, cells, comparisons, and all of them together."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from castalia.apps.prompt.assertion import Assertion, Verdict
from castalia.apps.prompt.models import Answer
from castalia.apps.prompt.paired_tests import Gain, Share, share
from castalia.apps.prompt.suite import Suite
from castalia.language import Voice
from castalia.sentences import join, plural, say

SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """One answer in its case. question: what was asked; score: the weighted mean of the verdicts'
    scores.
    """

    case: int
    repeat: int
    question: str
    answer: Answer
    verdicts: tuple[tuple[Assertion, Verdict], ...]
    score: float
    passed: bool


@dataclass(frozen=True)
class Cell:
    """A prompt with a model. outcomes: by case, then by repeat."""

    prompt: str
    model: str
    outcomes: tuple[Outcome, ...]

    @property
    def scores(self) -> list[float]:
        """Of each case, the share of its answers that pass."""
        cases: dict[int, list[bool]] = {}
        for one in self.outcomes:
            cases.setdefault(one.case, []).append(one.passed)
        return [sum(passed) / len(passed) for _, passed in sorted(cases.items())]

    @property
    def share(self) -> Share:
        return share(self.scores)

    @property
    def seconds(self) -> float:
        """Median seconds of an answer, as when it was asked."""
        times = [one.answer.seconds for one in self.outcomes if not one.answer.problem]
        return statistics.median(times) if times else 0.0


@dataclass(frozen=True)
class Comparison:
    """of: what differs; within: what both share. gain: of `second` over `first`. shown: whether the
    difference holds for all comparisons together.
    """

    of: Literal["prompts", "models"]
    first: str
    second: str
    within: str
    gain: Gain
    shown: bool = False

    @property
    def better(self) -> str:
        """The better one, "" where no difference is shown."""
        return "" if not self.shown else self.second if self.gain.value > 0 else self.first

    @property
    def lead(self) -> tuple[float, float, float]:
        """The gain of the one that did better, and its interval."""
        one = self.gain
        if one.value < 0:
            return -one.value, -one.high, -one.low
        return one.value, one.low, one.high

    def words(self) -> str:
        """One sentence."""
        one, two, won, lost = self.first, self.second, self.gain.wins, self.gain.losses
        if self.gain.value < 0:
            one, two, won, lost = two, one, lost, won
        if self.shown:
            return say(
                "With {0}, '{1}' is better than '{2}': in {3} of {4} cases against {5} "
                "(p = {6:.2g}).",
                *(self.within, two, one, won, self.gain.n, lost, self.gain.p),
            )
        return say(
            "With {0}, no difference between '{1}' and '{2}' is shown: {3} against {4} of {5} "
            "cases (p = {6:.2g}).",
            *(self.within, two, one, won, lost, self.gain.n, self.gain.p),
        )


@dataclass(frozen=True)
class Scored:
    """A registered metric of a cell. passed: None where the suite sets no bound."""

    prompt: str
    model: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    passed: bool | None
    words: str = ""


@dataclass(frozen=True)
class Tested:
    """asked, kept: how many answers were asked for now, and how many were here already."""

    suite: Suite
    folder: Path
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    metrics: tuple[Scored, ...]
    asked: int
    kept: int
    notes: tuple[str, ...]

    def failing(self, least: float = 1.0) -> list[Cell]:
        """The cells of which less than `least` of the cases pass."""
        return [one for one in self.cells if one.share.value < least]

    def passed(self, least: float = 1.0) -> bool:
        """Whether every cell has its share, and every bounded metric is within its bounds."""
        return not self.failing(least) and all(one.passed is not False for one in self.metrics)

    @property
    def headline(self) -> str:
        """What the whole says, in a sentence or two."""
        return join([self.verdict, *self.shown])

    @property
    def verdict(self) -> str:
        """The shares, in a sentence."""
        ranked = sorted(self.cells, key=lambda one: one.share.value)
        cases = plural("{0} case", "{0} cases", len(self.suite.cases))
        low, high = ranked[0].share.value, ranked[-1].share.value
        if f"{low:.0%}" == f"{high:.0%}":
            return say("{0:.0%} of {1} pass.", high, cases)
        return say("Between {0:.0%} and {1:.0%} of {2} pass.", low, high, cases)

    @property
    def shown(self) -> list[str]:
        """What may be said of differences, a sentence each; nothing where nothing is compared."""
        found = [one.words() for one in self.comparisons if one.shown]
        if not self.comparisons or found:
            return found
        return [say("No difference between prompts or models is shown.")]

    def document(self, language: str = "en") -> dict[str, Any]:
        """JSON: everything that pages show."""
        voice = Voice(language)
        made = {
            "schema": SCHEMA,
            "suite": self.suite.name,
            "headline": self.headline,
            "prompts": [{"name": one.name, "version": one.version} for one in self.suite.prompts],
            "models": [one.title for one in self.suite.models],
            "asked": self.asked,
            "kept": self.kept,
            "notes": list(self.notes),
            "cells": [
                {
                    "prompt": one.prompt,
                    "model": one.model,
                    **asdict(one.share),
                    "seconds": round(one.seconds, 4),
                    "answers": [_told(outcome, self.suite) for outcome in one.outcomes],
                }
                for one in self.cells
            ],
            "comparisons": [
                {
                    **{name: getattr(one, name) for name in ("of", "first", "second", "within")},
                    **asdict(one.gain),
                    "shown": one.shown,
                    "better": one.better or None,
                    "words": one.words(),
                }
                for one in self.comparisons
            ],
            "metrics": [asdict(one) for one in self.metrics],
        }
        plain: dict[str, Any] = voice.plain(made)
        return plain


def _told(one: Outcome, suite: Suite) -> dict[str, Any]:
    return {
        "case": suite.cases[one.case].name,
        "repeat": one.repeat,
        "passed": one.passed,
        "score": round(one.score, 4),
        "question": one.question,
        "text": one.answer.text,
        **one.answer.document(),
        "verdicts": [
            {"assertion": made.title, **asdict(verdict)} for made, verdict in one.verdicts
        ],
    }
