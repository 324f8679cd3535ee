"""What a model sees of a score: grid, chords, events, rolls. They give back what they promise,
whatever is drawn under them can be played, and moving them into another key is moving the music.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.data import builtin
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.errors import DataError
from castalia.modalities.music import harmony
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.files import midi, score_lines
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens import voice_split
from castalia.modalities.music.tokens.events import LENGTHS, VELOCITIES
from castalia.modalities.music.tokens.grid import BEGIN, END, HELD, PITCH, REST, fits
from castalia.nn.counter_random import generator
from castalia.nn.grammar_masks import Masks
from castalia.spec import Dense, Tokens

FORMS = ("grid", "chords", "events")


@cache
def chorales() -> tuple[Score, ...]:
    return tuple(score_lines.read(builtin.path("chorales") / "valid.pieces.gz"))[:24]


@cache
def fitted(form: str, **config: object) -> MusicCodec:
    codec = MusicCodec(MusicConfig(form=form, **config))
    codec.fit(
        [
            item
            for score in chorales()
            for item in (codec._windows(score) if codec._bars else [score])
        ]
    )
    return codec


def sung(score: Score) -> list[list[tuple[float, float, int]]]:
    return [
        [(n.start / score.resolution, n.length / score.resolution, n.pitch) for n in part.notes]
        for part in score.parts
    ]


def test_the_grid_gives_chorales_back():
    codec = fitted("grid")
    assert (
        codec.parts == ("soprano", "alto", "tenor", "bass")
        and codec.steps == 4
        and codec.spec.period == 4
    )
    for score in chorales():
        assert sung(codec.decode(codec.encode(score))) == sung(score)


def test_the_grid_is_steps_of_parts_from_the_top_down():
    score = Score(
        (
            Part("soprano", 52, False, (Note(0, 2, 72), Note(3, 1, 74))),
            Part("bass", 52, False, (Note(0, 4, 48),)),
        ),
        4,
    )
    codec = MusicCodec(MusicConfig())
    codec.fit([score])
    row = codec.encode(score).tolist()
    assert row == [
        BEGIN,
        PITCH + 72,
        PITCH + 48,
        HELD + 72,
        HELD + 48,
        REST,
        HELD + 48,
        PITCH + 74,
        HELD + 48,
        END,
    ] and codec.parts == (
        "soprano",
        "bass",
    )


def test_parts_are_found_by_name():
    soprano = Score((chorales()[0].parts[0],), 4)
    alto = Score((chorales()[0].parts[1],), 4)
    for score, place in ((soprano, 0), (alto, 1)):
        cells = fitted("grid").form.cells(score)
        assert (np.delete(cells, place, 1) == REST).all() and (cells[:, place] != REST).any()


def test_lead_sheets_are_a_melody_and_symbols():
    chord = [
        Note(24 * bar, 24, pitch, 64)
        for bar, symbol in enumerate([(0, 0), (5, 1), (7, 2)])
        for pitch in harmony.realised(*symbol)
    ]
    melody = Part("Voice", 0, False, tuple(Note(12 * n, 12, 60 + n) for n in range(6)))
    score = Score((melody, Part("chords", 0, False, tuple(chord))), 12)
    codec = MusicCodec(MusicConfig())
    codec.fit([score])
    assert codec.parts == ("melody", "chords")
    assert sung(codec.decode(codec.encode(score))) == sung(score)
    up = codec.decode(codec.copies(codec.encode(score).long(), [3])[0])
    assert [n.pitch for n in up.parts[0].notes] == [n.pitch + 3 for n in melody.notes]
    assert {n.pitch % 12 for n in up.parts[1].notes} == {(n.pitch + 3) % 12 for n in chord}


def test_a_piano_is_dealt_out_without_crossings():
    rng = np.random.default_rng(0)
    notes = tuple(
        sorted(
            Note(4 * n, int(rng.integers(2, 5)), int(p))
            for n in range(40)
            for p in rng.choice(np.arange(40, 84), 4, False)
        )
    )
    codec = MusicCodec(MusicConfig(parts=("soprano", "alto", "tenor", "bass")))
    score = Score((Part("piano", notes=notes),), 4)
    codec.fit([score])
    cells = codec.form.cells(score)
    assert codec.form.decode(codec.encode(score).tolist()).count == len(notes)  # each found a voice
    pitches = np.where(cells >= 4, cells, 0)[::4]
    assert all((row[:-1] > row[1:]).all() for row in pitches)
    assert voice_split.is_voice(chorales()[0].parts[0]) and not voice_split.is_voice(score.parts[0])


def test_chords_are_the_roll_of_the_benchmark():
    codec = fitted("chords")
    score = chorales()[0]
    row = codec.encode(score)[1:-1].view(-1, 4).tolist()
    for step, tokens in enumerate(row):
        keys = [token - 3 + 21 for token in tokens if token > 2]
        wanted = {
            n.pitch for part in score.parts for n in part.notes if n.start <= 4 * step < n.end
        }
        assert keys == sorted(wanted) and tokens == sorted(t for t in tokens if t > 2) + [2] * (
            4 - len(keys)
        )


MUSIC = st.builds(
    lambda parts, beats, unit, quarters: Score(
        tuple(
            Part("", program % 128, program == 128, tuple(sorted(set(notes))))
            for program, notes in parts
        ),
        12,
        (Tempo(0, quarters),),
        (Metre(0, beats, unit),),
    ),
    st.lists(
        st.tuples(
            st.integers(0, 128),
            st.lists(
                st.builds(
                    Note,
                    st.integers(0, 300),
                    st.integers(1, 200),
                    st.integers(0, 127),
                    st.integers(1, 127),
                ),
                min_size=1,
                max_size=10,
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 8),
    st.sampled_from([2, 4, 8]),
    st.floats(30, 250),
)


@given(MUSIC)
@settings(max_examples=60, deadline=None)
def test_events_keep_any_music(score: Score):
    codec = MusicCodec(MusicConfig(form="events"))
    codec.fit([score])
    once = codec.decode(codec.encode(score))
    assert codec.decode(codec.encode(once)) == once and once.metres == score.metres
    assert abs(once.tempos[0].quarters / score.tempos[0].quarters - 1) < 0.04
    assert [(p.program, p.drums) for p in once.parts] == [(p.program, p.drums) for p in score.parts]
    for mine, theirs in zip(once.parts, score.parts, strict=True):
        # of 24 ticks
        mine = replace(
            mine,
            notes=tuple(n._replace(start=n.start // 2, length=n.length // 2) for n in mine.notes),
        )
        assert [(n.start, n.pitch) for n in mine.notes] == sorted(
            {(n.start, n.pitch) for n in theirs.notes}
        )
        for note in mine.notes:
            equal = [n for n in theirs.notes if (n.start, n.pitch) == (note.start, note.pitch)]
            cut = [
                n.start - note.start
                for n in theirs.notes
                if n.pitch == note.pitch and n.start > note.start
            ]
            wanted = min([max(n.length for n in equal), *cut])
            assert abs(note.length - wanted) <= max(0.34 * wanted, 4) or note.length == LENGTHS[-1]
            assert (
                min(abs(note.velocity - n.velocity) for n in equal) <= VELOCITIES[1] - VELOCITIES[0]
            )


def test_a_pickup_is_the_end_of_a_bar():
    score = Score(
        (Part(notes=tuple(Note(4 * n, 4, 60 + n) for n in range(5))),),
        4,
        metres=(Metre(0, 4, 4), Metre(4, 4, 4)),
    )
    codec = MusicCodec(MusicConfig(form="events", steps=4))
    codec.fit([score])
    found = codec.decode(codec.encode(score))
    starts = [note.start * 4 // found.resolution for note in found.parts[0].notes]
    assert starts == [12, 16, 20, 24, 28]  # three beats of rest, then whole bars


def test_events_agree_with_miditok(tmp_path: Path):
    """REMI of MidiTok with programs keeps the same notes of a chorale, merged into one track as it
    does; ours keeps the parts apart, too.
    """
    miditok = pytest.importorskip("miditok")
    score = chorales()[2]
    path = tmp_path / "a.mid"
    midi.write(Score(score.parts, 4, (Tempo(0, 90.0),), (Metre(0, 4, 4),)), path)
    found = miditok.REMI(miditok.TokenizerConfig(use_programs=True, beat_res={(0, 16): 4}))
    theirs = found.decode(found(path))
    notes = sorted(
        (n.time / theirs.tpq, n.duration / theirs.tpq, n.pitch)
        for track in theirs.tracks
        for n in track.notes
    )
    ours = fitted("events", steps=4).decode(fitted("events", steps=4).encode(score))
    assert sung(ours) == sung(score)
    assert {(a, p) for a, _, p in notes} == {(a, p) for part in sung(ours) for a, _, p in part}


@pytest.mark.parametrize("form", FORMS)
def test_a_thousand_samples_of_random_logits_all_decode(form: str, tmp_path: Path):
    """0 of 1,000 cannot be played: each ends in time, holds a note, survives the round trip, and
    its file is read again.
    """
    codec = fitted(form)
    spec = codec.spec
    assert isinstance(spec, Tokens) and spec.grammar is not None
    barrier = torch.zeros(spec.vocab)
    barrier[spec.begin] = -torch.inf
    masks = Masks(spec.grammar, barrier, spec.end)
    noise = generator("random logits", form)
    room = 8 * spec.period if form != "events" else 24
    for number in range(1000):
        state, row = spec.grammar.start(), [spec.begin]
        logits = torch.randn(room + 1, spec.vocab, generator=noise)
        while len(row) <= room and row[-1] != spec.end:
            mask = masks.row(state, room + 1 - len(row))
            token = int((logits[len(row)] + mask).argmax())
            row.append(token)
            state = spec.grammar.advance(state, token)
        score = codec.decode(torch.tensor(row))
        assert score.count > 0
        if number % 10 == 0:
            assert codec.decode(codec.encode(score)) == score
            codec.write(score, tmp_path / "a.mid", {"synthetic": True})
            assert next(codec.read(tmp_path / "a.mid")).count == score.count


@pytest.mark.parametrize("form", FORMS)
def test_grammars_say_how_far_the_end_is(form: str):
    """costs is 1 + the distance behind each token, and along agrees with allowed (but for an end
    before the first note).
    """
    codec = fitted(form)
    grammar, row = codec.spec.grammar, codec.encode(chorales()[1]).long()[:200]
    along = grammar.along(row[None])[0] if hasattr(grammar, "along") else None
    state = grammar.start()
    for place, token in enumerate(row[1:].tolist()):
        allowed, costs = grammar.allowed(state), grammar.costs(state)
        assert torch.equal(allowed, costs < 1 << 30)
        for one in allowed.nonzero().flatten().tolist()[:: 1 + 3 * place]:
            assert costs[one] == (
                1 if one == END else 1 + grammar.distance(grammar.advance(state, one))
            )
        if along is not None and place > 0:
            assert torch.equal(along[place], allowed) or (
                place < codec.spec.period and not bool((along[place] != allowed)[2:].any())
            )
        state = grammar.advance(state, token)


@pytest.mark.parametrize("form", FORMS)
def test_transposing_tokens_is_transposing_music(form: str):
    codec = fitted(form)
    score = chorales()[0]
    x = codec.encode(score).long()
    for shift, copy in zip([-3, 0, 4], codec.copies(x, [-3, 0, 4]), strict=True):
        assert torch.equal(copy, codec.encode(score.transposed(shift)).long())


@pytest.mark.parametrize("form", FORMS)
def test_transposition_stays_within_the_ranges(form: str):
    """Every document of a row moves as one, by -6 to 5 semitones, and no part leaves its range in
    the training data.
    """
    codec = fitted(form)
    rows = [codec.encode(score).long() for score in chorales()[:6]]
    width = max(map(len, rows))
    x = torch.stack(
        [torch.cat([row, torch.zeros(width - len(row), dtype=torch.int64)]) for row in rows]
    )
    seen = set()
    for seed in range(12):
        y = codec.transpose(x, generator("shift", seed))
        for row, moved, score in zip(x, y, chorales()[:6], strict=True):
            mine, theirs = codec.decode(moved), codec.decode(row)
            shifts = {
                a.pitch - b.pitch
                for p, q in zip(mine.parts, theirs.parts, strict=True)
                for a, b in zip(p.notes, q.notes, strict=True)
            }
            assert len(shifts) == 1 and -6 <= min(shifts) <= 5, score.title
            seen |= shifts
            if form == "grid":
                for part, (low, high) in zip(mine.parts, codec.form.ranges, strict=True):
                    assert all(low <= note.pitch <= high for note in part.notes)
    assert len(seen) > 4


def test_rolls_are_keys_that_are_down():
    codec = fitted("roll", bars=2)
    window = codec._windows(chorales()[0])[0]
    x = codec.encode(window)
    assert (
        isinstance(codec.spec, Dense)
        and tuple(x.shape) == codec.spec.shape
        and x.shape[1] == 32
        and x.shape[2] % 16 == 0
    )
    found = codec.decode(x.float())
    assert {
        (s, n.pitch) for p in found.parts for n in p.notes for s in range(n.start // 6, n.end // 6)
    } == {(s, n.pitch) for p in window.parts for n in p.notes for s in range(n.start, n.end)}
    assert codec.decode(torch.zeros(codec.spec.shape)).count == 1  # something sounds
    moved = codec.transpose(x[None].repeat(20, 1, 1, 1), generator("rolls"))
    down = {tuple(one.nonzero()[:, 1].unique().tolist()) for one in (m.sum(0) for m in moved)}
    assert len(down) > 3 and all(int(m.sum()) == int(x.sum()) for m in moved)


def test_windows_of_a_piece_stay_on_one_side(tmp_path: Path):
    for number, score in enumerate(chorales()[:12]):
        codec = MusicCodec(MusicConfig(form="roll"))
        codec.write(Score(score.parts, 4), tmp_path / f"{number}.mid")
    codec = MusicCodec(MusicConfig(form="roll", bars=1))
    data = prepare(DataConfig(source=str(tmp_path), validation=0.4), codec, home=tmp_path / "home")
    sides = [
        {data.split(name).where(row).partition(",")[0] for row in range(len(data.split(name)))}
        for name in ("train", "validation")
    ]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


def test_a_cut_keeps_what_sounds():
    score = Score(
        (Part(notes=(Note(0, 10, 60), Note(10, 10, 62), Note(20, 4, 64))),),
        4,
        (Tempo(0, 90.0), Tempo(12, 60.0)),
        (Metre(0, 3, 4),),
        (Key(0, 2),),
    )
    found = score.cut(8, 20)
    assert found.parts[0].notes == (Note(0, 2, 60), Note(2, 10, 62))
    assert (
        found.tempos == (Tempo(0, 90.0), Tempo(4, 60.0))
        and found.metres == (Metre(0, 3, 4),)
        and found.keys == (Key(0, 2),)
    )


def test_facts_and_units():
    codec, score = fitted("grid"), chorales()[0]
    told = codec.facts(Score(score.parts, 4, metres=(Metre(0, 3, 4),)))
    assert (
        set(told) == set(codec.fact_names)
        and told["metre"] == "3/4"
        and told["mode"] in ("major", "minor")
    )
    assert codec.units(score) == {"note": score.count, "step": score.end}
    assert (
        codec.facts(score.transposed(2))["key"]
        == harmony.NAMES[(harmony.NAMES.index(told["key"]) + 2) % 12]
    )


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(DataError):
        MusicCodec(MusicConfig()).fit([])


def test_notes_of_voices_do_not_overlap():
    notes = [Note(0, 9, 60), Note(0, 3, 67), Note(4, 2, 65)]
    line = voice_split.single(voice_split.stepped(notes, 4, 4))
    assert line == [Note(0, 3, 67), Note(4, 2, 65)] and all(
        a.end <= b.start for a, b in pairwise(line)
    )


def test_a_tune_over_block_chords_is_a_lead_sheet():
    """Chords that are played out are symbols all the same; broken ones, and clusters that have no
    name, are not.
    """
    tune = Part("", notes=tuple(Note(place, 1, 72 + place % 5) for place in range(16)))

    def over(*chords: tuple[int, ...], length: int = 4) -> Score:
        return Score(
            (
                tune,
                Part(
                    "",
                    notes=tuple(
                        Note(4 * bar, length, pitch)
                        for bar, chord in enumerate(chords)
                        for pitch in chord
                    ),
                ),
            ),
            1,
        )

    block = over((48, 52, 55), (53, 57, 60), (55, 59, 62, 65), (48, 52, 55))
    broken = Score(
        (
            tune,
            Part("", notes=tuple(Note(place, 2, (48, 52, 55)[place % 3]) for place in range(16))),
        ),
        1,
    )
    clusters = over((48, 49, 50), (53, 54, 55), (55, 56, 57), (48, 49, 50))
    for score, wanted in ((block, True), (broken, False), (clusters, False)):
        codec = MusicCodec(MusicConfig(form="grid", steps=1))
        codec.fit([score])
        assert (codec.parts == ("melody", "chords")) == wanted == fits(score)
    codec = MusicCodec(MusicConfig(form="grid", steps=1))
    codec.fit([block])
    assert [
        sorted(
            {
                note.pitch % 12
                for note in codec.decode(codec.encode(block)).parts[1].notes
                if note.start == 0
            }
        )
    ] == [[0, 4, 7]]
    assert fits(chorales()[0]) and not fits(
        replace(chorales()[0], parts=(*chorales()[0].parts, Part("", 0, True, tune.notes)))
    )
