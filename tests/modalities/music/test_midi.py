"""MIDI: the program belongs to the channel over all tracks; keys struck again while they are down;
what tracks leave open; what is damaged is named.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.errors import DataError
from castalia.modalities.music.files import midi, midi_events
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo

Message = tuple[int, bytes]  # ticks since the last one, bytes
END = (0, b"\xff\x2f\x00")


def on(pitch: int, channel: int = 0, wait: int = 0, velocity: int = 80) -> Message:
    return wait, bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0, wait: int = 96) -> Message:
    return wait, bytes([0x80 | channel, pitch, 0])


def program(number: int, channel: int = 0, wait: int = 0) -> Message:
    return wait, bytes([0xC0 | channel, number])


def track(*messages: Message) -> bytes:
    body = b"".join(midi_events.quantity(wait) + message for wait, message in (*messages, END))
    return b"MTrk" + struct.pack(">I", len(body)) + body


def file(*tracks: bytes, kind: int = 1, announced: int | None = None, division: int = 96) -> bytes:
    return (
        b"MThd"
        + struct.pack(">IHHH", 6, kind, len(tracks) if announced is None else announced, division)
        + b"".join(tracks)
    )


def read(*tracks: bytes, **options) -> Score:
    return midi.parsed(file(*tracks, **options), "a.mid")


def played(score: Score) -> list[tuple[int, bool, list[tuple[int, int, int]]]]:
    return [
        (part.program, part.drums, [tuple(note[:3]) for note in part.notes]) for part in score.parts
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_program_belongs_to_the_channel_over_all_tracks(order: tuple[int, int]):
    """Whether the track that sets it stands before or after the notes."""
    setup = track(program(40, 3), program(12, 4))
    notes = track(on(60, 3), off(60, 3), on(62, 4), off(62, 4))
    tracks = [(setup, notes)[place] for place in order]
    assert played(read(*tracks)) == [(40, False, [(0, 96, 60)]), (12, False, [(96, 96, 62)])]


def test_a_program_holds_from_where_it_is_set():
    changes = track(program(5), program(7, wait=96), program(9, wait=96))
    notes = track(on(60), off(60), on(60), off(60), program(20), on(60), off(60))
    assert played(read(changes, notes)) == [
        (5, False, [(0, 96, 60)]),
        (7, False, [(96, 96, 60)]),
        (20, False, [(192, 96, 60)]),
    ]
    # set after the notes
    assert played(read(track(on(60), off(60), program(30)))) == [(0, False, [(0, 96, 60)])]
    both = [track(program(number), on(60 + number), off(60 + number)) for number in (1, 2)]
    # each its own, where both set it at once
    assert played(read(*both)) == [(1, False, [(0, 96, 61)]), (2, False, [(0, 96, 62)])]


def test_ports_have_channels_of_their_own():
    port = (0, b"\xff\x21\x01\x01")
    assert played(
        read(
            track(program(40)),
            track(port, program(50)),
            track(on(60), off(60)),
            track(port, on(61), off(61)),
        )
    ) == [
        (40, False, [(0, 96, 60)]),
        (50, False, [(0, 96, 61)]),
    ]


def test_type_0_running_status_and_silent_strokes_that_end():
    running = track(
        (0, b"\x90\x3c\x50"),
        (48, b"\x3c\x00"),
        (0, b"\x3e\x50"),
        (48, b"\x3e\x00"),
        on(36, 9),
        off(36, 9, 24),
    )
    assert played(read(running, kind=0)) == [
        (0, False, [(0, 48, 60), (48, 48, 62)]),
        (0, True, [(96, 24, 36)]),
    ]


def test_a_key_struck_twice_is_let_go_first_in_first_out():
    assert played(read(track(on(60), on(60, wait=24), off(60, wait=24), off(60, wait=24)))) == [
        (0, False, [(0, 48, 60), (24, 48, 60)])
    ]


def test_what_a_track_does_not_end_ends_with_it():
    open_end = track(on(60), (192, b"\xff\x01\x00"), (96, b"\xff\x01\x00"))
    assert played(read(open_end)) == [(0, False, [(0, 288, 60)])]
    # the end of the track comes a quarter note later
    only_the_end = b"\x00\x90\x3c\x50\x60\xff\x2f\x00"
    assert played(read(b"MTrk" + struct.pack(">I", len(only_the_end)) + only_the_end)) == [
        (0, False, [(0, 96, 60)])
    ]
    # another track lets go of the key
    elsewhere = read(track(on(60), on(62), off(62)), track(off(60, wait=48)))
    assert played(elsewhere) == [(0, False, [(0, 48, 60), (0, 96, 62)])]


def test_notes_without_length_are_counted():
    score = read(track(on(60), off(60, wait=0), on(62), off(62)))
    assert played(score) == [(0, False, [(0, 96, 62)])] and score.dropped == (
        ("notes without length", 1),
    )


def test_containers_and_counts_of_tracks():
    plain = file(track(on(60), off(60)))
    chunks = (
        b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", len(plain)) + plain
    )
    riff = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"RMID" + chunks
    assert (
        midi.parsed(riff, "a.rmi")
        == midi.parsed(plain, "a.mid")
        == midi.parsed(plain + b"junk at the end", "a.mid")
    )
    assert read(track(on(60), off(60)), announced=0).count == 1
    short = read(track(on(60), off(60)), announced=3)
    assert short.count == 1 and short.lost == ("tracks that its header announces",)


def test_odd_signatures_are_passed_over():
    odd = [
        b"\x58\x04\x00\x02\x18\x08",
        b"\x58\x04\x04\x07\x18\x08",
        b"\x58\x01\x04",
        b"\x59\x02\x08\x00",
        b"\x59\x02\xf8\x00",
        b"\x51\x03\0\0\0",
        b"\x51\x01\x10",
    ]
    score = read(
        track(
            *((0, b"\xff" + one) for one in odd),
            (0, b"\xff\x58\x04\x03\x00\x18\x08"),
            on(60),
            off(60),
        )
    )
    assert (score.metres, score.keys, score.tempos) == ((Metre(0, 3, 1),), (), ())


@pytest.mark.parametrize(
    "data",
    [
        file(track(on(60), off(60)), kind=2),
        file(track(on(60), off(60)), division=0xE728),
        file(track(on(60), off(60)), division=0),
        file(track(on(60), off(60)))[:-6],
        file(track((0, b"\xff\x01\x7f"), on(60), off(60))),  # a text longer than its track
        file(track((0, b"\xf0\x7f"), on(60), off(60))),
        file(track((0, b"\x3c\x50"))),
        file(track((0, b"\x90\x3c\x90"))),
        file(track((0, b"\xf5"))),
        file(),
        b"RIFF\0\0\0\0RMIDLIST\0\0\0\0",
    ],
)
def test_damage_is_named(data: bytes):
    with pytest.raises(DataError, match=r"at:  a\.mid"):
        midi.parsed(data, "a.mid")


NOTES = st.lists(
    st.builds(
        Note, st.integers(0, 40), st.integers(1, 60), st.integers(58, 62), st.integers(1, 127)
    ),
    min_size=1,
    max_size=16,
)
PARTS = st.lists(
    st.builds(
        lambda name, number, drums, notes: Part(
            name,
            0 if drums else number,
            drums,
            tuple(sorted(notes, key=lambda n: (n.start, n.pitch))),
        ),
        st.sampled_from(["", "a", "钢琴"]),
        st.integers(0, 127),
        st.booleans(),
        NOTES,
    ),
    min_size=1,
    max_size=20,
)


@given(PARTS)
@settings(max_examples=80, deadline=None)
def test_any_notes_come_back_as_they_were(parts: list[Part]):
    """Nested, crossing and equal ones, in more parts than there are channels."""
    score = Score(
        tuple(parts),
        24,
        (Tempo(0, 120.0), Tempo(30, 60.0)),
        (Metre(0, 3, 4), Metre(18, 7, 8)),
        (Key(0, -3, True), Key(18, 4)),
    )
    assert midi.parsed(midi.encoded(score), "a.mid") == score


@given(PARTS)
@settings(max_examples=30, deadline=None)
def test_other_programs_read_lengths_as_they_were(parts: list[Part]):
    """mido knows nothing of our marks: per channel, a key is down once at a time while there are
    channels enough.
    """
    mido = pytest.importorskip("mido")
    parts = [replace(part, notes=part.notes[:4]) for part in parts if not part.drums][:3]
    score = Score(tuple(parts), 24)
    found: list[tuple[int, int, int]] = []
    for their_track in mido.MidiFile(file=io.BytesIO(midi.encoded(score))).tracks:
        now, down = 0, {}
        for message in their_track:
            now += message.time
            if message.type == "note_on":
                assert (message.channel, message.note) not in down
                down[message.channel, message.note] = now
            elif message.type == "note_off":
                found.append((down[message.channel, message.note], now, message.note))
                del down[message.channel, message.note]
    assert sorted(found) == sorted(
        (note.start, note.end, note.pitch) for part in parts for note in part.notes
    )


def test_two_voices_of_one_program_do_not_cut_each_other():
    """In unison: each part has a channel of its own."""
    score = Score(
        (
            Part("soprano", 52, False, (Note(0, 96, 60),)),
            Part("alto", 52, False, (Note(24, 24, 60),)),
        ),
        24,
    )
    data = midi.encoded(score)
    assert midi.parsed(data, "a.mid") == score
    assert (
        len(
            {
                kind & 0x0F
                for chunk in midi_events.tracks(data, "a.mid")[1]
                for _, kind, _ in midi_events.events(chunk, "a.mid")
                if kind & 0xF0 == 0x90
            }
        )
        == 2
    )


@pytest.mark.parametrize(
    "score",
    [
        Score(resolution=1 << 15),
        Score(resolution=0),
        Score(metres=(Metre(0, 4, 6),)),
        Score(metres=(Metre(0, 300, 4),)),
    ],
)
def test_what_midi_cannot_say_is_an_error(score: Score):
    with pytest.raises(DataError):
        midi.encoded(score)


def test_long_silences_are_written():
    score = Score((Part(notes=(Note(0, 1, 60), Note(1 << 29, 1, 60))),), 24)
    assert midi.parsed(midi.encoded(score), "a.mid") == score
