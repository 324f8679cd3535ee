"""Forecasts from a trained run of series: the portfolio's log value, continued by its network.

A portfolio's history becomes a series of 100 times the log of its value, by numbered steps, since
week-ends are no gaps of a market. `levels` writes such a file, all of it or what comes before the
back-test; a run is trained on the latter, or its back-test proves nothing, and `has_seen` says
whether that was so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from castalia import atomic
from castalia.apps.risk.methods import Method
from castalia.errors import CastaliaError, RecipeError
from castalia.sentences import say

HISTORY = 240  # steps that a forecast looks back
DRAWN = 500  # paths of a tested forecast of one step; of longer ones, fewer
FEWER = 200
MOST_DRAWN = 2000  # of the forecast from the end
NETWORK = "network"
# numbered from here: a number of four digits would be read as a year
_FIRST_STEP = 100_000
_BASE = -1000.0  # where a history begins, so that no level is 0, where a forecast could be cut off


def levels(returns: np.ndarray) -> np.ndarray:
    """(T + 1,) 100 times the log of the value, from returns (T,)."""
    return _BASE + 100 * np.concatenate([[0.0], np.cumsum(np.log1p(returns))])


def write_levels(path: Path, returns: np.ndarray) -> None:
    """A series as `castalia train series/ar` reads it."""
    rows = [f"{_FIRST_STEP + place},{value:.6f}\n" for place, value in enumerate(levels(returns))]
    atomic.write(path, "step,value\n" + "".join(rows))


class Network(Method):
    """Forecasts of a run at chosen steps, drawn once. Raises RecipeError for a run that continues
    nothing that has one number a step.
    """

    name = "run"

    def __init__(self, run: Any, returns: np.ndarray, seed: int) -> None:
        self.run, self.returns, self.seed = run, returns, seed
        self.made: dict[tuple[int, int], np.ndarray] = {}

    def prepare(self, steps: Sequence[int], horizon: int) -> None:
        """Draws the forecasts that begin at `steps`, all together."""
        count = DRAWN if horizon == 1 else FEWER
        made = self._continued(steps, horizon, count)
        for step, one in zip(steps, made, strict=True):
            self.made[step, horizon] = np.expm1(one.sum(1))

    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        if (step, horizon) not in self.made:
            made = self._continued([step], horizon, min(count, MOST_DRAWN))[0]
            self.made[step, horizon] = np.expm1(made.sum(1))
        return self.made[step, horizon]

    def paths(self, step: int, horizon: int, count: int) -> np.ndarray:
        """(count, horizon) returns of the portfolio."""
        found: np.ndarray = np.expm1(self._continued([step], horizon, count)[0])
        return found

    def _continued(self, steps: Sequence[int], horizon: int, count: int) -> np.ndarray:
        """(steps, count, horizon) log returns."""
        from castalia.verbs.forecast import forecast

        rows, ends = ["id,step,value\n"], []
        for number, step in enumerate(steps):
            seen = levels(self.returns[max(0, step - HISTORY) : step])
            ends.append(seen[-1])
            rows += [
                f"s{number},{_FIRST_STEP + place},{value:.6f}\n" for place, value in enumerate(seen)
            ]
        with TemporaryDirectory() as folder:
            file = Path(folder) / "histories.csv"
            file.write_text("".join(rows), encoding="utf-8")
            made = forecast(
                self.run, [file], horizon, paths=count, seed=self.seed, members=[NETWORK]
            )
        drawn = getattr(made, "paths", None)
        if not isinstance(drawn, np.ndarray) or drawn.shape != (len(steps), count, horizon):
            raise RecipeError(
                say("the run does not continue series of one number a step"),
                "--run",
                say("train one: castalia train series/ar levels-before-test.csv"),
            )
        whole = np.concatenate(
            [np.broadcast_to(np.array(ends)[:, None, None], (len(steps), count, 1)), drawn], 2
        )
        # a fall of everything is the most that a path can hold
        found: np.ndarray = np.maximum(np.diff(whole, axis=2) / 100, np.log(1e-4))
        return found


def has_seen(run: Any, before: np.ndarray) -> str:
    """A sentence: whether the run was trained on the portfolio's returns before the back-test,
    `before` (T,), and on nothing else.
    """
    from castalia.training.setup import open_data

    with TemporaryDirectory() as folder:
        file = Path(folder) / "levels-before-test.csv"
        write_levels(file, before)
        try:
            same = open_data(run, str(file)).fingerprint == run.about["data"]["fingerprint"]
        except CastaliaError:
            same = False
    if same:
        return say("The run was trained on the steps before the back-test alone: its test is fair.")
    return say(
        "The run was not trained on levels-before-test.csv. If it has seen the tested steps, its "
        "back-test proves nothing."
    )
