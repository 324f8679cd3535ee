"""Calibrate the copy threshold on new real items, and measure its rate of false alarms.

A share ALPHA of new real items may lie below the threshold. Its rate of false alarms is measured by
cross-fitting: each of FOLDS parts of the held-out items is judged by the threshold that the others
give, so none is judged by a threshold that it set. Whether copies of this very data would be
detected is measured too, on altered copies of training items (`power`); where they would not, no
match is no evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from castalia.evaluation.base import wilson
from castalia.nn.counter_random import generator

ALPHA = 0.0065
FOLDS = 10
FEW = 50  # held-out items below which training items are set apart instead
FEWEST = 20
POWER = 0.8  # share of the planted copies that must be detected for the verdict "none"
CERTAIN = 0.5  # a sample at less than this share of the nearest new item's distance is no accident
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Calibration:
    """source what the threshold was set on: "held-out items", "training items set apart", or "a
    fixed threshold".

    items, false_alarms  how many of them, and how many the cross-fitted thresholds called copies;
                         nearest the smallest distance among them.
    duplicates  of these items, how many are a training item but for rounding. power kind -> share
                of planted copies that are detected.
    """

    threshold: float
    source: str
    items: int
    false_alarms: int
    nearest: float
    duplicates: int = 0
    power: dict[str, float] = field(default_factory=dict)

    @property
    def false_alarm_rate(self) -> float | None:
        return self.false_alarms / self.items if self.items else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.false_alarms / self.items, self.items) if self.items else None

    @property
    def is_conclusive(self) -> bool:
        """Whether no match means that there are no copies."""
        detected = sum(self.power.values()) / max(1, len(self.power))
        return self.items >= FEWEST and detected >= POWER and (self.interval or (1.0,))[0] <= 0.01


def threshold_of(distances: Tensor, farthest: float) -> float:
    """The distance below which about ALPHA of new real items lie, at most `farthest`: an order
    statistic, so that it is never above it in expectation where there are 1 / ALPHA items or more.
    """
    rank = max(1, math.floor(ALPHA * (len(distances) + 1)))
    return min(farthest, distances.sort().values[rank - 1].item())


def crossed(distances: Tensor, farthest: float) -> int:
    """How many items the thresholds of the other folds call copies."""
    folds = torch.randperm(len(distances), generator=generator("audit", "folds")) % min(
        FOLDS, len(distances)
    )
    return sum(
        int((distances[folds == fold] < threshold_of(distances[folds != fold], farthest)).sum())
        for fold in folds.unique().tolist()
    )


def verdict_of(distances: Tensor, calibration: Calibration) -> tuple[str, int]:
    """("copies" | "none" | "cannot tell", how many samples are beyond what false alarms explain).

    "copies": significantly more samples lie below the threshold than new real items do, or one lies
    so far below all of them that no accident explains it.
    """
    copies = int((distances < calibration.threshold).sum())
    if calibration.items:
        certain = int((distances < min(calibration.threshold, CERTAIN * calibration.nearest)).sum())
    else:
        certain = copies
    expected = (calibration.false_alarm_rate or 0.0) * len(distances)
    beyond = max(certain, round(copies - expected))
    many = (
        calibration.items > 0
        and chance(copies, len(distances), calibration.false_alarms, calibration.items)
        < SIGNIFICANT
    )
    if certain or (copies and many):
        return "copies", max(1, beyond)
    return ("none" if calibration.is_conclusive else "cannot tell"), 0


def chance(hits: int, n: int, other: int, m: int) -> float:
    """Fisher's exact test, one-sided: probability of `hits` or more among n when hits + other fall
    at random among n + m.
    """
    total = hits + other

    def log_choose(a: int, b: int) -> float:
        return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

    whole = log_choose(n + m, total)
    terms = (
        log_choose(n, k) + log_choose(m, total - k) - whole
        for k in range(hits, min(n, total) + 1)
        if total - k <= m
    )
    return min(1.0, sum(math.exp(term) for term in terms))
