"""Variety of sampled text: distinct n-grams, self-BLEU, loops.

distinct-n   different n-grams / n-grams (Li et al. 2016, arXiv:1510.03055). It falls with the
             length of the text, so all sides have the same.
self-bleu    mean BLEU-4 of each sample against all others (Zhu et al. 2018, arXiv:1802.01886; BLEU:
             Papineni et al. 2002; an order without a match counts 0.1, as method 1 of Chen & Cherry
             2014). Samples that are alike have more.
loops        share of the symbols that stand in a loop: an n-gram of up to LONGEST symbols, three
             times or more in a row.

Real text is the measure, not 0 or 1: text more varied than real text is noise, so distinct-n and
self-BLEU have no better side.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from castalia.evaluation.base import (
    GROUPS,
    Better,
    Estimate,
    Metric,
    MetricResult,
    TokenEvidence,
    apart,
    clearly,
    compared,
    equal_or_not,
    estimated,
    group_ids,
    mean_interval,
    means_without,
    share_estimate,
    show,
)
from castalia.evaluation.equivalence import of_sides
from castalia.evaluation.token_evidence import mixed
from castalia.language import say

ORDERS = 4
LONGEST, TIMES, FEWEST = 32, 3, 6  # a loop is TIMES repeats that cover FEWEST symbols or more
FEWEST_PASSAGES = 2

Sides = dict[str, Estimate]


class Variety(Metric):
    """`distinct-1` .. `distinct-4`, `self-bleu` and `loops`, each beside real text, single-token
    draws and training text.
    """

    name = "variety"
    reads = TokenEvidence
    judges = str

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        if (
            min((len(evidence.passages.get(side, [])) for side in ("model", "floor")), default=0)
            < FEWEST_PASSAGES
        ):
            return []
        distinct_scores = [
            self._one(f"distinct-{n}", lambda passages, n=n: distinct(passages, n), None, evidence)  # type: ignore[misc]
            for n in range(1, ORDERS + 1)
        ]
        return [
            *distinct_scores,
            self._one("self-bleu", self_bleu, None, evidence),
            self._one("loops", loops, "lower", evidence),
        ]

    def _one(
        self,
        name: str,
        measure: Callable[[Sequence[Tensor]], Estimate],
        better: Better | None,
        evidence: TokenEvidence,
    ) -> MetricResult:
        begun = time.perf_counter()
        sides = {
            side: measure(passages) for side, passages in evidence.passages.items() if passages
        }
        informative = None if better else apart(sides["floor"], sides["naive"])
        n = len(evidence.passages["model"])
        details = {
            "symbols": sum(map(len, evidence.passages["model"])),
            "words": _words(name, sides, informative, n),
        }
        return compared(
            name, better, sides, informative, n, evidence.seed, time.perf_counter() - begun, details
        )


def distinct(passages: Sequence[Tensor], n: int) -> Estimate:
    """Different n-grams as a share of all; 0 where there are none."""
    groups = group_ids(len(passages)).numpy()
    codes = [grams(passage, n) for passage in passages]
    owner = np.repeat(groups, [len(code) for code in codes])
    joined = (
        np.unique(np.concatenate(codes), return_inverse=True)[1] if codes else np.zeros(0, np.int64)
    )

    def share(kept: np.ndarray) -> float:
        return float(np.count_nonzero(np.bincount(kept)) / len(kept)) if len(kept) else 0.0

    value = share(joined)
    without = [share(joined[owner != group]) for group in range(min(GROUPS, len(passages)))]
    return estimated(value, without, (0.0, 1.0))


def self_bleu(passages: Sequence[Tensor]) -> Estimate:
    """Mean over passages of BLEU-4 against all others."""
    values = torch.from_numpy(bleus(passages))
    mean, low, high = mean_interval(values)
    return Estimate(mean, max(0.0, low), min(1.0, high), without=means_without(values))


def bleus(passages: Sequence[Tensor]) -> np.ndarray:
    """(N,) float64: BLEU-4 of each passage with the N - 1 others as references."""
    lengths = np.array([len(passage) for passage in passages])
    rows = np.arange(len(passages))
    logs = np.zeros(len(passages))
    for n in range(1, ORDERS + 1):
        codes = [grams(passage, n) for passage in passages]
        owner = np.repeat(rows, [len(code) for code in codes])
        gram = (
            np.unique(np.concatenate(codes), return_inverse=True)[1]
            if len(owner)
            else np.zeros(0, np.int64)
        )
        pair, count = np.unique(gram * len(rows) + owner, return_counts=True)
        gram, owner = pair // len(rows), pair % len(rows)
        clipped = np.minimum(count, _most_elsewhere(gram, count))
        matched = np.bincount(owner, weights=clipped, minlength=len(rows))
        total = np.maximum(1, lengths - n + 1)
        logs += np.log(np.where(matched > 0, matched, 0.1) / total) / ORDERS
    return np.where(lengths > 0, np.exp(logs) * _brevity(lengths), 0.0)


def loops(passages: Sequence[Tensor]) -> Estimate:
    """Share of the symbols inside loops; details: the share of passages that end in one."""
    masks = [looping(passage) for passage in passages]
    groups = group_ids(len(passages)).numpy()
    inside = np.bincount(groups, [mask.sum() for mask in masks], GROUPS)
    size = np.bincount(groups, [len(mask) for mask in masks], GROUPS)
    ending = sum(bool(len(mask)) and bool(mask[-1]) for mask in masks) / len(masks)
    return replace(
        share_estimate(inside.tolist(), size.tolist(), len(masks)),
        details={"passages_that_end_in_a_loop": ending},
    )


def looping(passage: Tensor) -> np.ndarray:
    """(n,) bool: the symbols that belong to a loop."""
    x = passage.numpy()
    inside = np.zeros(len(x), bool)
    for period in range(1, min(LONGEST, len(x) // TIMES) + 1):
        # so many symbols in a row that equal the one a period before
        need = max((TIMES - 1) * period, FEWEST - period)
        same = np.concatenate([[False], x[period:] == x[:-period], [False]]).astype(np.int8)
        starts, stops = np.flatnonzero(np.diff(same) == 1), np.flatnonzero(np.diff(same) == -1)
        for start, stop in zip(starts, stops, strict=True):
            if stop - start >= need:
                inside[start : stop + period] = True
    return inside


def grams(passage: Tensor, n: int) -> np.ndarray:
    """uint64 codes of the n-grams of a passage, in order."""
    x = passage.numpy().astype(np.uint64)
    code = np.zeros(len(x), np.uint64)
    for place in range(n):
        code = mixed(code[: len(x) - place], x[place:])
    return code


def _most_elsewhere(gram: np.ndarray, count: np.ndarray) -> np.ndarray:
    """For entries (gram, passage) sorted by gram: the largest count of the gram in any other
    passage; 0 where there is none.
    """
    if not len(gram):
        return count
    first = np.flatnonzero(np.diff(gram, prepend=-1))
    largest = np.maximum.reduceat(count, first)
    at_most = count == np.repeat(largest, np.diff(first, append=len(gram)))
    several = np.add.reduceat(at_most.astype(np.int64), first) > 1
    second = np.maximum.reduceat(np.where(at_most, 0, count), first)
    runs = np.diff(first, append=len(gram))
    return np.where(
        at_most & ~np.repeat(several, runs), np.repeat(second, runs), np.repeat(largest, runs)
    )


def _brevity(lengths: np.ndarray) -> np.ndarray:
    """Papineni's brevity penalty, with the closest length among the others (the shorter of two as
    close).
    """
    result = np.ones(len(lengths))
    for row, length in enumerate(lengths):
        others = np.delete(lengths, row)
        if len(others) and length:
            closest = min(others.tolist(), key=lambda other: (abs(other - length), other))
            result[row] = 1.0 if length > closest else math.exp(1 - closest / length)
    return result


def _words(name: str, sides: Sides, informative: bool | None, n: int) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    if informative is False:
        return [
            say(
                "This score says nothing here: tokens drawn by their frequency get {0}, "
                "real text {1}.",
                *(show(sides["naive"].value), show(floor.value)),
            )
        ]
    if name == "loops":
        facts = model.value, floor.value, model.details["passages_that_end_in_a_loop"]
        if clearly("lower", floor, model):
            return [
                say(
                    "{0:.1%} of the sampled text goes round in loops (real text: "
                    "{1:.1%}), {2:.0%} of the samples end in one: the model "
                    "gets stuck.",
                    *facts,
                )
            ]
        return [
            say(
                "{0:.1%} of the sampled text stands in loops (real text: {1:.1%}), {2:.0%} of the "
                "samples end in one.",
                *facts,
            )
        ]
    if not apart(model, floor):
        return [
            say("Real text has {0}.", show(floor.value)),
            equal_or_not(of_sides(None, model, floor, sides["naive"], n)),
        ]
    if (model.value < floor.value) == name.startswith("distinct"):
        return [
            say(
                "Real text has {0}: the samples repeat themselves more than real text does.",
                show(floor.value),
            )
        ]
    return [
        say(
            "Real text has {0}: the samples repeat themselves less than real text does, as noise "
            "would.",
            show(floor.value),
        )
    ]
