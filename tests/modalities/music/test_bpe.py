"""Byte-pair encoding of events: nothing is lost, nothing that cannot be played is drawn, and moving
tokens into another key is moving the music.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import castalia
from castalia.data import builtin
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.files import score_lines
from castalia.modalities.music.score import Metre, Note, Part, Score, Tempo
from castalia.modalities.music.tokens.bpe import MergedGrammar, Merges
from castalia.modalities.music.tokens.events import (
    BAR,
    BEGIN,
    DRUM,
    END,
    PITCH,
    VOCAB,
    EventGrammar,
)
from castalia.nn.counter_random import generator
from castalia.nn.grammar_masks import FORBIDDEN, Masks
from castalia.run import Run
from castalia.spec import Tokens


def band(seed: int) -> Score:
    """A tune, chords and drums of several velocities, with a change of metre and of tempo."""
    rng = np.random.default_rng(seed)
    tune = tuple(
        Note(24 * place, 24, int(rng.integers(60, 72)), int(rng.integers(60, 100)))
        for place in range(26)
    )
    chords = tuple(Note(96 * bar, 96, pitch, 70) for bar in range(6) for pitch in (48, 52, 55))
    drums = tuple(Note(12 * place, 6, (36, 42, 38, 42)[place % 4], 90) for place in range(52))
    parts = (
        Part("tune", 73, False, tune),
        Part("piano", 0, False, chords),
        Part("kit", 0, True, drums),
    )
    return Score(
        parts, 24, (Tempo(0, 100.0), Tempo(192, 120.0)), (Metre(0, 4, 4), Metre(384, 3, 4))
    )


@cache
def music() -> tuple[Score, ...]:
    return (
        *tuple(score_lines.read(builtin.path("chorales") / "valid.pieces.gz"))[:20],
        *map(band, range(8)),
    )


@cache
def fitted(vocab: int | None) -> MusicCodec:
    codec = MusicCodec(MusicConfig(form="events", vocab=vocab))
    codec.fit(music())
    return codec


def test_nothing_is_lost_and_much_is_saved() -> None:
    plain, merged = fitted(None), fitted(1000)
    assert plain.spec.vocab == VOCAB and merged.spec.vocab == 1000
    lengths = []
    for score in music():
        row = merged.encode(score)
        assert merged.decode(row) == plain.decode(plain.encode(score))
        assert merged.form.merges.expanded(row.tolist()) == plain.encode(score).tolist()
        # base tokens are tokens still
        assert merged.decode(plain.encode(score)) == merged.decode(row)
        lengths.append((len(plain.encode(score)), len(row)))
    assert sum(after for _, after in lengths) < 0.6 * sum(before for before, _ in lengths)


def test_pitches_and_bars_stay_by_themselves() -> None:
    merges = fitted(1000).form.merges
    alone = {BEGIN, END, BAR, *range(PITCH, DRUM)}
    assert len(merges.pairs) == 1000 - VOCAB
    assert not any(alone & set(whole) for whole in merges.whole[VOCAB:])
    # drums are merged
    assert any(set(whole) & set(range(DRUM, DRUM + 128)) for whole in merges.whole[VOCAB:])


def test_merges_are_a_function_of_the_data() -> None:
    again = MusicCodec(MusicConfig(form="events", vocab=1000))
    again.fit(music())
    assert again.form.merges.pairs == fitted(1000).form.merges.pairs
    few = MusicCodec(MusicConfig(form="events", vocab=5000))
    few.fit(music()[:1])
    assert VOCAB < few.spec.vocab == len(few.form.merges) < 1000  # no more pairs stand twice
    none = MusicCodec(MusicConfig(form="events", vocab=VOCAB))
    none.fit(music()[:1])
    assert none.spec.vocab == VOCAB and isinstance(none.spec.grammar, EventGrammar)


def test_merging_by_hand() -> None:
    """The commonest pair first, then what it makes part of; 9 stays alone."""
    rows = [np.array([1, 2, 3, 9, 1, 2, 9, 9, 1, 2, 3, 4])]
    merges = Merges.learned(rows, 12, 10, [range(9, 10)])
    assert merges.pairs == ((1, 2), (10, 3)) and merges.whole[10:] == [(1, 2), (1, 2, 3)]
    assert merges.applied(rows[0]).tolist() == [11, 9, 10, 9, 9, 11, 4]
    assert merges.expanded([11, 9, 10, 99]) == [1, 2, 3, 9, 1, 2]
    # the last two make the same
    twice = Merges(10, [range(9, 10)], [(1, 2), (2, 3), (10, 3), (1, 11)])
    assert len(twice) == 13 and twice.applied(np.array([1, 2, 3, 9, 2, 3])).tolist() == [12, 9, 11]
    assert Merges(10, [range(9, 10)]).applied(rows[0]).tolist() == rows[0].tolist()


def test_transposing_tokens_is_transposing_music() -> None:
    plain, merged = fitted(None), fitted(1000)
    for score in music()[::5]:
        row = merged.encode(score).long()
        moved = merged.form.transposed(row, torch.tensor(3))
        assert (
            merged.form.merges.expanded(moved.tolist())
            == plain.form.transposed(plain.encode(score).long(), torch.tensor(3)).tolist()
        )
        assert torch.equal(moved, merged.encode(score.transposed(3)).long())
        assert torch.equal(merged.copies(row, [3])[0], moved)
    rng = torch.Generator().manual_seed(0)
    row = merged.encode(music()[0]).long()[None]
    found = {
        merged.decode(merged.transpose(row, rng)[0]).parts[0].notes[0].pitch for _ in range(20)
    }
    assert len(found) > 3


def test_a_token_may_come_where_all_that_it_stands_for_may() -> None:
    codec = fitted(1000)
    grammar, base = codec.spec.grammar, EventGrammar(codec.steps)
    assert isinstance(grammar, MergedGrammar)
    for score in music()[::7]:
        state = grammar.start()
        for number, token in enumerate(codec.encode(score).tolist()[1:120]):
            if number % 9 == 0:
                costs, allowed = grammar.costs(state), grammar.allowed(state)
                for other in range(codec.spec.vocab):
                    here, fine = state, True
                    for one in codec.form.merges.whole[other]:
                        fine = fine and bool(base.allowed(here)[one])
                        here = base.advance(here, one) if fine else here
                    assert bool(allowed[other]) == fine == (int(costs[other]) < FORBIDDEN)
                    if fine:
                        assert here == grammar.advance(state, other)
                        assert int(costs[other]) == (1 if other == END else 1 + base.distance(here))
            assert bool(grammar.allowed(state)[token])
            state = grammar.advance(state, token)


def test_what_is_drawn_can_be_played(tmp_path: Path) -> None:
    """From random logits, in time, of merged tokens for the most part."""
    codec = fitted(1000)
    spec = codec.spec
    barrier = torch.zeros(spec.vocab)
    barrier[spec.begin] = -torch.inf
    masks, noise, merged = Masks(spec.grammar, barrier, spec.end), generator("merged"), 0
    for number in range(300):
        state, row, room = spec.grammar.start(), [spec.begin], 8 + number % 20
        logits = torch.randn(room + 1, spec.vocab, generator=noise)
        while len(row) <= room and row[-1] != spec.end:
            token = int((logits[len(row)] + masks.row(state, room + 1 - len(row))).argmax())
            row.append(token)
            merged += token >= VOCAB
            state = spec.grammar.advance(state, token)
        score = codec.decode(torch.tensor(row))
        assert (row[-1] == spec.end or masks.complete(state)) and score.count > 0
        assert codec.decode(codec.encode(score)) == score
        if number % 25 == 0:
            codec.write(score, tmp_path / "a.mid", {"synthetic": True})
            assert next(codec.read(tmp_path / "a.mid")).count == score.count
    assert merged > 300


def test_a_run_remembers_its_merges() -> None:
    codec = fitted(1000)
    state, tensors = codec.state()
    other = MusicCodec(codec.config).restore(json.loads(json.dumps(state)), tensors)
    assert isinstance(other.spec, Tokens) and other.spec.vocab == 1000
    assert all(torch.equal(other.encode(score), codec.encode(score)) for score in music()[::4])


def test_what_cannot_be_merged_is_said() -> None:
    with pytest.raises(ValidationError, match="only events are merged"):
        MusicConfig(form="grid", vocab=1000)
    with pytest.raises(ValidationError, match=f"greater than or equal to {VOCAB}"):
        MusicConfig(form="events", vocab=100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    small = [
        "training.steps=3",
        "training.batch=2",
        "training.sample_every=0",
        "codec.length=64",
        "data.limit=40",
        "codec.vocab=900",
    ]
    sizes = ["family.width=32", "family.depth=1", "family.heads=2"]
    return castalia.train(
        "music/ar-events",
        "builtin/chorales",
        [*small, *sizes],
        out=tmp_path_factory.mktemp("merges") / "run",
    )


def test_a_run_draws_goes_on_and_is_judged(run: Run) -> None:
    assert run.spec.vocab == 900 == run.codec.spec.vocab
    given = music()[0].cut(0, 16)
    first = castalia.sample(run, n=2, seed=1, prompt=given)
    for sample in first:
        assert sample.item.count >= given.count
        assert [note.pitch for note in sample.item.parts[0].notes][:2] == [
            note.pitch for note in given.parts[0].notes
        ]
    scores = {one["name"]: one for one in castalia.evaluate(run, n=20)["scores"]}
    assert 0 < scores["bits-per-note"]["value"] < 40


def test_a_child_keeps_its_parent_s_merges(run: Run, tmp_path: Path) -> None:
    options = [
        f"start_from={run.folder}",
        "training.steps=1",
        "training.batch=2",
        "training.sample_every=0",
        "data.limit=30",
        "codec.length=64",
    ]
    sizes = ["family.width=32", "family.depth=1", "family.heads=2"]
    child = castalia.train(
        "music/ar-events", "builtin/chorales", [*options, *sizes], out=tmp_path / "child"
    )
    assert child.codec.form.merges.pairs == run.codec.form.merges.pairs
