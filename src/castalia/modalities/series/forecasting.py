"""Forecasts: paths of the trained network and of classical models, joined by what a back-test of
the given history shows.

Members are the network over innovations (coding.py) and the forecasters of classical.py. Their
weights are those by which the averaged quantiles would have lost least at earlier origins of the
same histories, found by exponentiated gradient (Kivinen & Warmuth 1997) on the simplex: a few
steps for all series, then a few for each alone. To stop early is to be drawn towards equal weights,
which are hard to beat (Bates & Granger 1969; Timmermann 2006). Quantiles are averaged (Vincent
1912), not probabilities, which keeps a forecast as sharp as its members; their widths are corrected
by the same back-test (calibration.py). Paths get the averaged marginals in the order of the
network's own (Schaake shuffle, Clark et al. 2004), so they move as it moves.

`draw` continues rows of tokens with a model; who calls has one (verbs/forecast.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from castalia.codecs.protocols import Draw
from castalia.errors import DataError, RecipeError, meant
from castalia.modalities.series import (
    calibration,
    classical,
    coding,
    exponential_smoothing,
    measures,
)
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.series import Series
from castalia.nn.counter_random import counter_seed
from castalia.progress import stage
from castalia.sentences import say

NETWORK, NAIVE, ETS = "network", "seasonal-naive", "ets"
MOST_SMOOTHED = 3  # series for which ETS is fitted without being asked for by name
ORIGINS, MOST_ORIGINS = 2, 8  # earlier origins of each history
ENOUGH_ORIGINS = 24  # of all histories
TEST_PATHS = 40  # of each member in a back-test
LEAST = 12  # values that a history needs before an origin
GRID = 100  # quantiles by which members are averaged
ROUNDS, RATE = 12, 2.0  # few, so that weights stay near equal ones where little tells them apart
OWN_ROUNDS = 4  # for each series alone
MOST_HORIZON = 10_000
LONGEST = 2048  # values of a history by which it is scaled for the network, as in training


@dataclass(frozen=True)
class Forecast:
    """histories  the series that are continued. levels (Q,).
    quantiles  (N, Q, H); paths (N, P, H); naive (N, H): what the seasonal naive says.
    weights    of the members, on average over series.
    scores     member (and "ensemble") to {"mase", "wql"} of the back-test, with the weights of all
               series; empty where no history is long enough.
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
        words: list[str] = [say("back-test on earlier origins of the same series:")]
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
    members: Sequence[str] = (),
    effects: Sequence[np.ndarray] | None = None,
) -> Forecast:
    """`horizon` steps after the end of each series. draw None: classical members alone. length: of
    the network's context. members: those that count; none: all. effects: (T + horizon,) of what is
    known ahead of each series, which all members but the seasonal naive are told; None: nothing is.
    Raises RecipeError for a horizon or a member that cannot be.
    """
    known = [*([] if draw is None else [NETWORK]), *classical_members(model)]
    for name in members:
        if name not in known:
            raise RecipeError(
                say("no member of forecasts is called '{0}'", name),
                where=f"--members {name}",
                fix=say("{0}one of: {1}", meant(name, known), ", ".join(known)),
            )
    slow = not exponential_smoothing.installed() or len(items) > MOST_SMOOTHED
    chosen = [name for name in known if name in members] or [
        name for name in known if name != ETS or not slow
    ]
    if not 1 <= horizon <= MOST_HORIZON:
        raise RecipeError(
            say("the horizon is out of range"),
            where=f"--horizon {horizon}",
            fix=say("1 to {0:,} steps", MOST_HORIZON),
        )
    if not items:
        raise DataError(say("there is no series to continue"), "forecast", say("name a file"))
    whole = [_history(one.values) for one in items]
    told_of = [np.zeros(len(one) + horizon) for one in whole]
    if effects is not None:
        told_of = [one[-len(past) - horizon :] for one, past in zip(effects, whole, strict=True)]
    back = range(horizon * _origins(len(items)), 0, -horizon)
    before = [
        Origin(number, len(history) - steps)
        for number, history in enumerate(whole)
        for steps in back
        if len(history) - steps >= max(LEAST, horizon, 2 * model.season)
    ]
    grid = (np.arange(GRID) + 0.5) / GRID

    def drawn(
        origins: Sequence[Origin], count: int, names: Sequence[str] = chosen
    ) -> dict[str, np.ndarray]:
        given = [whole[one.number][: one.stop] for one in origins]
        plain = [
            history - told_of[one.number][: one.stop]
            for one, history in zip(origins, given, strict=True)
        ]
        ahead = np.stack([told_of[one.number][one.stop :][:horizon] for one in origins])
        made = {}
        for name in names:
            # the seasonal naive is told nothing
            told, above = (given, 0.0) if name == NAIVE else (plain, ahead[:, None])
            for _, found in member_paths(
                model, told, horizon, draw, length, paths=count, seed=seed, members=[name]
            ):
                made[name] = found + above
        return made

    def marginals(made: Mapping[str, np.ndarray]) -> np.ndarray:
        every = [np.quantile(one, grid, axis=1).transpose(1, 0, 2) for one in made.values()]
        return np.stack(every)

    final = drawn([Origin(number, len(one)) for number, one in enumerate(whole)], paths)
    names, scores = list(final), dict[str, dict[str, float]]()
    weights, widths = np.full((len(names), len(whole)), 1 / len(names)), np.ones(GRID)
    if before:
        owners = np.array([one.number for one in before])
        truth = np.stack([whole[one.number][one.stop :][:horizon] for one in before])
        scale = np.array(
            [measures.naive_error(whole[one.number][: one.stop], model.season) for one in before]
        )
        count = min(paths, TEST_PATHS)
        tested = marginals(drawn(before, count))
        shared, weights = _weights(tested, truth, scale, grid, owners, len(whole))
        joined = np.einsum("m,mngh->ngh", shared, tested)
        if len(names) > 1:  # one member alone is given as it is
            widths = calibration.widths(joined, truth)
        shown = dict(zip(names, tested, strict=True))
        if NAIVE not in shown:  # always shown
            shown[NAIVE] = marginals(drawn(before, count, [NAIVE]))[0]
        shown["ensemble"] = calibration.widened(joined, widths)
        scores = {name: _scores(one, truth, scale, grid) for name, one in shown.items()}
    averaged = np.einsum("mn,mngh->ngh", weights, marginals(final))
    averaged = calibration.widened(averaged, widths)
    template = final[NETWORK if NETWORK in final else names[0]]
    quantiles = np.stack([_at(averaged, grid, level) for level in levels], 1)
    # of one member the paths themselves: quantiles on a grid would cut its tails off
    shuffled = template.copy() if len(names) == 1 else _shuffled(averaged, grid, template)
    naive = np.stack([classical.naive_values(one, horizon, model.season) for one in whole])
    for number, one in enumerate(items):
        if whole[number].min() >= 0:  # demand, counts, loads: what was never negative stays so
            quantiles[number] = quantiles[number].clip(0)
            shuffled[number] = shuffled[number].clip(0)
        shuffled[number] = one.rounded(shuffled[number])
    usual = dict(zip(names, weights.mean(1).tolist(), strict=True))
    return Forecast(items, tuple(levels), quantiles, shuffled, naive, usual, scores)


