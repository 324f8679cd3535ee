"""A score: parts, notes, tempos, metres and keys. The native item of the music codec.

Times are whole ticks, `resolution` of them to a quarter note, so a score has no rounding of its
own. Pitches are MIDI numbers (60 is middle C), programs those of General MIDI from 0. Everything is
immutable and hashable. Not here: files (files/), tokens (tokens/), pictures (drawing.py), sound
(files/wav.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from castalia.errors import DataError
from castalia.sentences import say


class Note(NamedTuple):
    """start, length: ticks, length >= 1. pitch 0 .. 127, velocity 1 .. 127."""

    start: int
    length: int
    pitch: int
    velocity: int = 80

    @property
    def end(self) -> int:
        return self.start + self.length


class Tempo(NamedTuple):
    """From `start` on, so many quarter notes a minute."""

    start: int
    quarters: float


class Metre(NamedTuple):
    """From `start` on, e.g. 3/4."""

    start: int
    beats: int
    unit: int


class Key(NamedTuple):
    """From `start` on: sharps (flats count below zero), -7 .. 7, and whether the mode is minor."""

    start: int
    sharps: int
    minor: bool = False


@dataclass(frozen=True)
class Part:
    """One voice or instrument. Notes are sorted by (start, pitch)."""

    name: str = ""
    program: int = 0
    drums: bool = False
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Score:
    """Parts from the top down (soprano first). `lost` names what the file held and a score does not
    keep ("lyrics", "dynamics").

    dropped counts the notes that the file has and the score has not, by kind ("grace notes"); it is
    no part of what the score is.
    """

    parts: tuple[Part, ...] = ()
    resolution: int = 24
    tempos: tuple[Tempo, ...] = ()
    metres: tuple[Metre, ...] = ()
    keys: tuple[Key, ...] = ()
    title: str = ""
    lost: tuple[str, ...] = ()
    dropped: tuple[tuple[str, int], ...] = field(default=(), repr=False, compare=False)

    @property
    def end(self) -> int:
        """The tick where the last note ends; 0 without notes."""
        return max((note.end for part in self.parts for note in part.notes), default=0)

    @property
    def count(self) -> int:
        """Notes of all parts."""
        return sum(len(part.notes) for part in self.parts)

    @property
    def bars(self) -> list[tuple[int, int]]:
        """(first tick, tick after) of every bar up to the last note, by the metres, 4/4 where none
        is named; a new metre begins a bar.
        """
        changes = [
            (metre.start, max(1.0, metre.beats * 4 * self.resolution / metre.unit))
            for metre in sorted(self.metres)
        ]
        if not changes or changes[0][0] > 0:
            changes.insert(0, (0, 4.0 * self.resolution))
        stops = [start for start, _ in changes[1:]]
        bars: list[tuple[int, int]] = []
        for (start, length), stop in zip(changes, [*stops, math.inf], strict=True):
            count = max(0, math.ceil((min(stop, self.end) - start) / length - 1e-9))
            edges = [round(start + bar * length) for bar in range(count + 1)]
            bars += [(first, int(min(last, stop))) for first, last in pairwise(edges)]
        return bars

    @property
    def bar_lines(self) -> list[int]:
        """Where each bar begins; [0] where nothing is played."""
        return [start for start, _ in self.bars] or [0]

    def cut(self, start: int, stop: int) -> Score:
        """What sounds from tick `start` to `stop`, as a score that begins at 0: notes are cut at
        both ends, and what was in force holds on.
        """
        parts = tuple(
            replace(
                part,
                notes=tuple(
                    note._replace(
                        start=max(note.start, start) - start,
                        length=min(note.end, stop) - max(note.start, start),
                    )
                    for note in part.notes
                    if note.start < stop and note.end > start
                ),
            )
            for part in self.parts
        )

        def within(changes: tuple) -> tuple:
            in_force = {
                max(change.start, start) - start: change
                for change in changes
                if change.start < stop
            }
            return tuple(change._replace(start=tick) for tick, change in in_force.items())

        return replace(
            self,
            parts=parts,
            tempos=within(self.tempos),
            metres=within(self.metres),
            keys=within(self.keys),
        )

    def transposed(self, semitones: int) -> Score:
        """Drums stay. Keys move along the circle of fifths by the shortest way. Raises DataError
        where a note would leave 0 .. 127.
        """
        parts = tuple(
            part
            if part.drums
            else replace(
                part,
                notes=tuple(
                    note._replace(pitch=_within(note.pitch + semitones)) for note in part.notes
                ),
            )
            for part in self.parts
        )
        keys = tuple(
            key._replace(sharps=(key.sharps + 7 * semitones + 5) % 12 - 5) for key in self.keys
        )
        return replace(self, parts=parts, keys=keys)


def lanes(notes: Sequence[Note]) -> list[list[Note]]:
    """Notes in their order, dealt out so that in no lane a pitch begins while it sounds, which
    files cannot say of one player; at least one lane.
    """
    result: list[list[Note]] = [[]]
    ends: list[dict[int, int]] = [{}]
    for note in notes:
        place = next(
            (place for place, end in enumerate(ends) if end.get(note.pitch, 0) <= note.start),
            len(ends),
        )
        if place == len(ends):
            result.append([])
            ends.append({})
        result[place].append(note)
        ends[place][note.pitch] = note.end
    return result


def _within(pitch: int) -> int:
    if not 0 <= pitch <= 127:
        raise DataError(
            say("a note would leave MIDI's range"), f"pitch {pitch}", say("transpose by less")
        )
    return pitch
