"""Copies of music are found in any key, at any tempo, one part alone or with wrong notes; new
pieces are not; the evidence is what was shared.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from castalia.governance.calibration import threshold_of
from castalia.governance.copy_matchers import matcher_for
from castalia.governance.token_copies import Passages
from castalia.modalities.music.contract import piece
from castalia.modalities.music.copies import ORDER, Music
from castalia.modalities.music.melody import SYMBOLS, lines, motifs
from castalia.modalities.music.ngram_bits import surprise
from castalia.modalities.music.score import Note, Part, Score
from castalia.modalities.music.svg import roll
from castalia.spec import Dense, Tokens

CODEC = SimpleNamespace(native=Score, name="music", spec=Tokens(16, 8, 0, 1))


@pytest.fixture(scope="module")
def training() -> list[Score]:
    return [piece("training", number) for number in range(60)]


@pytest.fixture(scope="module")
def matcher(training: list[Score]) -> Music:
    return Music(CODEC, training)


@pytest.fixture(scope="module")
def threshold(matcher: Music) -> float:
    return threshold_of(
        matcher.match([piece("held out", number) for number in range(200)]).distance, Music.farthest
    )


def test_scores_are_matched_as_music_whatever_their_tensors():
    for spec in (Tokens(16, 8, 0, 1), Dense((1, 8, 8))):
        assert matcher_for(SimpleNamespace(native=Score, name="music", spec=spec)) is Music
        other = SimpleNamespace(native=Score, name="rolls", modality="music", spec=spec)
        assert matcher_for(other) is Music
    assert (
        matcher_for(SimpleNamespace(native=str, name="text", spec=Tokens(16, 8, 0, 1))) is Passages
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("transposed", "transposed"),
        ("tempo", "tempo"),
        ("one part", "one part"),
        ("edited", "edited"),
    ],
)
def test_planted_copies_are_found_and_named(
    matcher: Music, training: list[Score], threshold: float, kind: str, told: str
):
    found = matcher.match(matcher.plant(training, kind, torch.Generator().manual_seed(1)))
    assert float((found.distance < threshold).double().mean()) >= 0.95
    assert float((found.train == torch.arange(len(training))).double().mean()) >= 0.95
    assert sum(one == told for one in found.kinds) >= 0.9 * len(training)


def test_new_pieces_are_no_copies(matcher: Music, threshold: float):
    found = matcher.match([piece("fresh", number) for number in range(200)])
    assert float((found.distance < threshold).double().mean()) <= 0.03


def test_a_whole_copy_tells_more_than_a_tune(matcher: Music, training: list[Score]):
    whole = matcher.match(training).distance
    tune = matcher.match([Score(one.parts[:1], one.resolution) for one in training]).distance
    assert bool((whole < tune).all())


def test_both_hands_and_ornaments(matcher: Music, training: list[Score]):
    """An ornament, a note split in two with its upper neighbour, in every second bar; chords under
    the tune.
    """
    notes: list[Note] = []
    for place, note in enumerate(training[7].parts[0].notes):
        half = note.length // 2
        notes += (
            [note]
            if place % 8
            else [
                note._replace(length=half),
                note._replace(start=note.start + half, length=half, pitch=note.pitch + 2),
            ]
        )
    chords = [
        Note(start, 48, pitch) for start in range(0, training[7].end, 48) for pitch in (30, 34)
    ]
    found = matcher.match(
        [Score((Part(notes=tuple(sorted(notes + chords))),), training[7].resolution)]
    )
    assert found.train.tolist() == [7]
    assert found.kinds == ["edited"]


def test_the_bits_are_those_of_the_steps(training: list[Score]):
    alone = Score(training[0].parts[:1], training[0].resolution)
    matcher = Music(CODEC, [alone, Score(training[1].parts[:1], training[1].resolution)])
    found = matcher.match([alone])
    rows = [motifs(lines(one)[0]) for one in training[:2]]
    bits = float(surprise(rows, [0, 1], SYMBOLS, ORDER)[0].sum())
    assert found.evidence[0]["bits"] == pytest.approx(bits, abs=0.1)
    assert float(found.distance) == pytest.approx(1 / (1 + bits / 100))
    assert (found.kinds, found.evidence[0]["edits"], found.evidence[0]["length"]) == (
        ["exact"],
        0,
        len(alone.parts[0].notes),
    )


def test_the_evidence_shows_the_notes_that_are_shared(matcher: Music, training: list[Score]):
    copy = training[3].transposed(4)
    found = matcher.match([copy])
    shown = json.loads(json.dumps(found.evidence[0]))
    mine, theirs = (
        sorted(note[:3] for note in shown[side] if note[3])
        for side in ("sample_roll", "train_roll")
    )
    assert [[start, length, pitch - 4] for start, length, pitch in mine] == theirs
    assert len(mine) == shown["length"] == copy.count
    drawn = roll(shown["sample_roll"], 'a "name"')
    assert drawn.count('class="hit"') == copy.count
    assert "&quot;name&quot;" in drawn


def test_nothing_to_compare(matcher: Music):
    empty = Score()
    drums = Score((Part(drums=True, notes=(Note(0, 6, 38), Note(6, 6, 38))),))
    found = matcher.match([empty, drums])
    assert found.train.tolist() == [-1, -1]
    assert found.distance.tolist() == [1.0, 1.0]
    assert len(Music(CODEC, []).match([empty])) == 1
    assert len(Music(CODEC, [empty, drums])) == 2


def test_an_index_comes_back_as_it_was(matcher: Music, training: list[Score]):
    state, tensors = matcher.state()
    again = Music.restore(CODEC, json.loads(json.dumps(state)), tensors)
    queries = [piece("query", number) for number in range(10)] + [
        one.transposed(2) for one in training[:5]
    ]
    one, two = matcher.match(queries), again.match(queries)
    assert one.distance.tolist() == two.distance.tolist()
    assert one.train.tolist() == two.train.tolist()


def test_real_pieces_are_cut_as_long_as_samples(training: list[Score]):
    like = [Score(one.parts[:1], one.resolution) for one in training[:3]]
    cut = Music.as_long(training[:10], like, CODEC)
    assert len(cut) > 10
    assert all(part.count <= like[place % 3].count + 3 for place, part in enumerate(cut))
    assert sum(part.count for part in cut) >= 0.9 * sum(one.count for one in training[:10])
    assert all(
        min(note.start for part in one.parts for note in part.notes) == 0
        for one in cut
        if one.count
    )
