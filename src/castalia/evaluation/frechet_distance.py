"""Frechet distance between Gaussians fitted to features (Dowson & Landau 1982; Heusel et al. 2017,
eq. 6).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

tr (S1 S2)^(1/2) is the nuclear norm of L1' L2 with S = L L', L from an eigendecomposition: no
square root of a product that need not be symmetric, and no loss of half the digits by squaring.

The estimate is biased upwards by about c / n (Chong & Forsyth 2020). So it is given at its n next
to a floor of the same n, and `details["without_bias"]` extrapolates linearly in 1/n, as they do,
from n and from halves. Fewer items than features leave a singular covariance and mostly bias; then
the score is refused.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from castalia.evaluation.base import GROUPS, Comparison, Estimate, estimated, group_ids
from castalia.evaluation.equivalence import Better


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """(N, D) -> mean (D,) and unbiased covariance (D, D), float64."""
    features = features.double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / max(len(features) - 1, 1)


def factor(covariance: Tensor) -> Tensor:
    """L with L L' = covariance, (D, D) float64; tiny negative eigenvalues count as zero."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return vectors * values.clamp_min(0).sqrt()


def distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    """Frechet distance (a squared length, in feature units squared) of two Gaussians given by means
    and covariances.
    """
    cross = torch.linalg.svdvals(factor(covariance1).T @ factor(covariance2)).sum()
    trace = covariance1.double().diagonal().sum() + covariance2.double().diagonal().sum()
    return (
        ((mean1.double() - mean2.double()).square().sum() + trace - 2 * cross).clamp_min(0).item()
    )


def frechet(x: Tensor, y: Tensor) -> float:
    """Frechet distance of the Gaussians fitted to features (N, D) and (M, D)."""
    return distance(*moments(x), *moments(y))


class FrechetDistance(Comparison):
    """`frechet-<network>`; lower is better; 0 for equal Gaussians."""

    name = "frechet"
    better: ClassVar[dict[str, Better | None]] = {"frechet": "lower"}

    def needs(self, dimension: int) -> int:
        return max(dimension + 1, GROUPS)

    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        value = frechet(candidate, reference)
        without = [
            distance(*one, *two)
            for one, two in zip(_without_groups(candidate), _without_groups(reference), strict=True)
        ]
        halves = [frechet(candidate[part::2], reference[part::2]) for part in (0, 1)]
        return {
            "frechet": estimated(
                value,
                without,
                (0.0, float("inf")),
                without_bias=max(0.0, 2 * value - sum(halves) / 2),
            )
        }


def _without_groups(features: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Moments without each group, from sums: 20 covariances for the price of two."""
    features = features.double()
    centre = features.mean(0)  # sums about the mean keep their digits
    features = features - centre
    ids = group_ids(len(features))
    total, square = features.sum(0), features.T @ features
    result = []
    for group in range(GROUPS):
        part = features[ids == group]
        n = len(features) - len(part)
        mean = (total - part.sum(0)) / n
        covariance = (square - part.T @ part - n * mean[:, None] * mean) / max(n - 1, 1)
        result.append((mean + centre, covariance))
    return result
