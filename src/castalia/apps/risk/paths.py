"""Paths of returns drawn from a simple generative model that needs no training.

Each asset's volatility follows an exponentially weighted moving average of squared returns
(RiskMetrics 1996); the decay is the one under which the returns so far were likeliest. Returns over
volatility, the residuals, are drawn as rows of all assets together, in blocks of random length
(the stationary bootstrap, Politis & Romano 1994), so that what moved together still does, and are
smoothed (Silverman & Young 1987), so that a path is no replay and its worst day may be worse than
any yet. Volatility then follows the drawn returns, so storms last on a path as they do in the data,
and returns to the usual one: a moving average alone would let it wander off in a year of steps.

Only steps before a forecast are used for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DECAYS = (0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
RISKMETRICS = 0.94
BEGINNING = 50  # steps whose mean square starts the average
LONGEST = 2000  # residuals that are drawn from, the last ones
FITTED = 5000  # steps that a decay is fitted to, the last ones
# share of the way to the usual variance that a step takes: 1 - alpha - beta of GARCH(1,1) is about
# this for days
PULL = 0.02
STILL = 0.1  # of the usual volatility so far: the least that it falls to
MOST = 20.0  # residual, where the first movement of all comes after the beginning
FLOOR = 1e-8  # volatility of a stretch without any movement


@dataclass(frozen=True, eq=False)
class Filtered:
    """volatility (T + 1, N): of step t, known at its beginning; the last is of the step to come.
    residuals (T, N): returns over volatility. decay (N,).
    """

    volatility: np.ndarray
    residuals: np.ndarray
    decay: np.ndarray


def filtered(returns: np.ndarray, decay: np.ndarray) -> Filtered:
    """Volatilities and residuals of returns (T, N) under decays (N,)."""
    squares = returns**2
    variance = np.empty((len(returns) + 1, returns.shape[1]))
    variance[0] = squares[:BEGINNING].mean(0)
    for step, square in enumerate(squares):
        variance[step + 1] = decay * variance[step] + (1 - decay) * square
    # prices that stand still for weeks would make of the next step a residual of thousands
    usual = np.cumsum(squares, 0) / np.arange(1, len(squares) + 1)[:, None]
    variance[1:] = np.maximum(variance[1:], STILL**2 * usual)
    volatility = np.sqrt(np.maximum(variance, FLOOR**2))
    return Filtered(volatility, np.clip(returns / volatility[:-1], -MOST, MOST), decay)


def fitted_decay(returns: np.ndarray) -> np.ndarray:
    """(N,) of DECAYS: that with the greatest Gaussian likelihood of returns (T, N), the beginning
    left out.
    """
    scores, returns = [], returns[-FITTED:]
    for decay in DECAYS:
        made = filtered(returns, np.full(returns.shape[1], decay))
        volatility, residuals = made.volatility[BEGINNING:-1], made.residuals[BEGINNING:]
        scores.append(-(np.log(volatility) + residuals**2 / 2).sum(0))
    found: np.ndarray = np.array(DECAYS)[np.argmax(scores, 0)]
    return found


def drawn(
    residuals: np.ndarray,
    volatility: np.ndarray,
    decay: np.ndarray,
    paths: int,
    steps: int,
    rng: np.random.Generator,
    *,
    drift: np.ndarray | None = None,
    usual: np.ndarray | None = None,
    block: float | None = None,
    smooth: bool = True,
) -> np.ndarray:
    """(paths, steps, N) returns from residuals (T, N) and the volatility (N,) of the first step.
    drift (N,): the mean return of a step; None: that of the residuals, which grows with volatility.
    usual (N,): the volatility to which that of a path returns; None: it stays where it wanders.
    block: mean length of a block; None: the cube root of T. smooth: see above.
    """
    residuals = residuals[-LONGEST:]
    if drift is not None:
        residuals = residuals - residuals.mean(0)
    count, assets = residuals.shape
    mean = max(1.0, count ** (1 / 3) if block is None else block)
    fresh = rng.random((paths, steps)) < 1 / mean
    places = rng.integers(0, count, (paths, steps))
    centre, spread, noise = _kernel(residuals) if smooth else (None, 0.0, None)
    variance = np.broadcast_to(volatility**2, (paths, assets)).copy()
    made = np.empty((paths, steps, assets))
    place = places[:, 0]
    for step in range(steps):
        if step:
            place = np.where(fresh[:, step], places[:, step], (place + 1) % count)
        chosen = residuals[place]
        if centre is not None and noise is not None:
            shaken = chosen - centre + spread * rng.standard_normal((paths, assets)) @ noise
            chosen = centre + shaken / np.sqrt(1 + spread**2)
        # a loss of everything is the most that can be lost
        moved = np.sqrt(variance) * chosen + (0.0 if drift is None else drift)
        made[:, step] = np.maximum(moved, -0.9999)
        variance = decay * variance + (1 - decay) * made[:, step] ** 2
        if usual is not None:
            variance = (1 - PULL) * variance + PULL * usual**2
        variance = np.maximum(variance, FLOOR**2)
    return made


def _kernel(residuals: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """(mean, width, root of the covariance) of a Gaussian kernel by the rule of Silverman 1986,
    eq. 4.14; shrunk when used, so that the variance stays.
    """
    count, assets = residuals.shape
    width = (4 / ((assets + 2) * count)) ** (1 / (assets + 4))
    covariance = np.atleast_2d(np.cov(residuals.T)) + 1e-12 * np.eye(assets)
    return residuals.mean(0), float(width), np.linalg.cholesky(covariance).T


def compounded(paths: np.ndarray) -> np.ndarray:
    """(...,) return over the last axis of returns (..., steps)."""
    found: np.ndarray = np.prod(1 + paths, axis=-1) - 1
    return found
