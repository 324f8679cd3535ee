"""Many continuations of each of several rows of tokens: what forecasts are made of.

A prompt is read once, and what the model remembers of it is copied for each continuation; rows are
drawn as nn/decode.py draws them, with no option but what never comes. Each continuation depends on
its prompt, the seed and its number alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from castalia import progress
from castalia.abilities import Decodes
from castalia.errors import SpecError
from castalia.families.base import Family
from castalia.nn.counter_random import generator
from castalia.nn.ragged import padded
from castalia.nn.token_sampling import draw
from castalia.registry import require
from castalia.sentences import say
from castalia.spec import Tokens

ROWS = 1024  # that are computed together


@torch.inference_mode()
def continuations(
    family: Family,
    prompts: Sequence[Tensor],
    steps: int,
    count: int,
    *,
    seed: int,
    banned: Sequence[int] = (),
) -> Tensor:
    """(N, count, steps) int64 on the CPU. prompts: (n,) int64 each, n >= 1, the first token context
    (`begin`, or the one before the window); of one longer than the context, the end is read.
    banned: tokens that never come, beside `begin`. Raises AbilityError for a model that does not
    decode, SpecError for one of dense data or with conditions.
    """
    spec, model = family.spec, require(family, Decodes, say("continue rows"))
    if not isinstance(spec, Tokens) or family.conditions:
        raise SpecError(
            say("only models of tokens without conditions are continued"),
            where=family.name,
            fix=say("train with data.conditional=false"),
        )
    barrier = torch.zeros(spec.vocab, device=family.device)
    barrier[[spec.begin, *banned]] = float("-inf")
    size = max(1, ROWS // count)
    # rows of one length need no mask
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    found = torch.zeros(len(prompts), count, steps, dtype=torch.int64)
    with progress.stage("continuing rows", len(prompts), "items") as work, family.evaluating():
        for first in range(0, len(order), size):
            part = order[first : first + size]
            uniforms = torch.stack(
                [torch.rand(count, steps, generator=generator("continue", seed, n)) for n in part]
            ).flatten(0, 1)
            rows = [prompts[place].long().to(family.device) for place in part]
            found[part] = (
                _continued(model, spec, rows, barrier, uniforms.to(family.device))
                .cpu()
                .unflatten(0, (len(part), count))
            )
            work.advance(len(part))
    return found


def _continued(
    model: Decodes, spec: Tokens, prompts: list[Tensor], barrier: Tensor, uniforms: Tensor
) -> Tensor:
    """(R, steps) for uniforms (R, steps), the prompts' rows one after the other. At the end of the
    context, rows are read anew from their middle on.
    """
    count, steps = len(uniforms) // len(prompts), uniforms.shape[1]
    logits, state = model.prefill(*padded([row[-spec.length :] for row in prompts], spec.begin), {})
    owners = torch.arange(len(prompts)).repeat_interleave(count)
    logits, state = logits[owners.to(logits.device)], state.take(owners.to(logits.device))
    made = torch.zeros_like(uniforms, dtype=torch.int64)
    for step in range(steps):
        chosen = draw((logits + barrier).softmax(-1), uniforms[:, step : step + 1])
        made[:, step] = chosen[:, 0]
        if step == steps - 1:
            break
        if int(state.lengths.max()) < spec.length:
            logits, state = model.step(made[:, step], state)
            continue
        whole = [
            torch.cat([prompts[owner], made[row, : step + 1]])[-(spec.length // 2) :]
            for row, owner in enumerate(owners.tolist())
        ]
        logits, state = model.prefill(*padded(whole, spec.begin), {})
    return made
