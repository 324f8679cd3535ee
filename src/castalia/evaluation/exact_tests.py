"""Exact bounds of shares (Clopper and Pearson 1934), by the regularised incomplete beta function;
the exact test of pairs (McNemar 1947); and which of several p-values hold together (Holm 1979).
Approximate intervals are in base.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

LEVEL, CONFIDENCE = 0.05, 0.95


def lower_bound(hits: float, n: float, confidence: float = CONFIDENCE) -> float:
    """The lower end of the one-sided interval of a share, of `hits` among `n`; 0 where hits is."""
    return 0.0 if hits <= 0 else beta_quantile(1 - confidence, hits, n - hits + 1)


def upper_bound(hits: float, n: float, confidence: float = CONFIDENCE) -> float:
    """The upper end; 1 where all are hits."""
    return 1.0 if hits >= n else beta_quantile(confidence, hits + 1, n - hits)


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided p of the exact test of McNemar (1947): `wins` and `losses` of a fair coin."""
    n, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)


def step_down(values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which p-values hold for all together by Holm's procedure: from the smallest on, until one
    exceeds level / (how many are left).
    """
    shown = [False] * len(values)
    for place, index in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        if values[index] > level / (len(values) - place):
            break
        shown[index] = True
    return shown


def beta_quantile(share: float, a: float, b: float) -> float:
    """x with I_x(a, b) = share, by bisection to the last bits; a, b > 0."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz &
    Stegun 26.5.8, evaluated by Lentz's method).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    front = math.exp(
        a * math.log(x)
        + b * math.log1p(-x)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d, tiny)
            c = _away(1 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * value


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
