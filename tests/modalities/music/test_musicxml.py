"""What MusicXML says is what is read: instruments, ties, empty measures, metres, transposition, cue
notes; numbers that are none are named.
"""

from __future__ import annotations

import tempfile
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.errors import DataError
from castalia.modalities.music.files import musicxml_read, musicxml_write
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo

HEAD = "<divisions>4</divisions>"
FOUR = "<time><beats>4</beats><beat-type>4</beat-type></time>"


def note(pitch: str, length: str | int = 4, more: str = "", chord: bool = False) -> str:
    """pitch: "C4", "F#5" or "-" for a rest."""
    step = f"<pitch><step>{pitch[0]}</step>{'<alter>1</alter>' if '#' in pitch else ''}<octave>{pitch[-1]}</octave></pitch>"
    return f"<note>{'<chord/>' * chord}{'<rest/>' if pitch == '-' else step}<duration>{length}</duration>{more}</note>"


def hit(instrument: str, chord: bool = False) -> str:
    return (
        f"<note>{'<chord/>' * chord}<unpitched/><duration>4</duration><instrument "
        f'id="{instrument}"/></note>'
    )


def document(
    *parts: list[str], about: dict[int, str] | None = None, attributes: str = HEAD + FOUR
) -> bytes:
    """Parts of measures; the first measure of each has the attributes. about: what a part's
    <score-part> says beside its name, by number.
    """
    listed = "".join(
        f'<score-part id="P{n}"><part-name>Part '
        f"{n}</part-name>{(about or {}).get(n, '')}</score-part>"
        for n in range(len(parts))
    )
    body = "".join(
        f'<part id="P{n}">'
        + "".join(
            "<measure "
            f'number="{m}">{f"<attributes>{attributes}</attributes>" * (m == 0)}{inside}</measure>'
            for m, inside in enumerate(part)
        )
        + "</part>"
        for n, part in enumerate(parts)
    )
    return (
        "<?xml "
        f'version="1.0"?><score-partwise><part-list>{listed}</part-list>{body}</score-partwise>'
    ).encode()


def heard(score: Score) -> list[list[tuple[float, float, int]]]:
    """(start, length, pitch) in quarter notes of each part."""
    q = score.resolution
    return [[(n.start / q, n.length / q, n.pitch) for n in part.notes] for part in score.parts]


def read(*parts: list[str], **options) -> Score:
    return musicxml_read.parsed(document(*parts, **options), "a.musicxml")


KIT = "".join(
    f'<score-instrument id="{name}"><instrument-name>{name}</instrument-name></score-instrument>'
    for name in ("kick", "snare", "flute")
) + "".join(
    "<midi-instrument "
    f'id="{name}"><midi-channel>{channel}</midi-channel><midi-program>{program}</midi-program>{key}</midi-instrument>'
    for name, channel, program, key in (
        ("kick", 10, 1, "<midi-unpitched>37</midi-unpitched>"),
        ("snare", 10, 1, "<midi-unpitched>39</midi-unpitched>"),
        ("flute", 3, 74, ""),
    )
)


def test_each_note_is_played_by_its_own_instrument():
    flute = note("A4", 4, '<instrument id="flute"/>')
    score = read([hit("kick") + hit("snare", chord=True) + flute + hit("snare")], about={0: KIT})
    drums, melody = score.parts
    assert (drums.drums, drums.name) == (True, "Part 0") and (
        melody.drums,
        melody.program,
        melody.name,
    ) == (False, 73, "flute")
    assert heard(score) == [[(0, 1, 36), (0, 1, 38), (2, 1, 38)], [(1, 1, 69)]]


def test_a_program_may_change_within_a_part():
    change = (
        "<sound><midi-instrument "
        'id="flute"><midi-program>57</midi-program></midi-instrument></sound>'
    )
    one = note("C4", 4, '<instrument id="flute"/>')
    score = read([one + change + one], about={0: KIT})
    assert [(part.program, len(part.notes)) for part in score.parts] == [(73, 1), (56, 1)]


def test_a_stroke_that_no_instrument_explains_is_counted():
    assert read([hit("triangle") + note("C4")], about={}).dropped == (("unpitched notes", 1),)
    nameless = "<note><unpitched/><duration>4</duration></note>"
    assert read([nameless + note("C4", 4, '<instrument id="flute"/>')], about={0: KIT}).dropped == (
        ("unpitched notes", 1),
    )
    assert heard(
        read(
            [nameless],
            about={
                0: '<midi-instrument id="a"><midi-unpitched>42</midi-unpitched></midi-instrument>'
            },
        )
    ) == [[(0, 1, 41)]]


