"""Bytes of Standard MIDI files to events and back (RP-001): chunks, running status, variable-length
quantities.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from castalia import bounded
from castalia.errors import DataError
from castalia.sentences import say

META = 0x100  # added to the type of a meta event
TEXT, NAME, LYRIC, PORT, END, TEMPO, METRE, KEY = 0x01, 0x03, 0x05, 0x21, 0x2F, 0x51, 0x58, 0x59
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_LONGEST_WAIT = (1 << 28) - 1  # ticks between two events


def tracks(data: bytes, name: str) -> tuple[int, list[bytes], int]:
    """Ticks of a quarter note, the bytes of each track, and how many tracks the header
    announces.
    """
    if not data:
        raise DataError(
            say("the file is empty (zero bytes)"),
            name,
            say("copy it again, or set data.skip_bad=true"),
        )
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = _in_riff(data)
    if data[:4] != b"MThd" or len(data) < 14:
        raise DataError(
            say("the file is not a MIDI file, whatever its name says"),
            name,
            say("remove or rename it, or set data.skip_bad=true"),
        )
    length, kind, announced, division = struct.unpack(">IHHH", data[4:14])
    if kind > 1:
        raise DataError(
            say("the MIDI file is of type 2, a collection of patterns"),
            name,
            say("save it as type 0 or 1"),
        )
    if division & 0x8000 or division == 0:
        raise DataError(
            say("the MIDI file counts time in film frames (SMPTE), not in beats"),
            name,
            say("save it with ticks per quarter note"),
        )
    chunks: list[bytes] = []
    place = 8 + length
    while place + 8 <= len(data):
        head, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8])
        if head != b"MTrk" and len(chunks) >= announced:
            break  # whatever else was appended to the file
        if place + 8 + size > len(data):
            raise broken(name, say("track {0} ends before its length", len(chunks) + 1))
        if head == b"MTrk":
            chunks.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    if not chunks:
        raise broken(name, say("it holds no track"))
    return division, chunks, announced


def _in_riff(data: bytes) -> bytes:
    """The MIDI file in a RIFF container (.rmi)."""
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"data":
            return data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return b""


def events(track: bytes, name: str) -> Iterator[tuple[int, int, bytes]]:
    """(tick, status, data): a channel message's status byte; 0xF0 for system messages; 0x100 + type
    for meta events.
    """
    tick, place, running, count = 0, 0, 0, 0
    # a note begins and ends, and something may happen meanwhile
    most = 4 * bounded.current().score_notes
    try:
        while place < len(track):
            count += 1
            if count > most:
                raise bounded.exceeded("score_notes", say("a track has far too many events"), name)
            delta, place = _number(track, place)
            tick += delta
            status = track[place]
            if status >= 0x80:
                place += 1
            else:
                status = running
            if status < 0x80:
                raise broken(name, say("a message has no status byte"))
            if status < 0xF0:
                running = status
                size = _DATA_BYTES[status & 0xF0]
                body = track[place : place + size]
                if len(body) < size or max(body) > 0x7F:
                    raise broken(name, say("a message is cut short"))
                yield tick, status, body
            elif status == 0xFF:
                kind = track[place]
                size, place = _number(track, place + 1)
                body = track[place : place + size]
                if len(body) < size:
                    raise broken(name, say("a message is longer than its track"))
                yield tick, META + kind, body
                if kind == END:
                    return
            elif status in (0xF0, 0xF7):
                size, place = _number(track, place)
                if place + size > len(track):
                    raise broken(name, say("a message is longer than its track"))
                yield tick, 0xF0, b""
            else:
                raise broken(
                    name, say("a message of status {0:02X}, which files do not hold", status)
                )
            place += size
    except IndexError:
        raise broken(name, say("a track breaks off in the middle of a message")) from None


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


def broken(name: str, why: str) -> DataError:
    return DataError(
        say("the MIDI file is damaged: {0}", why),
        name,
        say("copy it again, or set data.skip_bad=true"),
    )


def meta(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + quantity(len(body)) + body


def chunk(messages: list[tuple[int, int, bytes]]) -> bytes:
    """A track: (tick, rank among equal ticks, message)."""
    body, now = bytearray(), 0
    for tick, _, message in sorted(messages, key=lambda one: one[:2]):
        while tick - now > _LONGEST_WAIT:
            body += quantity(_LONGEST_WAIT) + meta(TEXT, b"")
            now += _LONGEST_WAIT
        body += quantity(tick - now) + message
        now = tick
    body += b"\x00" + meta(END, b"")
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def quantity(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
