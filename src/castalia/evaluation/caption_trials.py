"""Trials of captions on held-out items: whether a model finds the item of a caption and the caption
of an item among a hundred, and what it says of items itself, beside chance and the commonest
caption.

Told a model that draws, the same judge says whether what is drawn for a caption agrees with that
caption more than with others (R-precision, Xu et al. 2018, arXiv:1711.10485), beside real items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia.abilities import Describes, Matches, SampleOptions, Samples
from castalia.captions import Caption
from castalia.data.stream import rows_of
from castalia.errors import AbilityError
from castalia.evaluation.base import mean_interval
from castalia.nn.counter_random import generator, generators
from castalia.progress import tracked
from castalia.registry import require
from castalia.sampling.generate import caption_name
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.data.stream import Dataset, Split
    from castalia.families.base import Family

ITEMS = 400  # held-out items at most
DRAWN = 200  # captions that a model draws for
POOL = 100  # among so many
LEAST = 10  # held-out captions of a language
ROWS = 64

LANGUAGES = {"en": say("letters"), "zh": say("Chinese characters")}


def caption_trials(model: Family, dataset: Dataset, seed: int = 0) -> dict[str, Any]:
    """JSON: {"items", "seed", "rows"}; a row has question, language, value, low, high, baseline and
    what that is. Raises AbilityError where too few held-out items have captions.
    """
    matcher = require(model, Matches, say("compare items with texts"))
    name = _told(model)
    side, caption = dataset.validation, Caption(matcher.words)
    order = torch.randperm(len(side), generator=generator("caption trials", seed))
    rows, used = [], 0
    for language in LANGUAGES:
        places, ids = _captions(side, name, order, caption, language, ITEMS)
        if len(places) < LEAST:
            continue
        used = max(used, len(places))
        items = _item_vectors(matcher, side, places)
        captions = matcher.caption_vectors(ids).cpu()
        # captions of one text are all right, so they are no candidates against each other
        same = (ids[:, None] == ids[None]).all(-1)
        for question, similarity in (
            (say("the item of a caption"), captions @ items.T),
            (say("the caption of an item"), items @ captions.T),
        ):
            rows.append(_found(question, language, similarity, same, seed))
        if isinstance(model, Describes):
            commonest = _commonest(dataset.train, name, caption, language)
            rows += _described(model, matcher, side, places, items, commonest, language, name, seed)
    _require(rows, "evaluate")
    return {"items": used, "seed": seed, "rows": rows}


def agreement_trials(
    model: Family,
    codec: Codec[Any],
    dataset: Dataset,
    judge: Family,
    judge_codec: Codec[Any],
    guidance: float,
    seed: int = 0,
) -> dict[str, Any]:
    """The same rows for what `model` draws for held-out captions, under this guidance, as `judge`
    sees it; the baseline is what real items get.
    """
    sampler = require(model, Samples, say("be judged by its samples"))
    matcher = require(judge, Matches, say("compare items with texts"))
    name, side = _told(model), dataset.validation
    own: Any = model.conditions[name]
    caption, judged = Caption(own), Caption(matcher.words)
    order = torch.randperm(len(side), generator=generator("agreement trials", seed))
    rows, used = [], 0
    for language in LANGUAGES:
        places, ids = _captions(side, name, order, caption, language, DRAWN)
        if len(places) < LEAST:
            continue
        used = max(used, len(places))
        texts = [caption.text(one.tolist()) for one in ids]
        told = torch.tensor([judged.numbers(text) for text in texts])
        captions = matcher.caption_vectors(told).cpu()
        same = (told[:, None] == told[None]).all(-1)
        drawn, options = [], SampleOptions(guidance=guidance)
        for first in tracked(range(0, len(ids), ROWS), "drawing samples", None, "batches"):
            cond = {name: ids[first : first + ROWS].to(model.device)}
            rngs = generators(seed, first, len(ids[first : first + ROWS]))
            drawn.append(sampler.sample(rngs, cond, options).cpu())
        real = side.take(places).x
        shares = [
            _found(
                say("the caption that an item was drawn for"),
                language,
                _seen(matcher, judge_codec, codec, x) @ captions.T,
                same,
                seed,
            )
            for x in (torch.cat(drawn), real)
        ]
        rows.append(shares[0] | {"baseline": shares[1]["value"], "against": say("real items")})
    _require(rows, "--agreement")
    return {"items": used, "seed": seed, "guidance": guidance, "rows": rows}


def _require(rows: Sequence[Any], where: str) -> None:
    if not rows:
        raise AbilityError(
            say("too few held-out items have captions"),
            where=where,
            fix=say("train with more captions, or a larger data.validation"),
        )


def _told(model: Family) -> str:
    name = caption_name(model.conditions)
    if name is None:
        raise AbilityError(
            say("this model is told no captions"),
            where="evaluate",
            fix="data.conditions=[caption]",
        )
    return name


def _captions(
    side: Split, name: str, order: Tensor, caption: Caption, language: str, most: int
) -> tuple[Tensor, Tensor]:
    """The first items in `order` that have a caption in this language, and the first such of each,
    (n,) and (n, words).
    """
    places, chosen = [], []
    for place, captions in zip(order, side.captions_of(name, order), strict=True):
        for ids in captions:
            if bool(ids.any()) and caption.language(ids.tolist()) == language:
                places.append(place)
                chosen.append(ids)
                break
        if len(places) == most:
            break
    width = len(caption.numbers(""))
    return (
        torch.stack(places) if places else torch.zeros(0, dtype=torch.int64),
        torch.stack(chosen) if chosen else torch.zeros(0, width, dtype=torch.int64),
    )


def _commonest(side: Split, name: str, caption: Caption, language: str) -> tuple[int, ...]:
    counts = Counter(
        tuple(ids.tolist())
        for captions in side.captions_of(name, range(len(side)))
        for ids in captions
        if bool(ids.any()) and caption.language(ids.tolist()) == language
    )
    return min(counts, key=lambda ids: (-counts[ids], ids), default=())


def _item_vectors(matcher: Matches, side: Split, places: Tensor) -> Tensor:
    device = matcher.device  # type: ignore[attr-defined]
    return torch.cat(
        [matcher.item_vectors(side.take(part).x.to(device)).cpu() for part in places.split(ROWS)]
    )


def _seen(matcher: Matches, judge_codec: Codec[Any], codec: Codec[Any], x: Tensor) -> Tensor:
    """Vectors of items of another run, as the judge's codec reads them."""
    device = matcher.device  # type: ignore[attr-defined]
    parts = []
    for part in x.split(ROWS):
        native = [judge_codec.encode(codec.decode(row)) for row in part]
        parts.append(matcher.item_vectors(rows_of(judge_codec.spec, native).to(device)).cpu())
    return torch.cat(parts)


