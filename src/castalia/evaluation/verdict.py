"""Scores into sentences: a headline and one paragraph for each question.

Every sentence quotes the number it rests on, next to what real data and the baselines get. A score
that is not informative is not used, and said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.equivalence import equivalence, of_score
from castalia.evaluation.features import network_names
from castalia.language import Message, join, say, series

NAMED = {
    "precision": say("precision"),
    "frechet": say("frechet"),
    "kernel": say("kernel"),
    "c2st": say("c2st"),
    "recall": say("recall"),
    "coverage": say("coverage"),
    "vendi": say("vendi"),
    "class-balance": say("class balance"),
}
NOTHING = say("No score speaks of it.")
GOOD, FAIR, POOR = 0.9, 0.7, 0.35  # shares of what real data get
FEW = 300  # samples below which a headline says how many there were


def verdict(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be answered say why,
    those that make no sense here are left out.
    """
    return answered(
        scores, headline=_headline, fidelity=_fidelity, diversity=_diversity, novelty=_novelty
    )


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


def _share(score: MetricResult | None) -> float | None:
    """The score as a share of what real data get, where that says something."""
    if score is None or score.value is None or score.informative is False or not score.floor:
        return None
    return score.value / score.floor


def _headline(named: dict[str, MetricResult]) -> str:
    words = _level(named)
    n = max((score.n or 0 for score in named.values() if score.floor is not None), default=0)
    return (
        join([words, say("(Judged by {0} of them.)", n)])
        if words.startswith("The samples") and n < FEW
        else words
    )


def _level(named: dict[str, MetricResult]) -> Message:
    shares = shares_of(named)
    fidelity = least(shares, "precision", "density")
    fidelity = closeness(named.get("kernel")) if fidelity is None else fidelity
    diversity = least(shares, "recall", "coverage")
    if copying(named.get("copies")):
        return say("The model repeats its training data.")
    if fidelity is None or diversity is None:
        return say("There is too little to go by for a verdict.")
    level = min(fidelity, diversity)
    if level >= GOOD and all(
        judged is not None and judged.shown
        for judged in (of_score(named.get("kernel")), of_score(named.get("c2st")))
    ):
        return say("The samples are hard to tell from new real data.")
    if level >= FAIR and _uncertain(named):
        return say("Too few samples were judged to say how close they come to real data.")
    if level >= FAIR:
        return say("The samples come close to real data.")
    if fidelity >= FAIR > diversity:
        return say("The samples look right, but the model leaves out part of the data.")
    if diversity >= FAIR > fidelity:
        return say("The samples cover the data, but many do not look right.")
    if level >= POOR:
        return say("The samples resemble the data, with clear gaps.")
    return say("The samples are still far from the data.")


def _uncertain(named: dict[str, MetricResult]) -> bool:
    """Whether the interval of a score reaches down to where samples are far from the data."""
    used = [named[name] for name in shares_of(named)]
    return any(one.low is not None and one.low < POOR * (one.floor or 0.0) for one in used)


def shares_of(named: dict[str, MetricResult]) -> dict[str, float]:
    """Shares of what real data get, of the scores for which that says something."""
    return {
        name: share
        for name in ("precision", "coverage", "density", "recall")
        if (share := _share(named.get(name))) is not None
    }


def copying(novelty: MetricResult | None) -> bool:
    """Whether a `copies` score says that the model replays training items."""
    if novelty is None or novelty.low is None or novelty.floor is None or not novelty.informative:
        return False
    return novelty.low > max(0.15, novelty.floor)


def closeness(score: MetricResult | None) -> float | None:
    """How much of the way from the naive baseline to real data a distance has gone, on the scale of
    lengths.
    """
    if score is None or score.value is None or score.floor is None or score.informative is False:
        return None
    naive = _baseline(score)
    return (
        None
        if naive is None
        else 1 - math.sqrt(max(0.0, score.value - score.floor) / max(naive - score.floor, 1e-12))
    )


