"""How drawn series move beside real ones: their autocorrelation and their spectrum.

Of each series, scaled by nothing but itself: the autocorrelation at lags 1 .. LAGS and at the
season, and the share of the power of its differences in BANDS bands of frequency. A score is the
root mean square difference between the means of two sets of series, 0 where they move alike. That a
classifier may tell them apart says the two-sample test, which every kind of data has.
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
from castalia.modalities.series.series import Series
from castalia.sentences import say

LAGS, BANDS = 12, 8
SHORTEST = 2 * LAGS  # values of a series
FEWEST, MOST = GROUPS, 1000
NAMES = ("autocorrelation", "spectrum")


class Courses(Metric):
    """autocorrelation and spectrum; lower is better."""

    name = "courses"
    reads, judges = TokenEvidence, Series

    def scores(self, evidence: TokenEvidence) -> list[MetricResult]:
        sides = {
            side: _described(evidence.items[side][:MOST])
            for side in ("model", "floor", "memoriser", "reference")
            if side in evidence.items
        }
        if "model" not in sides or "reference" not in sides:
            return []
        least = min(len(rows) for rows, _ in sides.values())
        if least < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn series of {1} values and as many real ones; "
                "there are {2}.",
                FEWEST,
                SHORTEST,
                least,
            )
            return not_computed(dict.fromkeys(NAMES, "lower"), least, evidence.seed, words)
        results = []
        for place, name in enumerate(NAMES):
            begun = time.perf_counter()
            reference = sides["reference"][place]
            estimates = {
                side: _distance(rows[place], reference)
                for side, rows in sides.items()
                if side != "reference"
            }
            words = [say("Real series get {0}.", show(estimates["floor"].value))]
            results.append(
                compared(
                    name,
                    "lower",
                    estimates,
                    None,
                    len(sides["model"][place]),
                    evidence.seed,
                    time.perf_counter() - begun,
                    {**evidence.about, "words": words},
                )
            )
        return results


def _described(series: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """((N, LAGS), (N, BANDS)) of the series that are long enough and change."""
    correlations, bands = [], []
    for one in series:
        values = one.values[np.isfinite(one.values)]
        if len(values) < SHORTEST or not np.ptp(values) > 0:
            continue
        centred = (values - values.mean()) / (np.abs(values - values.mean()).max())
        total = float(centred @ centred)
        correlations.append(
            [float(centred[lag:] @ centred[:-lag]) / total for lag in range(1, LAGS + 1)]
        )
        steps = np.diff(centred)
        power = np.abs(np.fft.rfft((steps - steps.mean()) * np.hanning(len(steps)))) ** 2
        parts = [float(part.sum()) for part in np.array_split(power[1:], BANDS)]
        bands.append(np.array(parts) / max(sum(parts), 1e-300))
    return np.array(correlations).reshape(-1, LAGS), np.array(bands).reshape(-1, BANDS)


def _distance(rows: np.ndarray, reference: np.ndarray) -> Estimate:
    groups = [group_ids(len(one), seed).numpy() for seed, one in enumerate((rows, reference))]

    def between(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.square(one.mean(0) - other.mean(0)).mean()))

    without = [
        between(rows[groups[0] != group], reference[groups[1] != group]) for group in range(GROUPS)
    ]
    return estimated(between(rows, reference), without, (0.0, float("inf")))
