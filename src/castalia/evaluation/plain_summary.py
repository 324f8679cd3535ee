"""The first lines of a report: three plain questions, answered without a technical term.

in_short(scores) -> [(question, answer), ...]
"""

from __future__ import annotations

from castalia.evaluation.base import MetricResult
from castalia.evaluation.ngram_overlap import N
from castalia.evaluation.ngram_overlap import copies as borrows
from castalia.evaluation.verdict_sentences import (
    FAIR,
    GOOD,
    POOR,
    blind,
    closeness,
    copying,
    kind_of,
    least,
    shares_of,
)
from castalia.language import say

QUALITY = {
    GOOD: say("Yes, about as much as new real data do."),
    FAIR: say("Mostly; looked at closely, not as much as real data do."),
    POOR: say("Some of them; many do not."),
    0.0: say("Not yet."),
}
VARIETY = {
    GOOD: say("Yes, about as varied as new real data."),
    FAIR: say("Mostly; something of the data is missing."),
    POOR: say("Partly; much of the data is missing."),
    0.0: say("No: the samples are too much alike."),
}
UNKNOWN = say("Cannot tell: there are too few samples or too few data.")
NO_SIGN = say(
    "No sign of it here. The command castalia audit looks closer, and says how sure that is."
)


def in_short(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """Of any kind of data: the questions that its scores can answer."""
    # of several networks, the first
    named = {kind_of(score.name): score for score in reversed(scores)}
    real, varied = _real(named), _varied(named)
    answers = [
        (say("Do the samples look real?"), real),
        (say("Are they varied?"), varied),
        (say("Did the model copy its training data?"), _copied(named)),
    ]
    return [(question, answer) for question, answer in answers if answer]


def _real(named: dict[str, MetricResult]) -> str:
    shares = shares_of(named)
    level = least(shares, "precision", "density")
    level = closeness(named.get("kernel")) if level is None else level
    if level is not None and level >= FAIR and blind(named):
        return say("As far as this can tell, but it does not notice missing details: look at them.")
    return _level(QUALITY, level) if level is not None else UNKNOWN


def _varied(named: dict[str, MetricResult]) -> str:
    level = least(shares_of(named), "recall", "coverage")
    vendi = named.get("vendi")
    if (
        level is None
        and vendi is not None
        and vendi.value is not None
        and vendi.floor
        and vendi.informative is not False
    ):
        level = min(1.0, vendi.value / vendi.floor)
    return _level(VARIETY, level) if level is not None else UNKNOWN


def _copied(named: dict[str, MetricResult]) -> str:
    if (
        copying(named.get("copies"))
        or borrows(named.get(f"seen-{N}-grams"))
        or borrows(named.get("seen-motifs"))
    ):
        return say(
            "Yes: parts of the training data come back. Do not publish the samples before you "
            "have looked at them."
        )
    known = [
        score
        for name in ("copies", f"seen-{N}-grams", "seen-motifs")
        if (score := named.get(name)) is not None and score.value is not None
    ]
    return NO_SIGN if known else UNKNOWN


def _level(words: dict[float, str], level: float) -> str:
    return next(text for bound, text in words.items() if max(level, 0.0) >= bound)
