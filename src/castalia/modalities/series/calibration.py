"""Widths of forecast intervals, corrected by what a back-test shows.

For each interval, such as that of 80%, the distances of both bounds from the median are multiplied
by one factor, such that in the back-test it would have held what it says: conformal prediction with
the ratio of the error to that distance as its score (Lei et al. 2018; Romano et al. 2019,
arXiv:1905.03222, add instead). One factor for both sides, because what all series did together at a
few origins says nothing of the next; and for all series and steps, drawn towards 1 as if ALIKE
origins more had shown no need of one. Origins and not steps are counted, because errors of one
course are alike.

Not here: factors of single series and steps, and the guarantee, which needs exchangeable series.
"""

from __future__ import annotations

import numpy as np

ALIKE = 20.0
LEAST, MOST = 0.4, 2.5  # of a factor


def widths(marginal: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(G,) factors, for quantiles (K, G, H) at G evenly spread levels and truth (K, H), at K
    origins.
    """
    middle = _middle(marginal)[:, 0]
    error, count = truth - middle, marginal.shape[1]
    found = np.ones(count)
    for low in range(count // 2):
        high = count - 1 - low
        sides = np.where(error > 0, marginal[:, high], marginal[:, low]) - middle
        usable = np.abs(sides) > 1e-9 * (1 + np.abs(middle))
        if usable.any():
            held = (high - low) / count  # share that lies between the two levels
            found[low] = found[high] = np.quantile(error[usable] / sides[usable], held)
    trust = len(truth) / (len(truth) + ALIKE)
    factors: np.ndarray = np.exp(trust * np.log(found.clip(LEAST, MOST)))
    return factors


def widened(marginal: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Quantiles (N, G, H), increasing, with the factors (G,)."""
    middle = _middle(marginal)
    found: np.ndarray = np.sort(middle + factors[:, None] * (marginal - middle), 1)
    return found


def _middle(marginal: np.ndarray) -> np.ndarray:
    """(N, 1, H): the median of quantiles at an even number of levels."""
    half = marginal.shape[1] // 2
    found: np.ndarray = marginal[:, half - 1 : half + 1].mean(1, keepdims=True)
    return found
