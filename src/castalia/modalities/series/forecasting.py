"""Forecasts: paths of the trained network and of classical models, joined by what a back-test of
the given history shows.

Members are the network over innovations (coding.py) and the forecasters of classical.py. Their
weights are those by which the averaged quantiles would have lost least at earlier origins of the
same histories, found by exponentiated gradient (Kivinen & Warmuth 1997) on the simplex, every
series counting alike. Quantiles are averaged (Vincent 1912), not probabilities, which keeps a
forecast as sharp as its members. Paths get the averaged marginals in the order of the network's own
(Schaake shuffle, Clark et al. 2004), so they move as it moves.

`draw` continues rows of tokens with a model; who calls has one (verbs/forecast.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from castalia.codecs.protocols import Draw
from castalia.errors import DataError, RecipeError
from castalia.modalities.series import classical, coding, measures
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.series import Series
from castalia.nn.counter_random import counter_seed
from castalia.progress import stage
from castalia.sentences import say

NETWORK, NAIVE = "network", "seasonal naive"
ORIGINS = 2  # earlier origins of each history
MOST_TESTED = 100  # histories that are back-tested, spread over all
LEAST = 12  # values that a history needs before an origin
GRID = 100  # quantiles by which members are averaged
ROUNDS, RATE = 200, 2.0
MOST_HORIZON = 10_000
LONGEST = 2048  # values of a history by which it is scaled for the network, as in training


@dataclass(frozen=True)
class Forecast:
    """histories  the series that are continued. levels (Q,).
    quantiles  (N, Q, H); paths (N, P, H); naive (N, H): what the seasonal naive says.
    weights    of the members. scores: member (and "ensemble") to {"mase", "wql"} of the back-test;
               empty where no history is long enough.
    """

    histories: Sequence[Series]
    levels: tuple[float, ...]
    quantiles: np.ndarray
    paths: np.ndarray
    naive: np.ndarray
    weights: Mapping[str, float]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def table(self) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """(names, rows): id, time, a column for each level, the seasonal naive."""
        names = ["id", "time", *(f"{level:g}" for level in self.levels), "seasonal_naive"]
        return names, self._rows()

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for number, one in enumerate(self.histories):
            for step in range(self.quantiles.shape[2]):
                yield (
                    one.name,
                    one.stamp(len(one) + step),
                    *(float(f"{value:.9g}") for value in self.quantiles[number, :, step]),
                    float(self.naive[number, step]),
                )

    def parts(self) -> dict[str, Any]:
        """See Continuation."""
        return {"quantiles": self, "paths": Paths(self), "plot.svg": self}

    def facts(self) -> dict[str, Any]:
        """See Continuation."""
        return {
            "members": dict(self.weights),
            "backtest": {k: dict(v) for k, v in self.scores.items()},
        }

    def summary(self) -> list[str]:
        """The back-test's table, and whether the seasonal naive won it."""
        if not self.scores:
            return [
                say(
                    "The histories are too short for a back-test: all members count alike. Give at "
                    "least two horizons and two seasons."
                )
            ]
        words = [say("back-test on earlier origins of the same series:")]
        for name, one in self.scores.items():
            share = self.weights.get(name)
            words.append(
                f"  {name:16} MASE {one['mase']:.3f}   WQL {one['wql']:.4f}"
                + ("" if share is None else f"   {share:.0%}")
            )
        words.append(
            say("The seasonal naive was best: prefer it, or give more data.")
            if self.naive_wins
            else say("The seasonal naive was beaten.")
        )
        return words

    @property
    def naive_wins(self) -> bool:
        """Whether the seasonal naive lost least in the back-test."""
        return bool(self.scores) and self.scores[NAIVE]["wql"] <= min(
            one["wql"] for name, one in self.scores.items() if name != NAIVE
        )