def test_cue_notes_are_silent_and_take_their_time():
    score = read(
        [
            note("C4")
            + note("G5", 8, "").replace("<note>", "<note><cue/>")
            + note("E5", 8, "", True).replace("<chord/>", "<cue/><chord/>")
            + note("D4")
        ]
    )
    assert heard(score) == [[(0, 1, 60), (3, 1, 62)]]


def test_grace_notes_and_notes_without_length_are_counted():
    grace = "<note><grace/><pitch><step>D</step><octave>4</octave></pitch></note>"
    score = read([grace + grace + note("C4") + note("E4", 0)])
    assert heard(score) == [[(0, 1, 60)]] and score.dropped == (
        ("grace notes", 2),
        ("notes without length", 1),
    )


START, STOP = '<tie type="start"/>', '<tie type="stop"/>'
BACK = "<backup><duration>16</duration></backup>"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_ties_join_in_any_order_of_voices(order: tuple[int, ...]):
    """A tie through three voices of a measure, whichever is written first."""
    pieces = [
        note("G4", 8, START + "<voice>1</voice>") + note("-", 8),
        note("-", 8) + note("G4", 4, STOP + START + "<voice>2</voice>") + note("-", 4),
        note("-", 12) + note("G4", 4, STOP + "<voice>3</voice>"),
    ]
    assert heard(read([BACK.join(pieces[place] for place in order)])) == [[(0, 4, 67)]]


def test_ties_across_bars_within_chords_and_enharmonically():
    first = note("C4", 16, START) + note("E4", 16, START, True) + note("G4", 16, "", True)
    flat = (
        "<note><pitch><step>F</step><alter>-1</alter><octave>4</octave></pitch><duration>8</duration><tie "
        'type="stop"/></note>'
    )
    score = read([first, flat + note("C4", 16, STOP, True) + note("G4", 8, "", True)])
    assert sorted(heard(score)[0]) == [(0, 4, 67), (0, 6, 64), (0, 8, 60), (4, 2, 67)]


def test_a_tie_without_an_end_reaches_the_next_note_of_its_voice():
    """As music21 has it; a note that says that it ends a tie comes first."""
    voice = "<voice>1</voice>"
    assert heard(
        read([note("C4", 4, START + voice) + note("C4", 4, voice) + note("C4", 4, voice)])
    ) == [[(0, 2, 60), (2, 1, 60)]]
    other = BACK + note("-", 4, "<voice>2</voice>") + note("C4", 12, "<voice>2</voice>")
    assert heard(read([note("C4", 4, START + voice) + note("D4", 12, voice) + other])) == [
        [(0, 1, 60), (1, 3, 60), (1, 3, 62)]
    ]
    ended = BACK + note("-", 4, "<voice>2</voice>") + note("C4", 8, STOP + "<voice>2</voice>")
    score = read([note("C4", 4, START + voice) + note("C4", 12, voice) + ended])
    assert heard(score) == [[(0, 3, 60), (1, 3, 60)]]


def test_what_is_no_tie_joins_nothing():
    open_end, ringing = (
        note("C4", 4, START) + note("D4"),
        note("C4", 4, '<tie type="let-ring"/>') + note("C4", 4),
    )
    slurred = note("C4", 4, '<notations><slur type="start"/></notations>') + note(
        "C4", 4, '<notations><slur type="stop"/></notations>'
    )
    assert heard(read([open_end])) == [[(0, 1, 60), (1, 1, 62)]]
    assert heard(read([ringing])) == heard(read([slurred])) == [[(0, 1, 60), (1, 1, 60)]]
    # not at its end
    assert heard(read([note("C4", 4, START) + note("-", 4) + note("C4", 4, STOP)])) == [
        [(0, 1, 60), (2, 1, 60)]
    ]


def test_measures_begin_together():
    whole = note("C4", 16)
    empty = read([whole, "", whole], [note("C3", 16), note("D3", 16), note("E3", 16)])
    assert heard(empty) == [[(0, 4, 60), (8, 4, 60)], [(0, 4, 48), (4, 4, 50), (8, 4, 52)]]
    both = read(
        [whole, "", whole],
        [
            whole,
            "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>",
            whole,
        ],
    )
    assert [start for start, _, _ in heard(both)[0]] == [0, 8]  # as long as the metre
    short = read([note("C4", 4), whole], [whole, whole])
    assert heard(short)[0] == [(0, 1, 60), (4, 4, 60)]
    waltz = read(
        ["", note("C4", 12)],
        attributes=HEAD + "<time><beats>3</beats><beat-type>4</beat-type></time>",
    )
    assert heard(waltz) == [[(3, 3, 60)]]
    rest = read(['<note><rest measure="yes"/></note>', whole])
    assert heard(rest) == [[(4, 4, 60)]]


