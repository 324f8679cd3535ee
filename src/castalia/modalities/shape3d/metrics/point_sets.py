"""How near sets of shapes are to one another, by clouds of points (Yang et al. 2019, PointFlow,
section 6.1; coverage and minimum matching distance: Achlioptas et al. 2018, arXiv:1707.02392).

    nearest-is-same   1-NNA: of samples and real shapes together, how many have a shape of their own
                      side as nearest neighbour (Lopez-Paz & Oquab 2017). 0.5: the sides cannot be
                      told apart; 1: they can. Below 0.5 samples sit on top of real shapes.
    covered           share of real shapes that are the nearest one of some sample; higher is better
                      up to what real shapes get.
    matching          mean distance of real shapes to the nearest sample; lower is better.

Each with the Chamfer and with the earth mover's distance. Not here: whether samples are copies
(copies.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from castalia.evaluation import base
from castalia.evaluation.base import (
    GROUPS,
    Better,
    DenseEvidence,
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
    wilson,
)
from castalia.evaluation.baselines import naive
from castalia.language import Message, say
from castalia.modalities.shape3d.metrics.clouds import chamfer, cloud_of, clouds, earth_mover
from castalia.modalities.shape3d.shape import Shape

MOST, FEWEST = 100, 8  # shapes of each side
DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "chamfer": chamfer,
    "emd": earth_mover,
}
BETTER: dict[str, Better] = {
    "nearest-is-same": "lower",
    "covered": "higher",
    "matching": "lower",
}


class PointSets(Metric):
    """`nearest-is-same-chamfer`, `covered-chamfer`, `matching-chamfer`, and all three with
    `-emd`.
    """

    name = "point-sets"
    reads = Evidence
    judges = Shape
    ideal: ClassVar[Mapping[str, float]] = {"nearest-is-same": 0.5}

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        if "model" not in items:
            return []
        count = min(MOST, *(len(items[side]) for side in ("model", "reference")))
        if count < FEWEST:
            words = say(
                "Not computed: it needs at least {0} samples and {0} real shapes outside them; "
                "there are {1}.",
                FEWEST,
                count,
            )
            names = {
                f"{kind}-{name}": better for name in DISTANCES for kind, better in BETTER.items()
            }
            return not_computed(names, count, evidence.seed, words, evidence.about)
        sides = {
            side: clouds(items[side][:count])
            for side in ("model", "floor", "memoriser")
            if len(items.get(side, ())) >= count
        }
        if (blind := _naive(evidence, count)) is not None:
            sides["naive"] = blind
        reference = clouds(items["reference"][:count])
        return [
            score
            for name, distance in DISTANCES.items()
            for score in self._judged(name, distance, sides, reference, evidence)
        ]

    def _judged(
        self,
        name: str,
        distance: Callable[[Tensor, Tensor], Tensor],
        sides: dict[str, Tensor],
        reference: Tensor,
        evidence: Evidence,
    ) -> list[MetricResult]:
        begun = time.perf_counter()
        among = distance(reference, reference)
        found: dict[str, dict[str, Estimate]] = {kind: {} for kind in BETTER}
        for side, own in sides.items():
            within, across = distance(own, own), distance(own, reference)
            found["nearest-is-same"][side] = nearest_is_same(within, across, among)
            found["covered"][side] = covered(across)
            found["matching"][side] = matching(across)
        seconds = (time.perf_counter() - begun) / len(BETTER)
        count = len(reference)
        return [
            compared(
                f"{kind}-{name}",
                better,
                found[kind],
                None
                if "naive" not in sides or "floor" not in sides
                else base.clearly(better, found[kind]["floor"], found[kind]["naive"]),
                count,
                evidence.seed,
                seconds,
                {**evidence.about, "words": [_words(kind, name, found[kind], count)]},
            )
            for kind, better in BETTER.items()
        ]


def nearest_is_same(within: Tensor, across: Tensor, among: Tensor) -> Estimate:
    """within (N, N), across (N, M), among (M, M): distances of samples to samples, of samples to
    real shapes, of these to one another -> the share of both whose nearest other one is of their
    side; ties count half.
    """
    n, m = across.shape
    ids = torch.cat([group_ids(n, 0), group_ids(m, 1)])
    whole = torch.cat([torch.cat([within, across], 1), torch.cat([across.T, among], 1)])
    whole = whole.clone().fill_diagonal_(float("inf"))
    own = torch.arange(n + m) < n

    def value(kept: Tensor) -> float:
        part, side = whole[kept][:, kept], own[kept]
        least = [part.masked_fill(side[:, None] != other, float("inf")) for other in (side, ~side)]
        same, different = (one.amin(1) for one in least)
        return float(((same < different).double() + 0.5 * (same == different).double()).mean())

    everything = value(torch.ones(n + m, dtype=torch.bool))
    return _share(everything, [value(ids != group) for group in range(GROUPS)], n + m)


def covered(across: Tensor) -> Estimate:
    """across (N, M) -> the share of the M real shapes that are the nearest of some sample."""
    ids, near = group_ids(len(across)), across.argmin(1)

    def value(kept: Tensor) -> float:
        # fewer samples have less to cover with: brought back to as many
        whole = len(kept) / max(1, int(kept.sum()))
        return min(1.0, whole * near[kept].unique().numel() / across.shape[1])

    everything = value(torch.ones(len(across), dtype=torch.bool))
    return _share(everything, [value(ids != group) for group in range(GROUPS)], across.shape[1])


def matching(across: Tensor) -> Estimate:
    """across (N, M) -> the mean over real shapes of the distance to the nearest sample."""
    least, ids = across.amin(0), group_ids(across.shape[1])
    without = [
        float(least[ids != group].mean()) if (ids != group).any() else float(least.mean())
        for group in range(GROUPS)
    ]
    return estimated(float(least.mean()), without, (0.0, float("inf")))


def _share(value: float, without: list[float], n: int) -> Estimate:
    """With Wilson's interval where the jackknife sees no spread."""
    estimate = estimated(value, without, (0.0, 1.0))
    low, high = wilson(value, n)
    return Estimate(value, min(estimate.low, low), max(estimate.high, high), {}, estimate.without)


