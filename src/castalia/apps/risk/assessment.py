"""What an assessment of risk holds: estimates, their back-tests, and a rule of trading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from castalia.apps.risk import trading
from castalia.apps.risk.backtest import Tested
from castalia.apps.risk.market import Market


@dataclass(frozen=True)
class Rule:
    """Hold while the mean of the last `fast` prices is above that of the last `slow`. cost: share
    of the value that each change of position takes. steps: of a course; None: a year.
    """

    fast: int = 20
    slow: int = 100
    cost: float = 0.001
    steps: int | None = None


@dataclass(frozen=True)
class Estimate:
    """Losses of the portfolio over `horizon` steps from the end of the data, as shares of it."""

    method: str
    level: float
    horizon: int
    var: float
    es: float


@dataclass(frozen=True, eq=False)
class Traded:
    """The rule on drawn courses and on the data, each beside holding all the time."""

    rule: Rule
    steps: int
    method: str
    drawn: trading.Outcome
    drawn_holding: trading.Outcome
    past: trading.Outcome
    past_holding: trading.Outcome
    past_steps: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """portfolio (T,) returns. first: the step at which the back-test begins. notes: sentences about
    the data and the methods. value: of the portfolio in money, or None.
    """

    market: Market
    weights: np.ndarray
    portfolio: np.ndarray
    window: int
    first: int
    estimates: tuple[Estimate, ...]
    tests: tuple[Tested, ...]
    traded: Traded | None
    notes: tuple[str, ...]
    value: float | None
    seed: int

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(one.method for one in self.estimates))
