"""Scores of a model of tokens into sentences, as verdict.py does for dense data: a headline and one paragraph for each question."""

from __future__ import annotations

from castalia.evaluation.base import Score, show
from castalia.evaluation.borrowing import N, copies
from castalia.evaluation.verdict import cost_words

LOOPING = 0.02  # more of the text in loops than real text has, before the headline speaks of it


def verdict_tokens(scores: list[Score]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be answered say why."""
    named = {score.name.partition("-ngrams-")[0]: score for score in scores}
    return [
        ("headline", _headline(named)),
        ("fidelity", _fidelity(named)),
        ("diversity", _diversity(named)),
        ("novelty", _novelty(named)),
        ("cost", cost_words(named)),
    ]


def _bits(named: dict[str, Score]) -> Score | None:
    """The likelihood per character, else per byte, else per whatever there is."""
    return next((named[name] for name in ("bits-per-character", "bits-per-byte") if name in named), None) or next(
        (score for name, score in named.items() if name.startswith("bits-per-")), None
    )


def _headline(named: dict[str, Score]) -> str:
    if copies(named.get(f"seen-{N}-grams")):
        return "The model repeats its training text."
    loops, bits = named.get("loops"), _bits(named)
    if loops is not None and loops.low is not None and loops.floor is not None and loops.low > loops.floor + LOOPING:
        return "The samples get stuck in loops."
    gains = {} if bits is None else bits.details.get("gains", {})
    if not gains:
        return "There is too little to go by for a verdict."
    if gains["naive"][1] <= 0:
        return "The model has learned no more than how frequent tokens are."
    if gains["counts"][2] < 0:
        return "Counting n-grams predicts held-out text better than this model does."
    if gains["counts"][1] <= 0:
        return "The model predicts held-out text about as well as counting n-grams does."
    kernel = named.get("kernel")
    if kernel is not None and kernel.low is not None and kernel.informative and kernel.low <= kernel.details["intervals"]["floor"][1]:
        return "The model predicts held-out text better than counting does, and its samples use phrases as real text does."
    return "The model predicts held-out text better than counting n-grams does."


def _fidelity(named: dict[str, Score]) -> str:
    words = []
    bits = _bits(named)
    if bits is not None and bits.value is not None:
        words.append(f"It needs {show(bits.value)} {bits.name.replace('-', ' ')} of held-out text.")
        words += bits.details["words"][:-1]
    kernel = named.get("kernel")
    if kernel is not None and kernel.value is not None and kernel.informative is not False:
        naive = (kernel.baselines or {}).get("naive")
        words.append(
            f"The phrases of the samples lie {show(kernel.value)} from those of real text (real text {show(kernel.floor)}; "
            f"tokens drawn by their frequency {show(naive)})."
        )
    return " ".join(words) or "No score speaks of it."


def _diversity(named: dict[str, Score]) -> str:
    words = []
    distinct, bleu, loops = named.get("distinct-3"), named.get("self-bleu"), named.get("loops")
    if distinct is not None and distinct.value is not None:
        words.append(f"{distinct.value:.0%} of the 3-grams are different ones. {' '.join(distinct.details['words'])}")
    if bleu is not None and bleu.value is not None:
        words.append(f"Samples resemble one another by {show(bleu.value)} (BLEU); real text {show(bleu.floor)}.")
    if loops is not None and loops.value is not None:
        words.append(" ".join(loops.details["words"]))
    return " ".join(words) or "No score speaks of it."


def _novelty(named: dict[str, Score]) -> str:
    found = [named[name] for name in (f"seen-{N}-grams", "longest-copy") if name in named]
    return " ".join(" ".join(score.details.get("words", [])) for score in found) or "No score speaks of it."
