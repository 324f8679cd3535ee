"""`castalia.predict`: a named part of given items from all others, as probabilities; or how likely
each item is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from castalia.families.base import Family
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.predictions import Prediction, foretelling, predicted


def predict(
    run: str | os.PathLike[str] | Run,
    inputs: Sequence[str | os.PathLike[str]],
    column: str | None = None,
    *,
    seed: int = 0,
    model: Family | None = None,
    progress: bool | None = None,
) -> Prediction:
    """`column` of every item of the inputs; None: how unlikely each item is, in nats. See
    `predicted` (sampling/predictions.py).

    >>> castalia.predict(run, ["new.csv"], "income").scores
    """
    run = run if isinstance(run, Run) else Run.open(run)
    foretelling(run.codec)
    family = run.model() if model is None else model
    items = [item for one in inputs for item in run.codec.given(one)]
    with shown(progress):
        return predicted(family, run.codec, items, column, seed)
