"""Statistics of music, each as a distance between samples and real pieces: fidelity of models of
scores.

Of each piece, by Krumhansl 1990, Yang & Lerch 2020 (doi:10.1007/s00521-018-3849-7), Wu & Yang 2020
(arXiv:2008.01307) and MusPy (Dong et al. 2020):

    pitch-class       how long each of the twelve sounds
    key-clarity       largest correlation of that with the 24 key profiles of Krumhansl & Kessler
    melodic-interval  steps of every line, up to an octave and beyond
    durations         of notes, in half octaves of a quarter note
    note-density      notes a quarter note
    polyphony         notes that sound together while any does (as MusPy's)
    voice-range       highest minus lowest pitch, mean over parts
    crossings         share of the time with two parts or more that one is below a lower part
    parallels         perfect fifths and octaves that move in parallel, a bar (voice_leading.py)
    groove            likeness of onsets in neighbouring bars (MusPy's groove consistency)

Distributions are pooled over pieces and compared by total variation, 0 .. 1; numbers by the earth
mover's distance between the pieces' values, in their own unit, a piece without one (no notes, one
part, one bar) counting as 0. The naive baseline is a chain of pitch classes (markov_baseline.py).
None of these measures whether music is good: they show where it differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from castalia.evaluation import base
from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Evidence,
    Metric,
    clearly,
    compared,
    equal_or_not,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.equivalence import of_sides
from castalia.language import Message, say
from castalia.modalities.music.harmony import PROFILES
from castalia.modalities.music.melody import lines, moments, pitched, quarters
from castalia.modalities.music.metrics.markov_baseline import chained
from castalia.modalities.music.score import Score
from castalia.modalities.music.voice_leading import crossed, parallels_a_bar

FEWEST = GROUPS  # pieces a side
OCTAVE = 12
SLOTS = 64  # places of a bar (Wu & Yang 2020)
HALVES = 8  # durations from 1/16 to 16 quarter notes


@dataclass(frozen=True)
class Statistic:
    """of(score): (D,) weights of a distribution, all zero where the piece has none, or one number;
    NaN where the piece has none.
    """

    of: Callable[[Score], np.ndarray | float]
    unit: Message
    distribution: bool = False


def pitch_classes(score: Score) -> np.ndarray:
    """(12,) quarter notes that each pitch class sounds, C first."""
    sounding = np.zeros(12)
    for part in pitched(score):
        for note in part.notes:
            sounding[note.pitch % 12] += note.length / score.resolution
    return sounding


def key_clarity(score: Score) -> float:
    """Pearson's correlation with the best of the 24 key profiles; NaN for an empty or uniform
    piece.
    """
    weights = pitch_classes(score)
    if weights.std() == 0:
        return float("nan")
    return float(
        (PROFILES @ (weights - weights.mean())).max() / (np.linalg.norm(weights - weights.mean()))
    )


def melodic_intervals(score: Score) -> np.ndarray:
    """(27,) steps of all lines: below an octave down, -12 .. 12 semitones, above an octave up."""
    counts = np.zeros(2 * OCTAVE + 3)
    for line in lines(score):
        steps = np.diff(line.pitches).clip(-OCTAVE - 1, OCTAVE + 1) + OCTAVE + 1
        counts += np.bincount(steps, minlength=len(counts))
    return counts


def durations(score: Score) -> np.ndarray:
    """(17,) notes by length: 2^(k/2) quarter notes for k = -8 .. 8, the nearest."""
    lengths = (
        np.array([note.length for part in score.parts for note in part.notes], dtype=np.float64)
        / score.resolution
    )
    if not len(lengths):
        return np.zeros(2 * HALVES + 1)
    places = np.floor(2 * np.log2(lengths) + 0.5).clip(-HALVES, HALVES).astype(np.int64) + HALVES
    return np.bincount(places, minlength=2 * HALVES + 1).astype(np.float64)


def note_density(score: Score) -> float:
    """Notes of all parts a quarter note, from the beginning to the end of the last note."""
    return score.count / quarters(score) if score.end else float("nan")


def polyphony(score: Score) -> float:
    """Pitches that sound together, mean over the time in which any does."""
    sounding = [(moment.ticks, sum(map(len, moment.pitches))) for moment in moments(score)]
    loud = sum(ticks for ticks, count in sounding if count)
    return sum(ticks * count for ticks, count in sounding) / loud if loud else float("nan")


def voice_range(score: Score) -> float:
    """Semitones between the lowest and the highest note of a part, mean over the parts."""
    spans = [
        max(note.pitch for note in part.notes) - min(note.pitch for note in part.notes)
        for part in pitched(score)
    ]
    return float(np.mean(spans)) if spans else float("nan")


def groove(score: Score) -> float:
    """1 - the mean share of a bar's SLOTS in which it differs from the next bar in whether a note
    begins there; NaN below two bars.
    """
    bars = score.bars
    if len(bars) < 2:
        return float("nan")
    onsets = np.zeros((len(bars), SLOTS), bool)
    starts = np.array(
        sorted({note.start for part in score.parts for note in part.notes}), dtype=np.int64
    )
    first = np.array([start for start, _ in bars])
    length = np.array([stop - start for start, stop in bars])
    bar = np.searchsorted(first, starts, side="right") - 1
    slot = ((starts - first[bar]) * SLOTS // length[bar]).clip(0, SLOTS - 1)
    onsets[bar, slot] = True
    return 1.0 - float((onsets[1:] != onsets[:-1]).mean())


STATISTICS: dict[str, Statistic] = {
    "pitch-class": Statistic(pitch_classes, say("of the sounding time"), True),
    "key-clarity": Statistic(key_clarity, say("correlation")),
    "melodic-interval": Statistic(melodic_intervals, say("of the steps"), True),
    "durations": Statistic(durations, say("of the notes"), True),
    "note-density": Statistic(note_density, say("notes a quarter note")),
    "polyphony": Statistic(polyphony, say("notes at once")),
    "voice-range": Statistic(voice_range, say("semitones")),
    "crossings": Statistic(crossed, say("of the time")),
    "parallels": Statistic(parallels_a_bar, say("a bar")),
    "groove": Statistic(groove, say("likeness")),
}


class MusicStatistics(Metric):
    """A distance for each of STATISTICS, by its name; lower is better down to the floor."""

    name = "music"
    reads = Evidence
    judges = Score

    def scores(self, evidence: Evidence) -> list[base.MetricResult]:
        items = evidence.items
        if "model" not in items or not len(items["reference"]):
            return []
        n = len(items["model"])
        if min(n, len(items["reference"])) < FEWEST:
            words = say(
                "Not computed: it needs {0} samples and as many real pieces; there are {1}.",
                FEWEST,
                min(n, len(items["reference"])),
            )
            return not_computed(dict.fromkeys(STATISTICS, "lower"), n, evidence.seed, words)
        pieces: dict[str, Sequence[Score]] = {
            side: items[side] for side in ("model", "floor", "memoriser", "reference")
        }
        pieces["naive"] = chained(items["training"], items["reference"], n, evidence.seed)
        return [
            self._one(name, statistic, pieces, evidence) for name, statistic in STATISTICS.items()
        ]

    def _one(
        self,
        name: str,
        statistic: Statistic,
        pieces: dict[str, Sequence[Score]],
        evidence: Evidence,
    ) -> base.MetricResult:
        begun = time.perf_counter()
        n = len(pieces["model"])
        values = {
            side: np.nan_to_num([statistic.of(piece) for piece in rows])
            for side, rows in pieces.items()
        }
        measure = varied if statistic.distribution else moved
        order = ("model", "floor", "naive", "memoriser")
        sides = {
            side: distance(values[side], values["reference"], measure)
            for side in order
            if len(values[side])
        }
        informative = clearly("lower", sides["floor"], sides["naive"]) if "floor" in sides else None
        details: dict[str, Any] = {**evidence.about, **_typical(statistic, values)}
        details["words"] = _words(statistic, sides, informative, details, n)
        seconds = time.perf_counter() - begun
        return compared(name, "lower", sides, informative, n, evidence.seed, seconds, details)


def distance(
    candidate: np.ndarray, reference: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float]
) -> Estimate:
    """measure(candidate, reference), with the values that it has without each group of pieces on
    both sides.
    """
    one, two = (group_ids(len(rows)).numpy() for rows in (candidate, reference))
    without = [measure(candidate[one != group], reference[two != group]) for group in range(GROUPS)]
    return estimated(measure(candidate, reference), without, (0.0, float("inf")))


def varied(candidate: np.ndarray, reference: np.ndarray) -> float:
    """Total variation of the pooled distributions of (N, D) and (M, D) weights: half the sum of the
    differences of their shares; 1 where one is empty.
    """
    above, below = candidate.sum(0), reference.sum(0)
    if not above.sum() or not below.sum():
        return float(bool(above.sum()) != bool(below.sum()))
    return 0.5 * float(np.abs(above / above.sum() - below / below.sum()).sum())


def moved(candidate: np.ndarray, reference: np.ndarray) -> float:
    """Earth mover's distance of the values (N,) and (M,): the integral of |F - G|."""
    one, two = np.sort(candidate), np.sort(reference)
    both = np.sort(np.concatenate([one, two]))
    shares = [np.searchsorted(rows, both[:-1], side="right") / len(rows) for rows in (one, two)]
    return float((np.abs(shares[0] - shares[1]) * np.diff(both)).sum())


