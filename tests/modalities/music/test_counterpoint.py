"""Notes outside the ranges of voices, on scores that one can count by hand."""

from __future__ import annotations

from castalia.modalities.music.counterpoint import RANGES, outside
from castalia.modalities.music.score import Note, Part, Score


def line(name: str, *pitches: int) -> Part:
    return Part(name, notes=tuple(Note(place, 1, pitch) for place, pitch in enumerate(pitches)))


def test_notes_outside_are_counted_by_part() -> None:
    score = Score(
        (
            line("Soprano", 59, 60, 79, 80),
            line("alto", 55, 74),
            line("bass ", 39, 61, 50),
            line("organ", 1, 2),
        ),
        1,
    )
    assert outside(score) == (4, 9)
    assert outside(score, ("bass",)) == (2, 3)
    assert outside(score, ("tenor",)) == (0, 0)
    assert outside(score, ranges={"organ": (2, 2)}, parts=("organ",)) == (1, 2)


def test_ranges_descend() -> None:
    lows, highs = zip(*RANGES.values(), strict=True)
    assert sorted(lows, reverse=True) == list(lows) and sorted(highs, reverse=True) == list(highs)
