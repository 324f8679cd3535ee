"""Infill: fill gaps of texts where a person marked them, and of any row of tokens.

What is given comes back as it was. Which edit this is part of: edit.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Decodes, Infills, SampleOptions
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Streams, middle_of
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.registry import require
from castalia.sentences import plural, say
from castalia.spec import Spec, Tokens

GAP = re.compile(r"\[\[(\d*)\]\]")


def fill(
    model: Family, codec: Codec[Any], text: str, *, count: int, seed: int, temperature: float = 1.0
) -> list[str]:
    """`count` texts with the gaps of `text` filled: [[12]] is a gap of twelve tokens, [[]] one as
    long as the model sees fit.

    Gaps of a given length need a model that infills; a gap of free length needs the codec's
    fill-in-the-middle marks. What is given comes back as it was.
    """
    spec, pieces = codec.spec, GAP.split(text)
    if not isinstance(spec, Tokens) or not isinstance(codec, Streams):
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
        completions = complete(
            decoder,
            [prompt.to(model.device)] * count,
            rngs,
            SampleOptions(temperature),
            spec=spec,
            banned=marks,
        )
        return [
            parts[0] + codec.decode(torch.tensor(one.tokens, dtype=torch.int64)) + parts[1]
            for one in completions
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


def fill_gaps(
    model: Family,
    spec: Spec,
    x: Tensor,
    keep: Tensor,
    *,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> Tensor:
    """(count, n) int64: `count` versions of a row of tokens, each with its gaps filled, given all
    that is kept, what comes later included.

    x (n,) int64, from `begin` on; keep (n,) bool, False in gaps. A gap that fits into the model's
    context is filled with as much of the row before it as behind it; a longer one window by window,
    each half as far on as the one before, so that it sees what was filled and what is given on both
    sides. Raises SpecError for dense data, AbilityError for a model that does not infill.
    """
    if not isinstance(spec, Tokens):
        raise SpecError(say("only models of tokens fill parts"), where=str(spec))
    infiller = require(model, Infills, "infill")
    rows, open_ = x.expand(count, -1).clone(), ~keep
    rngs = generators(seed, 0, count)
    for first in _windows(open_, spec):
        stop = min(first + spec.length + 1, len(x))
        if bool(open_[first + 1 : stop].any()):
            window = rows[:, first:stop].to(model.device)
            rows[:, first:stop] = infiller.infill(
                window, ~open_[first:stop].to(model.device).expand(count, -1), rngs, {}, temperature
            ).cpu()
            open_[first + 1 : stop] = False
    return rows


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
