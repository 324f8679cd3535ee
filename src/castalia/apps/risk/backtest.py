"""A rolling back-test: each step's forecast beside what came, and a verdict in words.

Forecasts of more than one step are tested every so many steps, so that no step is in two of them:
overlapping forecasts fail together, and Kupiec's test would take that for many failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from castalia.apps.risk.measures import (
    Coverage,
    Shortfall,
    basel_zone,
    coverage,
    shortfall,
    var_es,
)
from castalia.apps.risk.methods import DRAWS, LABELS, Method
from castalia.apps.risk.paths import compounded
from castalia.progress import stage
from castalia.sentences import join, plural, say, series

NULLS = 2000  # back-tests drawn from the model's own forecasts
SIGNIFICANT = 0.05
FEW = 5  # expected exceedances below which a test can hardly reject


@dataclass(frozen=True, eq=False)
class Tested:
    """One method at one level. steps (T,): where forecasts begin. returns, var, es (T,)."""

    method: str
    level: float
    horizon: int
    steps: np.ndarray
    returns: np.ndarray
    var: np.ndarray
    es: np.ndarray
    cover: Coverage
    tail: Shortfall

    @property
    def hits(self) -> np.ndarray:
        found: np.ndarray = self.returns < -self.var
        return found

    @property
    def zone(self) -> str:
        """Of Basel's traffic light; "" for other levels and horizons."""
        return basel_zone(self.hits) if self.level == 0.99 and self.horizon == 1 else ""

    @property
    def rejected(self) -> list[str]:
        """Which tests reject it: "kupiec", "independence", "shortfall"."""
        values = {
            "kupiec": self.cover.kupiec,
            "independence": self.cover.independence,
            "shortfall": self.tail.p,
        }
        return [name for name, p in values.items() if p < SIGNIFICANT]

    def words(self) -> list[str]:
        """What the tests say, for people: what rejects it; that nothing does; or that they could
        hardly.
        """
        cover, said = self.cover, list[str]()
        if "kupiec" in self.rejected:
            said.append(
                plural(
                    "Rejected: {0} exceedance, {1:.1f} expected. It understates the risk.",
                    "Rejected: {0} exceedances, {1:.1f} expected. It understates the risk.",
                    cover.exceedances,
                    cover.expected,
                )
                if cover.exceedances > cover.expected
                else plural(
                    "Rejected: {0} exceedance, {1:.1f} expected. It overstates the risk.",
                    "Rejected: {0} exceedances, {1:.1f} expected. It overstates the risk.",
                    cover.exceedances,
                    cover.expected,
                )
            )
        if "independence" in self.rejected:
            said.append(
                say(
                    "Rejected: {0:.1%} of the forecasts after an exceedance are exceeded, "
                    "of others {1:.1%}. It is slow to notice that risk has risen.",
                    cover.after,
                    cover.otherwise,
                )
                if cover.after > cover.otherwise
                else say(
                    "Rejected: {0:.1%} of the forecasts after an exceedance are exceeded, "
                    "of others {1:.1%}.",
                    cover.after,
                    cover.otherwise,
                )
            )
        if "shortfall" in self.rejected:
            said.append(
                say(
                    "Rejected: losses beyond the value at risk are more or larger than expected "
                    "shortfall says."
                )
            )
        if said:
            return said
        if cover.expected < FEW:
            return [
                say(
                    "Not rejected, but only {0:.1f} exceedances were expected: that proves little.",
                    cover.expected,
                )
            ]
        return [say("Not rejected.")]


def backtest(
    method: Method,
    returns: np.ndarray,
    first: int,
    levels: Sequence[float],
    horizon: int,
    seed: int,
) -> list[Tested]:
    """The method over steps `first` to the end of the portfolio's returns (T,), a level each."""
    steps = np.arange(first, len(returns) - horizon + 1, horizon)
    rng = np.random.default_rng((seed, 9, horizon))
    var, es = np.empty((len(levels), len(steps))), np.empty((len(levels), len(steps)))
    null = np.empty((NULLS, len(steps)))
    with stage("testing forecasts", len(steps), "items") as work:
        for place, step in enumerate(steps.tolist()):
            draws = method.draws(step, horizon, DRAWS)
            null[:, place] = draws[rng.integers(0, len(draws), NULLS)]
            for row, level in enumerate(levels):
                var[row, place], es[row, place] = var_es(draws, level)
            work.advance(1)
    came = compounded(np.stack([returns[step : step + horizon] for step in steps]))
    return [
        Tested(
            method.name,
            level,
            horizon,
            steps,
            came,
            var[row],
            es[row],
            coverage(came < -var[row], level),
            shortfall(came, var[row], es[row], null, level),
        )
        for row, level in enumerate(levels)
    ]


def verdict(tests: Sequence[Tested]) -> list[str]:
    """A sentence for each method over its levels, and one about how many tests there were."""
    said: list[str] = []
    for name in dict.fromkeys(one.method for one in tests):
        failed = [one for one in tests if one.method == name and one.rejected]
        if failed:
            levels = series(f"{100 * one.level:.4g}%" for one in failed)
            said.append(say("{0}: rejected at {1}.", LABELS[name], levels))
        else:
            said.append(say("{0}: not rejected at any level.", LABELS[name]))
    return [*said, how_many(tests)]


def reasons(tests: Sequence[Tested]) -> list[str]:
    """What rejects each method at each level; of one that is never rejected, that."""
    said: list[str] = []
    for name in dict.fromkeys(one.method for one in tests):
        failed = [one for one in tests if one.method == name and one.rejected]
        if not failed:
            said.append(say("{0}: not rejected at any level.", LABELS[name]))
        for one in failed:
            level = f"{100 * one.level:.4g}%"
            said.append(say("{0}, {1}: {2}", LABELS[name], level, join(one.words())))
    return said


def how_many(tests: Sequence[Tested]) -> str:
    """A sentence: how many tests there are, and how many reject by chance."""
    count = 3 * len(tests)
    return say(
        "These are {0} tests at 5% each: about {1:.0f} would reject by chance were every "
        "method right. They overlap, so failures come together.",
        count,
        max(1, SIGNIFICANT * count),
    )
