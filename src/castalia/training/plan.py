"""Resolve the recipe of a new run, with what it takes over from the run or the model that it starts
from.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from castalia import pretrained_cache
from castalia.data.locate import Given
from castalia.errors import RecipeError
from castalia.recipe import Recipe, from_dict, load, pairs
from castalia.run import Run
from castalia.sentences import say
from castalia.training import objective_setup

Overrides = Mapping[str, Any] | Iterable[str]


def plan_of(
    recipe: str | os.PathLike[str], data: Given | None = None, overrides: Overrides = ()
) -> Recipe:
    """`recipe.load`; with start_from, codec and family are the parent's, because its weights fit
    nothing else, and it is named by its folder.

    Overrides of the family's keys that change no shape (family.dropout) are taken over; of the
    codec's, those of how files are read (`Codec.adjustable`); others raise RecipeError.
    """
    plan = load(recipe, data, overrides)
    if (
        plan.training.tunes
        and plan.start_from is not None
        and pretrained_cache.is_base(plan.start_from)
    ):
        plan = load(recipe, data, {**pairs(overrides), "family.name": "pretrained"})
    if plan.family.name == "pretrained" and (
        plan.start_from is None or pretrained_cache.is_base(plan.start_from)
    ):
        return _on_base(plan)
    if plan.start_from is None:
        return plan
    parent = Run.open(plan.start_from)
    if parent.recipe.family.name != plan.family.name and not plan.training.tunes:
        raise RecipeError(
            say(
                "the run to start from is a '{0}', the recipe wants a '{1}'",
                parent.recipe.family.name,
                plan.family.name,
            ),
            where=f"start_from={plan.start_from}",
            fix=say("use a recipe of the run's own family"),
        )
    raw = {**plan.as_dict(), "start_from": str(parent.folder)}
    for part, own in parent.trained_recipe.as_dict().items():
        if part in ("codec", "family"):
            prefix = f"{part}."
            if plan.training.prefer is not None and "field" in own:
                own["field"] = plan.as_dict()["codec"].get("field") or objective_setup.FIELD
            raw[part] = own | {
                key.removeprefix(prefix): value
                for key, value in pairs(overrides).items()
                if key.startswith(prefix)
            }
            _adjusted(part, own, raw[part], parent)
    if not plan.data.development:  # the parent's family may choose settings by development items
        raw["data"]["development"] = pairs(overrides).get(
            "data.development", parent.recipe.data.development
        )
    return from_dict(raw, where=str(recipe), trust=True)


def _on_base(plan: Recipe) -> Recipe:
    """The plan of a run that begins with a model of others: the model is named by its digest, the
    tokenizer is the model's.
    """
    if plan.start_from is None:
        if plan.family.config.model_dump()["base"] is not None:
            return plan
        fix = say(
            "start_from=FOLDER, start_from=FILE.gguf or start_from={0}",
            ", ".join(pretrained_cache.PACKAGES),
        )
        raise RecipeError(
            say("the recipe names no model to fine-tune"), where="start_from", fix=fix
        )
    base, raw = pretrained_cache.take_in(plan.start_from), plan.as_dict()
    raw["family"] |= {"base": base.digest, "source": base.source}
    raw["codec"]["tokenizer"] = str(base.folder)
    raw["start_from"] = None
    return from_dict(raw, where=plan.title, trust=True)


def _adjusted(part: str, own: Mapping[str, Any], asked: Mapping[str, Any], parent: Run) -> None:
    """What the parent's codec has learned stays as it is."""
    fixed = [
        key
        for key, value in asked.items()
        if part == "codec"
        and key in own
        and value != own[key]
        and key not in parent.codec.adjustable
    ]
    if fixed:
        raise RecipeError(
            say(
                "the codec is that of the run to start from, which has {0}: {1}",
                fixed[0],
                own[fixed[0]],
            ),
            where=f"codec.{fixed[0]}={asked[fixed[0]]}",
            fix=say(
                "leave it out{0}",
                say("; these may change: {0}", ", ".join(sorted(parent.codec.adjustable)))
                if parent.codec.adjustable
                else "",
            ),
        )
