"""Contract tests of exported graphs: a family's graphs compute what its methods compute."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.errors import AbilityError
from castalia.nn.counter_random import Noise, generator, generators, noise_rows
from castalia.nn.graph import Graph
from castalia.testing.family_case import FamilyCase

TOLERANCE = 1e-4


def has_graphs(case: FamilyCase) -> None:
    """Graphs give what the methods give: `sample` from the noise that `sample` draws, `encode` the
    mean latent, `step` logits, with a prompt cut anywhere. A family may have none: the AbilityError
    says so.
    """
    model: Any = case.build().eval()
    # layers that begin at zero would hide what comes before them
    for number, weight in enumerate(model.parameters()):
        if weight.ndim > 1:
            size = weight[0].numel() ** -0.5  # so that what is done again and again stays finite
            weight.data = size * torch.randn(weight.shape, generator=generator("weights", number))
    try:
        graphs = model.graphs()
    except AbilityError:
        return
    for name, graph in graphs.items():
        ensure(
            len({port.name for port in graph.inputs}) == len(graph.inputs),
            f"graph '{name}': two inputs share a name",
        )
        ensure(
            all(port.shape[0] == "rows" for port in graph.inputs),
            f"graph '{name}': rows come first",
        )
        with torch.no_grad():
            given = graph.module(
                *graph.draw({"rows": 3, "tokens": 2, "past": 1}, generator("graph"))
            )
        ensure(
            len(given) == len(graph.outputs) and all(len(part) == 3 for part in given),
            f"graph '{name}': {len(given)} outputs",
        )
    batch = case.batch(4)
    cond = batch.cond
    classes = list(cond.values())
    with torch.no_grad():
        if "sample" in graphs:
            rngs, inputs = generators(3, 0, 4), graphs["sample"].inputs
            noise = [
                noise_rows(port.kind, rngs, *port.shape[1:])
                for port in inputs
                if port.kind in get_args(Noise)
            ]
            _agree(
                "sample",
                graphs["sample"].module(*noise, *classes)[0],
                model.sample(generators(3, 0, 4), cond, SampleOptions()),
            )
        if "encode" in graphs:
            codes = not hasattr(model, "to_latent")  # as `Compresses` names it
            latent = model.compress(batch.x) if codes else model.to_latent(batch.x, cond)
            given = graphs["encode"].module(batch.x, *([] if codes else classes))
            _agree("encode", given[0], latent)
            _agree(
                "decode",
                graphs["decode" if "decode" in graphs else "sample"].module(
                    latent, *([] if codes else classes)
                )[0],
                model.expand(latent) if codes else model.from_latent(latent, cond),
            )
        if "step" in graphs:
            x = batch.x[:, :7].clone()
            x[:, 0] = case.spec.begin
            whole = model.prefill(x, torch.ones_like(x).bool(), cond)[0]
            for cut in (1, 4, 6):
                state = _nothing(graphs["step"], case)
                for rest in (x[:, :cut], x[:, cut:]):
                    logits, *state = graphs["step"].module(rest, *state, *classes)
                _agree(f"step, cut at {cut}", _without(logits, case), _without(whole, case))


def _nothing(graph: Graph, case: FamilyCase) -> list[Tensor]:
    """The memory of four rows before their first token."""
    rng = generator("nothing")
    empty = [
        port.draw({"rows": 4, "past": 0}, rng)
        for port in graph.inputs
        if port.name.startswith("past_")
    ]
    return [
        torch.full_like(part, case.spec.begin) if part.dtype == torch.int64 else part
        for part in empty
    ]  # type: ignore[union-attr]


def _without(logits: Tensor, case: FamilyCase) -> Tensor:
    """Log-probabilities of what may come."""
    return (
        logits.index_fill(1, torch.tensor(case.spec.begin), float("-inf"))
        .log_softmax(1)
        .clamp_min(-1e3)
    )  # type: ignore[union-attr]


def _agree(what: str, given: Tensor, wanted: Tensor) -> None:
    ensure(
        given.shape == wanted.shape,
        f"graph {what}: shape {tuple(given.shape)} instead of {tuple(wanted.shape)}",
    )
    ensure(
        bool((given - wanted).abs().max() <= TOLERANCE),
        f"graph {what}: differs by {float((given - wanted).abs().max()):.2g}",
    )


def ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
