"""Voice leading: crossings of parts, and perfect fifths and octaves in parallel.

Parts stand in a score from the top down; of a part that plays chords its highest note counts. Two
voices are parallel where both move the same way and are a perfect fifth apart before and after, or
an octave or unison (both modulo octaves): what Fux 1725 forbids. A rest of either breaks the
motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

from castalia.modalities.music.melody import moments
from castalia.modalities.music.score import Score

PERFECT = (0, 7)


def crossed(score: Score) -> float:
    """Share of the time in which two parts or more sound that one of them is below a lower part;
    NaN where there is no such time.
    """
    together = over = 0
    for moment in moments(score):
        tops = [pitches[-1] for pitches in moment.pitches if pitches]
        if len(tops) > 1:
            together += moment.ticks
            over += moment.ticks * any(upper < lower for upper, lower in combinations(tops, 2))
    return over / together if together else float("nan")


def parallels(score: Score) -> tuple[int, int]:
    """(fifths, octaves and unisons) that move in parallel, over all pairs of parts."""
    intervals = [interval for _, interval in parallels_at(score)]
    return intervals.count(7), intervals.count(0)


def parallels_a_bar(score: Score) -> float:
    """Parallel fifths, octaves and unisons a bar; NaN for fewer than two parts or no bar."""
    count = len(score.bars)
    return (
        len(list(parallels_at(score))) / count if count and len(score.parts) > 1 else float("nan")
    )


def parallels_at(score: Score) -> Iterator[tuple[int, int]]:
    """(tick at which it arrives, 7 for a fifth or 0 for an octave or unison) of each, pair of parts
    by pair of parts.
    """
    for pair in _pairs(score):
        for (_, a, b), (tick, c, d) in pairwise(pair):
            if a is None or b is None or c is None or d is None:
                continue
            same_way = (c - a) * (d - b) > 0
            if same_way and (a - b) % 12 == (c - d) % 12 and (a - b) % 12 in PERFECT:
                yield tick, (a - b) % 12


def crossings_at(score: Score) -> Iterator[int]:
    """The ticks at which two parts move to where, or begin where, the upper is below the lower,
    pair of parts by pair of parts.
    """
    for pair in _pairs(score):
        yield from (
            tick
            for tick, upper, lower in pair
            if upper is not None and lower is not None and upper < lower
        )


def _pairs(score: Score) -> Iterator[list[tuple[int, int | None, int | None]]]:
    """Of each pair of parts, (tick, upper, lower): what they sound from that tick on, wherever it
    changes; None where one rests.
    """
    tops, now = list[tuple[int, list[int | None]]](), 0
    for moment in moments(score):
        tops.append((now, [pitches[-1] if pitches else None for pitches in moment.pitches]))
        now += moment.ticks
    for upper, lower in combinations(range(len(tops[0][1]) if tops else 0), 2):
        pair = list[tuple[int, int | None, int | None]]()
        for tick, sounds in tops:
            if not pair or pair[-1][1:] != (sounds[upper], sounds[lower]):
                pair.append((tick, sounds[upper], sounds[lower]))
        yield pair
