"""`castalia.sample`: draw new items from a run. `stream` gives one text as it comes."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from castalia.abilities import SampleOptions
from castalia.governance.release_gate import Gate, request_facts
from castalia.pages.notebook import Gallery
from castalia.progress import note
from castalia.progress.views import shown
from castalia.run import Run
from castalia.sampling.generate import Request, Sample, generate, request_of
from castalia.sampling.generate import stream as streamed
from castalia.sentences import say


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
    rest; see Request. progress as for `train`. What a codec vets and no draw passed is left out.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, n, seed, cond, options), prompt=prompt, constraint=constraint)
    with shown(progress):
        samples = list(generate(run, request))
        fit = [one for one in samples if "flaw" not in one.facts]
        if len(fit) < len(samples):
            unfit = next(one for one in samples if "flaw" in one.facts)
            note(
                say(
                    "{0} of {1} samples are left out, for no draw was fit to leave; one: {2}",
                    len(samples) - len(fit),
                    len(samples),
                    unfit.facts["flaw"],
                )
            )
        return Gallery(fit, run.codec)


def stream(gate: Gate, request: Request) -> Generator[str, None, None]:
    """The text of the first sample as it comes, without the prompt; what the policy forbids stays
    behind, and raises Refused. The ledger gets its line when the iterator ends or is closed.
    """
    screen = gate.screen(request.prompt or "", plain=request.constraint is not None)
    try:
        for piece in streamed(gate.run, request, model=gate.model()):
            yield screen.push(piece)
        yield screen.finish()
    finally:
        gate.close(screen, gate.facts_of(**request_facts(request)))
