"""Power of the comparison of two groups: how often an effect of a size is found.

By repeated simulation, and in closed form: Student's t-test of two groups of n1 and n2 normal
values that differ by d standard deviations has T ~ noncentral t(n1 + n2 - 2, d sqrt(n1 n2 / (n1 +
n2))) (Johnson & Welch 1940). Its distribution is integrated over the chi distribution of the
estimated spread.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from castalia.evaluation.student_t import quantile, within

POINTS = 4001
MOST_NEEDED, NORMAL_FROM = 1_000_000, 2000
WANTED = 0.8


class Found(NamedTuple):
    """One comparison: difference of means (second - first) with its interval, t, p, sizes."""

    difference: float
    low: float
    high: float
    t: float
    p: float
    n: tuple[int, int]


class Power(NamedTuple):
    """simulated: share of experiments that found a difference, low and high its 95% interval
    (Wilson 1927). exact: in closed form, of the effect `size` in standard deviations. needed: cases
    of each arm for a power of 80%, None beyond MOST_NEEDED.
    """

    simulated: float
    low: float
    high: float
    experiments: int
    exact: float
    size: float
    needed: int | None


def compared(one: np.ndarray, other: np.ndarray, level: float) -> Found:
    """Student's t-test of values (n1,), (n2,), each at least two."""
    n, m = len(one), len(other)
    freedom = n + m - 2
    difference = float(other.mean() - one.mean())
    error = math.sqrt(_pooled(one, other) * (1 / n + 1 / m))
    if error == 0:
        t = math.inf if difference else 0.0
        return Found(difference, difference, difference, t, 0.0 if difference else 1.0, (n, m))
    t, reach = difference / error, quantile(freedom, 1 - level) * error
    return Found(
        difference,
        difference - reach,
        difference + reach,
        t,
        max(0.0, 1 - within(abs(t), freedom)),
        (n, m),
    )


def share_found(one: np.ndarray, other: np.ndarray, level: float) -> float:
    """Of experiments (E, n1), (E, n2): in how many the t-test finds a difference."""
    n, m = one.shape[1], other.shape[1]
    spread = (one.var(1, ddof=1) * (n - 1) + other.var(1, ddof=1) * (m - 1)) / (n + m - 2)
    error = np.sqrt(spread * (1 / n + 1 / m))
    difference = np.abs(other.mean(1) - one.mean(1))
    return float((difference > quantile(n + m - 2, 1 - level) * error).mean())


def exact_power(size: float, n: int, m: int, level: float) -> float:
    """P(|T| > critical) of the noncentral t; `size` in standard deviations."""
    freedom, centre = n + m - 2, size * math.sqrt(n * m / (n + m))
    edge = quantile(freedom, 1 - level)
    # w = estimated over true spread: its square times `freedom` is chi-square
    reach = 9 / math.sqrt(2 * freedom)
    w = np.linspace(max(1e-9, 1 - reach), 1 + reach + 4 / freedom, POINTS)
    if freedom < 60:
        w = np.linspace(1e-9, 1 + 12 / math.sqrt(freedom), POINTS)
    half = freedom / 2
    log_density = (
        math.log(2 * half) + (half - 1) * np.log(half * w**2) - half * w**2 - math.lgamma(half)
    ) + np.log(w)
    density = np.exp(log_density)
    tails = _normal(centre - edge * w) + _normal(-centre - edge * w)
    return float(min(1.0, np.trapezoid(density * tails, w)))


def cases_needed(size: float, level: float, power: float = WANTED) -> int | None:
    """Cases of each of two equal arms; None beyond MOST_NEEDED. Many are found by the normal
    approximation, which is then off by less than one in a thousand.
    """
    if not abs(size) > 0:
        return None
    normal = NormalDist()
    reach = normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)
    count = max(2, math.ceil(2 * (reach / size) ** 2))
    if count > MOST_NEEDED:
        return None
    if count > NORMAL_FROM:
        return count
    while exact_power(size, count, count, level) < power:
        count += 1
    while count > 2 and exact_power(size, count - 1, count - 1, level) >= power:
        count -= 1
    return count


def pooled_spread(one: np.ndarray, other: np.ndarray) -> float:
    """Standard deviation inside two groups."""
    return math.sqrt(_pooled(one, other))


def _pooled(one: np.ndarray, other: np.ndarray) -> float:
    n, m = len(one), len(other)
    return float((one.var(ddof=1) * (n - 1) + other.var(ddof=1) * (m - 1)) / (n + m - 2))


def _normal(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in x.tolist()])
