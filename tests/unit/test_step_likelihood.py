"""Nats a step: exact sums, the end apart, and mixtures over copies in other keys that are
distributions.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from tests.unit.test_ar import SMALL, model_of
from tests.unit.test_ar_steps import BEGIN, END, KEY, KEYS, NONE, SPEC, chords

from castalia.evaluation.step_likelihood import averaged_nats, step_nats
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.score import Note, Part, Score
from castalia.spec import Batch


def moved(by: int) -> torch.Tensor:
    tokens = torch.arange(SPEC.vocab)
    images = torch.where(tokens < KEY, tokens, tokens + by)
    return images.masked_fill((tokens >= KEY) & ((images < KEY) | (images >= KEY + KEYS)), -1)


COPIES = [moved(by) for by in (-1, 0, 1)]


def test_step_nats_are_those_of_the_rows_with_the_end_apart() -> None:
    model = model_of(SPEC, **SMALL)
    row = torch.tensor([[BEGIN, KEY, KEY + 2, NONE, KEY + 1, NONE, NONE, END]])
    found = step_nats(model, [Batch(row)], SPEC)
    assert float(found.steps) == 2
    assert float(found.nats + found.ends) == pytest.approx(float(model.nats(Batch(row))), rel=1e-5)
    sure = step_nats(model, [Batch(row[:, :-1])], SPEC)
    assert float(sure.nats) == pytest.approx(float(found.nats), rel=1e-5) and float(
        sure.ends
    ) < float(found.ends)


@pytest.mark.parametrize(
    "before", [[], [KEY + 1, KEY + 3, NONE], [KEY, NONE, NONE], [KEY, KEY + 2, KEY + 4]]
)
def test_a_mixture_over_copies_is_a_distribution(before: list[int]) -> None:
    """Over all sets of notes of a step, also where only some of the copies can say what came
    before.
    """
    model = model_of(SPEC, **SMALL)
    rows = torch.tensor([[BEGIN, *before, *chord] for chord in chords()])
    barred = torch.arange(SPEC.vocab) == END
    nats = averaged_nats(model, Batch(rows), COPIES, barred)[:, len(before) :]
    assert float((-nats.sum(1)).exp().sum()) == pytest.approx(1, abs=1e-5)
    plain = model.token_nats(Batch(rows), barred=barred).double()[:, len(before) :]
    assert torch.allclose(
        averaged_nats(model, Batch(rows), [moved(0)], barred)[:, len(before) :], plain, atol=1e-5
    )
    if before != [KEY, KEY + 2, KEY + 4]:
        assert not torch.allclose(nats, plain, atol=1e-3)


def test_the_mixture_is_the_mean_of_what_the_copies_say() -> None:
    model = model_of(SPEC, **SMALL)
    row = torch.tensor([[BEGIN, KEY + 1, KEY + 2, NONE, KEY + 2, NONE, NONE]])
    barred = torch.arange(SPEC.vocab) == END
    shares = []
    for images in COPIES:
        outside = torch.ones(SPEC.vocab, dtype=torch.bool)
        outside[images[images >= 0]] = False
        shares.append(
            (-model.token_nats(Batch(images[row]), barred=barred | outside).double()).exp()
        )
    assert torch.allclose(
        averaged_nats(model, Batch(row), COPIES, barred),
        -torch.stack(shares).mean(0).log(),
        atol=1e-6,
    )


@pytest.mark.parametrize("form", ["grid", "chords"])
def test_symmetries_of_music_transpose(form: str) -> None:
    """What a symmetry writes is what the transposed score is encoded as; -1 exactly where a pitch
    leaves the scale; no two tokens share an image.
    """
    codec = MusicCodec(MusicConfig(form=form))
    score = Score(
        (Part("a", notes=(Note(0, 24, 60), Note(24, 48, 64))), Part("b", notes=(Note(0, 72, 43),))),
        24,
    )
    codec.fit([score])
    maps = codec.symmetries()
    assert len(maps) == 12
    for semitones, images in zip(range(-6, 6), maps, strict=True):
        assert torch.equal(
            images[codec.encode(score).long()], codec.encode(score.transposed(semitones)).long()
        )
        known = images[images >= 0]
        # begun and held
        assert (
            len(known.unique())
            == len(known)
            == len(images) - abs(semitones) * (2 if form == "grid" else 1)
        )
    assert any(torch.equal(images, torch.arange(len(images))) for images in maps)


def test_every_set_of_notes_is_written_once() -> None:
    assert (
        len(chords())
        == sum(math.comb(KEYS, size) for size in range(4))
        == len({tuple(chord) for chord in chords()})
    )
    assert all(a < b or b == NONE for chord in chords() for a, b in itertools.pairwise(chord))
