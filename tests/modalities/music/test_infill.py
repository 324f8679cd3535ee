"""Scores with parts and bars left open, filled and put together again: what is given comes back
note for note.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import castalia
from castalia.errors import RecipeError, SpecError
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.infill import gaps, joined
from castalia.modalities.music.redraw import refill
from castalia.modalities.music.score import Key, Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens.grid import HELD, PITCH, REST, Grid
from castalia.run import Run

NAMES = ("soprano", "alto", "bass")


def score_of(seed: int, unit: int = 12, steps: int = 40, names: tuple[str, ...] = NAMES) -> Score:
    """Voices of random notes and rests, in eighths of 24 ticks a quarter (unit 12), bars of 3/4."""
    rng, parts = random.Random(seed), []
    for place, name in enumerate(names):
        now, notes = 0, []
        while now < steps:
            length = min(rng.choice((1, 1, 2, 3, 4)), steps - now)
            if rng.random() < 0.85:
                notes.append(
                    Note(
                        now * unit,
                        length * unit,
                        72 - 10 * place + rng.randrange(9),
                        rng.randrange(1, 128),
                    )
                )
            now += length
        parts.append(Part(name, 19, False, tuple(notes)))
    return Score(
        tuple(parts), 2 * unit, (Tempo(0, 77.0),), (Metre(0, 3, 4),), (Key(0, -2, True),), "a piece"
    )


def grid_of(*scores: Score) -> Grid:
    grid = Grid(2, 64)
    grid.fit(scores)
    return grid


def notes_of(score: Score, part: int) -> list[tuple[float, float, int, int]]:
    return [
        (n.start / score.resolution, n.length / score.resolution, n.pitch, n.velocity)
        for n in score.parts[part].notes
    ]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    bars=st.none() | st.tuples(st.integers(1, 6), st.integers(0, 3)),
    kept=st.sets(st.sampled_from(NAMES), max_size=2),
)
def test_given_notes_come_back_whatever_fills_the_gaps(
    seed: int, bars: tuple[int, int] | None, kept: set[str]
) -> None:
    span = None if bars is None else (bars[0], bars[0] + bars[1])
    if span is None and not kept:
        return
    score = score_of(seed)
    grid = grid_of(score)
    x, keep = gaps(grid, score, sorted(kept), span)
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randint(PITCH + 60, PITCH + 63, x.shape, generator=rng)
    noise = torch.where(torch.rand(x.shape, generator=rng) < 0.5, noise - PITCH + HELD, noise)
    noise = torch.where(torch.rand(x.shape, generator=rng) < 0.2, REST, noise)
    made = joined(grid, score, torch.where(keep, x, noise), keep)
    assert (made.tempos[0].quarters, made.metres, made.title) == (
        77.0,
        (Metre(0, 3, 4),),
        "a piece",
    )
    first, last = (0.0, 1e9) if span is None else (3.0 * (span[0] - 1), 3.0 * span[1])
    for part, name in enumerate(NAMES):
        before, after = notes_of(score, part), notes_of(made, part)
        if name in kept:
            assert after == before
            continue
        assert [note for note in before if not first <= note[0] < last] == [
            note for note in after if note in before and not first <= note[0] < last
        ]
        ends = [note[0] + note[1] for note in after]
        # still one voice
        assert all(end <= note[0] + 1e-9 for end, note in zip(ends, after[1:], strict=False))


def test_the_gaps_themselves_are_what_was_filled_in() -> None:
    score = score_of(3)
    grid = grid_of(score)
    x, keep = gaps(grid, score, ["soprano"], None)
    assert keep[1:].view(-1, 3).tolist() == [[True, False, False]] * 40
    x[2::3], x[3::3] = HELD + 60, HELD + 48
    x[2], x[3] = PITCH + 60, PITCH + 48
    made = joined(grid, score, x, keep)
    assert [notes_of(made, part) for part in (1, 2)] == [
        [(0.0, 20.0, 60, 80)],
        [(0.0, 20.0, 48, 80)],
    ]


def test_a_given_note_does_not_grow_into_a_gap() -> None:
    """It is struck again where the filling says that it is held."""
    score = Score(
        (
            Part(
                "soprano",
                notes=(Note(0, 24, 60), Note(24, 24, 62), Note(48, 24, 64), Note(72, 48, 65)),
            ),
        ),
        24,
        (),
        (Metre(0, 1, 4),),
    )
    grid = grid_of(score)
    x, keep = gaps(grid, score, [], (2, 2))
    assert keep.tolist() == [True, True, True, False, False, True, True, True, True, True, True]
    x[3], x[4] = HELD + 60, HELD + 60
    assert notes_of(joined(grid, score, x, keep), 0)[:3] == [
        (0, 1, 60, 80),
        (1, 1, 60, 80),
        (2, 1, 64, 80),
    ]


def test_other_parts_need_not_be_there() -> None:
    """A soprano alone, in ticks that the grid does not know, with drums beside it."""
    grid = grid_of(score_of(0))
    soprano = score_of(5, unit=240, names=("Soprano",))
    drums = Part("kit", 0, True, (Note(0, 10, 40),))
    score = replace(soprano, parts=(*soprano.parts, drums))
    x, keep = gaps(grid, score, ["soprano"], None)
    made = joined(grid, score, x, keep)
    assert [part.name for part in made.parts] == ["Soprano", "alto", "bass", "kit"]
    assert notes_of(made, 0) == notes_of(score, 0) and notes_of(made, 3) == notes_of(score, 1)


def test_what_is_finer_than_the_grid_stays_as_it_is() -> None:
    """Sixteenths and a triplet of a kept part, in a grid of eighths; and those outside the bars
    that are made anew.
    """
    triplet = [Note(24 + 8 * place, 8, 70 + place, 50) for place in range(3)]
    fine = Part(
        "soprano",
        notes=(*(Note(6 * place, 6, 60 + place) for place in range(4)), *triplet, Note(48, 48, 65)),
    )
    score = Score((fine, Part("bass", notes=(Note(0, 96, 48),))), 24, (), (Metre(0, 1, 4),))
    grid = grid_of(score)
    x, keep = gaps(grid, score, ["soprano"], None)
    assert notes_of(joined(grid, score, x, keep), 0) == notes_of(score, 0)
    x, keep = gaps(grid, score, ["bass"], (3, 3))
    assert notes_of(joined(grid, score, x, keep), 0) == notes_of(score, 0)[:7]


@pytest.mark.parametrize(
    ("keep", "bars", "words"),
    [
        ([], None, "what stays"),
        (["sopran"], None, "did you mean 'soprano'"),
        (list(NAMES), None, "every part is kept"),
        ([], (0, 3), "counted from 1"),
        ([], (4, 3), "counted from 1"),
        ([], (90, 91), "it has 7 bars"),
    ],
)
def test_what_cannot_be_filled_is_named(
    keep: list[str], bars: tuple[int, int] | None, words: str
) -> None:
    score = score_of(0)
    with pytest.raises(RecipeError, match=words):
        gaps(grid_of(score), score, keep, bars)


# The whole way ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("harmonise")
    codec = MusicCodec()
    (folder / "scores").mkdir()
    for seed in range(12):
        codec.write(score_of(seed), folder / "scores" / f"{seed}.mid")
    small = [
        "training.steps=2",
        "training.sample_every=0",
        "training.batch=2",
        "codec.length=48",
        "family.width=16",
        "family.depth=1",
        "family.heads=2",
    ]
    return castalia.train(
        "music/ar-harmonise", folder / "scores", [*small, "data.augment=[]"], out=folder / "run"
    )


def test_a_later_given_note_changes_earlier_filled_ones(run: Run) -> None:
    model = run.model()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
    score = score_of(1, steps=16)
    soprano = score.parts[0]
    last = soprano.notes[-1]
    other = replace(
        score,
        parts=(
            replace(soprano, notes=(*soprano.notes[:-1], last._replace(pitch=last.pitch + 3))),
            *score.parts[1:],
        ),
    )
    first, second = (
        refill(model, run.codec, one, keep=["soprano"], bars=None, count=4, seed=0)
        for one in (score, other)
    )
    cut = last.start / score.resolution - 0.5
    early = [
        [[note for note in notes_of(made, part) if note[0] < cut] for part in (1, 2)]
        for side in (first, second)
        for made in side
    ]
    assert early[:4] != early[4:]
    assert all(notes_of(made, 0) == notes_of(score, 0) for made in first)


def test_long_scores_are_filled_window_by_window(run: Run) -> None:
    score = score_of(2, steps=40)
    assert 2 * run.codec.spec.length < 40 * 3
    made = refill(run.model(), run.codec, score, keep=["bass"], bars=None, count=2, seed=1)
    again = refill(run.model(), run.codec, score, keep=["bass"], bars=None, count=2, seed=1)
    assert made == again and all(notes_of(one, 2) == notes_of(score, 2) for one in made)
    # to the end, not rests
    assert all(
        max(note.end for note in one.parts[0].notes) > 36 * one.resolution / 2 for one in made
    )


def test_the_likeliest_filling_is_one(run: Run) -> None:
    """At temperature 0 all versions agree, whatever the seed; at 1 they do not."""
    model, score = run.model(), score_of(1, steps=10)
    likeliest = [
        refill(
            model,
            run.codec,
            score,
            keep=["soprano"],
            bars=None,
            count=3,
            seed=seed,
            temperature=0.0,
        )
        for seed in (0, 1)
    ]
    assert all(one == likeliest[0][0] for side in likeliest for one in side)
    drawn = refill(model, run.codec, score, keep=["soprano"], bars=None, count=3, seed=0)
    assert len({repr(one) for one in drawn}) == 3
    with pytest.raises(RecipeError, match="temperature of the edit"):
        castalia.edit(run, "infill", [], keep=["soprano"], temperature=-1.0)


def test_edit_keeps_parts_and_bars(run: Run, tmp_path: Path) -> None:
    codec = run.codec
    codec.write(score_of(4), tmp_path / "piece.mid")
    given_score = next(iter(codec.read(tmp_path / "piece.mid")))
    for made in castalia.edit(
        run, "infill", [tmp_path / "piece.mid"], keep=["soprano"], bars=(2, 3), steps=2
    ):
        assert notes_of(made, 0) == notes_of(given_score, 0)
        assert [note for note in notes_of(made, 1) if note[0] >= 9] == [
            note for note in notes_of(given_score, 1) if note[0] >= 9
        ]
    with pytest.raises(RecipeError, match="what stays"):
        castalia.edit(run, "infill", [tmp_path / "piece.mid"])
    with pytest.raises(RecipeError, match="has no option 'keep'"):
        castalia.edit(run, "vary", [tmp_path / "piece.mid"], keep=["soprano"])


def test_chords_have_no_parts() -> None:
    codec = MusicCodec(MusicConfig(form="chords"))
    codec.fit([score_of(0)])
    with pytest.raises(SpecError, match="no parts"):
        codec.gaps(score_of(0), ["soprano"], None)
