"""How the parts of a score go together: crossings, and perfect fifths and octaves in parallel.

Parts stand in a score from the top down; of a part that plays chords its highest note speaks. Two voices are parallel where both move the same way and are
a perfect fifth apart before and after, or an octave or unison (both modulo octaves): what Fux 1725 forbids. A rest of either breaks the motion.
"""

from __future__ import annotations

from itertools import combinations, groupby, pairwise

from castalia.codecs.score import Score
from castalia.evaluation.tunes import bars, moments

PERFECT = (0, 7)


def crossed(score: Score) -> float:
    """Share of the time in which two parts or more sound that one of them is below a lower part; NaN where there is no such time."""
    together = over = 0
    for moment in moments(score):
        tops = [pitches[-1] for pitches in moment.pitches if pitches]
        if len(tops) > 1:
            together += moment.ticks
            over += moment.ticks * any(upper < lower for upper, lower in combinations(tops, 2))
    return over / together if together else float("nan")


def parallels(score: Score) -> tuple[int, int]:
    """(fifths, octaves and unisons) that move in parallel, over all pairs of parts."""
    tops = [[pitches[-1] if pitches else None for pitches in moment.pitches] for moment in moments(score)]
    found = dict.fromkeys(PERFECT, 0)
    for upper, lower in combinations(range(len(tops[0]) if tops else 0), 2):
        pairs = [pair for pair, _ in groupby((row[upper], row[lower]) for row in tops)]
        for (a, b), (c, d) in pairwise(pairs):
            if a is None or b is None or c is None or d is None:
                continue
            same_way = (c - a) * (d - b) > 0
            if same_way and (a - b) % 12 == (c - d) % 12 and (a - b) % 12 in PERFECT:
                found[(a - b) % 12] += 1
    return found[7], found[0]


def parallels_a_bar(score: Score) -> float:
    """Parallel fifths, octaves and unisons a bar; NaN for fewer than two parts or no bar."""
    count = len(bars(score))
    return sum(parallels(score)) / count if count and len(score.parts) > 1 else float("nan")
