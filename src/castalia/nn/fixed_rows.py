"""Draw many rows of one fixed form at once: where a grammar says for each slot what may stand in
it, whatever stands elsewhere (`slots`), all rows are at the same place in every step.

Then nothing has to be looked up row by row, and thousands of rows take as many steps as one. A row
draws the same numbers of its generator as in nn/decode.py and gets the same tokens, up to the last
bit of a logit. Not here: prompts, penalties, top-k and the like, which that file does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Decodes, SampleOptions
from castalia.errors import TrainingError
from castalia.nn.decode_rows import DRAWN_AT_ONCE, Completion
from castalia.nn.token_sampling import draw
from castalia.sentences import say
from castalia.spec import Tokens

_PLAIN = SampleOptions()


def slots_of(spec: Tokens) -> Tensor | None:
    """(S, V) bool: what may stand in each slot of a step; None where the grammar does not say."""
    slots: Tensor | None = getattr(spec.grammar, "slots", None)
    return slots


def fits(
    model: Decodes, spec: Tokens, prompts: Sequence[Tensor], options: SampleOptions, **more: Any
) -> bool:
    """Whether these rows are drawn as here: from `begin`, whole, with no option but a
    temperature.
    """
    return (
        slots_of(spec) is not None
        and spec.end is None
        and not any(more.values())
        and not hasattr(model, "drawn")
        and all(len(prompt) == 1 for prompt in prompts)
        and SampleOptions(options.temperature) == options
        and options.length in (None, _PLAIN.length)
    )


@torch.inference_mode()
def draw_fixed(
    model: Decodes,
    spec: Tokens,
    rngs: Sequence[torch.Generator],
    cond: Mapping[str, Any],
    options: SampleOptions,
    device: torch.device,
) -> list[Completion]:
    """One row for each generator, `spec.length` tokens each."""
    slots = slots_of(spec)
    assert slots is not None
    rows, steps = len(rngs), spec.length
    begin = torch.full((rows, 1), spec.begin, dtype=torch.int64, device=device)
    logits, state = model.prefill(begin, torch.ones_like(begin, dtype=torch.bool), dict(cond))
    uniforms = torch.stack([_uniforms(rng, steps) for rng in rngs]).to(device)
    tokens = torch.empty(rows, steps, dtype=torch.int64, device=device)
    nats = torch.zeros(rows, dtype=torch.float64, device=device)
    spent = torch.zeros_like(nats)
    for place in range(steps):
        first, last = _range(slots[place % len(slots)])
        logits = logits.float()
        whole = logits.logsumexp(1)
        part = logits[:, first:last].masked_fill(
            ~slots[place % len(slots), first:last].to(device), -torch.inf
        )
        law = part.logsumexp(1)
        if options.temperature == 0:
            chosen = part.argmax(1, keepdim=True)
        else:
            chosen = draw(
                (part / options.temperature).softmax(1), uniforms[:, place : place + 1]
            ).clamp_(max=part.shape[1] - 1)
        nats += (whole - part.gather(1, chosen)[:, 0]).double()
        spent += (whole - law).double()
        tokens[:, place] = chosen[:, 0] + first
        if place + 1 < steps:
            logits, state = model.step(tokens[:, place], state)
    if not bool(torch.isfinite(nats).all()):
        raise TrainingError(
            say("the model's logits are not finite numbers"),
            where="nn/fixed_rows.py",
            fix=say("use an earlier checkpoint, or weights in float32"),
        )
    return [
        Completion(row, "length", one, cost)
        for row, one, cost in zip(tokens.tolist(), nats.tolist(), spent.tolist(), strict=True)
    ]


def _uniforms(rng: torch.Generator, steps: int) -> Tensor:
    """A row's numbers, drawn in the portions in which decode_rows.py draws them."""
    portions = -(-steps // DRAWN_AT_ONCE)
    drawn = [torch.rand(DRAWN_AT_ONCE, generator=rng) for _ in range(portions)]
    return (drawn[0] if portions == 1 else torch.cat(drawn))[:steps]


def _range(allowed: Tensor) -> tuple[int, int]:
    """The first allowed token and the one past the last."""
    places = allowed.nonzero()
    return int(places[0]), int(places[-1]) + 1
