"""Rows of a fixed form drawn together, and places predicted, against the general ways."""

import torch

from castalia.abilities import SampleOptions
from castalia.families.ar import Ar, ArConfig
from castalia.modalities.table.grammar import Slots
from castalia.nn.counter_random import generators
from castalia.nn.decode import Decoder
from castalia.nn.fixed_rows import draw_fixed, fits
from castalia.spec import Batch, Tokens


def model(order: str) -> tuple[Ar, Tokens]:
    slots = Slots([4, 3, 6, 2])
    spec = Tokens(4, 16, 0, None, slots, 4)
    torch.manual_seed(0)
    made = Ar(ArConfig(width=16, depth=2, heads=2, order=order, tie=False), spec, {})
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made.eval(), spec


def test_rows_are_those_of_the_decoder():
    for order in ("left", "any"):
        made, spec = model(order)
        for options in (SampleOptions(), SampleOptions(temperature=0.7), SampleOptions(0)):
            prompt = torch.tensor([0])
            assert fits(made, spec, [prompt] * 9, options, grammars=None, stop=None)
            together = draw_fixed(made, spec, generators(1, 0, 9), {}, options, torch.device("cpu"))
            decoder = Decoder(made, spec)
            decoder.add([prompt] * 9, generators(1, 0, 9), options)
            apart = {}
            while decoder.live:
                apart |= decoder.step().checked().finished
            for number, done in enumerate(together):
                assert done.tokens == apart[number].tokens
                assert abs(done.nats - apart[number].nats) < 1e-4


def test_no_row_leaves_its_slots_and_options_go_the_general_way():
    made, spec = model("any")
    rows = made.sample(generators(0, 0, 64), {}, SampleOptions())
    assert rows.shape == (64, 5)
    assert bool(spec.grammar.along(rows).gather(2, rows[:, 1:, None]).all())
    assert not fits(made, spec, [torch.tensor([0])], SampleOptions(top_k=1))
    assert not fits(made, spec, [torch.tensor([0, 1])], SampleOptions())
    assert not fits(made, spec, [torch.tensor([0])], SampleOptions(), grammars=spec.grammar)


def test_a_predicted_place_is_the_last_factor_of_the_likelihood():
    made, spec = model("any")
    x = made.sample(generators(0, 0, 6), {}, SampleOptions())
    for place in range(1, 5):
        others = [one for one in range(1, 5) if one != place]
        order = torch.tensor([*others, place]).expand(6, -1)
        nats = made.token_nats(Batch(x), order)[:, -1]
        likely = made.predict(x, place, {})
        assert torch.allclose(-likely.gather(1, x[:, place : place + 1])[:, 0], nats, atol=1e-4)
        assert torch.allclose(likely.exp().sum(1), torch.ones(6), atol=1e-4)
        assert bool((likely[:, ~spec.grammar.slots[place - 1]] < -1e3).all())


def test_infill_stays_in_its_slots_and_leaves_barred_tokens_out():
    made, spec = model("any")
    x = made.sample(generators(0, 0, 64), {}, SampleOptions())
    keep = torch.rand(64, 5, generator=torch.Generator().manual_seed(0)) < 0.4
    barred = torch.zeros(16, dtype=torch.bool)
    barred[[1, 5, 14]] = True
    filled = made.infill(x, keep, generators(2, 0, 64), {}, barred=barred)
    keep[:, 0] = True
    assert torch.equal(filled[keep], x[keep])
    assert bool(spec.grammar.along(filled).gather(2, filled[:, 1:, None]).all())
    assert not bool(barred[filled[~keep]].any())