def _typical(statistic: Statistic, values: dict[str, np.ndarray]) -> dict[str, Any]:
    """The numbers behind a distance: shares, or means over pieces."""
    names = {"model": "model", "reference": "real"}
    if statistic.distribution:
        return {
            key: (values[side].sum(0) / max(values[side].sum(), 1e-12)).round(4).tolist()
            for side, key in names.items()
        }
    return {key: round(float(values[side].mean()), 4) for side, key in names.items()}


def _words(
    statistic: Statistic,
    sides: dict[str, Estimate],
    informative: bool | None,
    details: dict[str, Any],
    n: int,
) -> list[Message]:
    model, floor, naive = (sides.get(side) for side in ("model", "floor", "naive"))
    if informative is False and floor is not None and naive is not None:
        return [
            say(
                "This score says nothing here: other real pieces get {0}, a chain of "
                "pitch classes {1}.",
                show(floor.value),
                show(naive.value),
            )
        ]
    words = []
    if not statistic.distribution:
        words.append(
            say(
                "Samples have {0} ({2}), real pieces {1}.",
                show(details["model"]),
                show(details["real"]),
                statistic.unit,
            )
        )
    if floor is not None and model is not None:
        if clearly("lower", floor, model):
            words.append(
                say(
                    "Other real pieces lie {0} from the real pieces: the samples differ from them.",
                    show(floor.value),
                )
            )
        else:
            words.append(say("Other real pieces lie {0} from the real pieces.", show(floor.value)))
            words.append(equal_or_not(of_sides("lower", model, floor, naive, n)))
    if naive is not None and model is not None and not clearly("lower", model, naive):
        words.append(
            say(
                "A chain of pitch classes gets {0}, not clearly worse than the model.",
                show(naive.value),
            )
        )
    return words
