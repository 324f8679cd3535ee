"""Statistics of music against values worked out by hand and against music21 and pretty_midi; what
an evaluation asks of music and what not.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.modalities.music.contract import piece
from castalia.modalities.music.melody import line_of, lines, moments, motifs
from castalia.modalities.music.metrics.markov_baseline import chained
from castalia.modalities.music.metrics.motif_novelty import N, longest, seen, shared
from castalia.modalities.music.metrics.statistics import (
    PROFILES,
    STATISTICS,
    durations,
    groove,
    key_clarity,
    melodic_intervals,
    moved,
    note_density,
    pitch_classes,
    polyphony,
    varied,
    voice_range,
)
from castalia.modalities.music.score import Metre, Note, Part, Score
from castalia.modalities.music.voice_leading import crossed, parallels, parallels_a_bar

Q = 24  # ticks of a quarter note


def part(*pitches: int | None, length: int = Q, start: int = 0) -> Part:
    """Notes end to end; None is a rest."""
    notes = [
        Note(start + place * length, length, pitch)
        for place, pitch in enumerate(pitches)
        if pitch is not None
    ]
    return Part(notes=tuple(notes))


def score(*parts: Part, **more: object) -> Score:
    return Score(tuple(parts), Q, **more)  # type: ignore[arg-type]


SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def test_pitch_classes_are_weighed_by_time_and_drums_have_none():
    drums = Part(drums=True, notes=(Note(0, Q, 38),))
    found = pitch_classes(score(Part(notes=(Note(0, 3 * Q, 60), Note(0, Q // 2, 76))), drums))
    assert found.tolist() == [3, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0]


def test_key_clarity_is_one_for_a_profile_and_says_the_key():
    profile = [
        round(100 * weight)
        for weight in (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
    ]
    notes, start = [], 0
    for place, length in enumerate(profile):
        notes.append(Note(start, length, 60 + (place + 2) % 12))  # D major
        start += length
    assert key_clarity(score(Part(notes=tuple(notes)))) == pytest.approx(1.0, abs=1e-6)
    assert int((PROFILES @ pitch_classes(score(Part(notes=tuple(notes))))).argmax()) == 2
    assert math.isnan(key_clarity(score()))
    assert math.isnan(key_clarity(score(part(*range(60, 72)))))


def test_key_clarity_is_music21s_krumhansl():
    """music21's own analysis of the same piece, with the same profiles."""
    music21 = pytest.importorskip("music21")
    for number in range(5):
        one = piece("oracle", number)
        stream = music21.stream.Stream()
        for voice in one.parts:
            for note in voice.notes:
                stream.insert(
                    note.start / Q, music21.note.Note(note.pitch, quarterLength=note.length / Q)
                )
        best = music21.analysis.discrete.KrumhanslKessler().process(stream)[0]
        assert key_clarity(one) == pytest.approx(best[2], abs=0.01)


def test_intervals_durations_density_polyphony_and_range_by_hand():
    two = score(part(60, 64, 62, 90), part(48, 48, length=2 * Q))
    steps = melodic_intervals(two)
    assert {place - 13: count for place, count in enumerate(steps) if count} == {
        4: 1,
        -2: 1,
        13: 1,
        0: 1,
    }
    assert {
        2 ** ((place - 8) / 2): count for place, count in enumerate(durations(two)) if count
    } == {1: 4, 2: 2}
    assert note_density(two) == pytest.approx(6 / 4)
    assert polyphony(two) == pytest.approx(2.0)
    assert voice_range(two) == pytest.approx((30 + 0) / 2)
    gap = score(part(60, None, 62, None))
    assert polyphony(gap) == pytest.approx(1.0)  # rests do not count
    assert [
        math.isnan(value)
        for value in (note_density(score()), polyphony(score()), voice_range(score()))
    ] == [True] * 3


def test_of_notes_that_begin_together_the_highest_makes_the_line():
    chords = (Note(0, Q, 60), Note(0, Q, 64), Note(Q, Q, 67), Note(Q, 2 * Q, 55))
    assert line_of(chords, Q).pitches.tolist() == [64, 67]


def test_groove_by_hand():
    """Two bars of 4/4 in 64 slots: quarter notes, then half notes: two of 64 slots differ. Three
    bars that are alike: 1.
    """
    halves = Part(notes=tuple(Note(4 * Q + place * 2 * Q, 2 * Q, 60) for place in range(2)))
    assert groove(score(part(60, 60, 60, 60), halves)) == pytest.approx(1 - 2 / 64)
    assert groove(score(part(*[60] * 12))) == 1.0
    assert math.isnan(groove(score(part(60))))


