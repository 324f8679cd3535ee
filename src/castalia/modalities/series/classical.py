"""Classical forecasters of one series, as paths drawn from what they expect: the measure of every
other model, and members of the ensemble.

    seasonal naive    the value one season before, with errors that this has made in the history
    autoregression    AR(p) by Yule and Walker's equations, solved by Levinson and Durbin's
                      recursion; the order by Akaike's criterion (Box & Jenkins 1970; Akaike 1974)
    linear            a long linear predictor fitted to the series, drawn towards that of all
                      training series (ridge regression; its centre is an empirical prior)
    pooled linear     that of all training series
    ets               in exponential_smoothing.py
    theta             simple exponential smoothing with half of the linear trend, on seasonally
                      adjusted values (Assimakopoulos & Nikolopoulos 2000; as SES with drift,
                      Hyndman & Billah 2003)

Each is a function (history (T,) float64 without gaps, horizon, season, paths, rng) -> (paths,
horizon). Spread comes from the residuals of the history, drawn with replacement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from castalia.modalities.series.coding import Coding

Forecaster = Callable[[np.ndarray, int, int, int, np.random.Generator], np.ndarray]
RECENT = 2000  # values of a history that are fitted
PRIOR_SEASONS = 8.0
SHRINKAGE = 30.0  # values that the prior of the linear predictor counts as
TRIALS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.99)  # smoothing constants that are tried


def season_for(history: np.ndarray, season: int) -> int:
    """The season where the history holds two of it, else 1."""
    return season if len(history) >= 2 * season else 1


def naive_values(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """(horizon,): the last season again and again."""
    last = history[-season_for(history, season) :]
    return np.resize(last, horizon)


def seasonal_naive(
    history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
) -> np.ndarray:
    """With whole courses of errors that the same forecast made from earlier origins; where there
    are too few of them, with single differences added up season by season.
    """
    season = season_for(history, season)
    point = naive_values(history, horizon, season)
    origins = np.arange(season, len(history) - horizon + 1)
    if len(origins) >= 30:
        starts = rng.choice(origins, paths)
        steps = np.arange(horizon)
        past = history[starts[:, None] - season + steps % season]
        return point + history[starts[:, None] + steps] - past
    differences = history[season:] - history[:-season]
    if not len(differences):
        return np.repeat(point[None], paths, 0)
    seasons = -(-horizon // season)
    drawn = rng.choice(differences, (paths, seasons, season)).cumsum(1)
    return point + drawn.reshape(paths, -1)[:, :horizon]


def autoregression(
    history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
) -> np.ndarray:
    """AR(p) with a mean; at most as many coefficients as two seasons or a quarter of the values."""
    history = history[-RECENT:]
    mean = history.mean()
    most = max(1, min(len(history) // 4, max(int(10 * math.log10(len(history))), 2 * season + 1)))
    weights = yule_walker(history - mean, most)
    return _simulated(history - mean, weights, horizon, season, paths, rng) + mean


def yule_walker(centred: np.ndarray, most: int) -> np.ndarray:
    """(p,) coefficients of the order 0 .. most with the least criterion of Akaike, T log s^2 + 2p,
    from the biased autocovariances, so the model is stationary.
    """
    count = len(centred)
    covariance = np.array(
        [float(centred[lag:] @ centred[: count - lag]) / count for lag in range(most + 1)]
    )
    if not covariance[0] > 0:
        return np.zeros(0)
    weights, variance = np.zeros(0), covariance[0]
    best, least = weights, count * math.log(variance)
    for order in range(1, most + 1):
        reflection = (covariance[order] - weights @ covariance[order - 1 : 0 : -1]) / variance
        weights = np.concatenate([weights - reflection * weights[::-1], [reflection]])
        variance *= 1 - reflection**2
        if not variance > 1e-12 * covariance[0]:
            return weights
        criterion = count * math.log(variance) + 2 * order
        if criterion < least:
            best, least = weights, criterion
    return best


def linear(prior: np.ndarray) -> Forecaster:
    """The linear predictor whose weights (L,), of the last value first and of sum 1, are drawn to
    `prior`.
    """

    def forecast(
        history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
    ) -> np.ndarray:
        history = history[-RECENT:]
        lags = len(prior)
        if lags < 2 or len(history) < lags + 8:
            return pooled(prior)(history, horizon, season, paths, rng)
        windows = np.lib.stride_tricks.sliding_window_view(history[:-1], lags)[:, ::-1]
        x, y = windows[:, 1:] - windows[:, :1], history[lags:] - history[lags - 1 : -1]
        gram = x.T @ x
        size = np.diag(gram) / len(y)
        # few equations leave the weights to the prior
        count = SHRINKAGE * max(1.0, (2 * lags / len(y)) ** 4)
        ridge = count * (size + 0.01 * size.mean() + 1e-12 * (1 + np.square(history).mean()))
        later = np.linalg.solve(gram + np.diag(ridge), x.T @ y + ridge * prior[1:])
        weights = np.concatenate([[1 - later.sum()], later])
        return _simulated(history, weights, horizon, season, paths, rng)

    return forecast


def pooled(prior: np.ndarray) -> Forecaster:
    """The predictor `prior` of all training series, as it is."""

    def forecast(
        history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
    ) -> np.ndarray:
        missing = max(0, len(prior) + 1 - len(history))
        padded = np.concatenate([np.full(missing, history[0]), history[-RECENT:]])
        return _simulated(padded, prior, horizon, season, paths, rng)

    return forecast


def theta(
    history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
) -> np.ndarray:
    """On seasonally adjusted values, see `additive_season`."""
    history = history[-RECENT:]
    count = len(history)
    slope = np.polyfit(np.arange(count), history, 1)[0] if count > 2 else 0.0
    shape = additive_season(history, season)
    phase = np.arange(count + horizon) % len(shape)
    adjusted = history - shape[phase[:count]]
    constant, level, residuals = min(
        (_smoothed(adjusted, one) for one in TRIALS), key=lambda one: float(np.square(one[2]).sum())
    )
    drift = slope / 2
    drawn = rng.choice(residuals - residuals.mean(), (paths, horizon))
    before = np.cumsum(drawn, 1) - drawn
    ahead = level + drift * np.arange(1, horizon + 1) + constant * before + drawn
    found: np.ndarray = ahead + shape[phase[count:]]
    return found


def additive_season(history: np.ndarray, season: int) -> np.ndarray:
    """(season,), of mean 0: how far each place of the season is from a line on average; (1,) zeros
    where the history does not hold three seasons.
    """
    count = len(history)
    if season < 2 or count < 3 * season:
        return np.zeros(1)
    slope, start = np.polyfit(np.arange(count), history, 1)
    rest = history - start - slope * np.arange(count)
    shape = np.array([rest[place::season].mean() for place in range(season)])
    found: np.ndarray = shape - shape.mean()
    return found


def _smoothed(values: np.ndarray, constant: float) -> tuple[float, float, np.ndarray]:
    """(constant, last level, residuals (T - 1,)) of simple exponential smoothing."""
    level, residuals = float(values[0]), np.empty(max(1, len(values) - 1))
    residuals[:] = 0.0
    for place, value in enumerate(values[1:].tolist()):
        residuals[place] = value - level
        level += constant * (value - level)
    return constant, level, residuals


def _simulated(
    history: np.ndarray,
    weights: np.ndarray,
    horizon: int,
    season: int,
    paths: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paths of x_t = weights . (x_(t-1), x_(t-2), ...) + a residual of the history, as large as
    residuals are at that place of the season.
    """
    lags = len(weights)
    if not lags:
        return rng.choice(history - history.mean(), (paths, horizon)) + history.mean()
    backwards = np.ascontiguousarray(weights[::-1])
    residuals = np.zeros(1)
    if len(history) > lags:
        windows = np.lib.stride_tricks.sliding_window_view(history[:-1], lags)
        residuals = history[lags:] - windows @ backwards
    past = np.empty((paths, lags + horizon))
    past[:, :lags] = history[-lags:]
    sizes = _sizes(residuals, season)
    phase = np.arange(len(residuals) + horizon) % season
    alike = (residuals - residuals.mean()) / sizes[phase[: len(residuals)]]
    drawn = rng.choice(alike, (paths, horizon)) * sizes[phase[len(residuals) :]]
    if paths > 1:  # first two moments matched: the mean of the paths is what the model expects
        drawn = (drawn - drawn.mean(0)) * math.sqrt(paths / (paths - 1))
    bound = 1e3 * (np.abs(history).max() + 1.0)  # a predictor that is not stable
    for step in range(horizon):
        value = past[:, step : step + lags] @ backwards + drawn[:, step]
        past[:, lags + step] = value.clip(-bound, bound)
    return past[:, lags:]


def _sizes(residuals: np.ndarray, season: int) -> np.ndarray:
    """(season,): the residuals' standard deviation at each place of the season, drawn towards that
    of all as if this had been seen PRIOR_SEASONS times more; the first place is the first's.
    """
    squares = np.square(residuals - residuals.mean())
    usual = float(squares.mean())
    if season < 2 or not usual > 0:
        return np.ones(season)
    sums, counts = np.zeros(season), np.zeros(season)
    np.add.at(sums, np.arange(len(squares)) % season, squares)
    np.add.at(counts, np.arange(len(squares)) % season, 1)
    found: np.ndarray = np.sqrt((sums + PRIOR_SEASONS * usual) / (counts + PRIOR_SEASONS))
    return found


def members(model: Coding) -> Mapping[str, Forecaster]:
    """The classical forecasters by name; the seasonal naive is the first."""
    prior, shorter = model.weights, model.shorter
    return {
        "seasonal-naive": seasonal_naive,
        "ar": autoregression,
        "linear": linear(prior),
        "shorter-linear": linear(shorter),
        "pooled-linear": pooled(prior),
        "theta": theta,
    }
