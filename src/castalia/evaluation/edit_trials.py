"""Trials of edits: what a run makes of held-out items that were damaged on purpose, beside what
simple methods make of the same ones.

A modality brings them (`Modality.trials`): it knows how its items are damaged and compared. Here
they become a table: means with 95% intervals, and how much better the run is than the best simple
method, item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia import modality, progress
from castalia.errors import AbilityError
from castalia.evaluation.base import mean_interval
from castalia.nn.counter_random import generator
from castalia.registry import families_that
from castalia.sampling.generate import conditions_of_items
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.data.stream import Dataset
    from castalia.families.base import Family

ITEMS = 48  # held-out items that are edited
LEAST = 4


@dataclass(frozen=True)
class Trial:
    """One method on one task. run: whether it is the run's; else a simple one. scores: name (higher
    is better) -> (N,), one for each item, the same items in every trial.
    """

    task: str
    method: str
    run: bool
    scores: dict[str, Tensor]


# (model, codec, native items, conditions, seed) -> trials of all tasks that the model can do
Trials = Callable[["Family", "Codec[Any]", Sequence[Any], dict[str, Tensor], int], list[Trial]]


def edit_trials(
    model: Family, codec: Codec[Any], dataset: Dataset, seed: int = 0
) -> dict[str, Any]:
    """JSON: the items' number, and a row for each task, score and method. Raises AbilityError where
    items of this kind have no trials, the model can do none of them, or nothing was held out.
    """
    own = modality.of(codec)
    trials: Trials | None = None if own is None else own.load("trials")
    side: Any = dataset.validation
    if trials is None or len(side) < LEAST:
        raise AbilityError(
            say("there are no trials of edits for items of this kind")
            if trials is None
            else say("too few held-out items to edit: {0}", len(side)),
            where="--edits",
            fix=say("leave --edits out")
            if trials is None
            else say("train with a larger data.validation"),
        )
    order = torch.randperm(len(side), generator=generator("edit trials", seed))[:ITEMS]
    items = [codec.decode(row) for row in side.take(order).x]
    cond = conditions_of_items(model.conditions, {}, [codec.facts(item) for item in items])
    with progress.stage("editing held-out items"):
        done = trials(model, codec, items, cond, seed)
    if not done:
        raise AbilityError(
            say("a '{0}' model can do none of the edits that there are trials of", model.name),
            where="--edits",
            fix=say("use a run of a family that can: {0}", ", ".join(families_that("restores"))),
        )
    return {"items": len(items), "seed": seed, "rows": rows_of(done)}


def rows_of(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """A row for each task, score and method: mean, low, high; of the run also gain, its mean
    advantage over the best simple method, with gain_low and gain_high, from differences item by
    item.
    """
    rows = []
    for task in dict.fromkeys(trial.task for trial in trials):
        of_task = [trial for trial in trials if trial.task == task]
        for name in of_task[0].scores:
            best = max(
                (trial for trial in of_task if not trial.run),
                key=lambda trial: float(trial.scores[name].mean()),
                default=None,
            )
            for trial in of_task:
                mean, low, high = mean_interval(trial.scores[name])
                row = {
                    "task": trial.task,
                    "score": name,
                    "method": trial.method,
                    "run": trial.run,
                    "value": mean,
                    "low": low,
                    "high": high,
                }
                if trial.run and best is not None:
                    gain = mean_interval(trial.scores[name] - best.scores[name])
                    row |= dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
                    row["best"] = best.method
                rows.append(row)
    return rows
