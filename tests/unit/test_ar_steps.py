"""Tokens in steps of several slots: positions, likelihoods under a grammar, orders that hide whole
voices, and filling them.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.test_ar import SMALL, model_of, rows_of
from torch import Tensor

from castalia.errors import RecipeError, SpecError
from castalia.families.ar import Ar, ArConfig
from castalia.families.ar_order import training_order
from castalia.nn.counter_random import generators
from castalia.spec import Batch, Tokens, spec_from_json, spec_to_json

BEGIN, END, NONE, KEY = 0, 1, 2, 3
KEYS, SLOTS = 5, 3


class Chords:
    """Up to SLOTS of KEYS notes a step, ascending, then NONE."""

    def start(self) -> None:
        return None

    def along(self, x: Tensor) -> Tensor:
        before, token = x[:, :-1, None], torch.arange(KEY + KEYS)
        later = (token == NONE) | ((token > before) & (before >= KEY))
        first = (token == NONE) | (token >= KEY) | (token == END)
        return torch.where((torch.arange(x.shape[1] - 1) % SLOTS == 0)[None, :, None], first, later)


SPEC = Tokens(12, KEY + KEYS, BEGIN, END, Chords(), period=SLOTS)
PLAIN = Tokens(12, 9, BEGIN, END, period=3)


def chords() -> list[list[int]]:
    """Every set of notes that a step can hold, as tokens."""
    sets = [
        chosen
        for size in range(SLOTS + 1)
        for chosen in itertools.combinations(range(KEY, KEY + KEYS), size)
    ]
    return [[*chosen, *[NONE] * (SLOTS - len(chosen))] for chosen in sets]


def test_counts_and_a_grammar_that_renormalises_are_refused() -> None:
    """The counts' share of what is forbidden would be lost, and the mixture be no distribution."""
    with pytest.raises(RecipeError, match="counts know nothing of what the form forbids"):
        Ar(ArConfig(**SMALL, counts=3), SPEC, {})
    assert Ar(ArConfig(**SMALL, counts=3), PLAIN, {}).counts is not None


def test_a_row_holds_whole_steps() -> None:
    with pytest.raises(SpecError, match="whole steps"):
        Tokens(10, 9, BEGIN, period=3)
    assert spec_from_json(spec_to_json(PLAIN)) == PLAIN
    # so runs of before say what they said
    assert "period" not in spec_to_json(Tokens(10, 9, BEGIN))


