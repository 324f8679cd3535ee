"""Registered metrics of all answers of a model to a prompt: `metrics` of a suite.

A metric judges a model by what it draws, so the answers are put into a model that draws nothing
else, and `evaluate` is asked about that: whatever is registered works, compares with the same real
items, and says by itself where answers are too few. The real items are those of the run that the
suite names, in whose codec the answers are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.apps.prompt.item_kinds import path_of, run_of
from castalia.apps.prompt.outcomes import Cell, Scored
from castalia.data.stream import to_unit
from castalia.errors import DataError, RecipeError
from castalia.evaluation import evaluate
from castalia.sentences import say
from castalia.spec import Tokens
from castalia.verbs.evaluate import with_classes

if TYPE_CHECKING:
    from castalia.apps.prompt.assertion import Tools
    from castalia.apps.prompt.suite import Metric, Suite
    from castalia.run import Run


def scored(suite: Suite, tools: Tools, cells: Sequence[Cell]) -> Iterator[Scored]:
    """Every metric of the suite, for every cell. Raises RecipeError, PluginError, DataError."""
    for metric in suite.metrics:
        for cell in cells:
            yield from _scored(metric, tools, cell)


def _scored(metric: Metric, tools: Tools, cell: Cell) -> Iterator[Scored]:
    from castalia import registry

    registry.resolve("metric", metric.metric)  # a name that is not there is said before the work
    run = _run(metric, tools)
    dataset = with_classes(run)
    rows = [
        run.codec.encode(item)
        for one in cell.outcomes
        if not one.answer.problem
        for item in [_item(one.answer, tools, run)]
    ]
    where = f"{cell.prompt}, {cell.model}"
    if not rows:
        raise DataError(say("there are no answers that could be judged"), where)
    model: Any = (
        WrittenRows(dataset.spec, rows)
        if isinstance(dataset.spec, Tokens)
        else DrawnRows(torch.stack([to_unit(dataset.spec, row) for row in rows]))
    )
    judged = evaluate(model, run.codec, dataset, n=len(rows), metrics=[metric.metric])
    found = [one for one in judged.scores if not metric.score or one.name == metric.score]
    if not found:
        names = ", ".join(one.name for one in judged.scores)
        raise RecipeError(
            say("the metric '{0}' has no score '{1}' here", metric.metric, metric.score),
            where,
            say("its scores: {0}", names) if names else say("it has no meaning for such answers"),
        )
    for one in found:
        words = one.details.get("words", [])
        yield Scored(
            prompt=cell.prompt,
            model=cell.model,
            metric=one.name,
            value=one.value,
            low=one.low,
            high=one.high,
            passed=_within(metric, one.value),
            words=words[0] if words else "",
        )


def _within(metric: Metric, value: float | None) -> bool | None:
    """Whether a score keeps the bounds of the suite; None where there are none. A score that could
    not be computed keeps none.
    """
    if metric.min is None and metric.max is None:
        return None
    least = -math.inf if metric.min is None else metric.min
    return value is not None and least <= value <= (math.inf if metric.max is None else metric.max)


def _run(metric: Metric, tools: Tools) -> Run:
    if not metric.run:
        raise RecipeError(
            say("a metric compares with the data of a run"),
            metric.metric,
            say("name it: {{metric: {0}, run: RUN}}", metric.metric),
        )
    return run_of(metric.run, tools)


def _item(answer: Any, tools: Tools, run: Run) -> Any:
    """The answer as the run's codec has its items."""
    path = path_of(answer, tools.answers)
    if path is None and not issubclass(str, run.codec.native):
        raise RecipeError(
            say("the answers are texts, and the run has items of another kind"),
            run.id,
            say("name a run of texts"),
        )
    return answer.text if path is None else next(iter(run.codec.read(path)))


class _Given(torch.nn.Module):
    """A model that has its rows already."""

    name = "given"

    def __init__(self) -> None:
        super().__init__()
        self.conditions: dict[str, Any] = {}
        self.device = torch.device("cpu")


class DrawnRows(_Given):
    """Draws the rows (N, *shape) in their order, again from the first after the last."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows, self.place = rows, 0

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        places = [(self.place + row) % len(self.rows) for row in range(len(rngs))]
        self.place += len(rngs)
        return self.rows[places]


class Script:
    """Where each row of a batch is in what it writes: rows (B,) and places (B,) int64."""

    def __init__(self, rows: Tensor, places: Tensor) -> None:
        self.rows, self.places = rows, places

    def take(self, kept: Any) -> Script:
        return Script(self.rows[kept], self.places[kept])

    def join(self, other: Script) -> Script:
        return Script(torch.cat([self.rows, other.rows]), torch.cat([self.places, other.places]))


class WrittenRows(_Given):
    """Writes the rows, each (n,) int64 behind `begin`, token by token. Raises DataError for a spec
    without an end, in which a text cannot be shorter than the context.
    """

    def __init__(self, spec: Tokens, rows: Sequence[Tensor]) -> None:
        super().__init__()
        if spec.end is None:
            raise DataError(
                say("texts of this run have no end, so its metrics cannot judge answers"),
                "metrics",
                say("name a run with another codec"),
            )
        self.spec, self.place, end = spec, 0, spec.end
        self.rows = [
            torch.cat([row[row != spec.begin][: spec.length - 1].long(), torch.tensor([end])])
            for row in rows
        ]

    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Script]:
        count = len(ids)
        rows = torch.arange(self.place, self.place + count) % len(self.rows)
        self.place += count
        state = Script(rows, torch.zeros(count, dtype=torch.int64))
        return self._logits(state), state

    def step(self, tokens: Tensor, state: Script) -> tuple[Tensor, Script]:
        state = Script(state.rows, state.places + 1)
        return self._logits(state), state

    def _logits(self, state: Script) -> Tensor:
        """Certainty about the next token."""
        logits = torch.full((len(state.rows), self.spec.vocab), -1e4)
        for row, (which, place) in enumerate(
            zip(state.rows.tolist(), state.places.tolist(), strict=True)
        ):
            script = self.rows[which]
            logits[row, script[min(place, len(script) - 1)]] = 1e4
        return logits
