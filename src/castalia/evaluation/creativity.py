"""Creativity: novelty at equal fidelity. Among samples as realistic as real data are, how new are
they?

A model can look new because its samples are poor, and faithful because it copies. So both are read
together, as a curve. Fidelity is the bar an item must pass: a realism that `share` of new real
items reach. Novelty of those that pass is their mean rank, from 0 to 1, among new real items by
distance to the nearest training item: copies have 0, real data about 0.5. The value is taken where
90% of the real items pass; the curve (details["curve"], drawn on the page) has all bars, so it is
truncation from loose to strict, and it needs no further samples.

Dense: realism is that of Kynkaanniemi et al. 2019 (eq. 3) against one half of the held-out items,
the other half is "new real items"; distances are those of the feature network. Tokens: realism is
the mean cosine with the n-grams of real passages, and a passage is nearer to the training text the
longer its stretches from it are. Not here: a curve over temperature, which costs samples and which
GANs do not have.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.evaluation.base import (
    GROUPS,
    DenseEvidence,
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    TokenEvidence,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.nearest_neighbours import chunks, nearest, squared_distances
from castalia.language import say

K = 5  # neighbours of realism's radii
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
BAR = 0.9
FEWEST, PASSING = 2 * GROUPS, 10
SIDES = ("model", "floor", "naive", "memoriser")


class Seen(NamedTuple):
    """Of each item: realism (higher is better) and distance to the training data, (N,) float64
    both.
    """

    realism: Tensor
    distance: Tensor


class Creativity(Metric):
    """`creativity-<network>`: mean novelty rank in [0, 1] of the samples that pass the bar; higher
    is better up to the floor.
    """

    name = "creativity"
    reads = Evidence

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        if "model" not in evidence.candidates:
            return []
        begun = time.perf_counter()
        judged = _dense(evidence) if isinstance(evidence, DenseEvidence) else _tokens(evidence)  # type: ignore[arg-type]
        name = f"creativity-{evidence.network}"
        n = len(evidence.candidates["model"])
        if judged is None or len(judged["floor"].realism) < FEWEST:
            words: Any = say(
                "Not computed: it needs about {0} held-out items to know how realistic "
                "and how new real items are.",
                2 * FEWEST,
            )
            return not_computed({name: "higher"}, n, evidence.seed, words)
        curves = {
            side: [at_bar(seen, judged["floor"], share) for share in SHARES]
            for side, seen in judged.items()
        }
        curve = {
            "bars": list(SHARES),
            **{
                side: [None if one is None else [one.value, one.low, one.high] for one in row]
                for side, row in curves.items()
            },
        }
        sides = {
            side: one for side, row in curves.items() if (one := row[SHARES.index(BAR)]) is not None
        }
        if "model" not in sides or "floor" not in sides:
            words = say(
                "Not computed: fewer than {0} samples are as realistic as {1:.0%} of new "
                "real items are, so there is no novelty at equal "
                "fidelity to speak of.",
                *(PASSING, BAR),
            )
            details = {"words": [words], "curve": curve}
            return [
                MetricResult(name, n=n, seeds=(evidence.seed,), better="higher", details=details)
            ]
        informative = (
            clearly("higher", sides["floor"], sides["memoriser"]) if "memoriser" in sides else None
        )
        details = {"curve": curve, "words": _words(sides, informative)}
        return [
            compared(
                name,
                "higher",
                sides,
                informative,
                n,
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]


def at_bar(seen: Seen, real: Seen, share: float) -> Estimate | None:
    """Mean novelty rank of the items that pass the bar, which `share` of the real ones reach; None
    where fewer than PASSING do.
    """
    mine, theirs = (
        group_ids(len(seen.realism), 0),
        group_ids(len(real.realism), 1 if seen is not real else 0),
    )
    value, passing = _novelty(seen, real, share)
    if passing < PASSING:
        return None
    without = []
    for group in range(GROUPS):
        kept = (
            Seen(*(part[mine != group] for part in seen)),
            Seen(*(part[theirs != group] for part in real)),
        )
        without.append(_novelty(*kept, share)[0])
    return estimated(value, without, (0.0, 1.0), passing=passing / len(seen.realism))


def _novelty(seen: Seen, real: Seen, share: float) -> tuple[float, int]:
    bar = torch.quantile(real.realism, 1 - share)
    passed = seen.distance[seen.realism >= bar]
    if not len(passed):
        return 0.0, 0
    ordered = real.distance.sort().values
    below, upto = (torch.searchsorted(ordered, passed, right=right) for right in (False, True))
    return ((below + upto).double() / (2 * len(ordered))).mean().item(), len(passed)


def _dense(evidence: DenseEvidence) -> dict[str, Seen] | None:
    held_out, training = evidence.held_out, evidence.training
    if len(held_out) < 2 * FEWEST or len(training) <= K:
        return None
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(1))
    yard, new = held_out[order[::2]], held_out[order[1::2]]
    items: Mapping[str, Tensor] = {**evidence.candidates, "floor": new}
    return {
        side: Seen(realism(items[side], yard), nearest(items[side], training)[0][:, 0])
        for side in SIDES
        if side in items
    }


def realism(items: Tensor, real: Tensor, k: int = K) -> Tensor:
    """(N,) float64: max over real items of radius / distance (Kynkaanniemi et al. 2019, eq. 3),
    radii to the k-th neighbour, only those up to the median.
    """
    radii = nearest(real, real, k, exclude_self=True)[0][:, -1]
    small = radii <= radii.median()
    real, radii = real[small], radii[small]
    centre = real.mean(0)
    real = (real - centre).double()
    best = []
    for _, rows in chunks((items - centre).double(), len(real)):
        best.append((radii / squared_distances(rows, real).sqrt().clamp_min(1e-12)).amax(1))
    return torch.cat(best)


def _tokens(evidence: TokenEvidence) -> dict[str, Seen] | None:
    real = evidence.reference.double()
    if len(real) < FEWEST or len(evidence.unseen) < FEWEST:
        return None
    result = {}
    for side in SIDES:
        features = real if side == "floor" else evidence.candidates.get(side)
        lengths = evidence.shared.get(side)
        if features is None or lengths is None or not len(lengths.lengths):
            continue
        rows = features[: len(lengths.lengths)].double()
        likeness = (rows @ real.sum(0)) / rows.shape[1]
        if side == "floor":  # a real passage is not its own company
            likeness = (likeness - rows.square().sum(1) / rows.shape[1]) / (len(real) - 1)
        else:
            likeness = likeness / len(real)
        borrowed = np.array([row.mean() if len(row) else 0.0 for row in lengths.lengths])
        result[side] = Seen(likeness, -torch.from_numpy(borrowed))
    return result if {"model", "floor"} <= set(result) else None


def _words(sides: dict[str, Estimate], informative: bool | None) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    if informative is False:
        return [
            say(
                "This score says nothing here: replayed training items seem as new as new real "
                "items do."
            )
        ]
    rank = say(
        "{0:.0%} of the samples are as realistic as {1:.0%} of new real items are; their "
        "novelty is {2} (new real items {3}, copies 0).",
        *(model.details["passing"], BAR, show(model.value), show(floor.value)),
    )
    if clearly("higher", floor, model):
        return [rank, say("At equal fidelity the samples are less new than new real items are.")]
    return [rank, say("At equal fidelity the samples are as new as new real items are.")]
