"""The verdict on a model of a table in sentences: a headline and one paragraph for each
question.
"""

from __future__ import annotations

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.verdict_sentences import NOTHING, answered, spoken
from castalia.language import Message, join, say

NEAR_AUC, FAR_AUC = 0.65, 0.8  # of a classifier that tells rows apart
MEMORISED = 0.55  # share nearer to training rows from which it is said


def verdict_table(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]."""
    words = answered(scores, headline=_headline, fidelity=_fidelity, novelty=_novelty)
    named = {score.name: score for score in scores}
    useful = spoken(named.get("target-auc"), refused=True)
    result = [(question, answer) for question, answer in words if question != "utility"]
    if useful:
        result.insert(min(3, len(result)), ("utility", join(useful)))
    return result


def quality(named: dict[str, MetricResult]) -> float | None:
    """SDMetrics' quality: the mean of shapes and trends."""
    shape, trend = named.get("column-shapes"), named.get("pair-trends")
    if shape is None or trend is None or shape.value is None or trend.value is None:
        return None
    return (shape.value + trend.value) / 2


def _headline(named: dict[str, MetricResult]) -> str:
    if _memorised(named):
        return say("The model repeats training rows.")
    overall, apart = quality(named), named.get("row-auc")
    if overall is None or apart is None or apart.value is None:
        return say("There is too little to go by for a verdict.")
    if apart.low is not None and apart.low <= 0.5 and overall >= 0.9:
        return say("By what is counted here, drawn rows cannot be told from real ones.")
    if apart.value <= NEAR_AUC:
        return say("The drawn rows are hard to tell from real ones.")
    if apart.value <= FAR_AUC:
        return say("The drawn rows resemble real ones, and a classifier still tells many apart.")
    return say("A classifier tells most drawn rows from real ones.")


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[Message | str] = []
    overall = quality(named)
    if overall is not None:
        words.append(
            say(
                "Columns have their shapes to {0:.1%} and pairs of columns their trends to {1:.1%} "
                "(SDMetrics' quality: {2:.1%}).",
                named["column-shapes"].value,
                named["pair-trends"].value,
                overall,
            )
        )
    apart = named.get("row-auc")
    if apart is not None and apart.value is not None:
        words.append(
            say(
                "Gradient boosting tells drawn rows from real ones with an area under the curve of "
                "{0} (0.5 is a guess; other real rows get {1}).",
                show(apart.value),
                show(apart.floor),
            )
        )
    for name in ("child-counts", "between-tables", "orphans", "missing-cells", "rule-breaks"):
        words += spoken(named.get(name))
    return join(words) or NOTHING


def _memorised(named: dict[str, MetricResult]) -> bool:
    share = named.get("closer-share")
    return bool(
        share is not None
        and share.value is not None
        and share.low is not None
        and share.value > MEMORISED
        and share.low > 0.5
    )


def _novelty(named: dict[str, MetricResult]) -> str:
    words = [
        *spoken(named.get("closer-share"), refused=True),
        *spoken(named.get("same-rows")),
    ]
    return join(words) or NOTHING
