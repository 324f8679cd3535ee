"""What verdicts on models of every kind of data have in common: their questions, which scores they
use, and sentences about scores that all kinds have.

Every sentence quotes the number it rests on, next to what real data and the baselines get. A score
that is not informative is not used, and said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.equivalence import equivalence
from castalia.evaluation.features import network_names
from castalia.language import join, say, series

NOTHING = say("No score speaks of it.")
GOOD, FAIR, POOR = 0.9, 0.7, 0.35  # shares of what real data get


def answered(
    scores: list[MetricResult], **questions: Callable[[dict[str, MetricResult]], str]
) -> list[tuple[str, str]]:
    """Each question's words, then those on utility and cost, which are the same for every kind of
    data; silence is left out.
    """
    # of several networks, the first
    named = {kind_of(score.name): score for score in reversed(scores)}
    answers = {**questions, "utility": utility_words, "cost": cost_words}
    return [(question, words) for question, answer in answers.items() if (words := answer(named))]


def kind_of(name: str) -> str:
    """ "precision-castalia-net32-v1" is a "precision"."""
    for network in (*network_names(), "ngrams-v1"):
        name = name.removesuffix(f"-{network}")
    return name


def usable(score: MetricResult | None) -> bool:
    """Whether there is a value that says something."""
    return score is not None and score.value is not None and score.informative is not False


def spoken(score: MetricResult | None, *, refused: bool = False) -> list[str]:
    """The words of a score that says something, or, if `refused`, why it has no value. Others would
    not say which score they speak of.
    """
    answered = usable(score) or (refused and score is not None and score.value is None)
    return list(score.details.get("words", [])) if answered and score is not None else []


def shares_of(named: dict[str, MetricResult]) -> dict[str, float]:
    """Shares of what real data get, of the scores for which that says something."""
    return {
        name: share
        for name in ("precision", "coverage", "density", "recall")
        if (share := _share(named.get(name))) is not None
    }


def least(shares: dict[str, float], *names: str) -> float | None:
    present = [shares[name] for name in names if name in shares]
    return min(present) if present else None


def copying(novelty: MetricResult | None) -> bool:
    """Whether a `copies` score says that the model replays training items."""
    if novelty is None or novelty.low is None or novelty.floor is None or not novelty.informative:
        return False
    return novelty.low > max(0.15, novelty.floor)


def blind(named: dict[str, MetricResult]) -> bool:
    """Whether precision finds real items without fine details as good as real ones."""
    precision = named.get("precision")
    if precision is None or "softened" not in precision.details:
        return False
    return bool(precision.details["softened"] >= FAIR * (precision.floor or 1.0))


def closeness(score: MetricResult | None) -> float | None:
    """How much of the way from the naive baseline to real data a distance has gone, on the scale of
    lengths.
    """
    if score is None or score.value is None or score.floor is None or score.informative is False:
        return None
    naive = naive_of(score)
    return (
        None
        if naive is None
        else 1 - math.sqrt(max(0.0, score.value - score.floor) / max(naive - score.floor, 1e-12))
    )


def two_sample_words(score: MetricResult | None) -> str:
    """What the two-sample test says, in a sentence."""
    if not usable(score) or score is None or score.value is None or score.low is None:
        return ""
    if score.low <= 0.5:
        # a guess, and certainty
        result = equivalence(
            "lower", score.value, score.low, score.high or 1.0, 0.5, 1.0, score.n or 0
        )
        if result.shown:
            return say(
                "A classifier cannot tell samples from real data ({0:.0%} right; a guess is 50%).",
                score.value,
            )
        return say(
            "A classifier is right in {0:.0%} of the cases, where a guess is 50%: {1:,} "
            "samples are too few to call them alike; "
            "at least {2:,} and as many real items are needed.",
            *(score.value, score.n, result.needed),
        )
    return say(
        "A classifier tells samples from real data in {0:.0%} of the cases (a guess is 50%).",
        score.value,
    )


def different_words(score: MetricResult | None) -> str:
    """What the Vendi score says, in a sentence."""
    if not usable(score) or score is None:
        return ""
    return say(
        "The samples amount to {0} different items, as many real ones to {1} (Vendi score).",
        show(score.value),
        show(score.floor),
    )


def utility_words(named: dict[str, MetricResult]) -> str:
    """What a classifier learns from the samples; "" for a model that is told no classes."""
    return join(spoken(named.get("utility-accuracy"), refused=True))


def cost_words(named: dict[str, MetricResult]) -> str:
    """Speed, memory and weights in a sentence."""
    words = []
    speed, memory, weights = (
        named.get("samples-per-second"),
        named.get("peak-memory"),
        named.get("parameters"),
    )
    if speed is not None and speed.value is not None:
        words.append(say("{0} samples a second", show(speed.value)))
    if memory is not None and memory.value is not None:
        words.append(say("{0} MiB of memory at the peak", show(memory.value)))
    if weights is not None and weights.value is not None:
        words.append(say("{0} weights", show(weights.value)))
    return say("{0}.", series(words)) if words else NOTHING


def _share(score: MetricResult | None) -> float | None:
    """The score as a share of what real data get, where that says something."""
    if score is None or score.value is None or score.informative is False or not score.floor:
        return None
    return score.value / score.floor


def naive_of(score: MetricResult) -> float | None:
    """What the naive baseline gets; None where it was not measured."""
    return (score.baselines or {}).get("naive")
