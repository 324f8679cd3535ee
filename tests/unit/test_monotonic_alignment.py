"""Texts laid along an axis: the best alignment against all of them, shares of places, and what is
learned of averages and lengths.
"""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.errors import SpecError
from castalia.families.flow import Flow, FlowConfig
from castalia.nn.condition_embedding import ConditionEmbedding
from castalia.nn.counter_random import generator, generators
from castalia.nn.monotonic_alignment import (
    EVEN,
    Reader,
    aligned,
    best_lengths,
    laid_out,
    unevenness,
)
from castalia.spec import Batch, Dense, Words

SPEC = Dense((1, 4, 12))
WORDS = Words((" ", "a", "b", "c"), 5, "letter")


def made(rows: int, seed: int = 0) -> tuple[Batch, Tensor]:
    """Texts of two to four letters; letter k fills the row k - 1 of a place. The second letter
    takes twice the places of the first, the last one lasts to the end. And the lengths.
    """
    rng = generator("letters", seed)
    ids = torch.zeros(rows, 5, dtype=torch.int64)
    lengths = torch.zeros(rows, 5)
    x = torch.zeros(rows, *SPEC.shape)
    for row in range(rows):
        count = int(torch.randint(2, 5, (1,), generator=rng))
        ids[row, :count] = 1 + torch.randperm(4, generator=rng)[:count]
        at = 0
        for place in range(count):
            length = (1 + place % 2) if place + 1 < count else 12 - at
            lengths[row, place] = length
            x[row, 0, ids[row, place] - 1, at : at + length] = 1
            at += length
    return Batch(x, cond={"caption": ids}), lengths


def test_the_best_alignment_is_the_best_of_all():
    score = torch.randn(1, 4, 9, generator=generator("score"))
    found = best_lengths(score, torch.tensor([4]))[0]

    def total(lengths: list[int]) -> float:
        letters = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))
        return float(score[0, letters, torch.arange(9)].sum())

    every = [
        [b - a for a, b in zip((0, *cuts), (*cuts, 9), strict=True)]
        for cuts in combinations(range(1, 9), 3)
    ]
    assert found.tolist() == max(every, key=total)


def test_rows_are_aligned_each_for_itself():
    score = torch.randn(3, 4, 9, generator=generator("score"))
    letters = torch.tensor([4, 2, 0])
    found = best_lengths(score, letters)
    assert found.sum(1).tolist() == [9, 9, 0] and (found[1, 2:] == 0).all()
    for row in range(3):
        alone = best_lengths(score[row : row + 1], letters[row : row + 1])
        assert torch.equal(alone[0], found[row])


