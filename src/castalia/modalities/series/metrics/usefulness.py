"""What drawn series teach about real ones: train on drawn, test on real (Esteban et al. 2017).

A linear predictor (coding.py) is fitted to drawn series and foretells the next value of real ones,
each in its own scale. `floor` is the same predictor taught by as many real series, `memoriser` by
replayed training series, `naive` the last value. The score is the mean absolute error; below the
floor is no better than it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Metric,
    MetricResult,
    TokenEvidence,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.modalities.series import coding
from castalia.modalities.series.series import Series
from castalia.sentences import say

NAME = "next-value-error"
LAGS = 24
SHORTEST = 2 * LAGS  # values of a series
FEWEST, MOST = GROUPS, 500
TAUGHT = ("model", "floor", "memoriser")


class Usefulness(Metric):
    """next-value-error; lower is better."""

    name = "usefulness"
    reads, judges = TokenEvidence, Series

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        if "model" not in evidence.items or "reference" not in evidence.items:
            return []
        begun = time.perf_counter()
        sides = {
            side: _usable(evidence.items[side])
            for side in (*TAUGHT, "reference")
            if side in evidence.items
        }
        least = min(len(rows) for rows in sides.values())
        if least < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn series of {1} values and as many real ones; "
                "there are {2}.",
                FEWEST,
                SHORTEST,
                least,
            )
            return not_computed({NAME: "lower"}, least, evidence.seed, words)
        real = sides["reference"]
        estimates = {side: _taught(sides[side], real) for side in TAUGHT if side in sides}
        last_value = np.ones(1)
        errors = np.array([_error(last_value, one) for one in real])
        groups = group_ids(len(real), 1).numpy()
        without = [float(errors[groups != group].mean()) for group in range(GROUPS)]
        estimates["naive"] = estimated(float(errors.mean()), without, (0.0, float("inf")))
        words = [
            say(
                "A predictor taught by real series gets {0}, the last value {1}.",
                show(estimates["floor"].value),
                show(estimates["naive"].value),
            )
        ]
        seconds = time.perf_counter() - begun
        about = {**evidence.about, "words": words}
        return [compared(NAME, "lower", estimates, None, least, evidence.seed, seconds, about)]


def _usable(series: Sequence[Series]) -> list[np.ndarray]:
    """Scaled values (T,), without gaps, of the series that are long enough and change."""
    found = []
    for one in series[:MOST]:
        values = one.values[np.isfinite(one.values)]
        if len(values) >= SHORTEST and np.ptp(values) > 0:
            found.append(coding.scaled(values)[0])
    return found


def _taught(teachers: Sequence[np.ndarray], tests: Sequence[np.ndarray]) -> Estimate:
    """The mean error on tests of a predictor of teachers, with a jackknife over both."""
    places = [group_ids(len(one), seed).numpy() for seed, one in enumerate((teachers, tests))]

    def between(left_out: int) -> float:
        kept = [one for one, group in zip(teachers, places[0], strict=True) if group != left_out]
        weights = coding.predictors(kept, LAGS)[0]
        tested = [one for one, group in zip(tests, places[1], strict=True) if group != left_out]
        return float(np.mean([_error(weights, one) for one in tested]))

    without = [between(group) for group in range(GROUPS)]
    return estimated(between(-1), without, (0.0, float("inf")))


def _error(weights: np.ndarray, z: np.ndarray) -> float:
    """Mean absolute error of the next value, from `weights` (L,), of the last value first."""
    lags = len(weights)
    windows = np.lib.stride_tricks.sliding_window_view(z[:-1], lags)
    return float(np.abs(z[lags:] - windows @ weights[::-1]).mean())