def least(shares: dict[str, float], *names: str) -> float | None:
    present = [shares[name] for name in names if name in shares]
    return min(present) if present else None


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    precision = named.get("precision")
    if precision is not None and precision.value is not None:
        facts = precision.value, _percent(precision.floor), _percent(_baseline(precision))
        words.append(
            say("{0:.0%} of the samples lie where real data lie (real data: {1}).", *facts[:2])
            if _owed_to_one_item(precision)
            else say(
                "{0:.0%} of the samples lie where real data lie (real data: {1}; noise: {2}).",
                *facts,
            )
        )
    frechet, kernel = named.get("frechet"), named.get("kernel")
    if usable(frechet) and frechet is not None:
        noise = show(_baseline(frechet))
        words.append(
            say(
                "The Frechet distance is {0}, {1} times the {2} of real data; noise has {3}.",
                *(
                    show(frechet.value),
                    show((frechet.value or 0) / frechet.floor),
                    show(frechet.floor),
                    noise,
                ),
            )
            if frechet.floor and frechet.floor > 0
            else say(
                "The Frechet distance is {0}; real data {1}; noise has {2}.",
                show(frechet.value),
                show(frechet.floor),
                noise,
            )
        )
    elif usable(kernel) and kernel is not None:
        facts_ = show(kernel.value), show(kernel.floor), show(_baseline(kernel))
        words.append(say("The kernel distance is {0}; real data {1}; noise has {2}.", *facts_))
    words.append(two_sample_words(named.get("c2st")))
    return join(words + _silent(named, "precision", "frechet", "kernel", "c2st")) or NOTHING


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


def _diversity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    recall, coverage = named.get("recall"), named.get("coverage")
    if recall is not None and recall.value is not None:
        words.append(
            say(
                "{0:.0%} of the real data lie within reach of the samples (real data: {1}).",
                recall.value,
                _percent(recall.floor),
            )
        )
    if coverage is not None and coverage.value is not None:
        words.append(
            say(
                "{0:.0%} of the real items have a sample as a close neighbour (real data: {1}).",
                coverage.value,
                _percent(coverage.floor),
            )
        )
    words.append(different_words(named.get("vendi")))
    words += spoken(named.get("class-balance"))
    return join(words + _silent(named, "recall", "coverage", "vendi", "class-balance")) or NOTHING


def different_words(score: MetricResult | None) -> str:
    """What the Vendi score says, in a sentence."""
    if not usable(score) or score is None:
        return ""
    return say(
        "The samples amount to {0} different items, as many real ones to {1} (Vendi score).",
        show(score.value),
        show(score.floor),
    )


def _novelty(named: dict[str, MetricResult]) -> str:
    paragraphs = [
        *spoken(named.get("copies"), refused=True),
        *spoken(named.get("data-copying")),
        *spoken(named.get("creativity")),
    ]
    return join(paragraphs) or say(
        "No score speaks of it; look at the nearest training items below."
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


def usable(score: MetricResult | None) -> bool:
    """Whether there is a value that says something."""
    return score is not None and score.value is not None and score.informative is not False


def spoken(score: MetricResult | None, *, refused: bool = False) -> list[str]:
    """The words of a score that says something, or, if `refused`, why it has no value. Others would
    not say which score they speak of.
    """
    answered = usable(score) or (refused and score is not None and score.value is None)
    return list(score.details.get("words", [])) if answered and score is not None else []


def _silent(named: dict[str, MetricResult], *names: str) -> list[str]:
    silent = [name for name in names if name in named and (named[name].informative is False)]
    refused = [name for name in names if name in named and named[name].value is None]
    words: list[str] = (
        [say("Not informative here: {0}.", series(NAMED[name] for name in silent))]
        if silent
        else []
    )
    return words + (
        [say("Not computed, for lack of data: {0}.", series(NAMED[name] for name in refused))]
        if refused
        else []
    )


def _baseline(score: MetricResult) -> float | None:
    return (score.baselines or {}).get("naive")


def _owed_to_one_item(score: MetricResult) -> bool:
    """Whether one unusual real item decides what the naive baseline gets; the score's own words say
    so.
    """
    return any("single unusual" in words for words in score.details.get("words", []))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
