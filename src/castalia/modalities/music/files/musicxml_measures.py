"""Join parts of MusicXML as a `Score`: measures begin together, tied notes are one, instruments of
several programs are several parts.

A measure is as long as its longest part, and one in which nothing is written as long as its metre.
Parts are read in musicxml_parts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import lcm
from typing import Any, NamedTuple, TypeVar

from castalia.modalities.music.files.musicxml_parts import (
    Instrument,
    PartReader,
    Place,
    Sounded,
    Time,
)
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens.grid import CHORDS

FINEST = 10_080  # ticks of a quarter note
T = TypeVar("T")


class _Held(NamedTuple):
    """A note with all that is tied to it, in quarter notes."""

    start: Time
    length: Time
    pitch: int
    velocity: int


def joined(readers: Sequence[PartReader]) -> Score:
    """The score of all parts, without its title."""
    starts = _starts(readers)

    def absolute(placed: list[tuple[Place, T]]) -> list[tuple[Time, T]]:
        return [(max(Time(0), starts[at.measure] + at.offset), value) for at, value in placed]

    def first(name: str) -> dict[Time, T]:
        """The value at each time; where several parts give one, the first part's."""
        values: dict[Time, T] = {}
        for reader in readers:
            for time, value in absolute(getattr(reader, name)):
                values.setdefault(time, value)
        return values

    tempos: dict[Time, float] = first("tempos")
    keys: dict[Time, tuple[int, bool]] = first("keys")
    metres: dict[Time, tuple[int, int]] = first("metres")
    _bar_lines(metres, starts, readers)
    groups = [group for reader in readers for group in _by_instrument(reader, absolute)]
    chords = sorted(
        (one for reader in readers for one in absolute(reader.chords)), key=lambda chord: chord[0]
    )
    end = starts[-1]
    times = [time for _, notes in groups for note in notes for time in note[:2]]
    times += [*tempos, *metres, *keys, *(time for time, _ in chords), end]
    resolution = lcm(1, *(time.denominator for time in times))
    lost = {name for reader in readers for name in reader.lost}
    if resolution > FINEST:
        resolution = FINEST
        lost.add("the finest of its timing")
    dropped = sum((reader.dropped for reader in readers), Counter[str]())

    def tick(time: Time) -> int:
        return round(time * resolution)

    def note(held: _Held) -> Note:
        start = tick(held.start)
        return Note(
            start, max(1, tick(held.start + held.length) - start), held.pitch, held.velocity
        )

    parts = [
        Part(
            name,
            instrument.program,
            instrument.drums,
            tuple(sorted(map(note, notes), key=lambda note: (note.start, note.pitch))),
        )
        for (name, instrument), notes in groups
    ]
    ends = [*(time for time, _ in chords[1:]), end][: len(chords)]
    symbols = tuple(
        Note(tick(start), tick(stop) - tick(start), pitch, 64)
        for (start, pitches), stop in zip(chords, ends, strict=True)
        for pitch in pitches
        if tick(stop) > tick(start)
    )
    return Score(
        (*parts, *([Part(CHORDS, 0, False, symbols)] if symbols else [])),
        resolution,
        tuple(Tempo(tick(time), quarters) for time, quarters in sorted(tempos.items())),
        tuple(Metre(tick(time), *metre) for time, metre in sorted(metres.items())),
        tuple(Key(tick(time), *key) for time, key in sorted(keys.items())),
        lost=tuple(sorted(lost | {name for name, count in dropped.items() if count})),
        dropped=tuple(sorted((name, count) for name, count in dropped.items() if count)),
    )


def _starts(readers: Sequence[PartReader]) -> list[Time]:
    """Where each measure begins, and where the last one ends."""
    lengths = []
    for index in range(max((len(reader.lengths) for reader in readers), default=0)):
        there = [reader for reader in readers if index < len(reader.lengths)]
        written = [length for reader in there if (length := reader.lengths[index]) is not None]
        lengths.append(max(written) if written else max(reader.bars[index] for reader in there))
    return list(accumulate(lengths, initial=Time(0)))


def _bar_lines(
    metres: dict[Time, tuple[int, int]], starts: Sequence[Time], readers: Sequence[PartReader]
) -> None:
    """Repeats a metre where a measure does not begin where the metre would have it, as after a
    pickup; not within bars that are written as two.
    """
    since, metre = Time(0), None
    for index, start in enumerate(starts[:-1]):
        if start in metres:
            since, metre = start, metres[start]
        elif metre is not None and (start - since) % Time(4 * metre[0], metre[1]):
            inside = index > 1 and any(
                index < len(reader.implicit) and reader.implicit[index] for reader in readers
            )
            if not inside:
                since, metres[start] = start, metre


def _by_instrument(
    reader: PartReader, absolute: Callable[[list[tuple[Place, Any]]], list[tuple[Time, Any]]]
) -> list[tuple[tuple[str, Instrument], list[_Held]]]:
    """The notes of a part by program, all drums together: ((name, instrument), notes). The first
    has the part's name, others that of the instrument.
    """
    groups: dict[int | None, list[tuple[Time, Sounded]]] = {}
    for start, sounded in absolute([(note.at, note) for note in reader.notes]):
        groups.setdefault(
            None if sounded.instrument.drums else sounded.instrument.program, []
        ).append((start, sounded))
    loudness = sorted(absolute(reader.loudness), key=lambda one: one[0])
    parts: list[tuple[tuple[str, Instrument], list[_Held]]] = []
    for notes in groups.values():
        instrument = notes[0][1].instrument
        parts.append(
            (
                ((instrument.name if parts else "") or reader.name, instrument),
                _tied(notes, loudness),
            )
        )
    return parts


def _tied(
    notes: Sequence[tuple[Time, Sounded]], loudness: Sequence[tuple[Time, int]]
) -> list[_Held]:
    """Notes with what is tied to them, whatever the order, the voice and the measure in which they
    are written.

    A tie ends at the note of its pitch that begins where it ends: one marked as a stop, of several
    the one with its number, else in its voice, else the first; where none is marked, the one in its
    voice.
    """
    held: list[_Held] = []
    # pitch and end -> (place in `held`, the last note)
    ties: dict[tuple[int, Time], list[tuple[int, Sounded]]] = {}
    velocity, changes = 80, list(reversed(loudness))
    # stable: else in the file's order
    for start, note in sorted(notes, key=lambda one: (one[0], "stop" not in one[1].ties)):
        while changes and changes[-1][0] <= start:
            velocity = changes.pop()[1]
        waiting = ties.get((note.pitch, start), [])
        fitting = (
            waiting
            if "stop" in note.ties
            else [one for one in waiting if one[1].voice == note.voice]
        )
        if fitting:
            best = max(
                fitting, key=lambda one: (one[1].tie == note.tie, one[1].voice == note.voice)
            )
            waiting.remove(best)
            place = best[0]
            held[place] = held[place]._replace(length=held[place].length + note.length)
        else:
            place = len(held)
            held.append(
                _Held(
                    start,
                    note.length,
                    note.pitch,
                    velocity if note.velocity is None else note.velocity,
                )
            )
        if "start" in note.ties:
            ties.setdefault((note.pitch, start + note.length), []).append((place, note))
    return held
