"""Gather the evidence of one evaluation of tokens: sampled, held-out and training passages, and
rows to score.

A passage is as much as a sample can be: `spec.length` tokens of a document at most. Passages are
compared as symbols, the codec's pieces (words, Chinese characters), and all sides are cut to the
same number of symbols, because every count of repetition and of copying grows with the length of
the text. Which passages are the reference, the floor and the memoriser is decided as for dense data
(dense_evidence.py). "Real text", what samples are measured by, is the reference.

For distances, a passage is the vector `NETWORK`: for n = 1 .. 4 its n-grams counted in 1,024 bins
by a fixed hash, each n of length one, so that the scalar product of two passages is the mean cosine
of their n-gram counts (the spectrum kernel of Leslie et al. 2002).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.codecs.protocols import BeginsAnew, CutsPieces, Symmetric, weighs
from castalia.errors import SpecError
from castalia.evaluation.base import GROUPS, Decoded, Labelled, TokenEvidence
from castalia.evaluation.dense_evidence import (
    DEFAULT_N,
    Sides,
    batches_of,
    choose_sides,
    class_condition,
    conditions_of,
)
from castalia.evaluation.features import ROWS
from castalia.language import say
from castalia.nn.counter_random import generator
from castalia.sampling.generate import draw_tokens
from castalia.spec import Batch, Classes, Tokens

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.data.stream import Dataset
    from castalia.families.base import Family

NETWORK, ORDERS, BINS = "ngrams-v1", 4, 1024
MOST_TOKENS = 4_000_000  # of the training documents that are used, and of the held-out ones
MOST_SCORED = 200_000  # held-out tokens whose likelihood is computed
DRAWN = 50_000  # tokens to sample where n is not given, and the data have as many
TAUGHT = 2000  # passages with classes that classifiers learn from
MOST_TRAINING = 4000  # training documents that are decoded, for metrics that use items
ROW_TOKENS = 16_384  # tokens that are scored together


@dataclass(frozen=True)
class GatheredPassages:
    """`evidence` for the metrics; samples and real passages (n,) int64 for the page; sampled and
    trained: the pieces behind `evidence.passages["model"]` and `evidence.training`, None where the
    codec has none.
    """

    evidence: TokenEvidence
    samples: list[Tensor]
    real: list[Tensor]
    sampled: list[list[str]] | None
    trained: list[list[str]] | None
    notes: list[str]


def gather_passages(
    model: Family,
    codec: Codec[Any],
    dataset: Dataset,
    *,
    n: int | None,
    seed: int,
    batch: int,
    against: Sequence[Tensor] | None,
) -> GatheredPassages:
    """Draws samples and reads the data once. n None: as many samples as make DRAWN tokens. against:
    documents to compare with instead.
    """
    spec = dataset.spec
    if not isinstance(spec, Tokens):
        raise SpecError(
            say("passages are made of tokens"),
            where=type(spec).__name__,
            fix=say("dense data have evaluation/dense_evidence.py"),
        )
    training, all_read = _read(dataset.train)
    held_out, _ = _read(dataset.validation)
    notes: list[str] = (
        []
        if all_read
        else [
            say(
                "Of the training documents, the first {0:,} tokens were looked at (their order is "
                "random).",
                MOST_TOKENS,
            )
        ]
    )
    pools = [
        _cut(documents, spec, codec)
        for documents in (training, held_out if against is None else list(against))
    ]
    sides = _choose(pools, n, seed, given=against is not None)
    if n is not None and sides.n < n:
        notes.append(
            say(
                "n was reduced from {0:,} to {1:,}: there are not enough real passages to compare "
                "more samples with.",
                n,
                sides.n,
            )
        )
    if not sides.n:
        notes.append(say("There are too few real passages to compare anything with."))
    samples, requested, timings = _draw(model, dataset, spec, max(sides.n, 1), seed, batch)

    pool = [passage for part in pools for passage, _ in part]
    frequency = torch.bincount(
        torch.cat([torch.zeros(0, dtype=torch.int64), *training]), minlength=spec.vocab
    )
    real = [pool[place] for place in sides.reference.tolist()]
    tokens = {
        "model": samples,
        "floor": real,
        "naive": [
            _naive(frequency, spec, len(sample), seed, index)
            for index, sample in enumerate(samples)
        ],
        "memoriser": [pool[place] for place in sides.replayed.tolist()],
    }
    symbols = Symbols(codec, spec)
    written = {
        side: [symbols(passage) for passage in passages] for side, passages in tokens.items()
    }
    trained = [symbols(document) for document in training]
    unseen = [
        row
        for row, place in zip(written["floor"], sides.reference.tolist(), strict=True)
        if place >= len(pools[0])
    ]
    others = [symbols(pool[place]) for place in sides.floor.tolist()]
    candidates = (
        {side: spectrum(rows) for side, rows in {**written, "floor": others}.items()}
        if sides.n
        else {}
    )
    budget = min(
        (
            sum(len(row.ids) for row in rows)
            for side, rows in written.items()
            if side != "model" or sides.n
        ),
        default=0,
    )
    labelled = None
    if against is None and sides.n:
        labelled = _labelled(dataset, pools, symbols, sides.replayed, requested, seed)
    new = [pool[place] for place in sides.reference.tolist() if place >= len(pools[0])]
    rows = {
        **tokens,
        "floor": [pool[place] for place in sides.floor.tolist()],
        "reference": real,
        "unseen": new,
        "training": training[:MOST_TRAINING],
    }
    items = Decoded(codec.decode, {side: partial(iter, rows) for side, rows in rows.items()})
    batches, owners, units, scored = _rows_to_score(codec, dataset, spec, held_out, model.device)
    evidence = TokenEvidence(
        model=model,
        spec=spec,
        network=NETWORK,
        seed=seed,
        candidates=candidates,
        reference=spectrum(written["floor"]),
        batches=batches,
        timings=timings,
        about={"reference": sides.words, "symbols": "pieces" if symbols.pieces else "tokens"},
        labelled=labelled,
        items=items if sides.n else {},
        passages={
            side: _trimmed([row.ids for row in rows], budget) for side, rows in written.items()
        }
        if sides.n
        else {},
        unseen=_trimmed([row.ids for row in unseen], budget),
        training=[row.ids for row in trained],
        documents=training,
        owners=owners,
        units=units,
        symmetries=codec.symmetries() if isinstance(codec, Symmetric) else [],
        texts=("\n".join(scored), "\n".join("".join(row.pieces or ()) for row in trained))
        if symbols.pieces and not weighs(codec)
        else None,
    )
    return GatheredPassages(
        evidence,
        samples,
        real,
        [row.pieces or [] for row in written["model"]] if symbols.pieces else None,
        [row.pieces or [] for row in trained] if symbols.pieces else None,
        notes,
    )


@dataclass(frozen=True)
class Written:
    """A passage as symbols: ids (n,) int64, and the n pieces that they stand for (None where
    symbols are tokens).
    """

    ids: Tensor
    pieces: list[str] | None


class Symbols:
    """Numbers for the pieces of a codec's items, in the order they are met; white space around a
    piece does not count.
    """

    def __init__(self, codec: Codec[Any], spec: Tokens) -> None:
        self._codec, self._spec = codec, spec
        self._numbers: dict[str, int] = {}
        self.pieces = isinstance(codec, CutsPieces)

    def __call__(self, tokens: Tensor) -> Written:
        if not isinstance(self._codec, CutsPieces):
            special = (tokens == self._spec.begin) | (
                tokens == (-1 if self._spec.end is None else self._spec.end)
            )
            return Written(tokens[~special], None)
        pieces = self._codec.pieces(self._codec.decode(tokens))
        numbers = self._numbers
        return Written(
            torch.tensor(
                [numbers.setdefault(piece.strip(), len(numbers)) for piece in pieces],
                dtype=torch.int64,
            ),
            pieces,
        )


def spectrum(rows: Sequence[Written]) -> Tensor:
    """(N, ORDERS * BINS) float32: see the header; scaled so that a scalar product over the
    dimension is a mean cosine.
    """
    result = torch.zeros(len(rows), ORDERS, BINS)
    for row, passage in enumerate(written.ids for written in rows):
        code = np.zeros(len(passage), np.uint64)
        for order in range(ORDERS):
            if len(passage) <= order:
                break
            code = mixed(code[: len(passage) - order], passage.numpy()[order:].astype(np.uint64))
            result[row, order] = torch.from_numpy(
                np.bincount((code % BINS).astype(np.int64), minlength=BINS).astype(np.float32)
            )
    lengths = result.norm(dim=2, keepdim=True).clamp_min(1e-12)
    return (result / lengths * BINS**0.5).flatten(1)


def mixed(code: np.ndarray, symbol: np.ndarray) -> np.ndarray:
    """64-bit codes of n-grams and one more symbol each -> codes of the (n + 1)-grams (SplitMix64's
    finaliser); wraps around.
    """
    with np.errstate(over="ignore"):
        z = (code ^ symbol) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _read(side: Any) -> tuple[list[Tensor], bool]:
    """Documents up to MOST_TOKENS, the last one cut; whether that is all."""
    documents: list[Tensor] = []
    left = MOST_TOKENS
    for document in side.documents() if len(side) else ():
        if left <= 1:
            return documents, False
        documents.append(document[:left])
        left -= len(document)
    return documents, left >= 0


def _cut(documents: Iterable[Tensor], spec: Tokens, codec: Codec[Any]) -> list[tuple[Tensor, int]]:
    """Passages (n,), 1 <= n <= length, without `begin`, and the document of each; the rest of a
    document counts if it is a quarter of that.
    """
    least = spec.length // 4

    def parts(document: Tensor) -> Sequence[Tensor]:
        if isinstance(codec, BeginsAnew):
            return codec.passages(document, spec.length)
        whole: Sequence[Tensor] = document[document != spec.begin].split(spec.length)
        return whole

    return [
        (part, number)
        for number, document in enumerate(documents)
        for place, part in enumerate(parts(document))
        if len(part) > (least if place else 0)
    ]


def _choose(
    pools: Sequence[Sequence[tuple[Tensor, int]]], n: int | None, seed: int, *, given: bool
) -> Sides:
    """Sides as places in both pools, one after the other. The reference and the floor come from
    different held-out documents, because passages of one document are alike; where n is not given,
    so many passages that both have enough.
    """
    training = torch.randperm(len(pools[0]), generator=generator("evaluate", seed, "train"))
    other = torch.randperm(len(pools[1]), generator=generator("evaluate", seed, "validation"))
    owner = torch.tensor([number for _, number in pools[1]], dtype=torch.int64)[other]
    odd = owner % 2 == 1 if len(owner.unique()) > 1 else torch.arange(len(other)) % 2 == 1
    one, two = other[~odd], other[odd]
    if n is None:
        typical = sum(len(passage) for passage, _ in pools[1] or pools[0]) / max(
            1, len(pools[1] or pools[0])
        )
        n = max(2 * GROUPS, min(DEFAULT_N, round(DRAWN / max(1.0, typical)), len(one), len(two)))
    order = len(pools[0]) + torch.cat([one[:n], two, one[n:]])
    return choose_sides(
        training,
        training[:0] if given else order,
        order if given else None,
        n,
        seed,
        say("passages"),
    )


@torch.inference_mode()
def _draw(
    model: Family, dataset: Dataset, spec: Tokens, n: int, seed: int, batch: int
) -> tuple[list[Tensor], dict[str, Tensor], list[tuple[int, float]]]:
    """Samples without `begin` and `end`, their conditions (those of random training
    rows), timings.
    """
    items = torch.randint(
        0, max(1, len(dataset.train)), (n,), generator=generator("evaluate", seed, "conditions")
    )
    cond = conditions_of(model, dataset.train, items)
    samples, timings = [], []
    for first in range(0, n, batch):
        rows = min(batch, n - first)
        begun = time.perf_counter()
        completions = draw_tokens(model, spec, seed, first, rows, cond, SampleOptions(), rows)
        timings.append((rows, time.perf_counter() - begun))
        samples += [torch.tensor(done.tokens, dtype=torch.int64) for done in completions]
    return samples, cond, timings


def _labelled(
    dataset: Dataset,
    pools: Sequence[Sequence[tuple[Tensor, int]]],
    symbols: Symbols,
    replayed: Tensor,
    requested: dict[str, Tensor],
    seed: int,
) -> Labelled | None:
    """At most TAUGHT passages of each side with the classes of their documents; None where
    documents have none.
    """
    label = class_condition(dataset.conditions)
    if label is None:
        return None
    kind = dataset.conditions[label]
    sides = []
    for pool, side in zip(pools, (dataset.train, dataset.validation), strict=True):
        classes = _classes(side, label) if len(side) else torch.zeros(0, dtype=torch.int64)
        chosen = torch.randperm(len(pool), generator=generator("labelled", seed))[:TAUGHT].tolist()
        written = [symbols(pool[place][0]) for place in chosen]
        sides.append(
            (
                spectrum(written),
                classes[torch.tensor([pool[place][1] for place in chosen], dtype=torch.int64)],
            )
        )
        if side is dataset.train:
            copied = classes[
                torch.tensor([pool[place][1] for place in replayed.tolist()], dtype=torch.int64)
            ]
    return Labelled(
        names=kind.names if isinstance(kind, Classes) else (),
        training=sides[0],
        held_out=sides[1],
        replayed=copied,
        requested=requested[label].cpu() if label in requested else None,
    )


def _classes(side: Any, label: str) -> Tensor:
    """The class of each document: that of its first row."""
    owners = side.document_of(torch.arange(len(side)))
    first = torch.cat([owners.new_ones(1, dtype=torch.bool), owners.diff() != 0]).nonzero()[:, 0]
    return torch.cat([side.take(part).cond[label] for part in first.split(ROWS)])


def _naive(frequency: Tensor, spec: Tokens, length: int, seed: int, index: int) -> Tensor:
    """(length,) tokens drawn one by one by their frequency in training, without `begin`
    and `end`.
    """
    weights = frequency.double().clone()
    weights[[spec.begin] if spec.end is None else [spec.begin, spec.end]] = 0.0
    if not length or not weights.any():
        return torch.zeros(0, dtype=torch.int64)
    return torch.multinomial(
        weights, length, replacement=True, generator=generator("naive", seed, index)
    )


def _trimmed(passages: Sequence[Tensor], budget: int) -> list[Tensor]:
    """The first `budget` symbols."""
    result = []
    for passage in passages:
        if budget <= 0:
            break
        result.append(passage[:budget])
        budget -= len(passage)
    return result


def _rows_to_score(
    codec: Codec[Any],
    dataset: Dataset,
    spec: Tokens,
    documents: Sequence[Tensor],
    device: torch.device,
) -> tuple[list[Batch], Tensor, dict[str, Tensor], list[str]]:
    """Rows of the first held-out documents up to MOST_SCORED tokens, their documents, their units,
    and what is scored as text.
    """
    side: Any = dataset.validation
    if not len(side) or not documents:
        return [], torch.zeros(0, dtype=torch.int64), {}, []
    batches: list[Batch] = []
    coded, counted, left = list[int](), list[int](), MOST_SCORED
    for part in torch.arange(len(side)).split(min(ROWS, max(1, ROW_TOKENS // spec.length))):
        if left <= 0:
            break
        batches += batches_of(side, part, device)
        coded += (batches[-1].x[:, 1:] != spec.begin).sum(1).tolist()
        counted += batches[-1].counted(spec.begin).tolist()
        left -= sum(coded[-len(part) :])
    owners, weights = (
        side.document_of(torch.arange(len(coded))),
        torch.tensor(counted, dtype=torch.float64),
    )
    documents_of = torch.zeros(int(owners.max()) + 1, dtype=torch.float64)
    lengths = documents_of.index_add(0, owners, torch.tensor(coded, dtype=torch.float64))
    totals = documents_of.index_add(0, owners, weights)
    units: dict[str, Tensor] = {}
    texts = []
    for number, (length, total) in enumerate(zip(lengths.tolist(), totals.tolist(), strict=True)):
        item = codec.decode(documents[number][: 1 + int(length)])
        texts.append("".join(codec.pieces(item)) if isinstance(codec, CutsPieces) else "")
        for unit, amount in codec.units(item).items():
            units.setdefault(unit, torch.zeros(len(coded), dtype=torch.float64))
            units[unit] += torch.where(owners == number, weights * amount / max(total, 1.0), 0.0)
    return batches, owners, units, texts
