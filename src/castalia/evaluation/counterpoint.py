"""Whether voices can be sung: notes outside the ranges that choirs are written for.

The ranges are the usual ones of four-part writing (e.g. Aldwell, Schachter & Cadwallader, Harmony and Voice Leading, 2018). Crossings and
parallel fifths and octaves are counted in voices.py. Not here: what is judged by them as a metric (music.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from castalia.codecs.score import Score

RANGES: Mapping[str, tuple[int, int]] = {"soprano": (60, 79), "alto": (55, 74), "tenor": (48, 67), "bass": (40, 60)}


def outside(score: Score, parts: tuple[str, ...] = tuple(RANGES), ranges: Mapping[str, tuple[int, int]] = RANGES) -> tuple[int, int]:
    """(notes outside their voice's range, notes) of the parts with these names, whatever their case. Parts without a range do not count."""
    beyond = notes = 0
    for part in score.parts:
        name = part.name.strip().lower()
        if name in parts and name in ranges:
            low, high = ranges[name]
            notes += len(part.notes)
            beyond += sum(not low <= note.pitch <= high for note in part.notes)
    return beyond, notes
