"""The verdict on a music model in sentences: a headline and one paragraph for each question."""

from __future__ import annotations

import math

from castalia.evaluation.base import MetricResult, show
from castalia.evaluation.equivalence import of_score
from castalia.evaluation.ngram_overlap import copies
from castalia.evaluation.verdict_sentences import (
    NOTHING,
    answered,
    different_words,
    spoken,
    two_sample_words,
)
from castalia.language import join, say, series
from castalia.modalities.music.metrics.statistics import STATISTICS

NAMES = {
    "pitch-class": say("pitch classes"),
    "key-clarity": say("clarity of key"),
    "melodic-interval": say("melodic intervals"),
    "durations": say("durations"),
    "note-density": say("density of notes"),
    "polyphony": say("polyphony"),
    "voice-range": say("ranges"),
    "crossings": say("crossings of voices"),
    "parallels": say("parallel fifths and octaves"),
    "groove": say("groove"),
}


def verdict_music(scores: list[MetricResult]) -> list[tuple[str, str]]:
    """[("headline", words), ("fidelity", words), ...]; questions that cannot be
    answered say why.
    """
    return answered(
        scores, headline=_headline, fidelity=_fidelity, diversity=_diversity, novelty=_novelty
    )


def _sides(named: dict[str, MetricResult]) -> tuple[list[str], list[str]]:
    """Statistics that cannot separate samples from real pieces though they separate the chain, and
    those that separate the samples.
    """
    known = [
        score
        for name in STATISTICS
        if (score := named.get(name)) is not None and score.value is not None
    ]
    apart = [score.name for score in known if _beyond(score)]
    return [score.name for score in known if score.informative and score.name not in apart], apart


def _beyond(score: MetricResult | None) -> bool:
    """Whether the samples' interval lies beyond the one of real pieces."""
    if score is None or score.low is None:
        return False
    floor = score.details.get("intervals", {}).get("floor")
    return floor is not None and score.low > floor[1]


def _headline(named: dict[str, MetricResult]) -> str:
    if copies(named.get("seen-motifs")):
        return say("The model repeats melodies of its training pieces.")
    alike, apart = _sides(named)
    if not alike and not apart:
        return say("There is too little to go by for a verdict.")
    if not apart:
        classifier = named.get("c2st")
        if classifier is not None and classifier.value is not None and _beyond(classifier):
            return say(
                "The samples resemble real pieces in all that is counted, yet a "
                "classifier tells them apart in {0:.0%} of the cases.",
                classifier.value,
            )
        few = [
            judged
            for name in alike
            if (judged := of_score(named[name])) is not None and not judged.shown
        ]
        if (
            classifier is not None
            and (judged := of_score(classifier)) is not None
            and not judged.shown
        ):
            few.append(judged)
        if few:
            return say(
                "No difference from real pieces is shown, and {0:,} samples cannot show "
                "that there is none: at least {1:,} and as many real "
                "pieces are needed.",
                *(few[0].n, max(judged.needed or 0 for judged in few)),
            )
        return say("By what is counted here, the samples cannot be told from real pieces.")
    if len(alike) >= len(apart):
        return say(
            "The samples resemble real pieces in most of what is counted, and differ in {0}.",
            series(NAMES[name] for name in apart),
        )
    return say("The samples differ from real pieces in most of what is counted.")


def _fidelity(named: dict[str, MetricResult]) -> str:
    words: list[str] = []
    for unit, template in (("step", say("step")), ("note", say("note"))):
        bits = named.get(f"bits-per-{unit}")
        if bits is not None and bits.value is not None:
            words.append(
                say(
                    "It needs {0} nats per {1} of held-out pieces.",
                    show(bits.details["nats_per_unit"]),
                    template,
                )
            )
            if unit == "note" and (gain := bits.details.get("gains", {}).get("counts")) is not None:
                theirs, *saved = (show(one * math.log(2)) for one in (bits.value + gain[0], *gain))
                words.append(
                    say(
                        "Kneser-Ney counts need {0}: the model saves {1} ({2} to {3}).",
                        theirs,
                        *saved,
                    )
                )
    alike, apart = _sides(named)
    equal = [
        name for name in alike if (judged := of_score(named[name])) is not None and judged.shown
    ]
    unclear = [name for name in alike if name not in equal]
    if equal:
        words.append(say("As in real pieces: {0}.", series(NAMES[name] for name in equal)))
    if unclear:
        words.append(say("Too few to tell: {0}.", series(NAMES[name] for name in unclear)))
    if apart:
        words.append(say("Unlike real pieces: {0}.", series(NAMES[name] for name in apart)))
        facts = {
            name: (named[name].details["model"], named[name].details["real"])
            for name in apart
            if not STATISTICS[name].distribution
        }
        words += [
            say("{0}: samples {1}, real pieces {2}.", NAMES[name], show(own), show(real))
            for name, (own, real) in facts.items()
        ]
    words.append(two_sample_words(named.get("c2st")))
    return join(words) or NOTHING


def _diversity(named: dict[str, MetricResult]) -> str:
    return (
        join([different_words(named.get("vendi")), *spoken(named.get("class-balance"))]) or NOTHING
    )


def _novelty(named: dict[str, MetricResult]) -> str:
    first = named.get("seen-motifs")
    paragraphs = [
        *(first.details.get("words", []) if first is not None else []),
        *spoken(named.get("longest-motif")),
    ]
    return join(paragraphs) or NOTHING
