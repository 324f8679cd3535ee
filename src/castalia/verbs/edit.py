"""`castalia.edit`: given items edited by a run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from castalia.abilities import SampleOptions
from castalia.codecs.base import is_file
from castalia.data.conditions import LABEL
from castalia.data.stream import rows_of
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.modalities.music.redraw import infilled
from castalia.pages.notebook import Gallery
from castalia.run import Run
from castalia.sampling.edit import KINDS, kinds
from castalia.sampling.generate import conditions_of_items
from castalia.sentences import say
from castalia.spec import Classes


def edit(
    run: str | os.PathLike[str] | Run,
    kind: str,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    seed: int = 0,
    steps: int = 8,
    strength: float = 0.5,
    cond: Mapping[str, str | int] | None = None,
    labels: Sequence[str | None] | None = None,
    model: Family | None = None,
    keep: Sequence[str] = (),
    bars: tuple[int, int] | None = None,
    temperature: float = 1.0,
    redraw: int = 0,
) -> list[Any]:
    """Edited native items. kind: "interpolate" (through the inputs, `steps` from each to the next),
    "vary", or "infill" (`steps` fillings
    of each text or score; see sampling.edit.fill for how the gaps of texts are marked).

    keep, bars: of scores, names of the parts that stay, and the first and last bar that are made
    anew (from 1; None: all).
    temperature: of infill, the divisor of the logits; below 1 safer, 0 the likeliest each time.
    redraw: of scores, how often a bar with faults (parallel fifths and octaves, crossings, notes
    out of range) is drawn anew; see modalities/music/redraw.py.
    inputs: files, or for texts the texts themselves.
    labels: the class of each input, None where unknown; default: the name of its folder. What the
    codec knows of an input it is told too. model spares
    loading the run's weights again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if kind != "infill" and (keep or bars is not None or redraw):
        raise RecipeError(
            say("only infill keeps parts and bars"),
            where=f"edit {kind}",
            fix=say("leave --keep, --bars and --redraw out"),
        )
    if kind not in kinds():
        raise RecipeError(
            say("there is no edit called '{0}'", kind),
            where="edit",
            fix=say("one of: {0}", ", ".join(kinds())),
        )
    SampleOptions(temperature=temperature)  # raises where it is out of range
    if redraw < 0:
        raise RecipeError(
            say("temperature and redraw are 0 or above"),
            where=f"temperature={temperature} redraw={redraw}",
            fix=say("leave them out"),
        )
    if steps < (2 if kind == "interpolate" else 1) or not 0 <= strength <= 1:
        raise RecipeError(
            say("steps must be at least 2 (vary: 1) and strength between 0 and 1"),
            where=f"steps={steps} strength={strength}",
        )
    model, codec = run.model() if model is None else model, run.codec
    if kind == "infill":
        given = [item for one in inputs for item in codec.given(one)]
        faults = None
        if redraw:
            from castalia.modalities.music.counterpoint import (
                rules_for,  # all of evaluation comes with it, which nothing else here needs
            )

            faults = rules_for(codec.native)
        return Gallery(
            infilled(
                model,
                codec,
                given,
                steps,
                seed,
                keep=keep,
                bars=bars,
                temperature=temperature,
                redraw=redraw,
                faults=faults,
            ),
            codec,
        )
    items, known = [], list[dict[str, str]]()
    for one, label in zip(
        inputs, folder_labels(run, inputs) if labels is None else labels, strict=True
    ):
        for item in codec.given(one):
            items.append(codec.encode(item))
            known.append(codec.facts(item) | ({} if label is None else {LABEL: label}))
    x = rows_of(run.spec, items).to(model.device)
    given = conditions_of_items(run.conditions, cond or {}, known)
    out = KINDS[kind](model, x, given, steps=steps, seed=seed, strength=strength)
    return Gallery((codec.decode(row) for row in out), codec)


def folder_labels(run: Run, inputs: Sequence[str | os.PathLike[str]]) -> list[str | None]:
    """The class of each input by the name of the folder that it lies in; None where that is no
    class of the run.
    """
    kind = run.conditions.get(LABEL)
    known = kind.names if isinstance(kind, Classes) else ()
    folders = [Path(one).resolve().parent.name if is_file(one) else "" for one in inputs]
    return [name if name in known else None for name in folders]
