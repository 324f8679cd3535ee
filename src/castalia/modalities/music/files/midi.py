"""Read and write Standard MIDI files, types 0 and 1 (The Complete MIDI 1.0 Detailed Specification,
RP-001).

A part is what one track plays on one channel with one program. The program belongs to the channel,
whichever track sets it. Kept: notes with their velocities, tempos, time and key signatures, names.
What a score has no place for (pedal, pitch bends, lyrics ...) is named in `Score.lost`. The
manifest is a text event of the first track that begins with `MARK`; beside it stands the label for
programs that do not know Castalia (codecs/ai_label.py). Damage raises DataError naming the file.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from castalia import bounded
from castalia.codecs import ai_label, manifest_json
from castalia.errors import DataError
from castalia.modalities.music.files import midi_events
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo, lanes
from castalia.sentences import say

ENDINGS = (".mid", ".midi", ".kar", ".rmi")
MARK = "castalia "  # a text event that begins so is a manifest
_DRUMS = 9
# controllers that set up a mixer and say nothing about the music
_QUIET = {0, 6, 7, 10, 11, 32, 38, 91, 93, 98, 99, 100, 101, 121, 123}
_CONTINUES = b"castalia: the part of the track before goes on"


def read(path: Path) -> Score:
    """Raises DataError for a file that is damaged, has times in frames (SMPTE) or holds no note."""
    data = bounded.read_bytes(path, "score_bytes")
    score = parsed(data, path.name)
    if score.count == 0:
        raise DataError(
            say("the score is empty: it holds no note"),
            path.name,
            say("remove it, or set data.skip_bad=true"),
        )
    return score


def parsed(data: bytes, name: str) -> Score:
    """A score from the bytes of a MIDI file, which may hold no note."""
    resolution, chunks, announced = midi_events.tracks(data, name)
    lost: set[str] = {say("tracks that its header announces")} if len(chunks) < announced else set()
    tempos: dict[int, float] = {}
    metres: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, bool]] = {}
    programs = _Programs()
    tracks: list[_Track] = []
    for number, chunk in enumerate(chunks):
        track = _Track(number, programs)
        tracks.append(track)
        for tick, kind, body in midi_events.events(chunk, name):
            track.last = tick
            if kind < 0xF0:
                track.take(tick, kind, body, lost)
            elif kind == 0xF0:
                lost.add("system messages")
            elif (
                (meta := kind & 0xFF) == midi_events.TEMPO
                and len(body) == 3
                and (micros := int.from_bytes(body))
            ):
                tempos[tick] = 60e6 / micros
            elif meta == midi_events.METRE and len(body) >= 2 and body[0] and body[1] <= 6:
                metres[tick] = (body[0], 1 << body[1])
            elif (
                meta == midi_events.KEY
                and len(body) == 2
                and abs(sharps := struct.unpack("b", body[:1])[0]) <= 7
            ):
                keys[tick] = (sharps, body[1] == 1)
            elif meta == midi_events.NAME:
                track.name = body.decode("utf-8", "replace").strip("\0 \n")
            elif meta == midi_events.TEXT:
                track.continues |= body == _CONTINUES
            elif meta == midi_events.PORT and len(body) == 1:
                track.port = body[0]
            elif meta == midi_events.LYRIC:
                lost.add("lyrics")
    _let_go(tracks)
    parts: list[Part] = []
    for track in tracks:
        made = track.parts()
        if (
            track.continues
            and len(made) == 1
            and parts
            and (parts[-1].program, parts[-1].drums) == (made[0].program, made[0].drums)
        ):
            notes = sorted(
                (*parts[-1].notes, *made[0].notes), key=lambda note: (note.start, note.pitch)
            )
            parts[-1] = replace(parts[-1], notes=tuple(notes))
        else:
            parts += made
    silent = sum(track.without_length for track in tracks)
    return Score(
        tuple(parts),
        resolution,
        tuple(Tempo(tick, quarters) for tick, quarters in sorted(tempos.items())),
        tuple(Metre(tick, *metre) for tick, metre in sorted(metres.items())),
        tuple(Key(tick, *key) for tick, key in sorted(keys.items())),
        "" if not tracks or tracks[0].plays else tracks[0].name,
        tuple(sorted(lost)),
        (("notes without length", silent),) if silent else (),
    )


class _Programs:
    """Which program a channel has: it belongs to the channel, whichever track changes it. Tracks at
    the same tick do not hear one another before their own.
    """

    def __init__(self) -> None:
        # port, channel, track: (tick, program)
        self._own: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        # port, channel: (tick, track, program)
        self._changes: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._others: dict[tuple[int, int], tuple[list[int], list[tuple[int, int, int]]]] = {}

    def change(self, port: int, channel: int, track: int, tick: int, program: int) -> None:
        self._own[port, channel, track].append((tick, program))

    def own(self, port: int, channel: int, track: int) -> tuple[int, int]:
        """(tick, program) of the last change in this track; (-1, 0) before there is any."""
        changes = self._own.get((port, channel, track))
        return changes[-1] if changes else (-1, 0)

    def at(self, port: int, channel: int, track: int, tick: int, own: tuple[int, int]) -> int:
        """The program of a note that begins at `tick`, once all changes are known. own: what `own`
        gave when the note was met.
        """
        if not self._others:
            for (at_port, at_channel, number), changes in self._own.items():
                self._changes.setdefault((at_port, at_channel), []).extend(
                    (when, number, program) for when, program in changes
                )
            for key, merged in self._changes.items():
                merged.sort(key=lambda change: change[:2])
                self._others[key] = ([change[0] for change in merged], _before(merged))
        ticks, latest = self._others.get((port, channel), ([], []))
        place = bisect_right(ticks, tick) - 1
        if place >= 0:
            first = self._changes[port, channel][place]
            other = first if first[1] != track else latest[place]
            if other[0] > own[0]:
                return other[2]
        return own[1]


def _before(changes: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """For each of the (tick, track, program) the latest before it that another track made; tick -1
    where there is none.
    """
    earlier, last, other = [], (-1, -1, 0), (-1, -1, 0)
    for change in changes:
        if change[1] != last[1]:
            other = last
        last = change
        earlier.append(other)
    return earlier


class _Track:
    """Notes of one track as they come. Keys of a piano are (port, channel, pitch)."""

    def __init__(self, number: int, programs: _Programs) -> None:
        self.number, self.name, self.port, self.last = number, "", 0, 0
        self.continues = self.plays = False  # continues: its notes belong to the part before
        self.without_length = 0
        self._programs = programs
        self.open: dict[tuple[int, int, int], deque[_Struck]] = defaultdict(deque)
        # of keys that this track did not strike
        self.ends: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        self._notes: list[tuple[tuple[int, int, int], _Struck, int]] = []  # key, beginning, end

    def take(self, tick: int, status: int, body: bytes, lost: set[str]) -> None:
        kind, channel = status & 0xF0, status & 0x0F
        key = (self.port, channel, body[0])
        if kind == 0x90 and body[1]:
            self.plays = True
            self.open[key].append(
                _Struck(tick, body[1], self._programs.own(self.port, channel, self.number))
            )
        elif kind in (0x80, 0x90):
            if self.open[key]:
                self.close(key, tick)
            else:
                self.ends[key].append(tick)
        elif kind == 0xC0:
            self._programs.change(self.port, channel, self.number, tick, body[0])
        elif kind == 0xB0:
            if body[0] not in _QUIET:
                lost.add("pedal" if body[0] == 64 else "controllers")
        elif kind == 0xE0:
            lost.add("pitch bends")
        else:
            lost.add("aftertouch")

    def close(self, key: tuple[int, int, int], tick: int) -> None:
        """Ends the note of a key that was struck first."""
        struck = self.open[key].popleft()
        if tick > struck.tick:
            self._notes.append((key, struck, tick))
        else:
            self.without_length += 1

    def parts(self) -> list[Part]:
        """One for each channel and program."""
        by_program: dict[tuple[int, int, int], list[Note]] = {}
        for (port, channel, pitch), struck, end in self._notes:
            program = self._programs.at(port, channel, self.number, struck.tick, struck.own)
            note = Note(struck.tick, end - struck.tick, pitch, struck.velocity)
            by_program.setdefault((port, channel, program), []).append(note)
        return [
            Part(
                self.name,
                0 if channel == _DRUMS else program,
                channel == _DRUMS,
                tuple(sorted(notes, key=lambda n: (n.start, n.pitch))),
            )
            for (_, channel, program), notes in sorted(by_program.items())
        ]


class _Struck(NamedTuple):
    """own: the last change of program in the track, (tick, program)."""

    tick: int
    velocity: int
    own: tuple[int, int]


def _let_go(tracks: Sequence[_Track]) -> None:
    """Ends notes that their track does not end: where another track lets go of the key, else at the
    end of the track.
    """
    spare: dict[tuple[int, int, int], list[int]] = {}
    for track in tracks:
        for key, ends in track.ends.items():
            spare.setdefault(key, []).extend(ends)
    for ends in spare.values():
        ends.sort()
    for track in tracks:
        for key, waiting in track.open.items():
            ends = spare.get(key, [])
            while waiting:
                place = bisect_right(ends, waiting[0].tick)
                track.close(
                    key, ends.pop(place) if place < len(ends) else max(track.last, waiting[0].tick)
                )


# Scores to files ----------------------------------------------------------------------------------


def write(score: Score, path: Path, manifest: dict[str, Any] | None = None) -> None:
    """Type 1: a track of tempos and signatures, then one for each part. The same score and manifest
    give the same bytes.
    """
    path.write_bytes(encoded(score, manifest))


def encoded(score: Score, manifest: dict[str, Any] | None = None) -> bytes:
    """The bytes of the file. Notes of one pitch that overlap in a part are written in tracks of
    their own, which `parsed` joins again.

    Raises DataError for a resolution or a metre that MIDI has not.
    """
    if not 0 < score.resolution < 0x8000:
        raise DataError(
            say("MIDI counts at most 32,767 ticks of a quarter note"),
            f"resolution {score.resolution}",
            say("use fewer"),
        )
    for metre in score.metres:
        if not (0 < metre.beats < 256 and metre.unit in (1, 2, 4, 8, 16, 32, 64)):
            raise DataError(
                say("MIDI has no such metre"),
                f"{metre.beats}/{metre.unit}",
                say("write it with a power of two below"),
            )
    first: list[tuple[int, int, bytes]] = (
        [(0, 0, midi_events.meta(midi_events.NAME, score.title.encode()))] if score.title else []
    )
    if manifest is not None:
        first.append(
            (
                0,
                0,
                midi_events.meta(
                    midi_events.TEXT, (MARK + json.dumps(manifest, sort_keys=True)).encode()
                ),
            )
        )
        label = ai_label.line(manifest)
        first += [(0, 0, midi_events.meta(midi_events.TEXT, label.encode()))] if label else []
    first += [
        (tempo.start, 1, midi_events.meta(midi_events.TEMPO, _micros(tempo).to_bytes(3)))
        for tempo in score.tempos
    ]
    first += [
        (
            metre.start,
            1,
            midi_events.meta(
                midi_events.METRE, bytes([metre.beats, metre.unit.bit_length() - 1, 24, 8])
            ),
        )
        for metre in score.metres
    ]
    first += [
        (key.start, 1, midi_events.meta(midi_events.KEY, struct.pack("bB", key.sharps, key.minor)))
        for key in score.keys
    ]
    chunks = [midi_events.chunk(first)]
    players = [
        (part, lane, number)
        for part in score.parts
        for number, lane in enumerate(lanes(part.notes))
    ]
    places = _channels([(part.program, part.drums) for part, _, _ in players])
    for (part, lane, number), (port, channel) in zip(players, places, strict=True):
        messages = (
            [(0, 0, midi_events.meta(midi_events.NAME, part.name.encode()))] if part.name else []
        )
        messages += [(0, 0, midi_events.meta(midi_events.TEXT, _CONTINUES))] if number else []
        messages += [(0, 0, midi_events.meta(midi_events.PORT, bytes([port])))] if port else []
        messages.append((0, 1, bytes([0xC0 | channel, part.program])))
        for note in lane:
            messages.append((note.start, 3, bytes([0x90 | channel, note.pitch, note.velocity])))
            # before what begins at the same tick
            messages.append((note.end, 2, bytes([0x80 | channel, note.pitch, 0])))
        chunks.append(midi_events.chunk(messages))
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(chunks), score.resolution) + b"".join(chunks)


def _channels(players: Sequence[tuple[int, bool]]) -> list[tuple[int, int]]:
    """(port, channel) for each (program, drums): a channel of their own for fifteen; of more, those
    of a program share one; more programs take ports.
    """
    free = [channel for channel in range(16) if channel != _DRUMS]
    alone = sum(not drums for _, drums in players) <= len(free)
    taken: dict[int, int] = {}
    channels = []
    for number, (program, drums) in enumerate(players):
        place = len(taken) if drums else taken.setdefault(number if alone else program, len(taken))
        channels.append((0, _DRUMS) if drums else (place // len(free), free[place % len(free)]))
    return channels


def read_manifest(data: bytes, name: str) -> dict[str, Any] | None:
    """The manifest that `encoded` put into a file; None if there is none."""
    return manifest_json.only(
        (text[len(MARK) :] for text in _texts(data, name) if text.startswith(MARK)), name
    )


def is_labelled(data: bytes, name: str, manifest: dict[str, Any]) -> bool:
    label = ai_label.line(manifest)
    return label is None or label in _texts(data, name)


def _texts(data: bytes, name: str) -> list[str]:
    """The text events of the first track."""
    return [
        body.decode("utf-8", "replace")
        for _, kind, body in midi_events.events(midi_events.tracks(data, name)[1][0], name)
        if kind == midi_events.META + midi_events.TEXT
    ]


def _micros(tempo: Tempo) -> int:
    return min(max(round(60e6 / tempo.quarters), 1), (1 << 24) - 1)
