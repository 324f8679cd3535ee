"""Vendi score: how many different items a set amounts to (Friedman & Dieng 2023): exp of the
entropy of the eigenvalues of K / n.

n copies of one thing count 1; n things with nothing in common count n. K is the cosine of features,
as in the paper; for raw numbers, where direction has little meaning, the Gaussian kernel with the
median distance of the reference as its width. It grows with n, so real data of the same n are its
measure: fewer means less variety, more is noise. Not here: which part of the data is missing
(recall and coverage, precision_recall.py).
"""

from __future__ import annotations

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
from castalia.evaluation.nearest_neighbours import squared_distances
from castalia.nn.counter_random import generator

# items; fewer where the features are so many that the Gram matrix is one of items
MOST, MOST_WIDE = 2000, 500
FREQUENCIES = 64  # random Fourier features of the Gaussian kernel, each a cosine and a sine


class Vendi(Comparison):
    """`vendi-<network>`: an effective number of items, at least 1; real data are the measure."""

    name = "vendi"
    reads = Evidence
    better: ClassVar[dict[str, Better | None]] = {"vendi": None}

    def needs(self, dimension: int) -> int:
        return 2 * GROUPS

    def used(self, n: int, dimension: int) -> int:
        return min(n, MOST_WIDE if dimension > MOST_WIDE else MOST)

    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        candidate = candidate[: self.used(len(candidate), candidate.shape[1])]
        estimate = diversity(embedded(candidate, reference))
        if _raw(candidate, reference):  # the kernel's width is an estimate from the reference, too
            ids = group_ids(len(candidate)), group_ids(len(reference), 1)
            kept = [
                (candidate[ids[0] != group], reference[ids[1] != group]) for group in range(GROUPS)
            ]
            estimate = estimated(
                estimate.value,
                [_score(embedded(*sides)) for sides in kept],
                (1.0, float(len(candidate))),
            )
        return {"vendi": estimate}


def vendi(similarity: Tensor) -> float:
    """exp H of the eigenvalues of K / n; similarity (n, n), symmetric, positive semidefinite, 1 on
    its diagonal.
    """
    return _effective(torch.linalg.eigvalsh(similarity.double() / len(similarity)))


def embedded(features: Tensor, reference: Tensor) -> Tensor:
    """(N, D) -> (N, P) float64 of length 1, whose scalar products are the similarities."""
    x = features.double()
    if not _raw(features, reference):
        return x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)
    probe = reference[:500].double()
    width = squared_distances(probe, probe).flatten().sqrt().median().clamp_min(1e-6)
    frequencies = (
        torch.randn(x.shape[1], FREQUENCIES, generator=generator("vendi"), dtype=torch.float64)
        / width
    )
    phase = (x - probe.mean(0)) @ frequencies
    return torch.cat([phase.cos(), phase.sin()], 1) / FREQUENCIES**0.5


def diversity(rows: Tensor) -> Estimate:
    """The score of rows (N, P) of length 1 and its jackknife, from the smaller of their two Gram
    matrices.
    """
    n, groups = len(rows), group_ids(len(rows))
    if rows.shape[1] <= n:
        parts = [rows[groups == group] for group in range(GROUPS)]
        squares = torch.stack([part.T @ part for part in parts])
        total = squares.sum(0)
        without = [
            _effective(torch.linalg.eigvalsh((total - square) / (n - len(part))))
            for square, part in zip(squares, parts, strict=True)
        ]
        return estimated(_effective(torch.linalg.eigvalsh(total / n)), without, (1.0, float(n)))
    return estimated(
        _score(rows), [_score(rows[groups != group]) for group in range(GROUPS)], (1.0, float(n))
    )


def _score(rows: Tensor) -> float:
    square = rows.T @ rows if rows.shape[1] <= len(rows) else rows @ rows.T
    return _effective(torch.linalg.eigvalsh(square / len(rows)))


def _raw(features: Tensor, reference: Tensor) -> bool:
    """Whether these are numbers as they are; features of networks and n-gram counts are never
    negative.
    """
    return bool((reference < 0).any() or (features < 0).any())


def _effective(values: Tensor) -> float:
    values = values.clamp_min(0)
    values = values / values.sum().clamp_min(1e-300)
    return torch.special.entr(values).sum().exp().item()