@dataclass(frozen=True)
class Paths:
    """The paths of a forecast as a table: id, path, time, value."""

    forecast: Forecast

    def table(self) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        return ["id", "path", "time", "value"], self._rows()

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        made = self.forecast
        for number, one in enumerate(made.histories):
            stamps = [one.stamp(len(one) + step) for step in range(made.paths.shape[2])]
            for path, values in enumerate(made.paths[number].tolist()):
                for stamp, value in zip(stamps, values, strict=True):
                    yield one.name, path, stamp, float(f"{value:.9g}")


def forecast(
    model: Coding,
    items: Sequence[Series],
    horizon: int,
    draw: Draw | None,
    length: int,
    *,
    paths: int,
    levels: Sequence[float],
    seed: int,
) -> Forecast:
    """`horizon` steps after the end of each series. draw None: classical members alone. length: of
    the network's context. Raises RecipeError for a horizon or levels that cannot be.
    """
    if not 1 <= horizon <= MOST_HORIZON:
        raise RecipeError(
            say("the horizon is out of range"),
            where=f"--horizon {horizon}",
            fix=say("1 to {0:,} steps", MOST_HORIZON),
        )
    if not items:
        raise DataError(say("there is no series to continue"), "forecast", say("name a file"))
    whole = [_history(one.values) for one in items]
    before = [
        (history[: len(history) - back], history[len(history) - back :][:horizon])
        for history in whole[:: max(1, -(-len(whole) // MOST_TESTED))]
        for back in range(ORIGINS * horizon, 0, -horizon)
        if len(history) - back >= max(LEAST, horizon, 2 * model.season)
    ]
    histories = [*(one for one, _ in before), *whole]
    drawn = dict(member_paths(model, histories, horizon, draw, length, paths=paths, seed=seed))
    names = list(drawn)
    grid = (np.arange(GRID) + 0.5) / GRID
    marginals = {
        name: np.quantile(one, grid, axis=1).transpose(1, 0, 2) for name, one in drawn.items()
    }
    known = len(before)
    weights, scores = dict.fromkeys(names, 1 / len(names)), dict[str, dict[str, float]]()
    if known:
        truth = np.stack([one for _, one in before])
        scale = np.array([measures.naive_error(one, model.season) for one, _ in before])
        tested = {name: one[:known] for name, one in marginals.items()}
        weights = _weights(tested, truth, scale, grid)
        tested["ensemble"] = _averaged(tested, weights)
        scores = {name: _scores(one, truth, scale, grid) for name, one in tested.items()}
    averaged = _averaged({name: one[known:] for name, one in marginals.items()}, weights)
    template = drawn[NETWORK if NETWORK in drawn else names[0]][known:]
    quantiles = np.stack([_at(averaged, grid, level) for level in levels], 1)
    shuffled = _shuffled(averaged, grid, template)
    naive = np.stack([classical.naive_values(one, horizon, model.season) for one in whole])
    for number, one in enumerate(items):
        if whole[number].min() >= 0:  # demand, counts, loads: what was never negative stays so
            quantiles[number] = quantiles[number].clip(0)
            shuffled[number] = shuffled[number].clip(0)
        shuffled[number] = one.rounded(shuffled[number])
    return Forecast(items, tuple(levels), quantiles, shuffled, naive, weights, scores)


def member_paths(
    model: Coding,
    histories: Sequence[np.ndarray],
    horizon: int,
    draw: Draw | None,
    length: int,
    *,
    paths: int,
    seed: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (N, paths, horizon)) of each member that continues histories (T,) without gaps."""
    if draw is not None:
        yield NETWORK, network_paths(model, histories, horizon, draw, length, paths, seed)
    for name, forecaster in classical.members(model.weights).items():
        rngs = (
            np.random.default_rng(counter_seed("forecast", name, seed, number))
            for number in range(len(histories))
        )
        with stage("continuing series", len(histories), "items") as work:
            made = []
            for history, rng in zip(histories, rngs, strict=True):
                made.append(forecaster(history, horizon, model.season, paths, rng))
                work.advance(1)
        yield name, np.stack(made)


def network_paths(
    model: Coding,
    histories: Sequence[np.ndarray],
    horizon: int,
    draw: Draw,
    length: int,
    paths: int,
    seed: int,
) -> np.ndarray:
    """(N, paths, horizon): innovations from the network, values from the predictor and the history
    as it is.
    """
    room = max(length // 2, length - horizon)
    prompts, pasts = [], []
    for history in histories:
        history = history[-LONGEST:]
        z, power = coding.scaled(history)
        ids = model.encode(history)
        # one token before the window is context, as in training
        prompts.append(torch.from_numpy(ids[-room:] if len(ids) > room else ids))
        pasts.append((z, power))
    banned = list(range(coding.FIRST))
    tokens = draw(prompts, horizon, paths, banned).numpy()
    found = np.empty((len(histories), paths, horizon))
    for number, (z, power) in enumerate(pasts):
        rng = np.random.default_rng(counter_seed("inside bins", seed, number))
        later = model.within(tokens[number], rng.random(tokens[number].shape))
        found[number] = model.continued(z, later) * coding.scale_of(power)
    return found


def _history(values: np.ndarray) -> np.ndarray:
    """Values with their gaps filled by straight lines, which no member sees as given truth of the
    future.
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.zeros(1)
    places = np.arange(known[0], known[-1] + 1)
    return np.interp(places, known, values[known])


def _averaged(marginals: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    total: np.ndarray = sum(weights[name] * marginals[name] for name in weights)  # type: ignore[assignment]
    return total


def _weights(
    marginals: Mapping[str, np.ndarray], truth: np.ndarray, scale: np.ndarray, grid: np.ndarray
) -> dict[str, float]:
    """On the simplex, of the least mean quantile loss in units of `scale`."""
    names = list(marginals)
    own = np.where(np.isfinite(scale), scale, np.abs(truth).mean(1) + 1e-12)
    chosen = np.linspace(0, len(grid) - 1, 10).round().astype(int)
    stack = np.stack([marginals[name][:, chosen] for name in names]) / own[:, None, None]
    target, level = (truth / own[:, None])[:, None], grid[chosen][None, :, None]
    weights = np.full(len(names), 1 / len(names))
    for _ in range(ROUNDS):
        error = target - np.tensordot(weights, stack, 1)
        slope = np.where(error > 0, -level, 1 - level)
        gradient = (slope * stack).reshape(len(names), -1).mean(1)
        weights = weights * np.exp(-RATE * (gradient - gradient.min()))
        weights /= weights.sum()
    return dict(zip(names, weights.tolist(), strict=True))


def _scores(
    marginal: np.ndarray, truth: np.ndarray, scale: np.ndarray, grid: np.ndarray
) -> dict[str, float]:
    quantiles = np.stack([_at(marginal, grid, level) for level in measures.LEVELS], 1)
    errors = measures.mase(truth, quantiles[:, 4], scale)
    return {
        "mase": float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan"),
        "wql": float(
            measures.quantile_loss(truth, quantiles, measures.LEVELS).sum()
            / max(measures.absolute_size(truth).sum(), 1e-12)
        ),
    }


def _at(marginal: np.ndarray, grid: np.ndarray, level: float) -> np.ndarray:
    """(N, H): a quantile of (N, GRID, H), between its neighbours."""
    place = float(np.interp(level, grid, np.arange(len(grid))))
    low = int(place)
    high, part = min(low + 1, len(grid) - 1), place - int(place)
    found: np.ndarray = (1 - part) * marginal[:, low] + part * marginal[:, high]
    return found


def _shuffled(marginal: np.ndarray, grid: np.ndarray, template: np.ndarray) -> np.ndarray:
    """(N, P, H) with the marginals (N, GRID, H), in the order of `template` (N, P, H)."""
    count = template.shape[1]
    places = (np.arange(count) + 0.5) / count
    values = np.stack([_at(marginal, grid, place) for place in places.tolist()], 1)
    ranks = template.argsort(1, kind="stable").argsort(1, kind="stable")
    found: np.ndarray = np.take_along_axis(values, ranks, 1)
    return found
