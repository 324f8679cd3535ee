"""Variation of scores over trainings: the same recipe with other seeds, evaluated in the same way.

A run's own interval says how its score would vary with other samples and other real data. Training
anew with another seed gives another model; over k trainings the scores have a mean and a spread of
their own, given here by Student's interval for k values. Not here: the training
(verbs/evaluate.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.student_t import quantile
from castalia.language import say

if TYPE_CHECKING:
    from castalia.evaluation.judge import Evaluation
    from castalia.run import Run


def over_trainings(judged: Evaluation, run: Run, others: Mapping[Run, Evaluation]) -> Evaluation:
    """`judged` with details["training"] and a sentence in every score that all trainings have:
    values, mean, interval, seeds and runs.
    """
    runs = [run, *others]
    seeds = [one.recipe.training.seed for one in runs]
    scores = []
    for score in judged.scores:
        same = [
            score,
            *(
                next((s for s in other.scores if s.name == score.name), None)
                for other in others.values()
            ),
        ]
        values = [one.value for one in same if one is not None and one.value is not None]
        scores.append(
            _with(score, values, seeds, [str(one.folder) for one in runs])
            if len(values) == len(runs) > 1
            else score
        )
    note = say(
        "Trained {0} times, with the seeds {1}; each score says how much it varies with that.",
        len(runs),
        ", ".join(map(str, seeds)),
    )
    return replace(judged, scores=scores, notes=[*judged.notes, note])


def spread(values: list[float]) -> tuple[float, float, float, float]:
    """(mean, low, high, standard deviation): Student's 95% interval of the mean of two values or
    more.
    """
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = quantile(len(values) - 1) * deviation / math.sqrt(len(values))
    return mean, mean - half, mean + half, deviation


def _with(
    score: MetricResult, values: list[float], seeds: list[int], runs: list[str]
) -> MetricResult:
    mean, low, high, deviation = spread(values)
    training: dict[str, Any] = {
        "values": values,
        "mean": mean,
        "low": low,
        "high": high,
        "deviation": deviation,
        "seeds": seeds,
        "runs": runs,
    }
    words = say(
        "Over {0} trainings: {1} on average (95% interval {2} to {3}), {4} from one "
        "training to the next.",
        *(len(values), show(mean), show(low), show(high), show(deviation)),
    )
    return replace(
        score,
        details={
            **score.details,
            "training": training,
            "words": [*score.details.get("words", []), words],
        },
    )
