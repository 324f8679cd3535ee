"""Faults of each bar, and bars with faults made anew until they have fewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import castalia
from castalia.data import builtin
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.modalities.music.counterpoint import faults, outside
from castalia.modalities.music.files import score_lines
from castalia.modalities.music.redraw import mended, refill
from castalia.modalities.music.score import Metre, Note, Part, Score
from castalia.modalities.music.voice_leading import crossings_at, parallels
from castalia.run import Run

Q = 24


def quarters(name: str, *pitches: int) -> Part:
    return Part(name, notes=tuple(Note(place * Q, Q, pitch) for place, pitch in enumerate(pitches)))


def test_a_fault_is_where_it_is_heard() -> None:
    """Bars of two quarters: fifths from the first bar into the second, a crossing in the third that
    is held, a note too high and one too low in the fourth.
    """
    score = Score(
        (
            quarters("Soprano", 67, 67, 69, 69, 60, 62, 84, 72),
            quarters("violin", 60, 60, 62, 62, 64, 64, 50, 7),
            quarters("bass", 55, 55, 55, 55, 55, 55, 55, 39),
        ),
        Q,
        metres=(Metre(0, 2, 4),),
    )
    assert parallels(score) == (1, 0)
    # the violin over the soprano twice, then under the bass twice
    assert list(crossings_at(score)) == [4 * Q, 5 * Q, 6 * Q, 7 * Q]
    assert faults(score) == [0, 1, 2, 4]
    assert outside(score) == (2, 16) and outside(score, ("bass",)) == (1, 8)
    assert faults(Score()) == [] and faults(replace(score, parts=score.parts[1:2])) == [0, 0, 0, 0]


def test_faults_of_bach_add_up() -> None:
    for piece in list(score_lines.read(builtin.path("chorales") / "valid.pieces.gz"))[:12]:
        found = faults(piece)
        assert len(found) == len(piece.bars)
        assert (
            sum(found) == sum(parallels(piece)) + len(list(crossings_at(piece))) + outside(piece)[0]
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    small = [
        "training.steps=2",
        "training.batch=2",
        "training.sample_every=0",
        "codec.length=128",
        "data.limit=24",
    ]
    sizes = ["family.width=32", "family.depth=1", "family.heads=2"]
    return castalia.train(
        "music/ar-harmonise",
        "builtin/chorales",
        [*small, *sizes],
        out=tmp_path_factory.mktemp("mending") / "run",
    )


@pytest.fixture(scope="module")
def model(run: Run) -> Family:
    return run.model()


@pytest.fixture(scope="module")
def chorale() -> Score:
    return min(
        score_lines.read(builtin.path("chorales") / "valid.pieces.gz"), key=lambda score: score.end
    )


def test_bars_with_faults_get_fewer(run: Run, model: Family, chorale: Score) -> None:
    """Of a model that knows little more than which pitches there are, so that nearly every bar has
    faults.
    """
    (made,) = refill(model, run.codec, chorale, keep=["soprano"], bars=None, count=1, seed=3)
    again = [
        mended(
            model, run.codec, made, faults, version=0, tries=6, keep=["soprano"], bars=None, seed=3
        )
        for _ in range(2)
    ]
    assert again[0] == again[1]
    assert sum(faults(again[0])) < 0.9 * sum(faults(made))
    assert again[0].parts[0] == made.parts[0]
    other = mended(
        model, run.codec, made, faults, version=1, tries=6, keep=["soprano"], bars=None, seed=3
    )
    assert other != again[0]


def test_bars_that_are_not_asked_for_stay(run: Run, model: Family, chorale: Score) -> None:
    (made,) = refill(model, run.codec, chorale, keep=["soprano"], bars=(2, 3), count=1, seed=0)
    fewer = mended(
        model, run.codec, made, faults, version=0, tries=6, keep=["soprano"], bars=(2, 3), seed=0
    )
    (first, _), (_, last) = made.bars[1], made.bars[2]
    assert sum(faults(fewer)) < sum(faults(made))
    for before, after in zip(made.parts, fewer.parts, strict=True):
        assert [n for n in before.notes if not first <= n.start < last] == [
            n for n in after.notes if not first <= n.start < last
        ]


def test_a_piece_without_faults_stays(run: Run, model: Family, chorale: Score) -> None:
    def none(score: Score) -> list[int]:
        return [0] * len(score.bars)

    assert (
        mended(
            model, run.codec, chorale, none, version=0, tries=4, keep=["soprano"], bars=None, seed=0
        )
        is chorale
    )


def test_a_gap_is_seen_from_both_sides(run: Run, model: Family, chorale: Score) -> None:
    """The last bar of the first context of a longer piece: what is filled in changes with the
    soprano's note before it and with the one behind it.
    """
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
    bar = run.codec.spec.length // (8 * 4)  # by eighths, in four voices
    begin, end = chorale.bars[bar - 1]
    assert len(chorale.bars) > bar + 1
    soprano = chorale.parts[0]

    def moved(which: Note) -> Score:
        notes = tuple(
            note._replace(pitch=note.pitch + 2) if note == which else note for note in soprano.notes
        )
        return replace(chorale, parts=(replace(soprano, notes=notes), *chorale.parts[1:]))

    def filled(score: Score) -> list[list[Note]]:
        """What begins in the bar."""
        versions = refill(
            model, run.codec, score, keep=["soprano"], bars=(bar, bar), count=4, seed=5
        )
        spans = [made.bars[bar - 1] for made in versions]
        return [
            [note for note in part.notes if first <= note.start < last]
            for made, (first, last) in zip(versions, spans, strict=True)
            for part in made.parts[1:]
        ]

    before = [note for note in soprano.notes if note.end <= begin][-1]
    behind = next(note for note in soprano.notes if note.start >= end)
    assert filled(chorale) == filled(chorale)
    assert filled(moved(before)) != filled(chorale) != filled(moved(behind))


def test_edit_draws_anew(run: Run, chorale: Score, tmp_path: Path) -> None:
    run.codec.write(chorale, tmp_path / "soprano.mid")
    options = {"keep": ["soprano"], "bars": (1, 4), "steps": 2, "seed": 1}
    once, fewer = (
        castalia.edit(run, "infill", [tmp_path / "soprano.mid"], redraw=redraw, **options)
        for redraw in (0, 4)
    )
    assert sum(sum(faults(one)) for one in fewer) < sum(sum(faults(one)) for one in once)
    with pytest.raises(RecipeError, match="redraw of the edit"):
        castalia.edit(run, "infill", [tmp_path / "soprano.mid"], redraw=-1, **options)
    with pytest.raises(RecipeError, match="has no option 'redraw'"):
        castalia.edit(run, "vary", [tmp_path / "soprano.mid"], redraw=2)
