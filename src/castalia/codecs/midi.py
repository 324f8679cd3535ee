"""Standard MIDI files, types 0 and 1, to scores and back (The Complete MIDI 1.0 Detailed Specification, RP-001).

A part is what one track plays on one channel with one program. Kept: notes with their velocities, tempos, time and key signatures, names. What a
score has no place for (pedal, pitch bends, lyrics ...) is named in `Score.lost`. The manifest is a text event of the first track that begins with
`MARK`; beside it stands the label for programs that do not know Castalia (codecs/xmp.py). Damage raises DataError naming the file.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.codecs import xmp
from castalia.codecs.score import Key, Metre, Note, Part, Score, Tempo
from castalia.errors import DataError

MARK = "castalia "  # a text event that begins so is a manifest
_DRUMS = 9
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_QUIET = {0, 6, 7, 10, 11, 32, 38, 91, 93, 98, 99, 100, 101, 121, 123}  # controllers that set up a mixer and say nothing about the music
_TEXT, _NAME, _LYRIC, _END, _TEMPO, _METRE, _KEY = 0x01, 0x03, 0x05, 0x2F, 0x51, 0x58, 0x59


def read(path: Path) -> Score:
    """Raises DataError for a file that is damaged, has times in frames (SMPTE) or holds no note."""
    data = bounded.read_bytes(path, "score_bytes")
    score = parsed(data, path.name)
    if score.count == 0:
        raise DataError("the score is empty: it holds no note", path.name, "remove it, or set data.skip_bad=true")
    return score


def parsed(data: bytes, name: str) -> Score:
    """A score from the bytes of a MIDI file, which may hold no note."""
    resolution, tracks = _tracks(data, name)
    lost: set[str] = set()
    tempos: dict[int, float] = {}
    metres: dict[int, tuple[int, int]] = {}
    keys: dict[int, tuple[int, bool]] = {}
    parts: list[Part] = []
    title = ""
    for number, track in enumerate(tracks):
        played = _Track(name)
        for tick, kind, body in _events(track, name):
            if kind < 0xF0:
                played.take(tick, kind, body, lost)
            elif kind == 0xF0:
                lost.add("system messages")
            elif (meta := kind & 0xFF) == _TEMPO and len(body) == 3 and (micros := int.from_bytes(body)):
                tempos[tick] = 60e6 / micros
            elif meta == _METRE and len(body) >= 2 and body[0] and body[1] <= 6:
                metres[tick] = (body[0], 1 << body[1])
            elif meta == _KEY and len(body) == 2 and abs(sharps := struct.unpack("b", body[:1])[0]) <= 7:
                keys[tick] = (sharps, body[1] == 1)
            elif meta == _NAME:
                played.name = body.decode("utf-8", "replace").strip("\0 \n")
            elif meta == _LYRIC:
                lost.add("lyrics")
        found = played.parts()
        if number == 0 and not found:
            title = played.name
        parts += found
    return Score(
        tuple(parts),
        resolution,
        tuple(Tempo(tick, quarters) for tick, quarters in sorted(tempos.items())),
        tuple(Metre(tick, *metre) for tick, metre in sorted(metres.items())),
        tuple(Key(tick, *key) for tick, key in sorted(keys.items())),
        title,
        tuple(sorted(lost)),
    )


class _Track:
    """Notes of one track as they come."""

    def __init__(self, file: str) -> None:
        self.file, self.name = file, ""
        self._programs: dict[int, int] = {}
        self._open: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)  # channel, pitch: start, velocity, program
        self._notes: dict[tuple[int, int], list[Note]] = {}
        self._last = 0

    def take(self, tick: int, status: int, body: bytes, lost: set[str]) -> None:
        self._last = tick
        kind, channel = status & 0xF0, status & 0x0F
        if kind == 0x90 and body[1]:
            self._open[channel, body[0]].append((tick, body[1], self._programs.get(channel, 0)))
        elif kind in (0x80, 0x90):
            self._close(channel, body[0], tick)
        elif kind == 0xC0:
            self._programs[channel] = body[0]
        elif kind == 0xB0:
            if body[0] not in _QUIET:
                lost.add("pedal" if body[0] == 64 else "controllers")
        elif kind == 0xE0:
            lost.add("pitch bends")
        else:
            lost.add("aftertouch")

    def _close(self, channel: int, pitch: int, tick: int) -> None:
        waiting = self._open[channel, pitch]
        if waiting:
            start, velocity, program = waiting.popleft()
            if tick > start:
                self._notes.setdefault((channel, program), []).append(Note(start, tick - start, pitch, velocity))

    def parts(self) -> list[Part]:
        for (channel, pitch), waiting in self._open.items():  # whoever never lets go of a key plays to the end of the track
            while waiting:
                self._close(channel, pitch, self._last)
        return [
            Part(self.name, 0 if channel == _DRUMS else program, channel == _DRUMS, tuple(sorted(notes, key=lambda n: (n.start, n.pitch))))
            for (channel, program), notes in sorted(self._notes.items())
        ]


def _tracks(data: bytes, name: str) -> tuple[int, list[bytes]]:
    """Ticks of a quarter note, and the bytes of each track."""
    if not data:
        raise DataError("the file is empty (zero bytes)", name, "copy it again, or set data.skip_bad=true")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    if data[:4] != b"MThd" or len(data) < 14:
        raise DataError("the file is not a MIDI file, whatever its name says", name, "remove or rename it, or set data.skip_bad=true")
    length, kind, _, division = struct.unpack(">IHHH", data[4:14])
    if kind > 1:
        raise DataError("the MIDI file is of type 2, a collection of patterns", name, "save it as type 0 or 1")
    if division & 0x8000 or division == 0:
        raise DataError("the MIDI file counts time in film frames (SMPTE), not in beats", name, "save it with ticks per quarter note")
    tracks, place = [], 8 + length
    while place + 8 <= len(data):
        head, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
        if place + 8 + size > len(data):
            raise _broken(name, f"track {len(tracks) + 1} ends before its length")
        if head == b"MTrk":
            tracks.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    if not tracks:
        raise _broken(name, "it holds no track")
    return division, tracks


def _events(track: bytes, name: str) -> Iterator[tuple[int, int, bytes]]:
    """(tick, status, data): a channel message's status byte; 0xF0 for system messages; 0x100 + type for meta events."""
    tick, place, running, count = 0, 0, 0, 0
    most = 4 * bounded.current().score_notes  # a note begins and ends, and something may happen meanwhile
    try:
        while place < len(track):
            count += 1
            if count > most:
                raise bounded.exceeded("score_notes", "a track has far too many events", name)
            delta, place = _number(track, place)
            tick += delta
            status = track[place]
            if status >= 0x80:
                place += 1
            else:
                status = running
            if status < 0x80:
                raise _broken(name, "a message has no status byte")
            if status < 0xF0:
                running = status
                size = _DATA_BYTES[status & 0xF0]
                body = track[place : place + size]
                if len(body) < size or max(body) > 0x7F:
                    raise _broken(name, "a message is cut short")
                yield tick, status, body
            elif status == 0xFF:
                kind = track[place]
                size, place = _number(track, place + 1)
                body = track[place : place + size]
                if kind == _END:
                    return
                yield tick, 0x100 + kind, body
            elif status in (0xF0, 0xF7):
                size, place = _number(track, place)
                yield tick, 0xF0, b""
            else:
                raise _broken(name, f"a message of status {status:02X}, which files do not hold")
            place += size
    except IndexError:
        raise _broken(name, "a track breaks off in the middle of a message") from None


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length quantity and the place after it."""
    value = 0
    for _ in range(4):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, place


def _broken(name: str, why: str) -> DataError:
    return DataError(f"the MIDI file is damaged: {why}", name, "copy it again, or set data.skip_bad=true")


# Scores to files ------------------------------------------------------------------------------------------------------


def write(score: Score, path: Path, manifest: dict[str, Any] | None = None) -> None:
    """Type 1: a track of tempos and signatures, then one for each part. The same score and manifest give the same bytes."""
    path.write_bytes(encoded(score, manifest))


def encoded(score: Score, manifest: dict[str, Any] | None = None) -> bytes:
    """The bytes of the file. Fifteen programs at once have a channel each; parts beyond share them."""
    first: list[tuple[int, int, bytes]] = [(0, 0, _meta(_NAME, score.title.encode()))] if score.title else []
    if manifest is not None:
        first.append((0, 0, _meta(_TEXT, (MARK + json.dumps(manifest, sort_keys=True)).encode())))
        label = xmp.line(manifest)
        first += [(0, 0, _meta(_TEXT, label.encode()))] if label else []
    first += [(tempo.start, 1, _meta(_TEMPO, _micros(tempo).to_bytes(3))) for tempo in score.tempos]
    first += [(metre.start, 1, _meta(_METRE, bytes([metre.beats, metre.unit.bit_length() - 1, 24, 8]))) for metre in score.metres]
    first += [(key.start, 1, _meta(_KEY, struct.pack("bB", key.sharps, key.minor))) for key in score.keys]
    chunks = [_chunk(first)]
    channels: dict[int, int] = {}
    for part in score.parts:
        free = [channel for channel in range(16) if channel != _DRUMS]
        channel = _DRUMS if part.drums else channels.setdefault(part.program, free[len(channels) % 15])
        messages = [(0, 0, _meta(_NAME, part.name.encode()))] if part.name else []
        messages.append((0, 1, bytes([0xC0 | channel, part.program])))
        for note in part.notes:
            messages.append((note.start, 3, bytes([0x90 | channel, note.pitch, note.velocity])))
            messages.append((note.end, 2, bytes([0x80 | channel, note.pitch, 0])))  # before what begins at the same tick
        chunks.append(_chunk(messages))
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(chunks), score.resolution) + b"".join(chunks)


def read_manifest(data: bytes, name: str) -> dict[str, Any] | None:
    """The manifest that `encoded` put into a file; None if there is none."""
    for text in _texts(data, name):
        if text.startswith(MARK):
            try:
                found = bounded.parse_json(text[len(MARK) :])
            except DataError:
                return None  # somebody else's text
            return found if isinstance(found, dict) else None
    return None


def is_labelled(data: bytes, name: str, manifest: dict[str, Any]) -> bool:
    label = xmp.line(manifest)
    return label is None or label in _texts(data, name)


def _texts(data: bytes, name: str) -> list[str]:
    """The text events of the first track."""
    return [body.decode("utf-8", "replace") for _, kind, body in _events(_tracks(data, name)[1][0], name) if kind == 0x100 + _TEXT]


def _micros(tempo: Tempo) -> int:
    return min(max(round(60e6 / tempo.quarters), 1), (1 << 24) - 1)


def _meta(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + _quantity(len(body)) + body


def _chunk(messages: list[tuple[int, int, bytes]]) -> bytes:
    """A track: (tick, rank among equal ticks, message)."""
    body, now = bytearray(), 0
    for tick, _, message in sorted(messages, key=lambda one: one[:2]):
        body += _quantity(tick - now) + message
        now = tick
    body += b"\x00" + _meta(_END, b"")
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def _quantity(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
