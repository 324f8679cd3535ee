"""Build the objective of a recipe, and measure what tuning did (RUN/eval/tuning.json).

Held-out pairs or fresh samples are judged under the weights that the run started from and under
those it ended with, by the same random numbers. What held-out texts cost before and after is in
RUN/eval/forgetting.json, as of every run that starts from another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from castalia import atomic
from castalia.codecs.base import Codec
from castalia.data.preference_pairs import read_pairs
from castalia.data.stream import Dataset
from castalia.data.windows import Windows
from castalia.errors import RunError, SpecError
from castalia.families.base import Family
from castalia.progress import stage
from castalia.recipe import Recipe
from castalia.run import Run
from castalia.sentences import say
from castalia.training.objective import Objective, Prefer, Reward

FIELD = "{prompt}{chosen}"  # how a row of pairs becomes a document
JUDGED = 4  # batches of fresh samples


def objective(
    plan: Recipe,
    codec: Codec[Any],
    dataset: Dataset,
    family: Family,
    reference: Callable[[], Family],
) -> Objective | None:
    """The objective of the training section; None for the family's own loss. reference: makes the
    family as it stands before step 1.
    """
    config = plan.training
    if config.prefer is not None:
        return Prefer(config.prefer, family, reference(), read_pairs(plan.data, codec))
    if config.reward is None:
        return None
    if not isinstance(dataset.train, Windows) or not isinstance(dataset.validation, Windows):
        raise SpecError(
            say("rewards are for texts"),
            where=say("codec '{0}'", codec.name),
            fix=say("use a run of texts"),
        )
    return Reward(config.reward, family, reference(), codec, dataset.train, dataset.validation)


def facts(objective: Objective | None) -> dict[str, Any]:
    """Facts about the objective's data, for run.json."""
    return {"pairs": objective.sides.fingerprint} if isinstance(objective, Prefer) else {}


def check(run: Run, objective: Objective | None) -> None:
    """Raises RunError when the pairs are not those that the run has learned from."""
    if isinstance(objective, Prefer) and objective.sides.fingerprint != run.about["data"].get(
        "pairs"
    ):
        raise RunError(
            say("the pairs are not what this run was trained on"),
            where=run.recipe.data.named,
            fix=say("restore the files, or train a new run"),
        )


def before(run: Run, objective: Objective | None) -> dict[str, Any] | None:
    """What is judged under the weights that the run starts from; None where there is nothing to
    judge, or it is written already.
    """
    if objective is None or (run.folder / "eval" / "tuning.json").exists():
        return None
    with stage("judging what tuning starts from"):
        return _judged(run, objective, objective.reference)


def write(run: Run, objective: Objective | None, start: dict[str, Any] | None) -> None:
    """RUN/eval/tuning.json, when the run is finished. start: what `before` gave."""
    if objective is None or start is None:
        return
    with stage("judging what tuning did"):
        after = _judged(run, objective, run.model().to(objective.family.device))
    atomic.write_json(
        run.folder / "eval" / "tuning.json",
        {"kind": objective.name, "before": start, "after": after},
    )


def _judged(run: Run, objective: Objective, model: Family) -> dict[str, Any]:
    config = run.recipe.training
    return objective.judge(model, config.seed, JUDGED * config.batch)
