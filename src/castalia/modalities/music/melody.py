"""Melodic lines and motifs of a score: what melodies are compared by, whatever their key and tempo.

A line is what one part plays, one note at a time: of notes that begin together the highest (the
skyline of Uitdenbogerd & Zobel 1999). A motif symbol is a step between two notes: the interval in
semitones and the ratio of the time to the next onset before and after it, so a line that is
transposed, or played at another tempo, has the same symbols. Percussion has no line. Not here:
metrics and copies by motifs (metrics/motif_novelty.py, copies.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from castalia.modalities.music.score import Note, Part, Score

WIDEST = 24  # semitones; a wider leap counts as this
# halvings and doublings of time by halves of an octave, -2 .. 2 octaves: a quarter to four times
RATIOS = 9
SYMBOLS = (2 * WIDEST + 1) * RATIOS


class Line(NamedTuple):
    """notes: one at a time, in order; waits (n,) float64: quarter notes to the next onset, the last
    one's own length.
    """

    notes: tuple[Note, ...]
    waits: np.ndarray

    @property
    def pitches(self) -> np.ndarray:
        return np.array([note.pitch for note in self.notes], dtype=np.int64)


def lines(score: Score) -> list[Line]:
    """Of the parts in their order, those that play any pitched note."""
    return [
        line_of(part.notes, score.resolution)
        for part in score.parts
        if not part.drums and part.notes
    ]


def line_of(notes: Iterable[Note], resolution: int) -> Line:
    highest: dict[int, Note] = {}
    for note in notes:
        if note.start not in highest or note.pitch > highest[note.start].pitch:
            highest[note.start] = note
    chosen = tuple(highest[start] for start in sorted(highest))
    starts = np.array([note.start for note in chosen], dtype=np.float64)
    last = float(chosen[-1].length) if chosen else 0.0
    return Line(
        chosen,
        np.diff(starts, append=(starts[-1] + last) if len(starts) else 0.0)[: len(starts)]
        / resolution,
    )


def motifs(line: Line) -> np.ndarray:
    """(n - 1,) int64 in [0, SYMBOLS): the step from each note to the next."""
    intervals = np.diff(line.pitches).clip(-WIDEST, WIDEST) + WIDEST
    ratios = np.diff(np.log2(np.maximum(line.waits, 1e-6)))
    steps = (
        np.floor(2 * ratios + 0.5).clip(-(RATIOS // 2), RATIOS // 2).astype(np.int64) + RATIOS // 2
    )
    return intervals * RATIOS + steps


def pitched(score: Score) -> list[Part]:
    """The parts that are no percussion and play something."""
    return [part for part in score.parts if not part.drums and part.notes]


def quarters(score: Score) -> float:
    """How long the score is, in quarter notes."""
    return score.end / score.resolution


class Moment(NamedTuple):
    """ticks: how long nothing changes; pitches: of each pitched part what sounds, in rising order,
    empty where it rests.
    """

    ticks: int
    pitches: tuple[tuple[int, ...], ...]


def moments(score: Score) -> list[Moment]:
    """The score from change to change, silence included."""
    parts = pitched(score)
    edges: dict[int, list[tuple[int, int, int]]] = {}  # tick -> (part, pitch, +1 or -1)
    for place, part in enumerate(parts):
        for note in part.notes:
            edges.setdefault(note.start, []).append((place, note.pitch, 1))
            edges.setdefault(note.end, []).append((place, note.pitch, -1))
    sounding: list[dict[int, int]] = [{} for _ in parts]
    result: list[Moment] = []
    ticks = sorted({0, *edges})
    for now, after in zip(ticks, [*ticks[1:], ticks[-1]], strict=True):
        for place, pitch, change in edges.get(now, ()):
            sounding[place][pitch] = sounding[place].get(pitch, 0) + change
        if after > now:
            result.append(
                Moment(
                    after - now,
                    tuple(
                        tuple(sorted(p for p, count in part.items() if count > 0))
                        for part in sounding
                    ),
                )
            )
    return result