def _found(
    question: str, language: str, similarity: Tensor, same: Tensor, seed: int
) -> dict[str, Any]:
    """The share of rows of (N, N) in which the own column is the largest of it and POOL - 1 others
    that are not the same; a tie is lost.
    """
    count = len(similarity)
    pool = min(POOL, count)
    hits = []
    for row in range(count):
        others = torch.nonzero(~same[row]).flatten()
        pick = torch.randperm(len(others), generator=generator("pool", seed, row))[: pool - 1]
        rivals = similarity[row, others[pick]]
        hits.append(not len(rivals) or bool(similarity[row, row] > rivals.max()))
    return _row(question, language, torch.tensor(hits).double(), 1 / pool, say("chance"))


def _row(
    question: str, language: str, values: Tensor, baseline: float, against: str
) -> dict[str, Any]:
    mean, low, high = mean_interval(values)
    return {
        "question": question,
        "language": language,
        "value": mean,
        "low": low,
        "high": high,
        "baseline": baseline,
        "against": against,
    }


def _described(
    model: Describes,
    matcher: Matches,
    side: Split,
    places: Tensor,
    items: Tensor,
    commonest: tuple[int, ...],
    language: str,
    name: str,
    seed: int,
) -> list[dict[str, Any]]:
    """What is said of items with these vectors (n, D), beside their own captions in this language:
    all words right, words right (F1), both against the best of the captions, and whether the item
    is found by it.
    """
    caption = Caption(model.words)
    allowed = torch.tensor(caption.usable(language))
    device = matcher.device  # type: ignore[attr-defined]
    said = torch.cat(
        [
            model.describe(
                side.take(part).x.to(device), generators(seed, 0, len(part)), 0.0, allowed
            ).cpu()
            for part in places.split(ROWS)
        ]
    )
    truths = [
        [one.tolist() for one in captions if caption.language(one.tolist()) == language]
        for captions in side.captions_of(name, places)
    ]
    rows = []
    for question, score in (
        (say("all words of an item's caption"), _exact),
        (say("words of an item's caption (F1)"), _overlap),
    ):
        values, simple = (
            torch.tensor(
                [max(score(one, own) for own in of) for one, of in zip(all_, truths, strict=True)]
            )
            for all_ in (said.tolist(), [list(commonest)] * len(places))
        )
        rows.append(
            _row(
                question, language, values.double(), float(simple.mean()), say("commonest caption")
            )
        )
    captions = matcher.caption_vectors(said).cpu()
    same = (said[:, None] == said[None]).all(-1)
    found = _found(say("the item of what is said of it"), language, captions @ items.T, same, seed)
    return [*rows, found]


def _exact(said: Sequence[int], own: Sequence[int]) -> float:
    return float([one for one in said if one] == [one for one in own if one])


def _overlap(said: Sequence[int], own: Sequence[int]) -> float:
    """F1 of words, each as often as it stands there."""
    mine, theirs = Counter(filter(None, said)), Counter(filter(None, own))
    shared = sum((mine & theirs).values())
    return 2 * shared / max(1, sum(mine.values()) + sum(theirs.values()))
