"""Split notes into steps and into voices that sing one note at a time.

`Voice` is a list of notes in steps, none overlapping. Parts that are such voices already stay what
they are; anything else (a piano) is dealt out note by note, each onset so that the voices move
least without crossing. Notes without a free voice are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, groupby, pairwise

from castalia.modalities.music.score import Note, Part

_MIDDLE = 60


def stepped(notes: Iterable[Note], resolution: int, steps: int) -> list[Note]:
    """Notes with starts and lengths in steps, `steps` to a quarter note, rounded half up; at least
    one step long. Sorted by (start, pitch).
    """
    result = []
    for note in notes:
        start, end = (
            (2 * tick * steps + resolution) // (2 * resolution) for tick in (note.start, note.end)
        )
        result.append(note._replace(start=start, length=max(1, end - start)))
    return sorted(result, key=lambda note: (note.start, note.pitch))


def is_voice(part: Part) -> bool:
    """Whether one note at a time is sung; a note may reach into the next by an eighth of its
    length.
    """
    notes = sorted(part.notes)
    return all(one.end - one.length // 8 <= other.start for one, other in pairwise(notes))


def single(notes: Sequence[Note]) -> list[Note]:
    """One voice out of notes in steps: of those that begin together the highest; each ends where
    the next begins.
    """
    # sorted by pitch, so the highest of an onset comes last
    onsets = {note.start: note for note in notes}
    line = [onsets[start] for start in sorted(onsets)]
    if not line:
        return []
    ends = [*(note.start for note in line[1:]), None]
    return [
        note if end is None else note._replace(length=min(note.length, end - note.start))
        for note, end in zip(line, ends, strict=True)
    ]


def dealt(notes: Sequence[Note], count: int) -> tuple[list[list[Note]], int]:
    """`count` voices from the top down out of notes in steps, and how many notes found no place."""
    voices: list[list[Note]] = [[] for _ in range(count)]
    lost = 0
    for start, group in groupby(notes, key=lambda note: note.start):
        onset = sorted({note.pitch: note for note in group}.values(), key=lambda note: -note.pitch)
        free = [
            voice for voice in range(count) if not voices[voice] or voices[voice][-1].end <= start
        ]
        lost += max(0, len(onset) - len(free))
        if len(onset) > len(free) > 1:
            onset = [*onset[: len(free) - 1], onset[-1]]  # the outer ones matter most
        onset = onset[: len(free)]
        best = min(
            combinations(free, len(onset)), key=lambda chosen: _moved(chosen, onset, voices, count)
        )
        for voice, note in zip(best, onset, strict=True):
            voices[voice].append(note)
    return voices, lost


def _moved(
    chosen: Sequence[int], onset: Sequence[Note], voices: list[list[Note]], count: int
) -> int:
    places = [
        voices[voice][-1].pitch if voices[voice] else _MIDDLE + 7 * (count - 1 - 2 * voice) // 2
        for voice in chosen
    ]
    return sum(abs(place - note.pitch) for place, note in zip(places, onset, strict=True))
