"""`castalia prompt test`: every prompt, every model, every case; what passes, and what may be said.

    tested = test(Path("suite.yaml"), Path("tested"))
    tested.headline, tested.cells, tested.comparisons
    write(tested)                                 of pages.py: results.json and report.html

Cells are shares of cases with exact intervals. Two prompts of one model, or two models of one
prompt, have answered the same cases, so they are compared in pairs; "better" is said only of pairs
that Holm's procedure lets through, over all pairs of the suite (paired_tests.py). Answers are kept
in the folder (answers.py): what was asked once is not asked again, and a test that was stopped goes
on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from castalia.apps.prompt.answers import Answers, Question
from castalia.apps.prompt.assertion import Asked, Assertion, Tools, Verdict
from castalia.apps.prompt.assertions import check
from castalia.apps.prompt.models import Answer, Model, ModelConfig, model_of
from castalia.apps.prompt.outcomes import Cell, Comparison, Outcome, Scored, Tested
from castalia.apps.prompt.paired_tests import gain
from castalia.apps.prompt.suite import Case, Suite, load
from castalia.apps.prompt.template import Choice, Prompt
from castalia.errors import RecipeError
from castalia.evaluation.exact_tests import step_down
from castalia.progress import stage
from castalia.sentences import say

MOST_SEED = 2**31  # servers take no larger one


def test(
    suite: Path | Suite,
    out: Path,
    *,
    models: Sequence[ModelConfig] = (),
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
    desk = Desk(whole, answers, trust)
    cells = desk.cells(
        [(one, Choice()) for one in whole.prompts], range(len(whole.cases)), together
    )
    metrics: tuple[Scored, ...] = ()
    if whole.metrics:
        from castalia.apps.prompt.item_metrics import scored

        metrics = tuple(scored(whole, desk.tools, cells))
    notes = [*whole.notes, *_doubles(whole)]
    return Tested(
        suite=whole,
        folder=out,
        cells=tuple(cells),
        comparisons=tuple(compared(cells)),
        metrics=metrics,
        asked=answers.asked,
        kept=answers.kept,
        notes=tuple(notes),
    )


class Desk:
    """Where questions are asked and answers judged: the models of a suite, opened."""

    def __init__(self, suite: Suite, answers: Answers, trust: bool = False) -> None:
        self.suite, self.answers = suite, answers
        self.models: list[Model] = [model_of(one, suite.base, trust=trust) for one in suite.models]
        wanted = suite.judge
        judge = None if wanted is None else model_of(wanted, suite.base, trust=trust)
        self.tools = Tools(suite.base, answers, judge, trust)

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
                    self.answers.fetch(asked, together, work.advance)
                for prompt, choice in prompts:
                    outcomes = []
                    for one in self.outcomes(prompt, choice, model, cases):
                        outcomes.append(one)
                        work.advance(0 if model.outside else 1)
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
    shown = step_down([one.gain.p for one in found])
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


def _doubles(suite: Suite) -> list[str]:
    """Cases that say the same count twice, and tests believe in more cases than there are."""
    texts = [json.dumps(one.values, sort_keys=True, default=str) for one in suite.cases]
    twice = len(texts) - len(set(texts))
    if not twice:
        return []
    return [say("{0} of {1} cases have the values of an earlier one", twice, len(texts))]
