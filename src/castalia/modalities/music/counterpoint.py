"""Counterpoint rules: notes outside the usual ranges of voices, and the faults of each bar.

The ranges are the usual ones of four-part writing (e.g. Aldwell, Schachter & Cadwallader, Harmony
and Voice Leading, 2018). Crossings and parallel fifths and octaves are in voice_leading.py. Not
here: metrics of them (metrics/statistics.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from castalia.modalities.music.score import Score
from castalia.modalities.music.voice_leading import crossings_at, parallels_at

RANGES: Mapping[str, tuple[int, int]] = {
    "soprano": (60, 79),
    "alto": (55, 74),
    "tenor": (48, 67),
    "bass": (40, 60),
}


def outside(
    score: Score,
    parts: tuple[str, ...] = tuple(RANGES),
    ranges: Mapping[str, tuple[int, int]] = RANGES,
) -> tuple[int, int]:
    """(notes outside their voice's range, notes) of the parts with these names, whatever their
    case. Parts without a range do not count.
    """
    wanted = {name: ranges[name] for name in parts if name in ranges}
    notes = sum(len(part.notes) for part in score.parts if part.name.strip().lower() in wanted)
    return len(list(_outside_at(score, wanted))), notes


def faults(score: Score) -> list[int]:
    """Of each bar (Score.bars): parallel fifths, octaves and unisons that arrive in it, crossings
    and notes outside their voice's range that begin in it.
    """
    starts = [start for start, _ in score.bars]
    counts = [0] * len(starts)
    for tick in [
        *(tick for tick, _ in parallels_at(score)),
        *crossings_at(score),
        *_outside_at(score, RANGES),
    ]:
        counts[bisect_right(starts, tick) - 1] += 1
    return counts


def _outside_at(score: Score, ranges: Mapping[str, tuple[int, int]]) -> Iterator[int]:
    """The ticks where notes begin that are outside the range of the part of this name."""
    for part in score.parts:
        low, high = ranges.get(part.name.strip().lower(), (0, 127))
        yield from (note.start for note in part.notes if not low <= note.pitch <= high)
