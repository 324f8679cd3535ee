"""Gaps of series drawn given both sides.

A model that reads from left to right draws many courses through a gap; one of them is chosen with
the probability that it gives to what comes behind the gap (sampling-importance resampling, Rubin
1988), which is the true conditional where there are many courses. What is given comes back as it
was. A first gap has nothing before it and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from castalia.abilities import Decodes, Scores
from castalia.errors import RecipeError
from castalia.modalities.series import coding
from castalia.modalities.series.series import Series, joined
from castalia.nn.counter_random import counter_seed
from castalia.registry import require
from castalia.sampling.continuations import continuations
from castalia.sampling.edit import FillGaps
from castalia.sentences import say
from castalia.spec import Batch

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.families.base import Family

COURSES = 64  # through a gap
BEHIND = 24  # values behind it by which a course is weighed


class FillSeries(FillGaps):
    """See above; its name is "infill". Conditions are not used."""

    needs = Decodes
    conditioned = False

    def run(
        self,
        model: Family,
        codec: Any,
        items: Sequence[Series],
        options: Any,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        """`steps` versions of each series that has a gap. Raises RecipeError where none has."""
        whole = joined(items)  # a gap may lie between two stretches
        if not any(np.isnan(one.values).any() for one in whole):
            raise RecipeError(
                say("no value is missing"),
                where="edit infill",
                fix=say("leave cells of values empty where they are to be drawn"),
            )
        return [
            filled(model, codec, one, seed + number, options.temperature)
            for one in whole
            for number in range(options.steps)
        ]

    def work(self, codec: Codec[Any], items: Sequence[Any], options: Any) -> int:
        gaps = sum(int(np.isnan(one.values).sum()) for one in joined(items))
        return int(options.steps) * gaps * COURSES


def filled(model: Family, codec: Any, one: Series, seed: int, temperature: float = 1.0) -> Series:
    """The series without gaps behind its first value. temperature: 0 takes the likeliest course."""
    given, effects = one, codec.effects.of(one) if codec.known_ahead else np.zeros(len(one))
    one = replace(one, values=one.values - effects)
    made, values = codec.fitted, one.values.copy()
    length = codec.spec.length
    while np.isnan(values).any():
        first = int(np.flatnonzero(np.isnan(values))[0])
        known = np.flatnonzero(np.isfinite(values[first:]))
        stop = first + int(known[0]) if len(known) else len(values)
        behind = values[stop : stop + BEHIND]
        behind = behind[: int(np.argmax(np.isnan(behind))) if np.isnan(behind).any() else None]
        # scaled by all that is known, of which the gap is a part
        z, power = coding.scaled(values)
        size = coding.scale_of(power)
        begun = one.values.copy()
        begun[:stop] = values[:stop]
        room = max(length // 2, length - (stop - first) - len(behind))
        ids = made.encode(begun)[: first + 2][-room:]
        tokens = continuations(
            model,
            [torch.from_numpy(ids)],
            stop - first,
            COURSES,
            seed=counter_seed("infill", seed, first),
            banned=range(coding.FIRST),
        )[0].numpy()
        rng = np.random.default_rng(counter_seed("inside gaps", seed, first))
        courses = made.continued(z[:first], made.within(tokens, rng.random(tokens.shape)))
        chosen = 0
        if len(behind):
            nats = _nats(model, made, z[:first], courses, behind / size, ids, tokens)
            if temperature == 0:
                chosen = int(nats.argmin())
            else:
                odds = np.exp(-(nats - nats.min()) / temperature)
                chosen = int(rng.choice(COURSES, p=odds / odds.sum()))
        drawn = one.rounded(courses[chosen] * size + effects[first:stop])
        values[first:stop] = drawn - effects[first:stop]
    return replace(
        given, values=np.where(np.isfinite(given.values), given.values, values + effects)
    )


def _nats(
    model: Family,
    made: Any,
    past: np.ndarray,
    courses: np.ndarray,
    behind: np.ndarray,
    ids: np.ndarray,
    tokens: np.ndarray,
) -> np.ndarray:
    """(COURSES,) nats of what stands behind the gap, given each course through it."""
    scorer = require(model, Scores, say("score"))
    rows = []
    for course, drawn in zip(courses, tokens, strict=True):
        whole = np.concatenate([past, course, behind])
        tail = made.binned(made.innovations(whole)[-len(behind) :])
        rows.append(np.concatenate([ids, drawn, tail]))
    x = torch.from_numpy(np.stack(rows)).to(model.device)
    weight = torch.zeros(x.shape)
    weight[:, -len(behind) :] = 1
    limit = int(getattr(model.spec, "length", x.shape[1]))
    with torch.no_grad():
        nats = scorer.nats(Batch(x[:, -limit - 1 :], weight=weight[:, -limit - 1 :].to(x.device)))
    found: np.ndarray = nats.double().cpu().numpy()
    return found
