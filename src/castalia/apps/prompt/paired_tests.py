"""Shares with exact intervals, and what may be said of two candidates that saw the same cases.

A share of n cases has the interval of Clopper & Pearson (1934), which holds at least 95% of the
time for any n. Two candidates are compared case by case: where each case is right or wrong, by the
exact test of McNemar (1947), which is a sign test on the cases that only one of them got right;
where a case is right in part (it was asked several times), by flipping the signs of the
differences, all of them for few cases and 10,000 at random for many (Fisher 1935; Phipson & Smyth
2010 for the added one). Of several comparisons those are shown that Holm's procedure (1979) lets
through at 5% for all together. The gain has Bonett & Price's interval (2012) for paired shares,
whose two added cases serve differences between -1 and 1 as well.

Not here: which cases there are, and what is right (matrix.py).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from castalia.evaluation.exact_tests import lower_bound, mcnemar, upper_bound

NORMAL = 1.959963984540054  # 97.5% of a normal distribution

EXACT = 14  # differences up to which all signs are tried
FLIPS = 10_000


@dataclass(frozen=True)
class Share:
    """value: of n cases; low, high: its 95% interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Gain:
    """How much the second of two candidates is better than the first. value, low, high: difference
    of their shares with its 95% interval. wins, losses: cases in which the second, the first did
    better. p: two-sided.
    """

    value: float
    low: float
    high: float
    wins: int
    losses: int
    n: int
    p: float


def share(scores: Sequence[float]) -> Share:
    """The mean of scores in [0, 1], one for each case, with Clopper & Pearson's interval. Scores
    between 0 and 1 vary less than zeros and ones of the same mean, so for them it is wider than it
    had to be.
    """
    n, total = len(scores), math.fsum(scores)
    if not n:
        return Share(math.nan, 0.0, 1.0, 0)
    tail = (1 - 0.95) / 2
    return Share(total / n, lower_bound(total, n, 1 - tail), upper_bound(total, n, 1 - tail), n)


def gain(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Gain:
    """The second candidate against the first on the same cases; scores in [0, 1]."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    up = math.fsum(one for one in differences if one > 0)
    down = -math.fsum(one for one in differences if one < 0)
    wins, losses = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    whole = all(one in (-1, 0, 1) for one in differences)
    p = mcnemar(wins, losses) if whole else sign_flip(differences, seed)
    # as if there were two cases more, one that each of them won
    middle = (up - down) / (n + 2)
    spread = (math.fsum(one * one for one in differences) + 2) / (n + 2) - middle**2
    half = NORMAL * math.sqrt(max(0.0, spread) / (n + 2))
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    value = (up - down) / n if n else math.nan
    return Gain(value, low, high, wins, losses, n, p)


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p: how often the sum of the differences with random signs is as far from 0."""
    values = [abs(one) for one in differences if one]
    found = abs(math.fsum(differences)) - 1e-12
    if len(values) <= EXACT:
        signs = product((-1, 1), repeat=len(values))
        far = [
            abs(math.fsum(map(float.__mul__, values, map(float, one)))) >= found for one in signs
        ]
        return sum(far) / len(far)
    rng = random.Random(seed)
    far = [
        abs(math.fsum(one if rng.random() < 0.5 else -one for one in values)) >= found
        for _ in range(FLIPS)
    ]
    return (1 + sum(far)) / (1 + FLIPS)
