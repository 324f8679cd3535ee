"""`castalia.forecast`: how given series go on, as quantiles and paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from castalia.codecs.protocols import Continuation
from castalia.families.base import Family
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.continuations import LEVELS, continued, continuing


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
) -> Continuation:
    """What follows each history of the inputs, `horizon` steps of it: a Continuation of the run's
    codec (codecs/protocols.py); of series a Forecast (`quantiles`, `paths`, `scores`).
    members: what is joined, by name; none: all.

    Raises RecipeError for a run whose items have no end to go beyond and for numbers out of range,
    AbilityError for a model that does not decode.

    >>> castalia.forecast(run, ["history.csv"], 48).quantiles.shape
    """
    run = run if isinstance(run, Run) else Run.open(run)
    continues = continuing(run.codec)
    family = run.model() if model is None else model
    items = [item for one in inputs for item in continues.histories(Path(one))]
    with shown(progress):
        return continued(
            family,
            run.codec,
            items,
            horizon,
            paths=paths,
            levels=levels,
            seed=seed,
            members=members,
        )
