"""Pieces and damage of known strength, by which metrics of music are checked
(testing.check_metric).

A piece has three voices in a key of its own: a walk on the scale over a rhythm that returns, and
two slower voices below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.music.score import Key, Metre, Note, Part, Score
from castalia.nn.counter_random import counter_seed

SCALE = (0, 2, 4, 5, 7, 9, 11)
BARS, QUARTER = 8, 24
Change = Callable[[Score, float, np.random.Generator, Score], Score]


def piece(*counters: int | str) -> Score:
    """A score of BARS bars in 4/4, a function of the counters."""
    rng = np.random.default_rng(counter_seed("piece", *counters))
    tonic = int(rng.choice([0, 2, 5, 7, 9]))
    rhythm = [(24, 24, 24, 24), (48, 24, 24), (24, 12, 12, 48), (36, 12, 24, 24)][
        int(rng.integers(4))
    ]
    degree, start, upper = int(rng.integers(7, 14)), 0, []
    for _ in range(BARS):
        for length in rhythm if rng.random() < 0.8 else (24, 24, 48):
            degree = int(np.clip(degree + rng.choice([-2, -1, -1, 0, 1, 1, 2]), 5, 16))
            upper.append(
                Note(start, length, 60 + tonic % 7 + 12 * (degree // 7) + SCALE[degree % 7] - 7)
            )
            start += length
    lower = [_slow(tonic, base, rng) for base in (57, 43)]
    parts = tuple(
        Part(name, notes=tuple(notes))
        for name, notes in zip(("soprano", "tenor", "bass"), (upper, *lower), strict=True)
    )
    return Score(parts, QUARTER, metres=(Metre(0, 4, 4),), keys=(Key(0, 0),))


def music_evidence(shown: Any, n: int) -> Evidence:
    """`shown` with n pieces on each side: a perfect model, a memoriser that replays the training
    pieces.
    """
    sides = {
        side: [piece(side, number) for number in range(n)]
        for side in ("model", "floor", "reference", "training")
    }
    items: Mapping[str, list[Score]] = {
        **sides,
        "unseen": sides["reference"],
        "memoriser": sides["training"],
    }
    return replace(shown, items=items)  # type: ignore[no-any-return]


def _slow(tonic: int, base: int, rng: np.random.Generator) -> list[Note]:
    degrees = rng.choice([0, 0, 2, 3, 4, 4, 5], size=2 * BARS)
    return [
        Note(48 * place, 48, base + tonic % 7 + SCALE[int(degree)] - 3)
        for place, degree in enumerate(degrees)
    ]


def _notes(score: Score, change: Callable[[Note], Note | None]) -> Score:
    parts = tuple(
        replace(part, notes=tuple(sorted(kept for note in part.notes if (kept := change(note)))))
        for part in score.parts
    )
    return replace(score, parts=parts)


def _lengths(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    return _notes(
        score,
        lambda note: (
            note._replace(length=int(rng.integers(1, 20))) if rng.random() < share else note
        ),
    )


def _missing(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    return _notes(score, lambda note: None if rng.random() < 0.9 * share else note)


def _loose(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    return _notes(
        score,
        lambda note: (
            note._replace(start=max(0, note.start + int(rng.integers(-23, 24))))
            if rng.random() < share
            else note
        ),
    )


def _parallel(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    """The second voice goes along with the first, a fifth below."""
    first, _, *rest = score.parts
    along = replace(first, notes=tuple(note._replace(pitch=note.pitch - 7) for note in first.notes))
    return replace(score, parts=(first, along, *rest)) if rng.random() < share else score


def _crossed(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    return replace(score, parts=score.parts[::-1]) if rng.random() < share else score


def _copied(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    """In another key."""
    return copy.transposed(int(rng.integers(-5, 6))) if rng.random() < share else score


def _chromatic(score: Score, share: float, rng: np.random.Generator, copy: Score) -> Score:
    """Three neighbouring semitones in turn, which no key has."""
    if rng.random() >= share:
        return score
    parts = tuple(
        replace(
            part,
            notes=tuple(
                note._replace(pitch=60 + place % 3) for place, note in enumerate(part.notes)
            ),
        )
        for part in score.parts
    )
    return replace(score, parts=parts)


CHANGES: Iterable[Change] = (_chromatic, _lengths, _missing, _loose, _parallel, _crossed, _copied)


def _damage(change: Change, most: float) -> Callable[[Any, float], Evidence]:
    def damaged(shown: Any, strength: float) -> Evidence:
        rng = np.random.default_rng(counter_seed("damage", change.__name__))
        rows = [
            change(score, strength / most, rng, copy)
            for score, copy in zip(shown.items["model"], shown.items["training"], strict=True)
        ]
        return replace(shown, items={**shown.items, "model": rows})  # type: ignore[no-any-return]

    return damaged


def damages(most: float) -> dict[str, Callable[[Any, float], Evidence]]:
    """Kinds of damage; `most` is the strength at which all of a model's pieces are hit."""
    return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}


class MusicContract:
    """A MetricContract."""

    native = Score

    def evidence(self, shown: Any, n: int) -> Evidence:
        return music_evidence(shown, n)

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return damages(most)
