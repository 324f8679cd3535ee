"""Scores in files: MIDI, MusicXML, ABC, WAV and pieces. What is read is what other libraries read;
what is written they open; damage is named.
"""

from __future__ import annotations

import io
import json
import wave
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.codecs import ai_label
from castalia.data import builtin
from castalia.errors import CastaliaError, DataError
from castalia.modalities.music import harmony
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.music.files import midi, musicxml_read, musicxml_write, score_lines, wav
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo

NOTES = st.builds(
    Note, st.integers(0, 960), st.integers(1, 480), st.integers(0, 127), st.integers(1, 127)
)


def ordered(notes: list[Note]) -> tuple[Note, ...]:
    """One note of a pitch at a time, as MIDI can say it."""
    ends: dict[int, int] = {}
    kept = []
    for note in sorted(notes, key=lambda note: (note.start, note.pitch)):
        if ends.get(note.pitch, 0) <= note.start:
            kept.append(note)
            ends[note.pitch] = note.end
    return tuple(kept)


PARTS = st.lists(
    st.builds(
        lambda name, program, drums, notes: Part(
            name, 0 if drums else program, drums, ordered(notes)
        ),
        st.sampled_from(["", "soprano", "钢琴"]),
        st.integers(0, 127),
        st.booleans(),
        st.lists(NOTES, min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)
SCORES = st.builds(
    lambda parts, quarters, beats, unit, sharps, minor, title: Score(
        tuple(parts),
        96,
        (Tempo(0, 60e6 / round(60e6 / quarters)),),
        (Metre(0, beats, unit),),
        (Key(0, sharps, minor),),
        title,
    ),
    PARTS,
    st.floats(20, 300),
    st.integers(1, 12),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(-7, 7),
    st.booleans(),
    st.sampled_from(["", "Title", "鹤"]),
)
MANIFEST = {
    "generator": "castalia test",
    "synthetic": True,
    "text": "鹤 \u0000 é",
    "AIGC": {"Label": "1"},
}


@cache
def chorale(number: int = 0) -> Score:
    return list(score_lines.read(builtin.path("chorales") / "valid.pieces.gz"))[number]


@given(SCORES)
@settings(max_examples=60, deadline=None)
def test_midi_keeps_everything_that_a_score_has(score: Score):
    found = midi.parsed(midi.encoded(score, MANIFEST), "a.mid")
    assert found == score
    assert (
        midi.read_manifest(midi.encoded(score, MANIFEST), "a.mid") == MANIFEST
        and midi.read_manifest(midi.encoded(score), "a.mid") is None
    )


@given(SCORES)
@settings(max_examples=25, deadline=None)
def test_symusic_reads_from_our_midi_what_we_wrote(score: Score):
    symusic = pytest.importorskip("symusic")
    found = symusic.Score.from_midi(midi.encoded(score, MANIFEST))
    theirs = sorted(
        (t.is_drum, t.program, n.time, n.duration, n.pitch, n.velocity)
        for t in found.tracks
        for n in t.notes
    )
    assert theirs == sorted((p.drums, p.program, *note) for p in score.parts for note in p.notes)


def test_pretty_midi_reads_it_too():
    pretty_midi = pytest.importorskip("pretty_midi")
    score = chorale()
    found = pretty_midi.PrettyMIDI(io.BytesIO(midi.encoded(score, MANIFEST)))
    seconds = wav.Clock(score)
    assert [len(one.notes) for one in found.instruments] == [
        len(part.notes) for part in score.parts
    ]
    assert found.get_end_time() == pytest.approx(seconds(score.end))


@given(SCORES)
@settings(max_examples=40, deadline=None)
def test_musicxml_keeps_notes_and_signatures(score: Score):
    score = Score(
        tuple(part for part in score.parts if not part.drums) or (Part(notes=(Note(0, 96, 60),)),),
        *astuple(score)[1:],
    )
    root = io.BytesIO()
    path = Path(__file__)  # a name alone
    engraving_bytes = engraved(score, root)
    found = musicxml_read.parsed(engraving_bytes, path.name)
    beats = score.metres[0].beats * 4 / score.metres[0].unit
    quarter = found.resolution / score.resolution
    assert [(p.name, p.program) for p in found.parts] == [(p.name, p.program) for p in score.parts]
    for mine, theirs in zip(found.parts, score.parts, strict=True):
        wanted = [
            (n.start * quarter, n.length * quarter, n.pitch, n.velocity) for n in theirs.notes
        ]
        assert [tuple(note) for note in mine.notes] == wanted
    assert found.keys == score.keys and found.metres == score.metres and beats > 0
    assert found.tempos[0].quarters == pytest.approx(score.tempos[0].quarters)
    assert found.title == score.title


def astuple(score: Score) -> tuple[object, ...]:
    return (score.parts, score.resolution, score.tempos, score.metres, score.keys, score.title)


def engraved(score: Score, into: io.BytesIO, manifest: dict | None = None) -> bytes:
    class Target:
        def write_bytes(self, data: bytes) -> None:
            into.write(data)

    musicxml_write.write(score, Target(), manifest)  # type: ignore[arg-type]
    return into.getvalue()


def test_music21_opens_what_we_engrave(tmp_path: Path):
    music21 = pytest.importorskip("music21")
    score = chorale(3)
    path = tmp_path / "a.musicxml"
    musicxml_write.write(score, path, MANIFEST)
    found = music21.converter.parse(path, forceSource=True)
    theirs = [
        sorted(
            (float(n.offset), float(n.quarterLength), n.pitch.midi)
            for n in part.stripTies().flatten().notes
        )
        for part in found.parts
    ]
    assert theirs == [
        sorted((n.start / 4, n.length / 4, n.pitch) for n in part.notes) for part in score.parts
    ]
    assert [part.partName for part in found.parts] == ["soprano", "alto", "tenor", "bass"]


LEAD = """<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>Voice</part-name></score-part></part-list>
<part id="P1"><measure number="0" implicit="yes"><attributes><divisions>2</divisions><key><fifths>-1</fifths><mode>minor</mode></key><time><beats>3</beats>
<beat-type>4</beat-type></time><transpose><chromatic>-2</chromatic></transpose></attributes><direction><direction-type><metronome><beat-unit>half</beat-unit>
<per-minute>50</per-minute></metronome></direction-type></direction><note><pitch><step>B</step><alter>-1</alter><octave>4</octave></pitch><duration>2</duration>
<tie type="start"/><lyric><text>la</text></lyric></note></measure>
<measure number="1"><barline><repeat direction="forward"/></barline><harmony><root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>dominant</kind></harmony>
<note><pitch><step>B</step><alter>-1</alter><octave>4</octave></pitch><duration>2</duration><tie type="stop"/></note>
<note><rest/><duration>2</duration></note><harmony><root><root-step>F</root-step></root><kind>none</kind></harmony>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>2</duration></note><note><chord/><pitch><step>E</step><octave>5</octave></pitch><duration>2</duration></note>
</measure></part></score-partwise>"""


def test_a_lead_sheet_is_read_with_its_chords(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
        # as some programs write it
        archive.writestr(
            "META-INF/container.xml", '<container><rootfile full-path="a & b.xml"/></container>'
        )
        archive.writestr("score.xml", LEAD)
    (tmp_path / "b.xml").write_text(LEAD)
    score = musicxml_read.read(tmp_path / "a.mxl")
    assert score == musicxml_read.read(tmp_path / "b.xml")
    q = score.resolution
    voice, chords = score.parts
    # tied; sounds a tone lower
    assert [(n.start / q, n.length / q, n.pitch) for n in voice.notes] == [
        (0, 2, 68),
        (3, 1, 70),
        (3, 1, 74),
    ]
    assert (
        chords.name == "chords"
        and [n.pitch for n in chords.notes] == [58, 62, 65, 68]
        and {n.length / q for n in chords.notes} == {2}
    )
    assert score.lost == ("lyrics", "repeats")
    assert (
        score.metres == (Metre(0, 3, 4), Metre(q, 3, 4))
        and score.keys == (Key(0, -1, True),)
        and score.tempos == (Tempo(0, 100.0),)
    )
    path = tmp_path / "c.musicxml"
    musicxml_write.write(score, path)
    again = musicxml_read.read(path)
    # symbols are written as symbols
    assert again.parts == score.parts and again.metres == score.metres


@given(st.integers(0, 11), st.integers(0, len(harmony.QUALITIES) - 1))
@settings(max_examples=40, deadline=None)
def test_chords_are_read_back(root: int, quality: int):
    assert harmony.recognised(harmony.realised(root, quality)) == (root, quality)


def test_keys_are_told_by_the_notes():
    scale = [0, 2, 4, 5, 7, 9, 11]
    for tonic in range(12):
        weights = [6, 1, 3, 2, 4, 2, 1]
        notes = tuple(
            Note(8 * i, w, 60 + (tonic + step) % 12)
            for i, (step, w) in enumerate(zip(scale, weights, strict=True))
        )
        assert harmony.key_of(Score((Part(notes=notes),))) == (tonic, False)
    a_minor = tuple(
        Note(8 * i, w, p)
        for i, (p, w) in enumerate([(57, 6), (60, 4), (64, 5), (68, 2), (59, 1), (62, 2), (65, 2)])
    )
    assert harmony.key_of(Score((Part(notes=a_minor),))) == (9, True)


def test_abc_is_read(tmp_path: Path):
    pytest.importorskip("symusic")
    path = tmp_path / "a.abc"
    path.write_text("X:1\nT:Tune\nM:3/4\nL:1/4\nQ:1/4=90\nK:D\nDFA|d2A|\n")
    score = next(MusicCodec().read(path))
    assert [note.pitch for note in score.parts[0].notes] == [62, 66, 69, 74, 69]
    assert [round(note.start / score.resolution) for note in score.parts[0].notes] == [
        0,
        1,
        2,
        3,
        5,
    ]
    assert score.keys[0][1:] == (2, False) and score.metres[0][1:] == (3, 4)
    path.write_text("X:1\nK:D\nDFA|\nX:2\nK:D\nA|\n")
    with pytest.raises(DataError, match="several tunes"):
        next(MusicCodec().read(path))


def test_what_is_lost_is_said(tmp_path: Path):
    data = bytearray(midi.encoded(Score((Part(notes=(Note(0, 96, 60),)),), 96)))
    track = data.index(b"\x00\x90")
    more = b"\x00\xb0\x40\x7f" + b"\x00\xe0\x00\x50" + b"\x00\xff\x05\x02la"  # pedal, bend, lyric
    data[track:track] = more
    size = data.index(b"MTrk", 20) + 4
    data[size : size + 4] = (int.from_bytes(data[size : size + 4]) + len(more)).to_bytes(4)
    (tmp_path / "a.mid").write_bytes(data)
    score = next(MusicCodec().read(tmp_path / "a.mid"))
    assert score.lost == ("lyrics", "pedal", "pitch bends")
    assert MusicCodec().describe(score) == "without lyrics, pedal, pitch bends"


def damaged() -> dict[str, bytes]:
    whole = midi.encoded(chorale())
    return {
        "empty.mid": b"",
        "text.mid": b"this is no MIDI file, whatever its name says",
        "short.mid": whole[: len(whole) // 2],
        "silent.mid": midi.encoded(Score((Part("a"),), 96)),
        "frames.mid": whole[:12] + b"\xe7\x28" + whole[14:],
        "patterns.mid": whole[:9] + b"\x02" + whole[10:],
        "broken.mid": whole[:60] + b"\xf4" * 40 + whole[100:],
        "long.mid": midi.encoded(
            Score((Part(notes=(Note(0, 1, 60), Note(200_000_000, 1, 60))),), 96)
        ),
        "long.pieces": b'{"quarter": 1, "parts": [{"notes": [[60, 99999999]]}]}\n',
        "empty.musicxml": b"",
        "other.xml": b"<html><body/></html>",
        "cut.musicxml": engraved(chorale(), io.BytesIO())[:3000],
        "silent.musicxml": engraved(Score((Part("a"),), 96), io.BytesIO()),
        "no.mxl": b"PK\x03\x04 no archive",
        "timewise.musicxml": b"<score-timewise/>",
        "bad.pieces": b'{"quarter": 4, "parts": [{"notes": [[200, 1]]}]}\n',
        "bad.pieces.gz": b"\x1f\x8b no gzip",
    }


@pytest.mark.parametrize("name", damaged())
def test_damage_is_named(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(damaged()[name])
    with pytest.raises(CastaliaError) as caught:
        list(MusicCodec().read(tmp_path / name))
    assert name in str(caught.value) and caught.value.fix


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_score_or_an_error(data: bytes):
    whole = midi.encoded(chorale())
    for bytes_ in (whole[:40] + data + whole[40 + len(data) :], whole[:22] + data):
        try:
            midi.parsed(bytes_, "a.mid")
        except DataError as error:
            assert error.where == "a.mid"


@pytest.mark.parametrize("ending", [".mid", ".musicxml", ".wav"])
def test_files_carry_manifest_and_label(ending: str, tmp_path: Path):
    codec, (one, other) = MusicCodec, (chorale(0), chorale(1))
    for name, score, manifest in (
        ("bare", one, None),
        ("marked", one, MANIFEST),
        ("other", other, MANIFEST),
    ):
        codec().write(score.cut(0, 16), tmp_path / f"{name}{ending}", manifest)
    bare, marked, another = (tmp_path / f"{name}{ending}" for name in ("bare", "marked", "other"))
    assert codec.read_manifest(bare) is None and codec.read_manifest(marked) == MANIFEST
    assert codec.content(bare) == codec.content(marked) != codec.content(another)
    assert codec.is_labelled(marked, MANIFEST) and not codec.is_labelled(bare, MANIFEST)
    assert (
        ai_label.line(MANIFEST).encode() in marked.read_bytes()
        or ai_label.packet(MANIFEST).encode() in marked.read_bytes()
        or ending == ".musicxml"
    )


def test_wav_is_what_the_standard_library_reads():
    score = chorale().cut(0, 16)
    tone = wav.rendered(score, "own")
    with wave.open(io.BytesIO(wav.wav(tone, MANIFEST))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, wav.RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert np.abs(samples - tone).max() < 1e-4 and 0.5 < np.abs(tone).max() <= 1
    assert len(tone) / wav.RATE == pytest.approx(wav.Clock(score)(score.end) + wav.TAIL, abs=0.01)
    assert np.array_equal(tone, wav.rendered(score, "own"))


@pytest.mark.parametrize("program", [0, 20, 48, 52, 73])
def test_a_tone_has_its_pitch(program: int):
    score = Score((Part(program=program, notes=(Note(0, 96, 69),)),), 48)
    spectrum = np.abs(np.fft.rfft(wav.rendered(score, "own")[: wav.RATE]))
    assert np.argmax(spectrum) * wav.RATE / wav.RATE == pytest.approx(440, abs=3)


def test_tempo_changes_move_the_clock():
    score = Score((Part(notes=(Note(0, 96, 60),)),), 24, (Tempo(0, 60.0), Tempo(48, 120.0)))
    assert [wav.Clock(score)(tick) for tick in (0, 24, 48, 96)] == [0.0, 1.0, 2.0, 3.0]


def test_fluidsynth_renders_where_it_is():
    if not wav.has_fluidsynth():
        pytest.skip("fluidsynth, pretty-midi or a SoundFont is absent")
    wave_ = wav.rendered(chorale().cut(0, 16), "fluidsynth")
    assert len(wave_) > wav.RATE and 0.5 < np.abs(wave_).max() <= 1


def test_pieces_round_trip(tmp_path: Path):
    found = list(score_lines.read(builtin.path("chorales") / "valid.pieces.gz"))
    score_lines.write(tmp_path / "a.pieces.gz", found)
    assert list(score_lines.read(tmp_path / "a.pieces.gz")) == found
    line = json.loads(next(score_lines.lines(tmp_path / "a.pieces.gz")))
    assert line["quarter"] == 4 and [part["name"] for part in line["parts"]] == [
        "soprano",
        "alto",
        "tenor",
        "bass",
    ]