class Origin(NamedTuple):
    """A history: the first `stop` values of series `number`."""

    number: int
    stop: int


def _origins(series: int) -> int:
    """Of a back-test of so many series: few series want more."""
    return max(ORIGINS, min(MOST_ORIGINS, ENOUGH_ORIGINS // series))


def member_paths(
    model: Coding,
    histories: Sequence[np.ndarray],
    horizon: int,
    draw: Draw | None,
    length: int,
    *,
    paths: int,
    seed: int,
    members: Sequence[str],
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (N, paths, horizon)) of each member that continues histories (T,) without gaps."""
    if draw is not None and NETWORK in members:
        yield NETWORK, network_paths(model, histories, horizon, draw, length, paths, seed)
    for name, forecaster in classical_members(model).items():
        if name not in members:
            continue
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


def classical_members(model: Coding) -> Mapping[str, classical.Forecaster]:
    """All of them by name, those of other packages last."""
    return {**classical.members(model), ETS: exponential_smoothing.ets}


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


def _weights(
    marginals: np.ndarray,
    truth: np.ndarray,
    scale: np.ndarray,
    grid: np.ndarray,
    owners: np.ndarray,
    count: int,
) -> tuple[np.ndarray, np.ndarray]:
    """((M,), (M, count)) on the simplex: of all series, and of each, with the least mean quantile
    loss. marginals (M, K, GRID, H) at K origins of the series `owners` (K,). Losses are in units of
    the root of `scale` and its mean: between every series alike, as MASE counts, and by size, as
    the weighted quantile loss does.
    """
    own = np.where(np.isfinite(scale), scale, np.abs(truth).mean(1) + 1e-12)
    chosen = np.linspace(0, len(grid) - 1, 10).round().astype(int)
    level = grid[chosen][None, :, None]
    stack = marginals[:, :, chosen] / own[:, None, None]
    target = (truth / own[:, None])[:, None]
    size = np.sqrt(own / own.mean())[:, None, None]
    shared = np.full(len(stack), 1 / len(stack))
    for _ in range(ROUNDS):
        slope = _slope(target - np.tensordot(shared, stack, 1), level)
        shared = _stepped(shared, (slope * size * stack).mean((1, 2, 3)))
    each = np.repeat(shared[:, None], count, 1)
    origins = np.bincount(owners, minlength=count).clip(1)
    for _ in range(OWN_ROUNDS):
        slope = _slope(target - np.einsum("mk,mkgh->kgh", each[:, owners], stack), level)
        gradient = np.zeros_like(each)
        np.add.at(gradient.T, owners, (slope * stack).mean((2, 3)).T)
        each = _stepped(each, gradient / origins / 2)
    return shared, each


def _slope(error: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Of the pinball loss by the quantile."""
    return np.where(error > 0, -level, 1 - level)


def _stepped(weights: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    moved = weights * np.exp(-RATE * (gradient - gradient.min(0)))
    found: np.ndarray = moved / moved.sum(0)
    return found


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
