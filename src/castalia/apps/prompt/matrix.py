"""`castalia prompt test`: every prompt, every model, every case; what passes, and what may be said.

    tested = test(Path("suite.yaml"), Path("tested"))
    tested.headline, tested.cells, tested.comparisons
    tested.write()                               results.json and report.html in the folder

Cells are shares of cases with exact intervals. Two prompts of one model, or two models of one
prompt, have answered the same cases, so they are compared in pairs; "better" is said only of pairs
that Holm's procedure lets through, over all pairs of the suite (paired_tests.py). Answers are kept
in the folder (answers.py): what was asked once is not asked again, and a test that was stopped goes
on where it was.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from castalia import atomic
from castalia.apps.prompt.answers import Answers, Question
from castalia.apps.prompt.assertions import Asked, Assertion, Tools, check
from castalia.apps.prompt.models import Answer, Model, ModelConfig, model_of
from castalia.apps.prompt.paired_tests import LEVEL, Gain, Share, gain, holm, share
from castalia.apps.prompt.suite import Case, Suite, load
from castalia.apps.prompt.template import Choice, Prompt
from castalia.apps.prompt.verdicts import Verdict
from castalia.errors import RecipeError
from castalia.language import Voice
from castalia.progress import stage
from castalia.sentences import join, plural, say

SCHEMA = 1
MOST_SEED = 2**31  # servers take no larger one


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
        shown = [one for one in self.comparisons if one.shown]
        total = sum(len(one.scores) for one in self.cells)
        good = sum(sum(one.scores) for one in self.cells)
        first = say("{0:.0%} of {1} pass.", good / total, plural("{0} case", "{0} cases", total))
        if not self.comparisons:
            return first
        if not shown:
            return join([first, say("No difference between prompts or models is shown.")])
        return join([first, *(one.words() for one in shown[:3])])

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

    def write(self, language: str = "en") -> Path:
        """results.json and report.html in the folder; the page."""
        from castalia.apps.prompt.pages import write_page

        atomic.write_json(self.folder / "results.json", self.document(language))
        page = self.folder / "report.html"
        write_page(self, page, language)
        return page


def test(
    suite: Path | Suite,
    out: Path,
    *,
    models: Sequence[ModelConfig] = (),
    judge: ModelConfig | None = None,
    trust: bool = False,
    together: int = 4,
) -> Tested:
    """Run a suite; `out` keeps its answers. models: in the place of the suite's. together: how many
    questions may wait for a model elsewhere at once.

    Raises RecipeError for a suite that is not right; OutsideModelError where a model elsewhere does
    not answer: what was answered is kept, and the same call goes on from there.
    """
    whole = suite if isinstance(suite, Suite) else load(suite, trust=trust)
    whole = whole.with_models(models)
    if not whole.models:
        raise RecipeError(
            say("the suite names no model"),
            whole.name,
            say("add `models`, or give --run RUN, or --llm ADDRESS --model NAME"),
        )
    answers = Answers(out)
    desk = Desk(whole, answers, trust, judge)
    cells = desk.cells(
        [(one, Choice()) for one in whole.prompts], range(len(whole.cases)), together
    )
    metrics: tuple[Scored, ...] = ()
    if whole.metrics:
        from castalia.apps.prompt.item_metrics import scored

        metrics = tuple(scored(whole, desk.tools, cells))
    notes = [*whole.notes, *_doubles(whole)]
    return Tested(
        *(whole, out, tuple(cells), tuple(compared(cells)), metrics),
        *(answers.asked, answers.kept, tuple(notes)),
    )


class Desk:
    """Where questions are asked and answers judged: the models of a suite, opened."""

    def __init__(
        self,
        suite: Suite,
        answers: Answers,
        trust: bool = False,
        judge: ModelConfig | None = None,
    ) -> None:
        self.suite, self.answers = suite, answers
        self.models: list[Model] = [model_of(one, suite.base, trust=trust) for one in suite.models]
        wanted = judge or suite.judge
        teller = None if wanted is None else model_of(wanted, suite.base, trust=trust)
        self.tools = Tools(suite.base, answers, teller, trust)

    def cells(
        self, prompts: Sequence[tuple[Prompt, Choice]], cases: Sequence[int], together: int = 1
    ) -> list[Cell]:
        """All prompts with all models on these cases."""
        total = len(prompts) * len(self.models) * len(cases) * self.suite.repeat
        with stage("asking", total, "answers") as work:
            found = []
            for model in self.models:
                if model.outside:
                    asked = [
                        Question(model, prompt.render(self._values(prompt, case), choice), seed)
                        for prompt, choice in prompts
                        for case in cases
                        for _, seed in self._seeds(case)
                    ]
                    self.answers.fetch(asked, together)
                for prompt, choice in prompts:
                    outcomes = []
                    for one in self.outcomes(prompt, choice, model, cases):
                        outcomes.append(one)
                        work.advance()
                    found.append(Cell(prompt.name, model.name, tuple(outcomes)))
        names = {one.name: place for place, (one, _) in enumerate(prompts)}
        return sorted(found, key=lambda one: names[one.prompt])

    def outcomes(
        self, prompt: Prompt, choice: Choice, model: Model, cases: Sequence[int]
    ) -> Iterator[Outcome]:
        for place in cases:
            case = self.suite.cases[place]
            asked = prompt.render(self._values(prompt, place), choice)
            for repeat, seed in self._seeds(place):
                answer = self.answers.get(Question(model, asked, seed))
                told = Asked(answer, case.values, model, asked.text, seed, self.tools)
                verdicts = tuple((one, check(one, told)) for one in case.asserts)
                score, passed = _together(case, verdicts, answer)
                yield Outcome(place, repeat, asked.text, answer, verdicts, score, passed)

    def _values(self, prompt: Prompt, place: int) -> dict[str, Any]:
        return self.suite.values_for(prompt, self.suite.cases[place])

    def _seeds(self, place: int) -> list[tuple[int, int]]:
        """(repeat, seed): a function of the suite's seed and the case's values, so that adding a
        case leaves the others' answers alone, and prompts are compared under the same ones.
        """
        values = self.suite.cases[place].values
        found = []
        for repeat in range(self.suite.repeat):
            text = json.dumps([self.suite.seed, repeat, values], sort_keys=True, default=str)
            digest = hashlib.sha256(text.encode(errors="replace")).digest()
            found.append((repeat, int.from_bytes(digest[:8], "big") % MOST_SEED))
        return found


def compared(cells: Sequence[Cell]) -> list[Comparison]:
    """Prompts of one model and models of one prompt, in pairs; Holm's procedure over all."""
    found: list[Comparison] = []
    for one, other in combinations(cells, 2):
        if one.model == other.model:
            of, names, within = "prompts", (one.prompt, other.prompt), one.model
        elif one.prompt == other.prompt:
            of, names, within = "models", (one.model, other.model), one.prompt
        else:
            continue
        found.append(Comparison(of, *names, within, gain(one.scores, other.scores)))  # type: ignore[arg-type]
    shown = holm([one.gain.p for one in found], LEVEL)
    return [replace(one, shown=here) for one, here in zip(found, shown, strict=True)]


def _together(
    case: Case, verdicts: Sequence[tuple[Assertion, Verdict]], answer: Answer
) -> tuple[float, bool]:
    """(score, whether it passes): assertions of weight 0 are only looked at."""
    if answer.problem:
        return 0.0, False
    counted = [(one.weight, verdict) for one, verdict in verdicts if one.weight > 0]
    weights = sum(weight for weight, _ in counted)
    score = sum(weight * one.score for weight, one in counted) / weights if weights else 1.0
    if case.threshold is not None:
        return score, score >= case.threshold - 1e-9
    return score, all(one.passed for _, one in counted)


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


def _doubles(suite: Suite) -> list[str]:
    """Cases that say the same count twice, and tests believe in more cases than there are."""
    texts = [json.dumps(one.values, sort_keys=True, default=str) for one in suite.cases]
    twice = len(texts) - len(set(texts))
    if not twice:
        return []
    return [say("{0} of {1} cases have the values of an earlier one", twice, len(texts))]
