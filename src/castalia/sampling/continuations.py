"""Many continuations of each of several rows of tokens: what forecasts are made of.

A prompt is read once, and what the model remembers of it is copied for each continuation; rows are
drawn as nn/decode.py draws them, with no option but what never comes. Each continuation depends on
its prompt, the seed and its number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia import progress
from castalia.abilities import Decodes
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Continuation, Continues, need
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family
from castalia.nn.counter_random import generator
from castalia.nn.ragged import padded
from castalia.nn.token_sampling import draw
from castalia.registry import require
from castalia.sentences import say
from castalia.spec import Tokens

ROWS = 1024  # that are computed together
LEVELS = (0.025, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.975)
MOST_PATHS = 10_000


def continuing(codec: Codec[Any]) -> Continues:
    """The codec, if its items go on beyond their end. Raises RecipeError otherwise."""
    return need(
        codec,
        Continues,
        say("items of the codec '{0}' do not go on beyond their end", codec.name),
        where="forecast",
        fix=say("use a run of series"),
    )


def continued(
    family: Family,
    codec: Codec[Any],
    items: Sequence[Any],
    horizon: int,
    *,
    paths: int = 100,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
    members: Sequence[str] = (),
) -> Continuation:
    """What follows each history, `horizon` steps of it; see `Continues.continued`. Raises
    RecipeError for numbers out of range, AbilityError for a model that does not decode.
    """
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

    def drawn(prompts: Sequence[Tensor], steps: int, count: int, banned: Sequence[int]) -> Tensor:
        return continuations(family, prompts, steps, count, seed=seed, banned=banned)

    return continuing(codec).continued(
        items, horizon, drawn, paths=paths, levels=levels, seed=seed, members=members
    )


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
