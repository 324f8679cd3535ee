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
from castalia.families.chained import chained, spec_between
from castalia.nn import lora
from castalia.nn.counter_random import counter_seed
from castalia.recipe import Recipe, read_yaml, shipped
from castalia.recipe_sections import TrainConfig
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Condition, Spec
from castalia.training.consent import require_consent
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
    coder = coder_of(plan)
    if coder is not None:
        plan = _with_codec_of(coder, plan)
    codec: Codec[Any] = registry.resolve("codec", plan.codec.name, trust=True)(plan.codec.config)
    require_consent(plan.data, codec)
    fitted = coder or parent
    if fitted is not None:
        codec = codec.restore(*fitted.codec.state())
    # what a chain's coder does not know, no model over its codes can learn
    extend = parent is not None and coder is None
    dataset = prepare(plan.data, codec, fit=fitted is None, extend=extend)
    if parent is not None and grows(parent.spec, dataset.spec):
        family = registry.resolve("family", plan.family.name, trust=True)
        plan = replace(
            plan, family=replace(plan.family, config=family.for_new_tokens(plan.family.config))
        )
    plan = replace(plan, training=plan.training.for_items(dataset.train.rows_a_pass))
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
    run = coder_of(plan)
    coder = None if run is None else run.model()
    if coder is not None:
        spec = spec_between(coder, kind)
    family = make(
        kind, plan.family.config, spec, conditions, copies=4 if plan.training.adapt is None else 1
    )
    if coder is not None:
        family = chained(coder, family)
    if parent is not None:
        _take_over(family, parent)
    if plan.training.adapt is not None:
        lora.adapt(family, plan.training.adapt.lora, plan.training.adapt.alpha)
    return family


def coder_of(plan: Recipe) -> Run | None:
    """The run whose latents or codes the model learns; None where it learns the data themselves.
    Raises RecipeError where the recipe wants one and none is named.
    """
    through = plan.codec.through
    if through is None:
        return None
    if not through:
        raise RecipeError(
            say("this recipe is trained on what another run makes of the data"),
            where="codec.chain",
            fix=say(
                "train that first ({0}), then add codec.chain=RUN",
                ", ".join(_coders(plan.codec.name)),
            ),
        )
    if plan.training.adapt is not None:
        raise RecipeError(
            say("a chain of two models cannot be adapted by pairs of low rank"),
            where="training.adapt",
            fix=say("leave it out: all weights of the second model are trained"),
        )
    return Run.open(through)


def _coders(codec: str) -> list[str]:
    """The shipped recipes for this codec whose runs are there to be chained to."""
    makes = set(registry.families_that("compresses")) - set(registry.families_that("samples"))
    sections = {name: read_yaml(name) for name in shipped()}
    return [
        name
        for name, raw in sections.items()
        if raw["codec"].get("name") == codec and raw["family"].get("name") in makes
    ]


def chain_facts(coder: Run) -> dict[str, Any]:
    """What run.json holds of the coder: enough to build it again, whose weights the checkpoints
    have.
    """
    return {
        "run": coder.id,
        "model": coder.model_hash(),
        "data": coder.about["data"]["fingerprint"],
        "family": coder.recipe.family.as_dict(),
        "conditions": coder.about["conditions"],
    }


def _with_codec_of(coder: Run, plan: Recipe) -> Recipe:
    """The recipe with the coder's codec, which it may name again but not change."""
    given, own = plan.codec, coder.recipe.codec
    asked = {key: getattr(given.config, key) for key in given.config.model_fields_set}
    other = [key for key, value in asked.items() if getattr(own.config, key, None) != value]
    if given.name != own.name or other:
        raise RecipeError(
            say("the run in the chain has another codec"),
            where=f"codec.{other[0]}" if given.name == own.name else f"codec.name={given.name}",
            fix=say("leave the codec's settings out: {0} decides them", coder.id),
        )
    return replace(plan, codec=replace(own, through=given.through))


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
