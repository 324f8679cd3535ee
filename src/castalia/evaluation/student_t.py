"""Student's t distribution for whole degrees of freedom, in closed form (Abramowitz & Stegun 1964,
26.7.3 and 26.7.4).
"""

from __future__ import annotations

import math


def within(t: float, freedom: int) -> float:
    """P(|T| < t) for t >= 0 and freedom >= 1."""
    if math.isinf(t):
        return 1.0
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = total = cosine if odd else 1.0
    for place in range(2 + odd, freedom - 1, 2):
        term *= (place - 1) / place * cosine * cosine
        total += term
    if odd:
        return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
    return sine * total


def quantile(freedom: int, share: float = 0.95) -> float:
    """t with P(|T| < t) = share, by bisection."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < share else (low, middle)
    return high
