"""The data-copying test of Meehan, Chaudhuri & Dasgupta 2020: are samples nearer to the training
set than new real items are?

In each cell of the space the distances of samples and of held-out items to their nearest training
item are compared by the Mann-Whitney statistic, as a z-score; C_T is their mean, weighted by how
much of the held-out data a cell has (eq. 3). Far below 0: samples are systematically nearer, the
model copies. Far above 0: it keeps away from the training data further than new data do, it
underfits. Both sides have equally many items, because the z-score grows with their number. Cells
are those of k-means on training items. The share of outright copies is novelty.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from castalia.evaluation.base import (
    BLIND,
    GROUPS,
    DenseEvidence,
    Estimate,
    Metric,
    MetricResult,
    apart,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.nearest_neighbours import nearest, squared_distances
from castalia.language import say
from castalia.nn.counter_random import generator

FEWEST = 2 * GROUPS
# held-out items that a cell has on average; a cell with fewer than LEAST of either side does not
# count
PER_CELL = 25
LEAST = 5
MOST_CELLS, ROUNDS, FITTED = 20, 10, 5000
COPIES, UNDERFITS = -3.0, 3.0  # z-scores that Meehan et al. call significant


class DataCopying(Metric):
    """`data-copying-<network>`: C_T, a z-score; higher is better up to the floor of about 0."""

    name = "data-copying"
    ideal: ClassVar[Mapping[str, float]] = {"data-copying": 0.0}

    def scores(self, evidence: DenseEvidence) -> list[MetricResult]:
        model, held_out, training = (
            evidence.candidates.get("model"),
            evidence.held_out,
            evidence.training,
        )
        if model is None:
            return []
        name, count = f"data-copying-{evidence.network}", min(len(model), len(held_out) // 2)
        if count < FEWEST or len(training) < FEWEST:
            words = say(
                "Not computed: it needs at least {0} held-out items, and {1} training "
                "items and samples; there are {2}, {3} and {4}.",
                *(2 * FEWEST, FEWEST, len(held_out), len(training), len(model)),
            )
            return not_computed({name: "higher"}, len(model), evidence.seed, words)
        begun = time.perf_counter()
        centres = cells(training, max(1, min(MOST_CELLS, count // PER_CELL)), evidence.seed)
        test = _placed(held_out[:count], training, centres)
        copied = training[: 2 * count][
            torch.randperm(min(len(training), 2 * count), generator=generator("copied"))[:count]
        ]
        items = {"model": model, "floor": held_out[count:], "memoriser": copied}
        if "naive" in evidence.candidates:
            items["naive"] = evidence.candidates["naive"]
        sides = {
            side: statistic(_placed(features[:count], training, centres), test)
            for side, features in items.items()
        }
        informative = clearly("higher", sides["floor"], sides["memoriser"])
        details = {"held_out": count, "cells": len(centres), "words": _words(sides, informative)}
        return [
            compared(
                name,
                "higher",
                sides,
                informative,
                count,
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]


def cells(training: Tensor, count: int, seed: int) -> Tensor:
    """(count, D) centres by Lloyd's algorithm on at most FITTED training items (N, D); empty cells
    keep their centre.
    """
    rng = generator("cells", seed)
    rows = training[torch.randperm(len(training), generator=rng)[:FITTED]]
    centres = rows[:count].clone()
    for _ in range(ROUNDS):
        home = squared_distances(rows, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, home, rows)
        sizes = home.bincount(minlength=len(centres))
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp_min(1)[:, None], centres)
    return centres


def statistic(samples: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Estimate:
    """C_T of samples and held-out items, each (distances to the training set (N,), cells (N,)),
    with its jackknife.
    """
    ids = [group_ids(len(side[0]), seed) for seed, side in enumerate((samples, test))]

    def kept(group: int) -> list[tuple[Tensor, Tensor]]:
        return [
            (side[0][mark != group], side[1][mark != group])
            for side, mark in zip((samples, test), ids, strict=True)
        ]

    value, by_cell = copying(samples, test)
    # a z-score grows with the root of the number: without a group it would be smaller by that alone
    bigger = math.sqrt(GROUPS / (GROUPS - 1))
    without = [bigger * copying(*kept(group))[0] for group in range(GROUPS)]
    counted = [z for z in by_cell if z is not None]
    share = sum(z < COPIES for z in counted) / max(1, len(counted))
    return estimated(value, without, z_of_cells=by_cell, cells_that_copy=share)


def copying(
    samples: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> tuple[float, list[float | None]]:
    """C_T and the z-score of each cell (None: too few items). Over all cells together where none
    has enough.
    """
    (d, home), (e, other) = samples, test
    by_cell: list[float | None] = []
    total = weight = 0.0
    for cell in range(int(max(home.max(), other.max())) + 1):
        mine, theirs = d[home == cell], e[other == cell]
        if min(len(mine), len(theirs)) < LEAST:
            by_cell.append(None)
            continue
        z = mann_whitney(mine, theirs)
        by_cell.append(z)
        total, weight = total + len(theirs) * z, weight + len(theirs)
    return (total / weight if weight else mann_whitney(d, e)), by_cell


def mann_whitney(a: Tensor, b: Tensor) -> float:
    """z-score of how often values of `a` exceed values of `b` (ties count half), negative where `a`
    is smaller; variance with ties.
    """
    n, m = len(a), len(b)
    values, inverse, counts = (
        torch.cat([a, b]).double().unique(return_inverse=True, return_counts=True)
    )
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[inverse]
    u = ranks[:n].sum() - n * (n + 1) / 2
    ties = (counts.double() ** 3 - counts).sum() / ((n + m) * (n + m - 1))
    spread = (n * m / 12 * (n + m + 1 - ties)).sqrt()
    return ((u - n * m / 2) / spread).item() if len(values) > 1 else 0.0


def _placed(items: Tensor, training: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """(distances to the nearest training item, cells)."""
    return nearest(items, training)[0][:, 0], squared_distances(items, centres).argmin(1)


def _words(sides: dict[str, Estimate], informative: bool) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    if not informative:
        return (
            [BLIND]
            if not apart(model, sides["memoriser"])
            else [say("New real items and training items look alike to this test here.")]
        )
    if model.high < min(COPIES, floor.low):
        return [
            say(
                "Samples lie systematically nearer to training items than new real items "
                "do (z = {0}; new real items {1}): the model copies.",
                *(show(model.value), show(floor.value)),
            )
        ]
    if model.low > max(UNDERFITS, floor.high):
        return [
            say(
                "Samples keep further away from the training items than new real items do "
                "(z = {0}; new real items {1}): the model misses "
                "part of what the data are like.",
                *(show(model.value), show(floor.value)),
            )
        ]
    cells = model.details["cells_that_copy"]
    finding = say(
        "Samples come about as near to training items as new real items do (z = {0}).",
        show(model.value),
    )
    return [finding] + (
        [say("But {0:.0%} of the regions of the data hold copies.", cells)] if cells > 0.1 else []
    )
