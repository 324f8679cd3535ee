"""A simple rule of trading on drawn paths, costs included: hold while the fast moving average of
prices is above the slow one, else hold cash (Brock, Lakonishok & LeBaron 1992).

The position of a step is decided by prices before it. Each change of position costs a share of the
value. Cash earns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of P courses of the same length. total: return over all steps; drawdown: the worst fall from
    a peak, in [0, 1]; changes of position; costs: the sum of their shares of the value. All (P,).
    """

    total: np.ndarray
    drawdown: np.ndarray
    changes: np.ndarray
    costs: np.ndarray


def positions(returns: np.ndarray, before: np.ndarray, fast: int, slow: int) -> np.ndarray:
    """(P, H) of 0 and 1 for returns (P, H) that follow the history `before` (T,), T >= slow."""
    past = np.concatenate([[0.0], np.cumsum(np.log1p(before))])[-slow:]
    levels = np.log1p(returns).cumsum(1) + past[-1]
    whole = np.concatenate([np.broadcast_to(past, (len(returns), slow)), levels], 1)
    prices = np.exp(whole - past[-1])
    sums = np.concatenate([np.zeros((len(prices), 1)), prices.cumsum(1)], 1)

    def average(size: int) -> np.ndarray:
        """Of the `size` prices up to, and without, each step."""
        ends = np.arange(slow, slow + returns.shape[1])
        found: np.ndarray = (sums[:, ends] - sums[:, ends - size]) / size
        return found

    found: np.ndarray = (average(fast) > average(slow)).astype(np.float64)
    return found


def outcome(returns: np.ndarray, held: np.ndarray, cost: float, begun: float = 0.0) -> Outcome:
    """Of positions (P, H) in returns (P, H), each change at a cost; `begun`: the position before
    the first step.
    """
    before = np.concatenate([np.full((len(held), 1), begun), held[:, :-1]], 1)
    turned = np.abs(held - before)
    value = np.cumprod((1 + held * returns) * (1 - cost * turned), axis=1)
    peak = np.maximum(np.maximum.accumulate(value, 1), 1.0)
    return Outcome(
        value[:, -1] - 1,
        (1 - value / peak).max(1),
        turned.sum(1),
        cost * turned.sum(1),
    )
