"""What contract tests of the scores of series are shown: autoregressive series with a season, and
ways to damage them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.series.series import Series
from castalia.nn.counter_random import counter_seed

STEPS, SEASON = 96, 12


def drawn(n: int, name: str) -> list[Series]:
    """n series: a season of SEASON steps of random size and phase, and an AR(1) of coefficient
    0.7.
    """
    rng = np.random.default_rng(counter_seed("series", name))
    found = []
    for _ in range(n):
        noise, value = np.zeros(STEPS), 0.0
        for step in range(STEPS):
            value = 0.7 * value + rng.normal()
            noise[step] = value
        phase, size = rng.uniform(0, 2 * np.pi), rng.uniform(1, 3)
        season = size * np.sin(2 * np.pi * np.arange(STEPS) / SEASON + phase)
        found.append(Series("", 20 + season + noise))
    return found


def series_evidence(shown: Any, n: int) -> Evidence:
    """`shown` with n series on each side."""
    training = drawn(n, "training")
    items = {
        "model": drawn(n, "model"),
        "floor": drawn(n, "floor"),
        "reference": drawn(n, "reference"),
        "unseen": drawn(n, "unseen"),
        "memoriser": training,
        "training": training,
    }
    return replace(shown, items=items)  # type: ignore[no-any-return]


def _noisy(one: Series, strength: float, rng: np.random.Generator) -> Series:
    return replace(one, values=one.values + 3 * strength * rng.normal(size=len(one)))


def _smooth(one: Series, strength: float, rng: np.random.Generator) -> Series:
    width = 1 + round(8 * strength)
    padded = np.pad(one.values, width // 2, mode="edge")
    return replace(one, values=np.convolve(padded, np.ones(width) / width, "valid"))


def _mixed(one: Series, strength: float, rng: np.random.Generator) -> Series:
    """Steps change places."""
    values = one.values.copy()
    places = np.flatnonzero(rng.random(len(values)) < strength)
    values[places] = values[rng.permutation(places)]
    return replace(one, values=values)


CHANGES = (_noisy, _smooth, _mixed)
Change = Callable[[Series, float, np.random.Generator], Series]


def _damage(change: Change, most: float) -> Callable[[Any, float], Evidence]:
    def damaged(shown: Any, strength: float) -> Evidence:
        rng = np.random.default_rng(counter_seed("damage", change.__name__))
        model = [change(one, strength / most, rng) for one in shown.items["model"]]
        return replace(shown, items={**shown.items, "model": model})  # type: ignore[no-any-return]

    return damaged


class SeriesContract:
    """A MetricContract."""

    native = Series

    def evidence(self, shown: Any, n: int) -> Evidence:
        return series_evidence(shown, n)

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}
