"""Scores of drawn levels: the share that can be solved as drawn, before any is drawn again; how far
the lengths of their solutions and their patterns of tiles are from those of real ones.

Patterns are those of two by two tiles, compared by the Jensen-Shannon divergence in bits (Lin 1991;
compare Lucas & Volz 2019, arXiv:1905.05077, who use Kullback-Leibler's); solutions by the
Kolmogorov-Smirnov distance of their steps.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
)
from castalia.evaluation.equivalence import Better
from castalia.language import say
from castalia.modalities.level.level import Level
from castalia.modalities.level.play.outcome import Outcome

FEWEST = 40  # levels on each side
MOST_SOLVED = 300  # of a side that are solved
MOST = 2000  # of a side whose patterns are counted
SIDES = ("model", "floor", "naive", "memoriser", "reference")


class LevelScores(Metric):
    """solvable (higher is better), solution-steps and tile-patterns (lower)."""

    name = "levels"
    reads = Evidence
    judges = Level
    ideal = {}  # noqa: RUF012 - what a perfect model gets depends on n

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        levels = {
            side: list(evidence.items[side][:MOST]) for side in SIDES if side in evidence.items
        }
        if "model" not in levels:
            return []
        n = min(len(levels["model"]), len(levels["reference"]))
        plays = levels["model"] and levels["model"][0].player is not None
        names: dict[str, Better | None] = {"tile-patterns": "lower"}
        names |= {"solvable": "higher", "solution-steps": "lower"} if plays else {}
        if n < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn levels and as many real ones; there are {1}.",
                FEWEST,
                n,
            )
            return not_computed(names, n, evidence.seed, words)
        scores = [_patterns(levels, evidence)]
        if plays and levels["model"][0].player.rules.play != "none":
            outcomes = {
                side: [one.player.solve(one) for one in some[:MOST_SOLVED]]
                for side, some in levels.items()
            }
            scores += [_solvable(outcomes, evidence), *_steps(outcomes, evidence)]
        return scores


def _solvable(outcomes: dict[str, list[Outcome]], evidence: Evidence) -> MetricResult:
    begun = time.perf_counter()
    shares = {
        side: [np.array([one.solved for one in some], float)]
        for side, some in outcomes.items()
        if side != "reference"
    }
    sides = {side: _jackknifed(values, _mean, (0.0, 1.0)) for side, values in shares.items()}
    reasons = Counter(str(one.why) for one in outcomes["model"] if not one.solved)
    words = [
        say(
            "Of the levels as they are drawn {0:.0%} can be solved, so about {1:.1f} are drawn for "
            "one that leaves; of real ones {2:.0%} can.",
            sides["model"].value,
            1 / max(sides["model"].value, 1e-3),
            sides["floor"].value,
        )
    ]
    details = {**evidence.about, "words": words, "reasons": dict(reasons.most_common(8))}
    return _score("solvable", "higher", sides, len(outcomes["model"]), evidence, begun, details)


def _steps(outcomes: dict[str, list[Outcome]], evidence: Evidence) -> list[MetricResult]:
    begun = time.perf_counter()
    steps = {
        side: np.array([one.steps for one in some if one.solved], float)
        for side, some in outcomes.items()
    }
    known = {side: some for side, some in steps.items() if len(some) >= GROUPS}
    if not {"model", "floor", "reference"} <= set(known):
        words = say(
            "Not computed: too few of the drawn levels, or of the real ones, can be solved."
        )
        return not_computed({"solution-steps": "lower"}, len(steps["model"]), evidence.seed, words)
    reference = known.pop("reference")
    sides = {
        side: _jackknifed([some, reference], _distance, (0.0, 1.0)) for side, some in known.items()
    }
    words = [
        say(
            "The middle solution of the drawn levels that have one has {0:.0f} steps, of the real "
            "ones {1:.0f}.",
            float(np.median(known["model"])),
            float(np.median(reference)),
        )
    ]
    details = {**evidence.about, "words": words}
    return [_score("solution-steps", "lower", sides, len(known["model"]), evidence, begun, details)]


def _patterns(levels: dict[str, list[Level]], evidence: Evidence) -> MetricResult:
    begun = time.perf_counter()
    number: dict[str, int] = {}
    counted = {
        side: [
            Counter(number.setdefault(pattern, len(number)) for pattern in patterns_of(one))
            for one in some
        ]
        for side, some in levels.items()
    }
    tables = {side: _table(some, len(number)) for side, some in counted.items()}
    reference = tables.pop("reference")
    sides = {
        side: _jackknifed([table, reference], _divergence, (0.0, 1.0))
        for side, table in tables.items()
    }
    return _score(
        "tile-patterns", "lower", sides, len(tables["model"]), evidence, begun, evidence.about
    )


def patterns_of(level: Level) -> list[str]:
    """The two by two tiles at each place, as four characters; of a level of one row, pairs."""
    below = level.rows[1:] or level.rows
    return [
        one[place : place + 2] + other[place : place + 2]
        for one, other in zip(level.rows, below, strict=False)
        for place in range(max(1, level.width - 1))
    ]


def _table(counted: Sequence[Counter[int]], width: int) -> np.ndarray:
    table = np.zeros((len(counted), width), np.float32)
    for row, counts in zip(table, counted, strict=True):
        row[list(counts)] = list(counts.values())
    return table


def _divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits of the patterns of levels (N, P)."""
    first, second = (side.sum(0) / max(1.0, float(side.sum())) for side in (one, other))
    middle = (first + second) / 2
    return float(np.clip((_bits(first, middle) + _bits(second, middle)) / 2, 0, 1))


def _bits(share: np.ndarray, middle: np.ndarray) -> float:
    some = share > 0
    return float((share[some] * np.log2(share[some] / middle[some])).sum())


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples of numbers."""
    both = np.concatenate([one, other])
    shares = [
        np.searchsorted(np.sort(side), both, side="right") / len(side) for side in (one, other)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _jackknifed(
    sides: Sequence[np.ndarray], measure: Callable[..., float], limits: tuple[float, float]
) -> Estimate:
    """measure(*sides) with the values that it has without each group of items on all sides."""
    groups = [group_ids(len(side)).numpy() for side in sides]
    without = [
        measure(*(side[group != number] for side, group in zip(sides, groups, strict=True)))
        for number in range(GROUPS)
    ]
    return estimated(measure(*sides), without, limits)


def _score(
    name: str,
    better: Better,
    sides: dict[str, Estimate],
    n: int,
    evidence: Evidence,
    begun: float,
    details: Any,
) -> MetricResult:
    informative = (
        clearly(better, sides["floor"], sides["naive"])
        if "floor" in sides and "naive" in sides
        else None
    )
    seconds = time.perf_counter() - begun
    return compared(name, better, sides, informative, n, evidence.seed, seconds, dict(details))
