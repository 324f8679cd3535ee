"""Kernel distance: the unbiased squared maximum mean discrepancy with the kernel (x.y / D + 1)^3
(Binkowski et al. 2018).

Unbiased in n, so it works with few items and may be slightly negative for equal distributions. All
pairs are used, not random subsets: the value does not depend on a draw. Reported times 1, not times
1000 as some tables do.
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
)
from castalia.evaluation.nearest_neighbours import chunks


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased MMD^2 of features (N, D) and (M, D) under the cubic kernel (Binkowski et al. 2018,
    eq. 4).
    """
    return _unbiased(_Sums(x, y), None)


class KernelDistance(Comparison):
    """`kernel-<network>`; lower is better; 0 in expectation for equal distributions."""

    name = "kernel"
    reads = Evidence
    better: ClassVar[dict[str, Better | None]] = {"kernel": "lower"}
    ideal: ClassVar[Mapping[str, float]] = {"kernel": 0.0}

    def needs(self, dimension: int) -> int:
        return 2 * GROUPS

    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        sums = _Sums(candidate, reference)
        value = _unbiased(sums, None)
        return {"kernel": estimated(value, [_unbiased(sums, group) for group in range(GROUPS)])}


class _Sums:
    """Kernel sums between groups of items: all that the statistic and its jackknife need."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        x, y = x.double(), y.double()
        x_groups, y_groups = (
            torch.nn.functional.one_hot(group_ids(len(side)), GROUPS).double() for side in (x, y)
        )
        self.x_sizes, self.y_sizes = x_groups.sum(0), y_groups.sum(0)
        self.xx, self.yy, self.xy = (
            _sums(x, x, x_groups, x_groups),
            _sums(y, y, y_groups, y_groups),
            _sums(x, y, x_groups, y_groups),
        )
        self.x_self, self.y_self = (
            groups.T @ cube(side.square().sum(1), side.shape[1])
            for side, groups in ((x, x_groups), (y, y_groups))
        )


def cube(products: Tensor, dimension: int) -> Tensor:
    """The kernel, from scalar products of features of this dimension."""
    base = products / dimension + 1
    return base * base * base  # several times faster than a power


def _sums(a: Tensor, b: Tensor, a_groups: Tensor, b_groups: Tensor) -> Tensor:
    """(G, G): entry (g, h) sums the kernel over pairs of group g of `a` and group h of `b`."""
    total = torch.zeros(GROUPS, GROUPS, dtype=torch.float64)
    for start, rows in chunks(a, len(b)):
        total += a_groups[start : start + len(rows)].T @ (cube(rows @ b.T, a.shape[1]) @ b_groups)
    return total


def _unbiased(sums: _Sums, without: int | None) -> float:
    keep = torch.ones(GROUPS, dtype=torch.float64)
    if without is not None:
        keep[without] = 0
    n, m = keep @ sums.x_sizes, keep @ sums.y_sizes
    within_x = (keep @ sums.xx @ keep - keep @ sums.x_self) / (n * (n - 1))
    within_y = (keep @ sums.yy @ keep - keep @ sums.y_self) / (m * (m - 1))
    return (within_x + within_y - 2 * (keep @ sums.xy @ keep) / (n * m)).item()
