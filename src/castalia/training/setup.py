"""Build what training begins with from a recipe: data, codec, and the family before step 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from castalia import registry
from castalia.codecs.base import Codec
from castalia.data import locate
from castalia.data.locate import Given
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare
from castalia.errors import RecipeError, RunError
from castalia.families.base import Family, grows, make, with_new_tokens
from castalia.nn import lora
from castalia.nn.counter_random import counter_seed
from castalia.recipe import Recipe
from castalia.recipe_sections import TrainConfig
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Condition, Spec
from castalia.training.device import require_memory


def data_of(plan: Recipe, parent: Run | None = None) -> tuple[Recipe, Codec[Any], Dataset]:
    """The recipe as it is trained, the codec, and the data that it reads; the codec of the run to
    start from, where there is one.
    """
    if not plan.data.source:
        raise RecipeError(
            say("the recipe names no data"),
            where="data.source",
            fix=say("castalia train RECIPE FOLDER, or builtin/digits"),
        )
    codec: Codec[Any] = registry.resolve("codec", plan.codec.name, trust=True)(plan.codec.config)
    if parent is not None:
        codec = codec.restore(*parent.codec.state())
    dataset = prepare(plan.data, codec, fit=parent is None, extend=parent is not None)
    if parent is not None and grows(parent.spec, dataset.spec):
        family = registry.resolve("family", plan.family.name, trust=True)
        plan = replace(
            plan, family=replace(plan.family, config=family.for_new_tokens(plan.family.config))
        )
    plan = replace(plan, training=plan.training.for_items(len(dataset.train)))
    require_memory(plan.training, dataset.spec)
    return plan, codec, dataset


def build(plan: Recipe, parent: Run | None = None) -> tuple[Recipe, Codec[Any], Dataset, Family]:
    """`data_of`, and the family before step 1."""
    plan, codec, dataset = data_of(plan, parent)
    return plan, codec, dataset, new_family(plan, dataset.spec, dataset.conditions, parent)


def new_family(
    plan: Recipe, spec: Spec, conditions: dict[str, Condition], parent: Run | None
) -> Family:
    """The family before step 1, a function of its arguments alone."""
    return _seeded(plan.training, lambda: _family(plan, spec, conditions, parent))


def _family(
    plan: Recipe, spec: Spec, conditions: dict[str, Condition], parent: Run | None
) -> Family:
    """As it stands before step 1."""
    kind = registry.resolve("family", plan.family.name, trust=True)
    family = make(
        kind, plan.family.config, spec, conditions, copies=4 if plan.training.adapt is None else 1
    )
    if parent is not None:
        _take_over(family, parent)
    if plan.training.adapt is not None:
        lora.adapt(family, plan.training.adapt.lora, plan.training.adapt.alpha)
    return family


def _take_over(family: Family, parent: Run) -> None:
    """The parent's averaged weights, its pairs of low rank merged, and rows for the tokens that it
    did not know.
    """
    weights = with_new_tokens(
        family, parent.spec, parent.model().state_dict(), f"start_from={parent.folder}"
    )
    try:
        family.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            say("the weights do not fit: other conditions or other sizes"),
            where=f"start_from={parent.folder}",
            fix=say(
                "data.conditional=false where the parent knew no classes; leave the family's "
                "sizes alone"
            ),
        ) from error


def _seeded(config: TrainConfig, made: Any) -> Family:
    """Initial weights are a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("init", config.seed))
        family: Family = made()
    return family


def parent_of(run: Run) -> Run | None:
    """The run that this one starts from. Raises RunError when it is no longer what it was."""
    source = run.recipe.start_from
    if source is None:
        return None
    parent = Run.open(source)
    if parent.model_hash() != run.about["parents"][0]["model"]:
        raise RunError(
            say("the run to start from was trained on meanwhile"),
            where=parent.folder,
            fix=say("train a new run from it"),
        )
    return parent


def open_data(run: Run, source: Given | None = None) -> Dataset:
    """The data of a run, encoded by the run's own codec. Raises RunError when it is no longer what
    it was trained on.

    source: other data to read the same way, not compared with the run's.
    """
    config: DataConfig = run.recipe.data
    if source is not None:
        config = DataConfig(
            source=locate.plain(source),
            conditional=False,
            segments=config.segments,
            limits=config.limits,
        )
    dataset = prepare(config, run.codec, fit=False)
    if source is None and dataset.fingerprint != run.about["data"]["fingerprint"]:
        raise RunError(
            say("the data are not what this run was trained on"),
            where=config.named,
            fix=say("restore the files, or train a new run"),
        )
    return dataset


def parameter_count(family: Family) -> int:
    return sum(parameter.numel() for parameter in family.parameters())
