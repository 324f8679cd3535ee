"""Chord symbols to notes, notes to the nearest chord symbol, and the key of a score.

A symbol is a root (pitch class, 0 is C) and one of `QUALITIES`. Played, it is a close chord whose
lowest note is the root, between C3 and B3, so that notes can be read back:
`recognised(realised(root, quality)) == (root, quality)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from castalia.modalities.music.score import Score

# name: semitones above the root. The names are those of MusicXML's <kind>.
QUALITIES: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "dominant": (0, 4, 7, 10),
    "major-seventh": (0, 4, 7, 11),
    "minor-seventh": (0, 3, 7, 10),
    "diminished": (0, 3, 6),
    "diminished-seventh": (0, 3, 6, 9),
    "half-diminished": (0, 3, 6, 10),
    "augmented": (0, 4, 8),
    "augmented-seventh": (0, 4, 8, 10),
    "major-sixth": (0, 4, 7, 9),
    "minor-sixth": (0, 3, 7, 9),
    "major-minor": (0, 3, 7, 11),
    "suspended-fourth": (0, 5, 7),
    "suspended-second": (0, 2, 7),
    "dominant-ninth": (0, 4, 7, 10, 14),
    "power": (0, 7),
}
SHORT = (
    "",
    "m",
    "7",
    "maj7",
    "m7",
    "dim",
    "dim7",
    "m7b5",
    "+",
    "+7",
    "6",
    "m6",
    "m(maj7)",
    "sus4",
    "sus2",
    "9",
    "5",
)
NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_LIKE = {  # kinds of MusicXML that are played as another one
    "major-ninth": "major-seventh",
    "minor-ninth": "minor-seventh",
    "dominant-11th": "dominant-ninth",
    "dominant-13th": "dominant-ninth",
    "major-11th": "major-seventh",
    "major-13th": "major-seventh",
    "minor-11th": "minor-seventh",
    "minor-13th": "minor-seventh",
    "pedal": "power",
}
_LOWEST = 48
# How well each degree fits a key, as listeners rate it: Krumhansl and Kessler 1982,
# doi:10.1037/0033-295X.89.4.334.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_TURNED = np.array(
    [
        np.roll(profile, tonic) - np.mean(profile)
        for profile in (MAJOR, MINOR)
        for tonic in range(12)
    ]
)
# (24, 12): C major .. B major, C minor .. B minor
PROFILES = _TURNED / np.linalg.norm(_TURNED, axis=1, keepdims=True)


def quality_of(kind: str) -> str | None:
    """The quality that a kind of MusicXML is played as; None for no chord, and for kinds that name
    none.
    """
    kind = _LIKE.get(kind, kind)
    return kind if kind in QUALITIES else None


def realised(root: int, quality: int) -> tuple[int, ...]:
    """MIDI pitches, ascending, of a root 0 .. 11 and an index into QUALITIES."""
    return tuple(_LOWEST + root + step for step in _STEPS[quality])


def recognised(pitches: Iterable[int]) -> tuple[int, int]:
    """(root, index of the quality) whose pitch classes are nearest to those of the pitches (at
    least one): most in common, fewest beyond, then the lowest pitch as root, then the commonest
    quality.
    """
    given = sorted(pitches)
    return _nearest(frozenset(pitch % 12 for pitch in given), given[0] % 12)


def symbol(root: int, quality: int) -> str:
    """As it is written above a staff, e.g. "Bbm7"."""
    return NAMES[root] + SHORT[quality]


def key_of(score: Score) -> tuple[int, bool]:
    """(pitch class of the tonic, whether minor): the key whose profile correlates best with how
    long each pitch class sounds (Krumhansl 1990).
    """
    heard = np.zeros(12)
    for part in score.parts:
        for note in () if part.drums else part.notes:
            heard[note.pitch % 12] += note.length
    minor, tonic = divmod(int((PROFILES @ (heard - heard.mean())).argmax()), 12)
    return tonic, bool(minor)


@cache
def _nearest(classes: frozenset[int], bass: int) -> tuple[int, int]:
    def cost(root: int, quality: int) -> tuple[int, bool, int]:
        chord = {(root + step) % 12 for step in _STEPS[quality]}
        return len(chord ^ classes), root != bass, quality

    return min(
        ((root, quality) for root in range(12) for quality in range(len(_STEPS))),
        key=lambda one: cost(*one),
    )


_STEPS = tuple(QUALITIES.values())