def test_letters_share_the_places_that_their_ends_cut():
    there = torch.tensor([[True, True, False], [True, True, True]])
    lengths = torch.tensor([[1.5, 9.0, 7.0], [2.0, 1.0, 0.5]])
    shares = laid_out(lengths, there, 4)
    assert shares[0].tolist() == [[1, 0.5, 0, 0], [0, 0.5, 1, 1], [0, 0, 0, 0]]
    assert shares[1].tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    # what does not fit is cut off
    long = laid_out(torch.tensor([[3.0, 3.0, 1.0]]), torch.ones(1, 3, dtype=torch.bool), 4)
    assert long[0].tolist() == [[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_clear_data_are_stronger_than_equal_shares():
    batch, lengths = made(16)
    there = batch.cond["caption"] > 0
    average = torch.eye(5)[batch.cond["caption"]][:, :, 1:].transpose(1, 2)
    data = batch.x[:, 0]
    assert torch.equal(aligned(average, data, there), lengths)
    # averages that say nothing leave equal shares
    vague = aligned(torch.zeros(1, 4, 2), torch.randn(1, 4, 13), torch.ones(1, 2).bool())
    assert vague.tolist() == [[6, 7]]  # the last place is what silence is compared with


def test_equal_shares_cost_least_and_silence_at_the_end_nothing():
    there = torch.tensor([[True, True, False]])
    data = torch.zeros(1, 2, 10)
    data[0, 0, :4] = 1.0  # then nothing changes
    cost = unevenness(there, data)
    assert (cost[:, :, 4:] == 0).all()
    # letter 0 of 2 is due at a quarter of four places: 0.125 before it and behind it
    assert cost[0, 0, 0] == pytest.approx(0.5 * 2 * (0.125 / EVEN) ** 2)
    assert cost[0, 0, 0] == cost[0, 0, 1] == cost[0, 1, 2] < cost[0, 1, 1] < cost[0, 1, 0]


def test_a_reader_learns_where_letters_lie_and_how_long_they_are():
    torch.manual_seed(0)
    reader = Reader(len(WORDS), 32, SPEC)
    optimiser = torch.optim.Adam(reader.parameters(), 1e-2)
    for step in range(150):
        batch, _ = made(32, step)
        losses = reader(batch.cond["caption"], batch.x).losses
        optimiser.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
    batch, lengths = made(64, 1000)
    laid = reader.eval()(batch.cond["caption"], batch.x)
    assert (laid.lengths == lengths).float().mean() > 0.98
    foretold = reader(batch.cond["caption"])
    inner = lengths * (lengths.cumsum(1) < 12)
    assert (foretold.lengths * (inner > 0) - inner).abs().max() < 0.3
    # guessing the mean of all places leaves 0.19
    assert (foretold.grid - batch.x).square().mean() < 0.03


def test_a_row_without_a_text_says_nothing_and_teaches_nothing():
    torch.manual_seed(0)
    reader = Reader(len(WORDS), 8, SPEC)
    batch, _ = made(2)
    ids = batch.cond["caption"].clone()
    ids[1] = 0
    both, one = reader(ids, batch.x), reader(ids[:1], batch.x[:1])
    assert (both.grid[1] == 0).all() and (both.lengths[1] == 0).all()
    assert torch.allclose(both.losses["letters"], one.losses["letters"])
    assert torch.allclose(both.losses["lengths"], one.losses["lengths"])


def test_a_dropped_text_leaves_the_grid_empty():
    torch.manual_seed(0)
    embedding = ConditionEmbedding({"caption": WORDS}, 8, drop=1.0, along=SPEC)
    batch, _ = made(2)
    context = embedding(batch.cond, 2, data=batch.x)
    assert context.grid is not None and (context.grid == 0).all()
    assert context.vector is None and context.sequence is None
    assert set(context.losses) == {"letters", "lengths"}  # it is learned all the same
    assert embedding({}, 2).losses == {}


def test_a_flow_draws_what_the_text_says():
    torch.manual_seed(0)
    flow = Flow(
        FlowConfig(width=8, alignment="monotonic", condition_width=16, times="uniform", steps=4),
        SPEC,
        {"caption": WORDS},
    )
    flow.prepare([made(64)[0]])
    optimiser = torch.optim.Adam(flow.parameters(), 1e-2)
    for step in range(150):
        loss = flow(made(32, step)[0])
        assert {"velocity", "letters", "lengths"} == set(loss.parts)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    batch, _ = made(32, 1000)
    drawn = flow.sample(generators(0, 0, 32), batch.cond, SampleOptions())
    right = (drawn.argmax(2) == batch.x.argmax(2)).float().mean()
    assert right > 0.85  # a quarter by chance


@pytest.mark.parametrize(
    ("spec", "config", "match"),
    [
        (Dense((1, 4, 4)), {}, "more letters than the data have places"),
        (Dense((6,), layout="vector"), {}, "this network has none"),
        (SPEC, {"body": "mlp"}, "this network has none"),
    ],
)
def test_data_along_which_no_text_can_be_laid(spec: Dense, config: dict, match: str):
    with pytest.raises(SpecError, match=match):
        Flow(FlowConfig(alignment="monotonic", **config), spec, {"caption": WORDS})


def test_words_are_not_read_along():
    words = Words(("red", "apple"), 5)
    with pytest.raises(SpecError, match="only a text in letters"):
        Flow(FlowConfig(alignment="monotonic"), SPEC, {"caption": words})
