"""The verdict on a model of dense data in sentences: a headline and one paragraph for each
question.
"""

from __future__ import annotations

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.equivalence import of_score
from castalia.evaluation.verdict_sentences import (
    FAIR,
    GOOD,
    NOTHING,
    POOR,
    answered,
    blind,
    closeness,
    copying,
    different_words,
    least,
    naive_of,
    shares_of,
    spoken,
    two_sample_words,
    usable,
)
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
FEW = 300  # samples below which a headline says how many there were


def verdict_dense(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be answered say why,
    those that make no sense here are left out.
    """
    return answered(
        scores, headline=_headline, fidelity=_fidelity, diversity=_diversity, novelty=_novelty
    )


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
        return (
            say("The model leaves out part of the data; how sharp samples are, this cannot see.")
            if blind(named)
            else say("The samples look right, but the model leaves out part of the data.")
        )
    if diversity >= FAIR > fidelity:
        return say("The samples cover the data, but many do not look right.")
    if level >= POOR:
        return say("The samples resemble the data, with clear gaps.")
    return say("The samples are still far from the data.")


def _uncertain(named: dict[str, MetricResult]) -> bool:
    """Whether the interval of a score reaches down to where samples are far from the data."""
    used = [named[name] for name in shares_of(named)]
    return any(one.low is not None and one.low < POOR * (one.floor or 0.0) for one in used)


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    precision = named.get("precision")
    if precision is not None and precision.value is not None:
        facts = precision.value, _percent(precision.floor), _percent(naive_of(precision))
        words.append(
            say("{0:.0%} of the samples lie where real data lie (real data: {1}).", *facts[:2])
            if _owed_to_one_item(precision)
            else say(
                "{0:.0%} of the samples lie where real data lie (real data: {1}; noise: {2}).",
                *facts,
            )
        )
        if blind(named):
            words.append(
                say(
                    "So do {0:.0%} of real items without fine details: whether samples lack them, "
                    "this does not show.",
                    precision.details["softened"],
                )
            )
    frechet, kernel = named.get("frechet"), named.get("kernel")
    if usable(frechet) and frechet is not None:
        noise = show(naive_of(frechet))
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
        facts_ = show(kernel.value), show(kernel.floor), show(naive_of(kernel))
        words.append(say("The kernel distance is {0}; real data {1}; noise has {2}.", *facts_))
    words.append(two_sample_words(named.get("c2st")))
    return join(words + _silent(named, "precision", "frechet", "kernel", "c2st")) or NOTHING


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


def _novelty(named: dict[str, MetricResult]) -> str:
    paragraphs = [
        *spoken(named.get("copies"), refused=True),
        *spoken(named.get("data-copying")),
        *spoken(named.get("creativity")),
    ]
    return join(paragraphs) or say(
        "No score speaks of it; look at the nearest training items below."
    )


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


def _owed_to_one_item(score: MetricResult) -> bool:
    """Whether one unusual real item decides what the naive baseline gets; the score's own words say
    so.
    """
    return any("single unusual" in words for words in score.details.get("words", []))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