@pytest.mark.parametrize(
    ("time", "metre"),
    [
        (
            "<beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type>",
            (7, 8),
        ),
        ("<beats>3+2</beats><beat-type>8</beat-type>", (5, 8)),
        (
            "<beats>2+2+3</beats><beat-type>16</beat-type><beats>1</beats><beat-type>4</beat-type>",
            (11, 16),
        ),
        ("<beats> 6 </beats><beat-type> 8 </beat-type>", (6, 8)),
        # no sign of MIDI, but a length that one has
        ("<beats>6</beats><beat-type>12</beat-type>", (1, 2)),
    ],
)
def test_metres_are_the_sum_of_what_is_written(time: str, metre: tuple[int, int]):
    score = read([note("C4", 4), ""], attributes=f"{HEAD}<time>{time}</time>")
    assert score.metres[0] == Metre(0, *metre)


def test_free_metre_has_bars_of_their_own_length():
    score = read([note("C4", 20), note("D4", 12)], attributes=HEAD + "<time><senza-misura/></time>")
    assert score.metres == () and heard(score) == [[(0, 5, 60), (5, 3, 62)]]


def test_bars_of_the_score_are_the_measures_of_the_file():
    """A pickup, and a short measure amid: the metre is said again. Halves of one measure (implicit)
    are one bar.
    """
    q = 4
    score = read([note("C4", 4), note("C4", 16), note("C4", 12), note("C4", 16)])
    assert [line / score.resolution for line in score.bar_lines] == [0, 1, 5, 8]
    halves = document(
        [note("C4", 8 * q // 2), note("C4", 8), note("C4", 8), note("C4", 16)]
    ).replace(b'number="2"', b'number="X1" implicit="yes"')
    score = musicxml_read.parsed(halves, "a.musicxml")
    assert [line / score.resolution for line in score.bar_lines] == [0, 4, 8]


@pytest.mark.parametrize(
    ("transpose", "pitches"),
    [
        ("<transpose><chromatic>-2.0</chromatic></transpose>", [58]),
        (
            "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>",
            [46],
        ),
        ("<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>", [48]),
        ("<transpose><chromatic>0</chromatic><double/></transpose>", [48, 60]),
        ('<transpose><chromatic>-9</chromatic><double above="yes"/></transpose>', [51, 63]),
        ('<transpose number="2"><chromatic>-2</chromatic></transpose>', [60]),  # of another staff
    ],
)
def test_transposing_instruments_sound_as_they_sound(transpose: str, pitches: list[int]):
    assert [
        n.pitch
        for n in read([note("C4", 16, "<staff>1</staff>")], attributes=HEAD + FOUR + transpose)
        .parts[0]
        .notes
    ] == pitches


def test_a_score_measure_by_measure_is_the_same_score():
    one, other = [note("C4", 16), note("D4", 16)], [note("C3", 16), note("D3", 16)]
    partwise = document(one, other)
    head, _, _ = partwise.decode().partition("<part id")
    measures = "".join(
        f'<measure number="{m}">'
        + "".join(
            "<part "
            f'id="P{n}">{f"<attributes>{HEAD + FOUR}</attributes>" * (m == 0)}{part[m]}</part>'
            for n, part in enumerate((one, other))
        )
        + "</measure>"
        for m in range(2)
    )
    timewise = head.replace("score-partwise", "score-timewise") + measures + "</score-timewise>"
    assert musicxml_read.parsed(timewise.encode(), "a.xml") == musicxml_read.parsed(
        partwise, "a.xml"
    )
    assert musicxml_read.parsed(
        timewise.replace('version="1.0"', 'version="1.0" encoding="UTF-16"').encode("utf-16"),
        "a.xml",
    ) == musicxml_read.parsed(partwise, "a.xml")


def test_divisions_and_tempos_may_change():
    faster = "<attributes><divisions>6</divisions></attributes>" + note("D4", 6) + note("E4", 2) * 3
    tempos = (
        " "
        "<direction><direction-type><metronome><beat-unit>eighth</beat-unit><beat-unit-dot/><per-minute>ca. 120</per-minute></metronome></direction-type></direction>"
    )
    score = read([tempos + note("C4", 8) + '<sound tempo="72.5"/>' + faster])
    assert [(s, round(length, 3)) for s, length, _ in heard(score)[0]] == [
        (0, 2),
        (2, 1),
        (3, 0.333),
        (3 + 1 / 3, 0.333),
        (3 + 2 / 3, 0.333),
    ]
    assert [(t.start / score.resolution, t.quarters) for t in score.tempos] == [
        (0, 90.0),
        (2, 72.5),
    ]


def test_a_length_is_told_by_the_sign_where_no_duration_is_written():
    triplet = "<type>eighth</type><time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>"
    bare = "<note><pitch><step>C</step><octave>4</octave></pitch>{}</note>"
    score = read([bare.format("<type>quarter</type><dot/><dot/>") + bare.format(triplet)])
    assert [(start, round(length, 4)) for start, length, _ in heard(score)[0]] == [
        (0, 1.75),
        (1.75, 0.3333),
    ]


@pytest.mark.parametrize(
    "length",
    [
        "-4",
        "1e9999999999",
        "-1e9999999999",
        "1/3",
        "inf",
        "NaN",
        "9" * 500,
        "1e99999",
        "",
        "four",
        "0x4",
    ],
)
@pytest.mark.parametrize(
    "where",
    [
        "<note><rest/><duration>{}</duration></note>",
        "<backup><duration>{}</duration></backup>",
        "<forward><duration>{}</duration></forward>",
    ],
)
def test_a_duration_that_is_none_is_named(length: str, where: str):
    with pytest.raises(DataError) as caught:
        read([note("C4") + where.format(length)])
    assert "a.musicxml" in str(caught.value) and caught.value.fix


@pytest.mark.parametrize(
    "attributes",
    [
        "<divisions>0</divisions>",
        "<divisions>-1</divisions>",
        "<divisions>x</divisions>",
        HEAD + "<time><beats>0</beats><beat-type>4</beat-type></time>",
        HEAD + "<time><beats>4</beats><beat-type>0</beat-type></time>",
        HEAD + "<time><beats>1e300</beats><beat-type>4</beat-type></time>",
        HEAD + "<transpose><chromatic>two</chromatic></transpose>",
    ],
)
def test_attributes_that_are_none_are_named(attributes: str):
    with pytest.raises(DataError, match=r"a\.musicxml"):
        read([note("C4", 16)], attributes=attributes)


def test_decimal_durations_are_allowed_and_exact():
    score = read([note("C4", "1.5") + note("D4", "2.50")])
    assert heard(score) == [[(0, 0.375, 60), (0.375, 0.625, 62)]]


NOTES = st.lists(
    st.builds(
        Note, st.integers(0, 200), st.integers(1, 150), st.integers(59, 62), st.integers(1, 127)
    ),
    min_size=1,
    max_size=12,
)
PARTS = st.lists(
    st.builds(
        lambda name, number, drums, notes: Part(
            name,
            0 if drums else number,
            drums,
            tuple(sorted(notes, key=lambda n: (n.start, n.pitch))),
        ),
        st.sampled_from(["", "a b", "钢琴"]),
        st.integers(0, 127),
        st.booleans(),
        NOTES,
    ),
    min_size=1,
    max_size=3,
)


@given(PARTS, st.sampled_from([(4, 4), (3, 8), (5, 4)]), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_any_notes_come_back_as_they_were(parts: list[Part], metre: tuple[int, int], pickup: int):
    """Nested, crossing and equal ones, drums, over bar lines, with keys that change
    within a bar.
    """
    first = 24 * pickup
    metres = (Metre(0, *metre), *((Metre(first, *metre),) if first else ()))
    end = max(note.end for part in parts for note in part.notes)
    keys = tuple(
        Key(tick, sharps) for tick, sharps in ((0, -2), (7, 3), (first + 24, 1)) if tick < end
    )
    score = Score(tuple(parts), 24, (Tempo(0, 90.0),), metres, keys)
    found = musicxml_read.parsed(engraved(score), "a.musicxml")
    times = found.resolution / 24
    assert [(p.name, p.program, p.drums) for p in found.parts] == [
        (p.name, p.program, p.drums) for p in score.parts
    ]
    for mine, theirs in zip(found.parts, score.parts, strict=True):
        wanted = [(note.start * times, note.length * times, *note[2:]) for note in theirs.notes]
        assert sorted(tuple(note) for note in mine.notes) == sorted(wanted)
    assert [(key.start, *key[1:]) for key in found.keys] == [
        (key.start * times, *key[1:]) for key in score.keys
    ]


def test_what_is_engraved_is_a_drum_kit_for_other_programs(tmp_path: Path):
    music21 = pytest.importorskip("music21")
    path = tmp_path / "kit.musicxml"
    musicxml_write.write(
        Score((Part("kit", 0, True, (Note(0, 24, 36), Note(0, 24, 42), Note(24, 24, 38))),), 24),
        path,
    )
    found = music21.converter.parse(path, forceSource=True).flatten()
    assert (
        len(list(found.getElementsByClass(music21.percussion.PercussionChord)))
        + len(list(found.getElementsByClass(music21.note.Unpitched)))
        == 2
    )
    instruments = list(found.getElementsByClass(music21.instrument.Instrument))
    assert {one.percMapPitch for one in instruments if getattr(one, "percMapPitch", None)} <= {
        36,
        38,
        42,
    }


def engraved(score: Score) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        musicxml_write.write(score, Path(folder) / "a.musicxml")
        return (Path(folder) / "a.musicxml").read_bytes()
