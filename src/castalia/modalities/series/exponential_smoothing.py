"""ETS, exponential smoothing in state space form, of the package statsmodels (extra `series`).

Hyndman, Koehler, Snyder & Grose 2002. Errors are additive; trend (none or damped) and season (none
or additive) are those with the least criterion of Akaike. Seasons longer than LONGEST_SEASON, whose
states would be estimated one by one, are taken off as means first.

Not here: automatic ARIMA, whose search over seasonal orders takes minutes a series.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np

from castalia.errors import MissingExtra
from castalia.modalities.series.classical import additive_season

RECENT = 400  # values of a history that are fitted
LONGEST_SEASON = 24
LEAST = 10  # values of a history


def installed() -> bool:
    """Whether statsmodels is there."""
    return find_spec("statsmodels") is not None


def ets(
    history: np.ndarray, horizon: int, season: int, paths: int, rng: np.random.Generator
) -> np.ndarray:
    """A Forecaster (classical.py). Raises MissingExtra without statsmodels."""
    try:
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    except ImportError as error:
        raise MissingExtra("statsmodels", "series", "--members ets") from error
    history = history[-RECENT:]
    count = len(history)
    if count < LEAST or not np.ptp(history) > 0:
        return np.full((paths, horizon), history[-1])
    seasonal = 1 < season <= LONGEST_SEASON and count >= 3 * season
    shape = np.zeros(1) if seasonal else additive_season(history, season)
    phase = np.arange(count + horizon) % len(shape)
    centre, size = float(history.mean()), float(history.std())
    values = (history - shape[phase[:count]] - centre) / size
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of searches that stop early: their criterion tells
        for trend in (None, "add"):
            for kind in (None, "add") if seasonal else (None,):
                form = {
                    "trend": trend,
                    "damped_trend": trend is not None,
                    "seasonal": kind,
                    "seasonal_periods": season if kind else None,
                }
                fits.append(ETSModel(values, **form).fit(disp=False, maxiter=100))
        best = min(fits, key=lambda fit: float(fit.aic) if np.isfinite(fit.aic) else np.inf)
        residuals = np.asarray(best.resid)
        drawn = rng.choice(residuals - residuals.mean(), (horizon, paths))
        ahead = best.simulate(horizon, anchor="end", repetitions=paths, random_errors=drawn)
    found: np.ndarray = centre + size * np.asarray(ahead).reshape(horizon, paths).T
    return found + shape[phase[count:]]
