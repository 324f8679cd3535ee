"""The verdict on a model of series in sentences: forecasts first, then what it draws."""

from __future__ import annotations

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.verdict_sentences import NOTHING, answered, spoken, two_sample_words
from castalia.language import Message, join, say

NEAR, FAR = 0.05, 0.15  # distances of autocorrelations
INTERVALS = ("coverage-50", "coverage-80", "coverage-95")


def verdict_series(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]."""
    return answered(scores, headline=_headline, fidelity=_fidelity, novelty=_novelty)


def _headline(named: dict[str, MetricResult]) -> str:
    loss = named.get("wql")
    if loss is None or loss.value is None:
        return say("There is too little to go by for a verdict.")
    naive = (loss.baselines or {}).get("naive")
    if naive is None:
        return say("There is too little to go by for a verdict.")
    if loss.value >= naive:
        return say("The seasonal naive forecasts held-out series better than the network.")
    share = 1 - loss.value / naive
    if loss.details.get("separates", {}).get("model naive"):
        return say("The network loses {0:.0%} less than the seasonal naive.", share)
    return say("The network loses {0:.0%} less than the seasonal naive; the intervals meet.", share)


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[Message | str] = []
    error = named.get("mase")
    if error is not None and error.value is not None:
        words.append(
            say(
                "Its median is off by {0} of the seasonal naive's error within the history (MASE).",
                show(error.value),
            )
        )
    inside = [named.get(name) for name in INTERVALS]
    if all(one is not None and one.value is not None for one in inside):
        words.append(
            say(
                "Intervals of 50%, 80% and 95% hold {0:.0%}, {1:.0%} and {2:.0%} of what came.",
                *(one.value for one in inside if one is not None),
            )
        )
    shape = named.get("autocorrelation")
    if shape is not None and shape.value is not None:
        words.append(
            say(
                "The autocorrelations of drawn series are off by {0} (other real series: {1}).",
                show(shape.value),
                show(shape.floor),
            )
        )
    words.append(two_sample_words(named.get("c2st")))
    return join([one for one in words if one]) or NOTHING


def _novelty(named: dict[str, MetricResult]) -> str:
    return join(spoken(named.get("copies"))) or NOTHING
