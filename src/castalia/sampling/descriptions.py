"""Captions of items by a model that describes, and how well items agree with a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from castalia.abilities import BOUNDS, Describes, Matches
from castalia.captions import Caption
from castalia.codecs.base import Codec
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.nn.counter_random import generators
from castalia.progress import stage
from castalia.registry import require
from castalia.sampling.latent_edits import encoded
from castalia.sentences import say

ROWS = 64  # items that are looked at together
MOST = 64  # captions of an item
LANGUAGES = ("en", "zh")


class Said(NamedTuple):
    """A caption, and how well it agrees with the item, -1 to 1; None where the model does not
    say.
    """

    text: str
    agreement: float | None


def captions_of(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Any],
    *,
    n: int = 1,
    language: str | None = None,
    temperature: float | None = None,
    seed: int = 0,
) -> list[list[Said]]:
    """At most `n` different captions of each native item, the one that agrees best first.

    language: "en" or "zh", where the training captions had both; None: whatever is likeliest.
    temperature: 0 the likeliest word each time, the default for one caption; 1, the default for
    several, draws as the model learned. Raises RecipeError for options out of range, AbilityError
    for a model that does not describe.
    """
    describer = require(model, Describes, say("describe items"))
    caption = Caption(describer.words)
    heat = _temperature(n, temperature)
    allowed = _allowed(caption, language)
    found = []
    with stage("describing", len(items), "items") as work, torch.inference_mode():
        for first in range(0, len(items), ROWS):
            x = encoded(model, codec, items[first : first + ROWS])
            rows = x.repeat_interleave(n, 0)
            ids = describer.describe(rows, generators(seed, n * first, len(rows)), heat, allowed)
            agreements: list[float | None] = [None] * len(rows)
            if isinstance(model, Matches):
                vectors = model.item_vectors(x).repeat_interleave(n, 0)
                agreements = (vectors * model.caption_vectors(ids)).sum(1).tolist()
            for row in range(0, len(rows), n):
                said = {
                    caption.text(ids[place].tolist()): agreements[place]
                    for place in range(row, row + n)
                }
                found.append(
                    sorted(
                        (Said(*one) for one in said.items()), key=lambda one: -(one.agreement or 0)
                    )
                )
            work.advance(len(x))
    return found


def agreements(model: Family, codec: Codec[Any], items: Sequence[Any], text: str) -> Tensor:
    """(len(items),) float32: how well each native item agrees with a text, -1 to 1. Raises
    RecipeError where the model knows none of its words, AbilityError for a model that does not
    match.
    """
    matcher = require(model, Matches, say("compare items with texts"))
    asked = torch.tensor([Caption(matcher.words).asked("words", text)])
    parts = [torch.zeros(0)]
    with stage("comparing", len(items), "items") as work, torch.inference_mode():
        wanted = matcher.caption_vectors(asked)[0]
        for first in range(0, len(items), ROWS):
            x = encoded(model, codec, items[first : first + ROWS])
            parts.append((matcher.item_vectors(x) @ wanted).cpu())
            work.advance(len(x))
    return torch.cat(parts)


def _temperature(n: int, given: float | None) -> float:
    if not 1 <= n <= MOST:
        raise RecipeError(say("1 to {0} captions of an item, not {1}", MOST, n), where=f"n={n}")
    if given is not None and not BOUNDS["temperature"].fits(given):
        raise RecipeError(
            say("{0} is out of range", "temperature"),
            where=f"temperature={given}",
            fix=BOUNDS["temperature"].meaning,
        )
    return float(n > 1) if given is None else given


def _allowed(caption: Caption, language: str | None) -> Tensor | None:
    if language is None:
        return None
    if language not in LANGUAGES:
        raise RecipeError(
            say("captions are told apart as English or Chinese"),
            where=f"language={language[:40]}",
            fix=say("one of: {0}", ", ".join(LANGUAGES)),
        )
    allowed = torch.tensor(caption.usable(language))
    if not bool(allowed.any()):
        raise RecipeError(
            say("the model has learned no words of this language"),
            where=f"language={language}",
            fix=say("it knows, for example: {0}", ", ".join(caption.words.vocabulary[:20])),
        )
    return allowed
