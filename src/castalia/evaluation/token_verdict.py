"""The verdict on a model of tokens in sentences: a headline and one paragraph for each question."""

from __future__ import annotations

from castalia.evaluation.base import BLIND, MetricResult, show
from castalia.evaluation.compression import unit_name
from castalia.evaluation.equivalence import of_score
from castalia.evaluation.ngram_overlap import N, copies
from castalia.evaluation.verdict_sentences import (
    NOTHING,
    answered,
    different_words,
    spoken,
    two_sample_words,
    usable,
)
from castalia.language import join, say

LOOPING = 0.02  # more of the text in loops than real text has, before the headline mentions it


def verdict_tokens(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be
    answered say why.
    """
    return answered(
        scores, headline=_headline, fidelity=_fidelity, diversity=_diversity, novelty=_novelty
    )


def _bits(named: dict[str, MetricResult]) -> MetricResult | None:
    """The likelihood per character, else per byte, else per whatever there is."""
    return next(
        (named[name] for name in ("bits-per-character", "bits-per-byte") if name in named), None
    ) or next((score for name, score in named.items() if name.startswith("bits-per-")), None)


def _headline(named: dict[str, MetricResult]) -> str:
    if copies(named.get(f"seen-{N}-grams")):
        return say("The model repeats its training text.")
    loops, bits = named.get("loops"), _bits(named)
    if (
        loops is not None
        and loops.low is not None
        and loops.floor is not None
        and loops.low > loops.floor + LOOPING
    ):
        return say("The samples get stuck in loops.")
    gains = {} if bits is None else bits.details.get("gains", {})
    if not gains:
        return say("There is too little to go by for a verdict.")
    if gains["naive"][1] <= 0:
        return say("The model has learned no more than how frequent tokens are.")
    if gains["counts"][2] < 0:
        return say("Counting n-grams predicts held-out text better than this model does.")
    if gains["counts"][1] <= 0:
        return say("The model predicts held-out text about as well as counting n-grams does.")
    phrases = of_score(named.get("kernel"))
    if phrases is not None and phrases.shown:
        return say(
            "The model predicts held-out text better than counting does, and its samples use "
            "phrases as real text does."
        )
    return say("The model predicts held-out text better than counting n-grams does.")


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    bits = _bits(named)
    if bits is not None and bits.value is not None:
        unit = bits.name.removeprefix("bits-per-")
        words.append(
            say(
                "It needs {0} bits per {1} of held-out text.",
                show(bits.value),
                unit_name(unit),
            )
        )
        words += bits.details["words"][:-1]
    kernel = named.get("kernel")
    if kernel is not None and usable(kernel):
        naive = (kernel.baselines or {}).get("naive")
        words.append(
            say(
                "The phrases of the samples lie {0} from those of real text (real text "
                "{1}; tokens drawn by their frequency {2}).",
                *(show(kernel.value), show(kernel.floor), show(naive)),
            )
        )
    words.append(two_sample_words(named.get("c2st")))
    return join(words) or NOTHING


def _diversity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    distinct, bleu, loops = named.get("distinct-3"), named.get("self-bleu"), named.get("loops")
    if distinct is not None and distinct.value is not None:
        words += [
            say("{0:.0%} of the 3-grams are different ones.", distinct.value),
            *spoken(distinct),
        ]
    if bleu is not None and bleu.value is not None:
        words.append(
            say(
                "Samples resemble one another by {0} (BLEU); real text {1}.",
                show(bleu.value),
                show(bleu.floor),
            )
        )
    words.append(different_words(named.get("vendi")))
    if loops is not None and loops.value is not None:
        words += [sentence for sentence in loops.details["words"] if sentence != BLIND]
    words += spoken(named.get("class-balance"))
    return join(words) or NOTHING


def _novelty(named: dict[str, MetricResult]) -> str:
    first = named.get(f"seen-{N}-grams")
    paragraphs = [
        *(first.details.get("words", []) if first is not None else []),
        *spoken(named.get("longest-copy")),
        *spoken(named.get("creativity")),
    ]
    return join(paragraphs) or NOTHING