def _naive(evidence: Evidence, count: int) -> Tensor | None:
    """Clouds of the naive baseline; None where nothing is known of the data's moments."""
    if not isinstance(evidence, DenseEvidence) or evidence.moments is None:
        return None
    spec: Any = evidence.spec
    if len(spec.shape) != 4 and spec.layout != "set":
        return None
    fields = naive(evidence.moments, spec, evidence.seed, 0, count)
    return torch.stack([cloud_of(field, number) for number, field in enumerate(fields)])


def _words(kind: str, name: str, sides: dict[str, Estimate], count: int) -> Message:
    value, floor = sides["model"].value, sides.get("floor")
    real = show(floor.value) if floor is not None else "–"
    copied = sides.get("memoriser")
    replayed = show(copied.value) if copied is not None else "–"
    distance = say("Chamfer distance") if name == "chamfer" else say("earth mover's distance")
    match kind:
        case "nearest-is-same":
            return say(
                "{0:.0%} of {1} samples and real shapes have one of their own side as nearest "
                "neighbour ({2}; real data {3}, replayed training shapes {4}): 50% cannot be told "
                "apart.",
                value,
                2 * count,
                distance,
                real,
                replayed,
            )
        case "covered":
            return say(
                "{0:.0%} of {1} real shapes are the nearest one of some sample ({2}; real data "
                "{3}, replayed training shapes {4}).",
                value,
                count,
                distance,
                real,
                replayed,
            )
        case _:
            return say(
                "Real shapes have a sample at a distance of {0} on average ({1}; real data {2}, "
                "replayed training shapes {3}).",
                show(value),
                distance,
                real,
                replayed,
            )
