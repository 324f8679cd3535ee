"""A named part of given items from all others, as probabilities; or how likely each item is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Infills, Predicts, Scores
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Foretells, Question, RatesParts, need
from castalia.data.stream import rows_of
from castalia.families.base import Family
from castalia.nn.counter_random import generators
from castalia.nn.ragged import padded
from castalia.progress import stage
from castalia.registry import require
from castalia.sampling.generate import condition
from castalia.sentences import say
from castalia.spec import Batch, Tokens

ROWS = 1024  # that are computed together
PART_ROWS = 64  # the same of parts, which come with their contexts
DRAWS = 8  # of what is not known of an item, over which its prediction is averaged


@dataclass(frozen=True)
class Prediction:
    """items: the given ones with the prediction beside them. scores: over those whose part is
    known; empty where nothing was asked for. nats: of each item, where it was rated.
    """

    items: list[Any]
    scores: dict[str, float] = field(default_factory=dict)
    nats: Tensor | None = None


def foretelling(codec: Codec[Any]) -> Foretells:
    """The codec, if its items have parts to predict. Raises RecipeError otherwise."""
    return need(
        codec,
        Foretells,
        say("the codec '{0}' has no parts to predict", codec.name),
        where="predict",
        fix=say("use a run whose items have named parts"),
    )


def predicted(
    model: Family, codec: Codec[Any], items: Sequence[Any], column: str | None, seed: int
) -> Prediction:
    """`column` of every native item, given what it has in all others; None: how unlikely each item
    is, in nats.

    What an item has in the column is not looked at, and what it lacks elsewhere is drawn DRAWS
    times. Raises AbilityError for a model that cannot, RecipeError for a column that there is not.
    """
    foretells = foretelling(codec)
    if column is None and isinstance(codec, RatesParts):
        parts = codec.parts_to_rate(items)
        nats = torch.cat([torch.zeros(0), *_rated_parts(model, codec.spec, parts)])
        return Prediction(foretells.rated([part for part, _, _ in parts], nats), nats=nats)
    if column is None:
        nats = torch.cat([torch.zeros(0), *_rated(model, codec, items)])
        return Prediction(foretells.rated(items, nats), nats=nats)
    answers = [
        _probabilities(model, foretells.question(part, column), seed, first)
        for first, part in _parts(items)
    ]
    whole = torch.cat(answers) if answers else torch.zeros(0, 0)
    answered, scores = foretells.answer(items, column, whole)
    return Prediction(answered, scores)


def _parts(items: Sequence[Any], size: int = ROWS) -> Iterator[tuple[int, Sequence[Any]]]:
    with stage("predicting", len(items), "items") as work:
        for first in range(0, len(items), size):
            part = items[first : first + size]
            yield first, part
            work.advance(len(part))


def _probabilities(family: Family, asked: Question, seed: int, first: int) -> Tensor:
    """(B, V) float32; averaged over draws of what is not known beside the place asked for."""
    model = require(family, Predicts, say("predict"))
    rows, device = len(asked.x), family.device
    cond = condition(family, {}, rows, first)
    open_ = ~asked.keep
    open_[:, asked.place] = False
    if not bool(open_.any()):
        return model.predict(asked.x.to(device), asked.place, cond).exp().cpu()
    infiller = require(family, Infills, "infill")
    total = torch.zeros(0)
    for draw in range(DRAWS):
        rngs = generators(seed + draw, first, rows)
        filled = infiller.infill(asked.x.to(device), asked.keep.to(device), rngs, cond)
        part = model.predict(filled, asked.place, cond).exp().cpu()
        total = part if not len(total) else total + part
    return total / DRAWS


def _rated_parts(
    family: Family, spec: Any, parts: Sequence[tuple[Any, Tensor, int]]
) -> Iterator[Tensor]:
    """(n,) nats of each part's own tokens, its context given."""
    model = require(family, Scores, say("score"))
    for first, some in _parts(parts, PART_ROWS):
        x, real = padded([row for _, row, _ in some], spec.begin)
        place = torch.arange(x.shape[1])
        ends = real.sum(1, keepdim=True)
        own = torch.tensor([count for _, _, count in some])[:, None]
        weight = ((place >= ends - own) & real).float()
        cond = condition(family, {}, len(some), first)
        with torch.no_grad():
            batch = Batch(x.to(family.device), weight=weight.to(family.device), cond=cond)
            yield model.nats(batch).float().cpu()


def _rated(family: Family, codec: Any, items: Sequence[Any]) -> Iterator[Tensor]:
    model = require(family, Scores, say("score"))
    for first, part in _parts(items):
        x = rows_of(codec.spec, [codec.encode(item) for item in part]).to(family.device)
        cond = condition(family, {}, len(part), first)
        rngs = None if isinstance(codec.spec, Tokens) else generators(0, first, len(part))
        with torch.no_grad():
            yield model.nats(Batch(x, cond=cond), rngs).float().cpu()
