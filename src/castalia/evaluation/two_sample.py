"""Classifier two-sample test: how well a classifier separates samples from real items it was not
trained on (Lopez-Paz & Oquab 2017).

0.5 is a guess, 1 is certainty. Equally many of both, dealt into GROUPS folds that are balanced
themselves, so that a guess is right half of the time exactly; each fold is judged by a fit to the
others. The classifier is classifier.py's. A stronger one could see more: an accuracy near 0.5 means
that *this* one sees nothing in *these* features. Not here: a p-value (interval and floor give as
much).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from castalia.evaluation.base import (
    GROUPS,
    Better,
    Comparison,
    Estimate,
    Evidence,
    estimated,
    group_ids,
    wilson,
)
from castalia.evaluation.classifier import LINEAR, axes, cross_fitted, lift_for
from castalia.evaluation.kernel_distance import cube

MOST_WIDE = 500  # items of each side where there are very many features
# Fits share most of their rows, so the folds' hits vary together: Nadeau & Bengio 2003 correct a
# variance by 1 + K n_test / n_train.
SHARED = (1 + GROUPS / (GROUPS - 1)) ** 0.5


class TwoSample(Comparison):
    """`c2st-<network>`: accuracy in [0, 1]; lower is better down to 0.5."""

    name = "two-sample"
    reads = Evidence
    better: ClassVar[dict[str, Better | None]] = {"c2st": "lower"}
    ideal: ClassVar[Mapping[str, float]] = {"c2st": 0.5}

    def needs(self, dimension: int) -> int:
        return 2 * GROUPS

    def used(self, n: int, dimension: int) -> int:
        return min(n, MOST_WIDE) if dimension > LINEAR else n

    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        count = self.used(min(len(candidate), len(reference)), reference.shape[1])
        candidate, reference = candidate[:count], reference[:count]
        hits, sizes = held_out_hits(candidate, reference)
        value = (hits.sum() / sizes.sum()).item()
        rest = (hits.sum() - hits) / (sizes.sum() - sizes)
        estimate = estimated(value, (value + SHARED * (rest - value)).tolist(), (0.0, 1.0))
        # where all are separated the jackknife sees no spread
        low, high = wilson(value, int(sizes.sum()))
        return {
            "c2st": Estimate(
                value, min(estimate.low, low), max(estimate.high, high), {}, estimate.without
            )
        }


def held_out_hits(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, D), (M, D), the first min(N, M) of both -> (GROUPS,) float64: how many items of
    each fold a fit to the others puts on the right side, and the sizes of the folds.
    """
    count = min(len(x), len(y))
    rows = torch.cat([x[:count], y[:count]])
    folds = torch.cat([group_ids(count, 0), group_ids(count, 1)])
    side = torch.cat([torch.ones(count), -torch.ones(count)]).double()
    basis, values = _wide(rows) if rows.shape[1] > LINEAR else axes(lift_for(rows)(rows))
    margin = cross_fitted(basis, values, side[:, None], folds)[:, 0] * side
    right = (margin > 0).double() + 0.5 * (margin == 0).double()
    return torch.zeros(GROUPS, dtype=torch.float64).index_add_(0, folds, right), folds.bincount(
        minlength=GROUPS
    ).double()


def _wide(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Many features, most of them 0, such as counts of n-grams: the kernel of kernel_distance.py,
    centred, instead of features and a lift.
    """
    gram = cube(rows.double() @ rows.double().T, rows.shape[1])
    gram = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    values, vectors = torch.linalg.eigh(gram)
    kept = values > 1e-10 * values.max().clamp_min(1e-300)
    return vectors[:, kept], values[kept]