def test_bars_follow_the_metres():
    waltz = score(part(*[60] * 10), metres=(Metre(0, 3, 4), Metre(6 * Q, 4, 4)))
    assert waltz.bars == [(0, 3 * Q), (3 * Q, 6 * Q), (6 * Q, 10 * Q)]
    assert score(part(60)).bars == [(0, 4 * Q)]
    assert score().bars == []


def test_crossings_and_parallels_by_hand():
    assert crossed(score(part(72, 60), part(64, 64))) == pytest.approx(0.5)
    assert math.isnan(crossed(score(part(60))))
    assert parallels(score(part(67, 69, 71), part(60, 62, 64))) == (2, 0)  # three fifths up
    assert parallels(score(part(72, 74), part(48, 50))) == (0, 1)  # octaves
    assert parallels(score(part(67, 67), part(60, 60))) == (0, 0)  # nobody moves
    assert parallels(score(part(67, 55), part(60, 72))) == (0, 0)  # contrary motion
    assert parallels(score(part(67, None, 69), part(60, None, 62))) == (0, 0)  # a rest between
    assert parallels(score(part(67, 69), part(60, 62), part(48, 50))) == (2, 1)
    assert parallels_a_bar(score(part(67, 69, 71), part(60, 62, 64))) == pytest.approx(2.0)


def test_moments_are_a_brute_force_sweep():
    for number in range(5):
        one = piece("sweep", number)
        found = [moment.pitches for moment in moments(one) for _ in range(moment.ticks)]
        assert len(found) == one.end
        for tick in range(0, one.end, 7):
            assert found[tick] == tuple(
                tuple(sorted({n.pitch for n in p.notes if n.start <= tick < n.end}))
                for p in one.parts
            )


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
    st.lists(st.integers(0, 20), min_size=1, max_size=20),
)
def test_the_earth_mover_is_scipys(one: list[int], two: list[int]):
    stats = pytest.importorskip("scipy.stats")
    found = moved(np.array(one, dtype=float), np.array(two, dtype=float))
    assert found == pytest.approx(stats.wasserstein_distance(one, two), abs=1e-9)


def test_total_variation_by_hand():
    assert varied(np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[0.0, 4.0]])) == pytest.approx(0.75)
    assert varied(np.zeros((2, 2)), np.zeros((1, 2))) == 0.0
    assert varied(np.zeros((2, 2)), np.ones((1, 2))) == 1.0


@settings(deadline=None)
@given(st.integers(-11, 11), st.sampled_from([0.5, 2.0, 3.0]))
def test_motifs_know_neither_key_nor_tempo(semitones: int, tempo: float):
    one = piece("motif", 3)
    line = lines(one)[0]
    other = line_of(
        [
            note._replace(
                start=int(note.start * tempo),
                length=int(note.length * tempo),
                pitch=note.pitch + semitones,
            )
            for note in line.notes
        ],
        Q,
    )
    assert motifs(other).tolist() == motifs(line).tolist()
    assert motifs(line).tolist() != motifs(lines(piece("motif", 4))[0]).tolist()


def test_melodies_seen_in_another_key():
    training = [piece("training", number) for number in range(10)]
    new = [piece("new", number) for number in range(10)]
    copies = [one.transposed(3) for one in training]
    assert seen(shared(copies, training)).value == 1.0
    assert seen(shared(new, training)).value < 0.2
    whole = np.mean([max(len(motifs(line)) for line in lines(one)) for one in training])
    assert longest(shared(copies, training)).value == pytest.approx(whole)
    assert longest(shared(new, training)).value < 2 * N


def test_the_naive_baseline_keeps_pitch_classes_and_lengths_only():
    training = [piece("training", number) for number in range(60)]
    made = chained(training, training[:5], 60, 0)
    assert made == chained(training, training[:5], 60, 0)
    assert [one.end for one in made[:5]] == [one.end for one in training[:5]]
    of = {
        name: [np.array([STATISTICS[name].of(one) for one in rows]) for rows in (made, training)]
        for name in ("pitch-class", "melodic-interval")
    }
    assert varied(*of["pitch-class"]) < 0.1
    assert varied(*of["melodic-interval"]) > 0.25
