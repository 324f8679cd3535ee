"""Compare runs: differences of scores with intervals, corrected for multiple testing, and fidelity
against cost.

Runs that were compared with the same real items share that half of the noise, so their scores are
subtracted within each group of the jackknife (joint delete-a-group jackknife: the shared real items
leave both at once). Where the real items differ, or a score keeps no such values, the intervals of
the two are combined (Zou & Donner 2008). Every difference has its own 95% interval; whether one is
*shown* is decided for the whole page together by Holm's step-down procedure (1979) at 5%, so that a
page of many scores does not show a difference by chance.

For scores whose measure is real data (diversity counts), what is subtracted are the distances from
real data, and in scores of novelty, where real data are as good as it gets, values beyond them
count as theirs. Costs are facts of this machine and are not tested. Not here: the page
(compare_page.py), and which runs may be compared (verbs/compare.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from castalia.evaluation.base import GROUPS, NORMAL, STUDENT, MetricResult, jackknife
from castalia.evaluation.exact_tests import LEVEL, step_down
from castalia.evaluation.student_t import within
from castalia.evaluation.verdict_sentences import kind_of, usable
from castalia.language import Voice, say, series

if TYPE_CHECKING:
    from castalia.evaluation.judge import Evaluation

FACTS = ("samples-per-second", "parameters")
LEFT_OUT = ("peak-memory",)  # one process judges all runs, so it would be that of the largest
UP_TO_REAL = (
    "copies",
    "data-copying",
    "creativity",
    "seen-8-grams",
    "longest-copy",
    "seen-motifs",
    "longest-motif",
)
# the first that all runs have leads
FIDELITY = (
    "bits-per-character",
    "bits-per-byte",
    "bits-per-step",
    "bits-per-note",
    "bits-per-token",
    "kernel",
    "frechet",
    "c2st",
)
COSTS = ("seconds_per_sample", "training_seconds", "parameters")


@dataclass(frozen=True)
class Difference:
    """Score `score` of run `one` minus that of run `other`, with its 95% interval (of distances
    from real data where these are the measure).

    p: two-sided, by itself. paired: whether noise that both share was taken out. shown: after
    Holm's correction. better: the better run, if shown.
    """

    score: str
    one: str
    other: str
    value: float
    low: float
    high: float
    p: float
    paired: bool
    shown: bool = False
    better: str | None = None


@dataclass(frozen=True)
class Front:
    """Fidelity against one cost: run -> (cost, fidelity, low, high), and the runs that no other
    beats in both.
    """

    fidelity: str
    cost: str
    points: dict[str, tuple[float, float, float, float]]
    best: list[str]


@dataclass(frozen=True)
class Compared:
    """runs: name -> facts. scores: score name -> run -> Score. n: samples of each run."""

    runs: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, MetricResult]]
    differences: list[Difference]
    fronts: list[Front]
    verdict: list[str]
    n: int

    def to_json(self, language: str = "en") -> dict[str, Any]:
        """its schema is comparison.schema.json beside this file; words are in `language`."""
        voice = Voice(language)
        return {
            "schema": 1,
            "language": language,
            "n": self.n,
            "runs": self.runs,
            "verdict": [voice(words) for words in self.verdict],
            "scores": {
                name: {run: voice.plain(score.to_json()) for run, score in row.items()}
                for name, row in self.scores.items()
            },
            "differences": [asdict(difference) for difference in self.differences],
            "correction": {"method": "holm", "level": LEVEL, "comparisons": len(self.differences)},
            "pareto": [
                {
                    **asdict(front),
                    "points": {run: list(point) for run, point in front.points.items()},
                }
                for front in self.fronts
            ],
        }


def budget(judged: Evaluation) -> int:
    """Samples that were compared with real data."""
    return max((score.n or 0 for score in judged.scores if score.floor is not None), default=0)


def compared(judged: Mapping[str, Evaluation], facts: Mapping[str, dict[str, Any]]) -> Compared:
    """judged: name of a run -> its evaluation, all with the same n and seed. facts: name -> JSON to
    keep beside it, with "training_seconds".
    """
    names = [
        name
        for name in dict.fromkeys(
            score.name for evaluation in judged.values() for score in evaluation.scores
        )
        if name not in LEFT_OUT
    ]
    scores = {
        name: {
            run: score
            for run, evaluation in judged.items()
            if (score := next((s for s in evaluation.scores if s.name == name), None))
        }
        for name in names
    }
    raw = [
        difference(
            name,
            (one, row[one]),
            (other, row[other]),
            paired=bool(judged[one].key) and judged[one].key == judged[other].key,
        )
        for name, row in scores.items()
        if name not in FACTS
        for one, other in combinations(row, 2)
        if usable(row[one])
        and usable(row[other])
        and row[one].low is not None
        and row[other].low is not None
    ]
    differences = holm(raw, {name: next(iter(row.values())).better for name, row in scores.items()})
    fronts = [front for cost in COSTS if (front := _front(cost, scores, facts)) is not None]
    verdict = _verdict(list(judged), scores, differences)
    return Compared(
        {run: dict(facts.get(run, {})) for run in judged},
        scores,
        differences,
        fronts,
        verdict,
        max(map(budget, judged.values())),
    )


def difference(
    name: str, one: tuple[str, MetricResult], other: tuple[str, MetricResult], *, paired: bool
) -> Difference:
    """See the header. Both scores have values and intervals."""
    (first, a), (second, b) = one, other
    measure: Callable[[float, MetricResult], float] = (
        _from_real if not a.better else _up_to_real if kind_of(name) in UP_TO_REAL else _as_it_is
    )
    value = measure(a.value or 0.0, a) - measure(b.value or 0.0, b)
    mine, theirs = a.details.get("without") or [], b.details.get("without") or []
    if paired and len(mine) == len(theirs) == GROUPS:
        low, high = jackknife(
            value, [measure(x, a) - measure(y, b) for x, y in zip(mine, theirs, strict=True)]
        )
        error = (high - low) / 2 / STUDENT
        # else all values are alike, at an end of the scale, where the jackknife sees nothing
        if error > 0:
            return Difference(
                name,
                first,
                second,
                value,
                low,
                high,
                1 - within(abs(value) / error, GROUPS - 1),
                True,
            )
    below, above = (
        (_half(a, measure, "low"), _half(b, measure, "high")),
        (_half(a, measure, "high"), _half(b, measure, "low")),
    )
    low, high = value - math.hypot(*below), value + math.hypot(*above)
    error = (math.hypot(*below) if value > 0 else math.hypot(*above)) / NORMAL
    p = math.erfc(abs(value) / max(error, 1e-300) / math.sqrt(2)) if value else 1.0
    return Difference(name, first, second, value, low, high, p, False)


def holm(differences: Sequence[Difference], better: Mapping[str, str | None]) -> list[Difference]:
    """Which differences are shown at LEVEL for all together, by Holm's procedure."""
    result = []
    for one, shown in zip(differences, step_down([one.p for one in differences]), strict=True):
        smaller = one.one if one.value < 0 else one.other
        larger = one.other if one.value < 0 else one.one
        winner = larger if better[one.score] == "higher" else smaller
        result.append(replace(one, shown=shown, better=winner if shown else None))
    return result


