"""Edits of given items, written against abilities: any family that encodes can interpolate and
vary.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Decodes, Encodes, Infills, SampleOptions
from castalia.codecs.base import Codec
from castalia.codecs.protocols import HasParts, middle_of, need
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family
from castalia.nn.counter_random import generators, randn_rows
from castalia.nn.decode import complete
from castalia.registry import require
from castalia.sentences import plural, say
from castalia.spec import Tokens


@torch.inference_mode()
def interpolate(
    model: Family, x: Tensor, cond: dict[str, Any], *, steps: int, seed: int, strength: float
) -> Tensor:
    """((K - 1) * (steps - 1) + 1, *shape): from each of K >= 2 items to the next, `steps` pictures
    with both ends.

    Latent means are joined by great circles (Shoemake 1985): a straight line would pass through a
    region of the prior
    that holds almost no mass.
    """
    encoder = require(model, Encodes, "interpolate")
    if len(x) < 2:
        raise RecipeError(
            say("interpolation needs at least two inputs"),
            where="edit interpolate",
            fix=say("name two files or more"),
        )
    z = encoder.to_latent(x, cond)
    path = [
        slerp(z[index], z[index + 1], t)
        for index in range(len(z) - 1)
        for t in torch.linspace(0, 1, steps)[:-1]
    ]
    path.append(z[-1])
    rows = {name: value[:1].expand(len(path)) for name, value in cond.items()}
    return encoder.from_latent(torch.stack(path), rows)


@torch.inference_mode()
def vary(
    model: Family, x: Tensor, cond: dict[str, Any], *, steps: int, seed: int, strength: float
) -> Tensor:
    """(K * steps, *shape): `steps` variants of each item.

    z' = sqrt(1 - s^2) z + s * noise keeps a standard normal latent standard normal; s = 0 is the
    reconstruction, s = 1
    forgets the item.
    """
    encoder = require(model, Encodes, "vary")
    z = encoder.to_latent(x, cond).repeat_interleave(steps, dim=0)
    noise = randn_rows(generators(seed, 0, len(z)), *z.shape[1:], device=z.device)
    rows = {name: value.repeat_interleave(steps, dim=0) for name, value in cond.items()}
    return encoder.from_latent(math.sqrt(1 - strength**2) * z + strength * noise, rows)


GAP = re.compile(r"\[\[(\d*)\]\]")


def span_of(bars: str | None) -> tuple[int, int] | None:
    """ "5-8" or "5", as a person writes bars. Raises RecipeError for anything else."""
    if bars is None:
        return None
    first, _, last = bars.partition("-")
    if not first.strip().isdecimal() or not (last.strip() or first).strip().isdecimal():
        raise RecipeError(
            say("bars are numbers, the first one and the last one"),
            where=f"--bars {bars[:40]}",
            fix="--bars 5-8",
        )
    return int(first), int(last or first)


def fill(
    model: Family, codec: Codec[Any], text: str, *, count: int, seed: int, temperature: float = 1.0
) -> list[str]:
    """`count` texts with the gaps of `text` filled: [[12]] is a gap of twelve tokens, [[]] one as
    long as the model sees fit.

    Gaps of a given length need a model that infills; a gap of free length needs the codec's
    fill-in-the-middle marks. What is given
    comes back as it was.
    """
    spec, pieces = codec.spec, GAP.split(text)
    if not isinstance(spec, Tokens):
        raise SpecError(say("only texts have gaps to fill"), where=say("codec '{0}'", codec.name))
    if len(pieces) == 1:
        raise RecipeError(
            say("there is no gap to fill"),
            where="edit infill",
            fix=say("mark gaps: [[12]] for twelve tokens, [[]] for any number"),
        )
    parts, gaps = pieces[::2], pieces[1::2]
    rngs = generators(seed, 0, count)
    marks = middle_of(codec)
    if gaps == [""] and marks is not None:
        prefix, suffix, middle = (torch.tensor([mark]) for mark in marks)
        before, after = (_inner(codec, spec, part) for part in parts)
        prompt = torch.cat([torch.tensor([spec.begin]), prefix, before, suffix, after, middle])
        _fits(len(prompt), spec.length - 1)
        decoder = require(model, Decodes, "infill")
        found = complete(
            decoder,
            [prompt.to(model.device)] * count,
            rngs,
            SampleOptions(temperature),
            spec=spec,
            banned=marks,
        )
        return [
            parts[0] + codec.decode(torch.tensor(one.tokens, dtype=torch.int64)) + parts[1]
            for one in found
        ]
    if "" in gaps:
        fix = say(
            "write the number of tokens, [[12]], or train with codec.fill_middle=true and "
            "leave one gap [[]]"
        )
        raise RecipeError(say("this run cannot choose the length of a gap"), where="[[]]", fix=fix)
    infiller = require(model, Infills, "infill")
    parts, sizes = _apart(parts, [int(gap) for gap in gaps])
    given = [_inner(codec, spec, part) for part in parts]
    _fits(sum(map(len, given)) + sum(sizes), spec.length)
    row, keep = [torch.tensor([spec.begin])], [torch.ones(1, dtype=torch.bool)]
    for number, part in enumerate(given):
        row.append(part)
        keep.append(torch.ones(len(part), dtype=torch.bool))
        if number < len(sizes):
            row.append(torch.full((sizes[number],), spec.vocab - 1))
            keep.append(torch.zeros(sizes[number], dtype=torch.bool))
    x, kept = torch.cat(row).to(model.device), torch.cat(keep).to(model.device)
    filled = infiller.infill(x.expand(count, -1), kept.expand(count, -1), rngs, {}, temperature)
    return [_joined(codec, parts, one[~kept].split(sizes)) for one in filled]


def refill(
    model: Family,
    codec: Codec[Any],
    item: Any,
    *,
    keep: Sequence[str],
    bars: tuple[int, int] | None,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Any]:
    """`count` versions of an item with parts made anew, given all that stays: what comes later,
    too.

    keep, bars: see HasParts.gaps. A gap that fits into the model's context is filled with as much of
    the item before it as behind it; a longer one window by
    window, each half as far on as the one before, so that it sees what was filled and what is given
    on both sides.
    """
    spec = codec.spec
    if not isinstance(spec, Tokens):
        raise SpecError(
            say("only models of tokens fill parts"), where=say("codec '{0}'", codec.name)
        )
    infiller = require(model, Infills, "infill")
    has_parts = need(
        codec,
        HasParts,
        say("items of the codec '{0}' have no parts to keep", codec.name),
        where="edit infill",
        fix=say("in a text, mark the gaps: [[12]]"),
    )
    x, kept = has_parts.gaps(item, keep, bars)
    rows, open_ = x.expand(count, -1).clone(), ~kept
    rngs = generators(seed, 0, count)
    for first in _windows(open_, spec):
        stop = min(first + spec.length + 1, len(x))
        if bool(open_[first + 1 : stop].any()):
            window = rows[:, first:stop].to(model.device)
            rows[:, first:stop] = infiller.infill(
                window, ~open_[first:stop].to(model.device).expand(count, -1), rngs, {}, temperature
            ).cpu()
            open_[first + 1 : stop] = False
    return [has_parts.joined(item, row, kept) for row in rows]


def _windows(open_: Tensor, spec: Tokens) -> Iterable[int]:
    """Where windows of spec.length tokens and the one before them begin, steps whole. open_ (n,)
    bool: the gaps.
    """
    places = open_.nonzero().flatten().tolist() or [0]
    beyond = max(0, len(open_) - 1 - spec.length)
    if places[-1] - places[0] <= spec.length - 2 * spec.period:
        middle = (places[0] + places[-1] - spec.length) // 2
        return [min(max(0, middle // spec.period), -(-beyond // spec.period)) * spec.period]
    stride = max(1, spec.length // spec.period // 2) * spec.period
    return range(0, max(1, beyond + stride), stride)


def _apart(parts: Sequence[str], sizes: Sequence[int]) -> tuple[list[str], list[int]]:
    """Neighbouring gaps as one, for a character may lie across both."""
    texts, joined = [parts[0]], list[int]()
    for size, part in zip(sizes, parts[1:], strict=True):
        if joined and not texts[-1]:
            joined[-1] += size
            texts[-1] = part
        else:
            joined.append(size)
            texts.append(part)
    return texts, joined


def _fits(tokens: int, most: int) -> None:
    if tokens > most:
        raise SpecError(
            say("the text with its gaps is longer than the context"),
            where=say("{0} against {1}", plural("{0} token", "{0} tokens", tokens), most),
            fix=say("cut it"),
        )


def _inner(codec: Codec[Any], spec: Tokens, part: str) -> Tensor:
    ids = codec.encode(part).long()[1:]
    return ids[:-1] if spec.end is not None else ids


def _joined(codec: Codec[Any], parts: Sequence[str], gaps: Sequence[Tensor]) -> str:
    """The given parts as they were written, and between them what fills the gaps."""
    texts = [codec.decode(gap) for gap in gaps]
    return "".join(part + text for part, text in zip(parts, [*texts, ""], strict=True))


KINDS: dict[str, Callable[..., Tensor]] = {"interpolate": interpolate, "vary": vary}


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical interpolation of two latents of any shape; linear where they are nearly
    parallel.
    """
    flat_a, flat_b = a.flatten(), b.flatten()
    cosine = (flat_a @ flat_b / (flat_a.norm() * flat_b.norm()).clamp_min(1e-12)).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle.sin().abs() < 1e-4:
        return torch.lerp(a, b, float(t))
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def kinds() -> Sequence[str]:
    return (*KINDS, "infill")
