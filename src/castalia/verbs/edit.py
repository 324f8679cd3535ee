"""`castalia.edit`: edit given items by a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia.codecs.base import is_file
from castalia.data.conditions import LABEL
from castalia.errors import CastaliaError, RecipeError, RunError
from castalia.families.base import Family
from castalia.nn.counter_random import generator
from castalia.pages.notebook import Gallery
from castalia.progress import note
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.edit import Examples, edit_of, options_of, with_files
from castalia.sampling.generate import conditions_of_items
from castalia.sampling.prompts import class_named
from castalia.sentences import say
from castalia.spec import Classes
from castalia.tensor_file import memory
from castalia.units import size

WORTH_SAYING = 16_000_000  # bytes
STUDIED = 256  # training items that a direction is learned from, on either side


def edit(
    run: str | os.PathLike[str] | Run,
    kind: str,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    seed: int = 0,
    cond: Mapping[str, str | int] | None = None,
    labels: Sequence[str | None] | None = None,
    model: Family | None = None,
    progress: bool | None = None,
    **options: Any,
) -> list[Any]:
    """Edited native items. kind: "interpolate" (through the inputs, `steps` from each to the next),
    "vary" (`steps` variants of each), "mix" (one of all), "style" (each as the class `to`),
    "direction" (each at `steps` places along a direction), "invert" (each as the model can show
    it), "infill" (`steps` fillings of each text or score), or one that the modality of the run
    adds.

    inputs: files, or for texts the texts themselves.
    labels: the class of each input, None where unknown; default: the name of its folder. What the
    codec knows of an input the model is given, too. model spares loading the run's weights again.
    progress as for `train`.
    options: those of the edit's `Options`, as the flags of `castalia edit` (sampling/edit.py; of
    scores modalities/music/edits.py). Raises RecipeError for others.

    >>> castalia.edit(run, "vary", ["cat.png"], steps=4, strength=0.3)
    """
    run = run if isinstance(run, Run) else Run.open(run)
    chosen = edit_of(kind, run.codec)
    settings = options_of(kind, chosen, with_files(chosen, options))
    model, codec = run.model() if model is None else model, run.codec
    given = [list(codec.given(one)) for one in inputs]
    conditions: dict[str, Tensor] = {}
    if chosen.conditioned:
        classes = folder_labels(run, inputs) if labels is None else labels
        known = [
            codec.facts(item) | ({} if label is None else {LABEL: label})
            for items, label in zip(given, classes, strict=True)
            for item in items
        ]
        conditions = conditions_of_items(run.conditions, cond or {}, known)
    items = [item for of_one in given for item in of_one]
    with shown(progress):
        _say_memory(chosen.memory(codec, items, settings), kind)
        if (studied := chosen.studies(settings)) is not None:
            chosen = chosen.taught(examples(run, studied))
        return Gallery(chosen.run(model, codec, items, settings, seed, conditions), codec)


def _say_memory(needed: int, kind: str) -> None:
    """How much an edit of large items takes, before it begins. Raises RecipeError where this
    machine does not have it.
    """
    if needed > memory():
        raise RecipeError(
            say(
                "the edit would need {0} of memory, this machine has {1}",
                size(needed),
                size(memory()),
            ),
            where=f"edit {kind}",
            fix=say("edit fewer items at once, or smaller ones"),
        )
    if needed >= WORTH_SAYING:
        note(say("the edit needs about {0} of memory beside the model", size(needed)))


def folder_labels(run: Run, inputs: Sequence[str | os.PathLike[str]]) -> list[str | None]:
    """The class of each input by the name of the folder that it lies in; None where that is no
    class of the run.
    """
    kind = run.conditions.get(LABEL)
    known = kind.names if isinstance(kind, Classes) else ()
    folders = [Path(one).resolve().parent.name if is_file(one) else "" for one in inputs]
    return [name if name in known else None for name in folders]


def examples(run: Run, name: str) -> Examples:
    """Up to `STUDIED` training items of the run that have the class `name`, and as many that do
    not, the first of a permutation. Classes that the run was not told count, too. Raises RunError
    where the data are gone or others, RecipeError where there is no such class.
    """
    from castalia.verbs.evaluate import with_classes

    try:
        dataset = with_classes(run)
    except CastaliaError as error:
        raise RunError(
            say("a direction is learned from the run's training data: {0}", error.what),
            where=error.where,
            fix=say("bring the data back, or leave --along out"),
        ) from error
    condition, number = class_named(dataset.conditions, name, "edit direction")
    side = dataset.train
    found: tuple[list[int], list[int]] = ([], [])  # inside, outside
    order = torch.randperm(len(side), generator=generator("examples"))
    for block in torch.split(order, STUDIED):
        classes = side.take(block).cond[condition].tolist()
        for place, own in zip(block.tolist(), classes, strict=True):
            if len(found[own != number]) < STUDIED:
                found[own != number].append(place)
        if min(map(len, found)) == STUDIED:
            break
    if not all(found):
        raise RecipeError(
            say("training items are all of the class '{0}', or none is", name),
            where="edit direction",
            fix=say("name another class"),
        )
    return Examples(*(side.take(places).x for places in found))
