"""Measures of forecasts against what came: sMAPE, MASE, the weighted quantile loss, coverage.

MASE divides by the mean absolute error of the seasonal naive inside the history (Hyndman & Koehler
2006); sMAPE is that of the M4 competition, in percent; the weighted quantile loss is the mean over
levels of 2 sum(pinball) / sum |truth| over all series (as GluonTS and GIFT-Eval have it). Arrays
are (N, ...) over series; NaN in the truth counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
INTERVALS = (0.5, 0.8, 0.95)


def pinball(truth: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(N, Q, H) >= 0 for truth (N, H) and quantiles (N, Q, H)."""
    level = np.asarray(levels)[None, :, None]
    error = truth[:, None] - quantiles
    loss: np.ndarray = np.maximum(level * error, (level - 1) * error)
    return loss


def quantile_loss(truth: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """(N,): of each series, the mean over levels of twice its pinball losses; their sum over the
    sum of |truth| is the weighted quantile loss.
    """
    found: np.ndarray = 2 * np.nansum(pinball(truth, quantiles, levels), 2).mean(1)
    return found


def absolute_size(truth: np.ndarray) -> np.ndarray:
    """(N,): sum of |truth|."""
    found: np.ndarray = np.nansum(np.abs(truth), 1)
    return found


def naive_error(history: np.ndarray, season: int) -> float:
    """Mean absolute error of the seasonal naive in a history, by which MASE divides; NaN where it
    is 0 or the history is shorter than a season.
    """
    if len(history) <= season:
        season = 1
    differences = np.abs(history[season:] - history[:-season])
    known = differences[np.isfinite(differences)]
    return float(known.mean()) if len(known) and known.mean() > 0 else float("nan")


def mase(truth: np.ndarray, point: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(N,): scale (N,) from `naive_error`; NaN where that is."""
    found: np.ndarray = np.nanmean(np.abs(truth - point), 1) / scale
    return found


def smape(truth: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(N,): 0 to 200; a pair of zeros is no error."""
    size = np.abs(truth) + np.abs(point)
    ratio = np.where(size > 0, 200 * np.abs(truth - point) / np.where(size > 0, size, 1), 0.0)
    ratio[~np.isfinite(truth)] = np.nan
    found: np.ndarray = np.nanmean(ratio, 1)
    return found


def covered(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(N,): share of the steps between the bounds."""
    inside = ((truth >= low) & (truth <= high)).astype(float)
    inside[~np.isfinite(truth)] = np.nan
    found: np.ndarray = np.nanmean(inside, 1)
    return found
