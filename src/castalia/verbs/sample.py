"""`castalia.sample`: draw new items from a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from castalia.abilities import SampleOptions
from castalia.pages.notebook import Gallery
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.generate import Sample, generate, request_of


def sample(
    run: str | os.PathLike[str] | Run,
    n: int | None = None,
    seed: int | None = None,
    cond: Mapping[str, str | int] | None = None,
    options: SampleOptions | None = None,
    *,
    prompt: Any = None,
    constraint: str | None = None,
    progress: bool | None = None,
) -> list[Sample]:
    """`n` samples of a run (default: the recipe's); sample i depends on (seed, i) only. A notebook
    shows them.

    prompt, constraint: for runs of tokens, what each sample begins with and what must hold for the
    rest; see Request. progress as for `train`.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, n, seed, cond, options), prompt=prompt, constraint=constraint)
    with shown(progress):
        return Gallery(generate(run, request), run.codec)