def pareto(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Of (cost, error) pairs, less is better in both: the names of those that no other is at least
    as good as in both and better in one, by cost.
    """
    kept = [
        name
        for name, (cost, error) in points.items()
        if not any(
            c <= cost and e <= error and (c < cost or e < error)
            for other, (c, e) in points.items()
            if other != name
        )
    ]
    return sorted(kept, key=lambda name: points[name])


def _as_it_is(value: float, score: MetricResult) -> float:
    return value


def _up_to_real(value: float, score: MetricResult) -> float:
    """Nothing is newer than new: what lies beyond real data counts as that."""
    if score.floor is None:
        return value
    return max(value, score.floor) if score.better == "lower" else min(value, score.floor)


def _from_real(value: float, score: MetricResult) -> float:
    return abs(value - (score.floor or 0.0))


def _half(
    score: MetricResult, measure: Callable[[float, MetricResult], float], bound: str
) -> float:
    """The length of an interval's arm, on the side that `bound` names."""
    value, low, high = score.value or 0.0, score.low or 0.0, score.high or 0.0
    if score.better is None:  # of a distance from real data, either arm may be the one
        return max(value - low, high - value)
    return value - low if bound == "low" else high - value


def leading(scores: Mapping[str, Mapping[str, MetricResult]], runs: Sequence[str]) -> str | None:
    """The score that stands for fidelity: the first of FIDELITY with a value for every run."""
    for kind in FIDELITY:
        for name, row in scores.items():
            if kind_of(name) == kind and all(usable(row.get(run)) for run in runs):
                return name
    return None


def _front(
    cost: str,
    scores: Mapping[str, Mapping[str, MetricResult]],
    facts: Mapping[str, Mapping[str, Any]],
) -> Front | None:
    runs = list(facts)
    name = leading(scores, runs)
    if name is None:
        return None
    points: dict[str, tuple[float, float, float, float]] = {}
    for run in runs:
        price = _price(cost, run, scores, facts[run])
        score = scores[name][run]
        if price is None or score.value is None:
            return None
        low, high = (score.value if bound is None else bound for bound in (score.low, score.high))
        points[run] = price, score.value, low, high
    return Front(name, cost, points, pareto({run: point[:2] for run, point in points.items()}))


def _price(
    cost: str, run: str, scores: Mapping[str, Mapping[str, MetricResult]], facts: Mapping[str, Any]
) -> float | None:
    rate = scores.get("samples-per-second", {}).get(run)
    value = (
        facts.get(cost)
        if cost != "seconds_per_sample"
        else 1 / rate.value
        if rate is not None and rate.value
        else None
    )
    return float(value) if value else None


def _verdict(
    runs: Sequence[str],
    scores: Mapping[str, Mapping[str, MetricResult]],
    differences: Sequence[Difference],
) -> list[str]:
    name = leading(scores, runs)
    if name is None:
        return [say("No score of fidelity says something of all of these runs.")]
    lead = [one for one in differences if one.score == name]
    beaten = {
        other: {
            one.better
            for one in lead
            if one.shown and other in (one.one, one.other) and one.better != other
        }
        for other in runs
    }
    best = [run for run in runs if not beaten[run]]
    if len(best) == len(runs):
        words: list[str] = [say("No difference in fidelity is shown.")]
    elif len(best) == 1:
        others = [one for one in runs if one != best[0]]
        every = all(best[0] in beaten[run] for run in others)
        words = [
            say("{0} is closest to the data.", best[0])
            if every
            else say(
                "{0} is closest to the data, though not shown to be closer than every other run.",
                best[0],
            )
        ]
    else:
        words = [
            say("{0} are closest to the data; no difference between them is shown.", series(best))
        ]
    shown = sum(one.shown for one in differences)
    words.append(
        say(
            "{0} of {1} differences are shown, at {2:.0%} for all of them together "
            "(Holm's procedure); every other one may be chance.",
            *(shown, len(differences), LEVEL),
        )
    )
    return words


def in_words(one: Difference) -> str:
    """A difference in a sentence."""
    if not one.shown or one.better is None:
        return say("no difference shown")
    return say("{0} is better", one.better)
