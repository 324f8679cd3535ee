"""`castalia.forecast`: how given series go on, as quantiles and paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from castalia.codecs.protocols import Continues, need
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.continuations import continuations
from castalia.sentences import say

LEVELS = (0.025, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.975)
MOST_PATHS = 10_000


def forecast(
    run: str | os.PathLike[str] | Run,
    inputs: Sequence[str | os.PathLike[str]],
    horizon: int,
    *,
    paths: int = 100,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
    members: Sequence[str] = (),
    model: Family | None = None,
    progress: bool | None = None,
) -> Any:
    """What follows each history of the inputs, `horizon` steps of it: a Continuation of the run's
    codec (codecs/protocols.py); of series a Forecast (`quantiles`, `paths`, `scores`).
    members: what is joined, by name; none: all.

    Raises RecipeError for a run whose items have no end to go beyond and for numbers out of range,
    AbilityError for a model that does not decode.

    >>> castalia.forecast(run, ["history.csv"], 48).quantiles.shape
    """
    run = run if isinstance(run, Run) else Run.open(run)
    codec = run.codec
    continues = need(
        codec,
        Continues,
        say("items of the codec '{0}' do not go on beyond their end", codec.name),
        where="forecast",
        fix=say("use a run of series"),
    )
    if not 2 <= paths <= MOST_PATHS:
        raise RecipeError(
            say("the number of paths is out of range"),
            where=f"--paths {paths}",
            fix=say("2 to {0:,}", MOST_PATHS),
        )
    if not levels or not all(0 < level < 1 for level in levels):
        raise RecipeError(
            say("levels of quantiles lie between 0 and 1"),
            where=f"--levels {', '.join(map(str, levels))[:80]}",
            fix=say("such as 0.1,0.5,0.9"),
        )
    family = run.model() if model is None else model
    items = [item for one in inputs for item in continues.histories(Path(one))]
    with shown(progress):
        return continues.continued(
            items,
            horizon,
            partial(_drawn, family, seed),
            paths=paths,
            levels=levels,
            seed=seed,
            members=members,
        )


def _drawn(
    family: Family,
    seed: int,
    prompts: Sequence[Tensor],
    steps: int,
    count: int,
    banned: Sequence[int],
) -> Tensor:
    return continuations(family, prompts, steps, count, seed=seed, banned=banned)