# Likelihoods --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", [[], [KEY, KEY + 3, NONE], [NONE, NONE, NONE, KEY + 1, KEY + 2, KEY + 4]]
)
def test_probabilities_of_a_step_sum_to_one(before: list[int]) -> None:
    """Over all sets of notes and the end, whatever came before; with the end barred, over all sets
    of notes.
    """
    model = model_of(SPEC, **SMALL)
    rows = torch.tensor([[BEGIN, *before, *chord] for chord in chords()])
    nats = model.token_nats(Batch(rows))[:, len(before) :].double()
    ends = model.token_nats(Batch(torch.tensor([[BEGIN, *before, END]])))[0, -1].double()
    assert float((-nats.sum(1)).exp().sum() + (-ends).exp()) == pytest.approx(1, abs=1e-5)
    assert 0.001 < float((-ends).exp()) < 0.999
    barred = torch.arange(SPEC.vocab) == END
    going_on = model.token_nats(Batch(rows), barred=barred)[:, len(before) :].double()
    assert float((-going_on.sum(1)).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_what_the_grammar_forces_costs_nothing() -> None:
    model = model_of(SPEC, **SMALL)
    nats = model.token_nats(
        Batch(torch.tensor([[BEGIN, KEY + 1, NONE, NONE, KEY + 4, NONE, NONE, NONE, NONE, NONE]]))
    )[0]
    assert nats[[2, 4, 5, 7, 8]].abs().max() == 0  # after NONE, and after the highest key
    assert (nats[[0, 1, 3, 6]] > 0).all()
    torch.manual_seed(0)
    loss = model(Batch(torch.tensor([[BEGIN, KEY + 1, NONE, NONE]]))).total
    # training sees the same
    assert float(loss.detach()) == pytest.approx(float(nats[:3].mean()), rel=1e-4)


# Positions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["left", "any"])
def test_documents_cost_the_same_wherever_they_stand(order: str) -> None:
    """A document that begins a whole number of steps later: only distances in steps and slots
    count.
    """
    model = model_of(PLAIN, **SMALL, order=order)
    documents = [rows_of(PLAIN, 1, length, seed=length)[0] for length in (4, 6)]
    filled = torch.full((2,), BEGIN)
    x = torch.cat([documents[0], filled, documents[1]])[None]
    packed = model.nats(Batch(x, segment=(x == BEGIN).cumsum(1) - 1))
    alone = sum(model.nats(Batch(document[None])) for document in documents)
    assert torch.allclose(packed, alone, atol=1e-4)
    shifted = torch.cat([documents[0], filled[:1], documents[1]])[None]
    moved = model.nats(Batch(shifted, segment=(shifted == BEGIN).cumsum(1) - 1))
    assert not torch.allclose(moved, alone, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [SMALL, {**SMALL, "order": "any", "kv_heads": 1}, {**SMALL, "ngrams": (2,), "ngram_rows": 64}],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_stepping_gives_the_nats_of_the_whole(options: dict[str, Any], rows: int) -> None:
    model = model_of(PLAIN, **options)
    x = rows_of(PLAIN, rows, 13)
    logits, state = model.prefill(x[:, :2], torch.ones(rows, 2).bool(), {})
    steps = [logits]
    for place in range(2, 12):
        logits, state = model.step(x[:, place], state)
        steps.append(logits)
    logits = torch.stack(steps, 1)
    logits[..., BEGIN] = float("-inf")
    nats = -logits.log_softmax(-1).gather(2, x[:, 2:, None])[..., 0]
    assert torch.allclose(nats, model.token_nats(Batch(x))[:, 1:], atol=1e-4)


def test_slots_are_told_apart() -> None:
    """The same token everywhere: what is predicted depends on the slot."""
    model = model_of(PLAIN, **SMALL)
    logits = model._logits(
        model._ordered(Batch(torch.full((1, 13), 4)), None), Batch(torch.full((1, 13), 4))
    )[0]
    assert (logits[3] - logits[4]).abs().max() > 1e-2


# Orders and gaps ----------------------------------------------------------------------------------


def hidden_slots(order: list[int], period: int) -> set[int] | None:
    """The slots that come last in every step, where an order is: all the others from left to right,
    then these.
    """
    turn = next((place for place, (a, b) in enumerate(itertools.pairwise(order), 1) if b < a), None)
    if turn is None:
        return None
    slots = {(place - 1) % period for place in order[turn:]}
    given = [place for place in sorted(order) if (place - 1) % period not in slots]
    return (
        slots
        if order == given + [place for place in sorted(order) if (place - 1) % period in slots]
        else None
    )


def test_training_hides_whole_slots_and_whole_steps() -> None:
    x = rows_of(Tokens(48, 9, BEGIN, period=4), 4000, 49)
    torch.manual_seed(0)
    order = training_order(x, None, BEGIN, 4)
    assert (order.sort(1).values == torch.arange(1, 49)).all()
    falls = (order.diff(dim=1) < 0).sum(1)
    # what is given first, then the gaps
    assert 0.2 < float((falls == 0).float().mean()) < 0.5 and int(falls.max()) == 1
    found = [hidden_slots(row, 4) for row in order.tolist()]
    sizes = [len(slots) for slots in found if slots is not None and len(slots) < 4]
    assert all(sizes.count(size) > 200 for size in (1, 2, 3))
    # every choice but none and all
    assert len({frozenset(slots) for slots in found if slots is not None}) >= 14


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**20), period=st.integers(2, 4))
def test_documents_of_a_row_keep_their_places(seed: int, period: int) -> None:
    x = rows_of(Tokens(24, 9, BEGIN, period=period), 8, 25)
    x[:, 12] = BEGIN
    torch.manual_seed(seed)
    order = training_order(x, (x == BEGIN).cumsum(1) - 1, BEGIN, period)
    assert (order[:, :11] < 12).all() and (order[:, 11] == 12).all()


def test_a_later_given_token_changes_earlier_filled_ones() -> None:
    """Slot 0 is given in every step, the others are filled; what is given comes back as it was."""
    model = model_of(PLAIN, **SMALL, order="any")
    x = rows_of(PLAIN, 1, 13).expand(16, -1).contiguous()
    keep = ((torch.arange(13) - 1) % 3 == 0).expand(16, -1)
    first = model.infill(x, keep, generators(0, 0, 16), {})
    assert torch.equal(first[:, 1::3], x[:, 1::3])
    other = x.clone()
    other[:, 10] = (x[:, 10] - 2 + 1) % 7 + 2  # of the last step
    second = model.infill(other, keep, generators(0, 0, 16), {})
    assert torch.equal(second[:, 1::3], other[:, 1::3])
    assert not torch.equal(first[:, 2:9], second[:, 2:9])


def test_filling_draws_from_the_model(count: int = 4000) -> None:
    """Slot 1 of one step, given slots 0 and 2: as often as the conditional probability says, worked
    out by the chain rule of the same order.
    """
    spec = Tokens(3, 6, BEGIN, END, period=3)
    model = model_of(spec, **SMALL, order="any")
    x = torch.tensor([[BEGIN, 3, 0, 4]])
    keep = torch.tensor([[True, True, False, True]])
    rows = x.expand(4, -1).clone()
    rows[:, 2] = torch.tensor([2, 3, 4, 5])
    nats = model.token_nats(Batch(rows), torch.tensor([[1, 3, 2]]).expand(4, -1))[:, 2].double()
    expected = (-nats).exp() / (-nats).exp().sum()
    drawn = model.infill(x.expand(count, -1), keep.expand(count, -1), generators(1, 0, count), {})[
        :, 2
    ]
    found = torch.bincount(drawn, minlength=6)[2:].double() / count
    assert (found - expected).abs().max() < 4 * (0.25 / count) ** 0.5
