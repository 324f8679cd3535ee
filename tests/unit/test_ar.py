"""The autoregressive family against an attention written another way, and against sums over
everything that can be said.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.families.ar import Ar, ArConfig
from castalia.families.ar_order import training_order
from castalia.nn.counter_random import generator, generators
from castalia.nn.decode import complete
from castalia.nn.transformer import attend, causal_mask
from castalia.spec import Batch, Classes, Tokens

SMALL: dict[str, Any] = {"width": 16, "depth": 2, "heads": 2}
MIXED = {**SMALL, "ngrams": (2, 3), "ngram_rows": 64, "counts": 3}
SPEC = Tokens(length=12, vocab=9, begin=0, end=1)


def model_of(spec: Tokens = SPEC, seed: int = 0, conditions: Any = None, **config: Any) -> Ar:
    """Every parameter is drawn at random: output projections that begin at zero would hide the
    attention.
    """
    torch.manual_seed(seed)
    model = Ar(ArConfig(**config), spec, conditions or {})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    if model.counts is not None:
        rng = generator("documents", seed)
        model.prepare(
            Batch(torch.randint(2 if spec.end else 1, spec.vocab, (1, 20), generator=rng))
            for _ in range(6)
        )
    return model.eval()


def rows_of(spec: Tokens, rows: int, length: int, seed: int = 0) -> Tensor:
    x = torch.randint(2, spec.vocab, (rows, length), generator=generator("rows", seed))
    x[:, 0] = spec.begin
    return x


# A plain reference --------------------------------------------------------------------------------


def reference(model: Ar, x: Tensor, segment: Tensor | None) -> Tensor:
    """Logits (T - 1, V) of one row, in float64, one query at a time, complex rotations: nothing of
    nn/transformer.py.
    """
    config, weights = (
        model.config,
        {name: value.double() for name, value in model.network.state_dict().items()},
    )
    heads, kv_heads = config.heads, config.kv_heads or config.heads
    d, steps = config.width // config.heads, len(x) - 1

    def norm(v: Tensor, gain: Tensor) -> Tensor:
        return v / (v.square().mean(-1, keepdim=True) + 1e-6).sqrt() * gain

    def turn(v: Tensor, place: int) -> Tensor:
        rate = config.theta ** (-2 * torch.arange(d // 2, dtype=torch.float64) / d)
        turned = torch.complex(v[: d // 2], v[d // 2 :]) * torch.polar(
            torch.ones_like(rate), place * rate
        )
        return torch.cat([turned.real, turned.imag])

    h = [weights["embedding.weight"][token] for token in x[:-1].tolist()]
    for block in range(config.depth):
        own = {
            name.removeprefix(f"blocks.{block}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{block}.")
        }
        parts = [own["attention.qkv.weight"] @ norm(v, own["attention_norm.weight"]) for v in h]
        split = [part.view(-1, d) for part in parts]
        out = []
        for t in range(steps):
            seen = [s for s in range(t + 1) if segment is None or segment[s] == segment[t]]
            mixed = []
            for head in range(heads):
                shared = head // (heads // kv_heads)
                q = turn(norm(split[t][head], own["attention.q_norm"]), t)
                k = [turn(norm(split[s][heads + shared], own["attention.k_norm"]), s) for s in seen]
                v = [split[s][heads + kv_heads + shared] for s in seen]
                weight = torch.softmax(torch.stack([q @ one for one in k]) / math.sqrt(d), 0)
                mixed.append(sum(w * one for w, one in zip(weight, v, strict=True)))
            out.append(own["attention.out.weight"] @ torch.cat(mixed))
        h = [a + b for a, b in zip(h, out, strict=True)]
        for t in range(steps):
            z = own["feed_forward.into.weight"] @ norm(h[t], own["feed_forward_norm.weight"])
            if config.activation == "swiglu":
                gate, up = z[: len(z) // 2], z[len(z) // 2 :]
                z = gate / (1 + (-gate).exp()) * up
            else:
                z = z.clamp_min(0) ** 2
            h[t] = h[t] + own["feed_forward.out.weight"] @ z
    head_matrix = weights["embedding.weight"] if config.tie else weights["head.weight"]
    return torch.stack([head_matrix @ norm(v, weights["norm.weight"]) for v in h])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"activation": "swiglu", "attention": "plain"},
        {"activation": "relu2", "attention": "fused", "tie": False},
        {"kv_heads": 1, "attention": "plain"},
        {"heads": 4, "kv_heads": 2, "width": 32, "attention": "fused"},
    ],
)
def test_the_network_is_its_reference(options: dict[str, Any], packed: bool) -> None:
    model = model_of(**{**SMALL, **options})
    x = rows_of(SPEC, 2, 13)
    segment = None
    if packed:
        x[:, 5], x[0, 9] = SPEC.begin, SPEC.begin
        segment = (x == SPEC.begin).cumsum(1) - 1
    batch = Batch(x, segment=segment)
    with torch.no_grad():
        found = model._logits(model._ordered(batch, None), batch)
    for row in range(2):
        expected = reference(model, x[row], None if segment is None else segment[row])
        assert (found[row] - expected).abs().max() < 1e-5 * expected.abs().max().clamp_min(1)


@pytest.mark.parametrize("mask", [None, "causal", "rows"])
def test_plain_and_fused_attention_agree(mask: str | None) -> None:
    q, k, v = torch.randn(3, 2, 4, 7, 8, generator=generator("attention")).unbind(0)
    given = None if mask is None else causal_mask(7, 7, q.device)
    if mask == "rows":
        given = given.expand(2, 1, 7, 7).clone()
        given[1, :, :, 0] = float("-inf")
        given[1, :, 0, 0] = 0
    assert torch.allclose(
        attend(q, k, v, given, kind="plain"), attend(q, k, v, given, kind="fused"), atol=1e-6
    )


# Exactness ----------------------------------------------------------------------------------------

TINY_SPEC = Tokens(length=4, vocab=5, begin=0, end=1)


def everything(spec: Tokens) -> Tensor:
    """All rows of `length` tokens, none of them `begin`."""
    said = list(
        itertools.product(
            [token for token in range(spec.vocab) if token != spec.begin], repeat=spec.length
        )
    )
    return torch.cat([torch.full((len(said), 1), spec.begin), torch.tensor(said)], 1)


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        MIXED,
        {**SMALL, "counts": 1},
        {**SMALL, "ngrams": (2, 3, 4)},
        {**SMALL, "order": "any"},
    ],
)
def test_probabilities_of_everything_sum_to_one(options: dict[str, Any]) -> None:
    model = model_of(TINY_SPEC, **options)
    total = (-model.nats(Batch(everything(TINY_SPEC))).double()).exp().sum()
    assert abs(float(total) - 1) < 1e-5


@pytest.mark.parametrize("order", [(4, 3, 2, 1), (2, 4, 1, 3), (3, 1, 4, 2)])
def test_each_order_is_a_distribution(order: tuple[int, ...]) -> None:
    model = model_of(TINY_SPEC, **SMALL, order="any")
    x = everything(TINY_SPEC)
    nats = model.token_nats(Batch(x), torch.tensor(order).expand(len(x), -1))
    assert abs(float((-nats.double().sum(1)).exp().sum()) - 1) < 1e-5
    # and another one than from the left
    assert not torch.allclose(nats.sum(1), model.nats(Batch(x)), atol=1e-3)


def test_an_order_looks_at_what_came_before_it_and_at_nothing_else() -> None:
    """In the order 3 1 4 2, the nats of place 1 depend on x3, those of place 4 on x3 and x1."""
    model = model_of(TINY_SPEC, **SMALL, order="any")
    order = torch.tensor([[3, 1, 4, 2]])
    x = torch.tensor([[0, 2, 3, 4, 2]])
    base = model.token_nats(Batch(x), order)[0]
    for place, moved in ((3, [0, 1, 2, 3]), (1, [1, 2, 3]), (4, [2, 3]), (2, [3])):
        other = x.clone()
        other[0, place] = 1
        changed = (model.token_nats(Batch(other), order)[0] - base).abs() > 1e-6
        assert changed.nonzero().flatten().tolist() == moved, place


@pytest.mark.parametrize("options", [SMALL, MIXED, {**SMALL, "order": "any"}])
def test_packed_documents_cost_what_they_cost_alone(options: dict[str, Any]) -> None:
    model = model_of(**options)
    documents = [rows_of(SPEC, 1, length, seed=length)[0] for length in (4, 6, 3)]
    x = torch.cat(documents)[None]
    packed = model.nats(Batch(x, segment=(x == SPEC.begin).cumsum(1) - 1))
    alone = sum(model.nats(Batch(document[None])) for document in documents)
    assert torch.allclose(packed, alone, atol=1e-4)
    filled = torch.cat([documents[0], torch.zeros(5, dtype=torch.int64)])[None]
    assert torch.allclose(
        model.nats(Batch(filled, segment=(filled == 0).cumsum(1))),
        model.nats(Batch(documents[0][None])),
        atol=1e-4,
    )


def test_packed_documents_do_not_meet_in_any_order() -> None:
    """Training draws an order for each document, and no document's loss depends on another."""
    model = model_of(**SMALL, order="any")
    x = rows_of(SPEC, 64, 13)
    x[:, 6] = SPEC.begin
    segment = (x == SPEC.begin).cumsum(1) - 1
    torch.manual_seed(3)
    order = training_order(x, segment, SPEC.begin)
    assert (order.sort(1).values == torch.arange(1, 13)).all()
    assert (segment.gather(1, order).diff(dim=1) >= 0).all()  # one document after another
    assert (order[:, 5] == 6).all()  # each from its `begin`
    assert len({tuple(row) for row in order.tolist()}) > 15
    left, right = order[:, :5], order[:, 6:]
    packed = model.token_nats(Batch(x, segment=segment), order)
    assert torch.allclose(packed[:, :5], model.token_nats(Batch(x[:, :6]), left), atol=1e-4)
    assert torch.allclose(packed[:, 6:], model.token_nats(Batch(x[:, 6:]), right - 6), atol=1e-4)


def test_a_third_of_the_orders_runs_from_left_to_right() -> None:
    spec = Tokens(length=100, vocab=9, begin=0, end=1)
    order = training_order(rows_of(spec, 3000, 101), None, spec.begin)
    assert 0.3 < float((order.diff(dim=1) == 1).all(1).float().mean()) < 0.45


# Token by token -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [SMALL, MIXED, {**SMALL, "order": "any", "kv_heads": 1}])
def test_stepping_gives_the_nats_of_the_whole(options: dict[str, Any]) -> None:
    """Hashes, counts, gate and rotary positions are the same, whether a row is read at once or
    token by token.
    """
    model = model_of(**options)
    x = rows_of(SPEC, 3, 13)
    logits, state = model.prefill(x[:, :1], torch.ones(3, 1).bool(), {})
    steps = [logits]
    for place in range(1, 12):
        logits, state = model.step(x[:, place], state)
        steps.append(logits)
    stacked = torch.stack(steps, 1)
    stacked[..., SPEC.begin] = float("-inf")
    nats = -stacked.log_softmax(-1).gather(2, x[:, 1:, None])[..., 0]
    assert torch.allclose(nats, model.token_nats(Batch(x)), atol=1e-4)


@pytest.mark.parametrize("options", [SMALL, MIXED])
def test_past_the_context_a_row_goes_on_with_its_last_half(options: dict[str, Any]) -> None:
    """What `complete` says that its tokens cost is what the model says of the windows that
    nn/decode.py documents.
    """
    model = model_of(**options)
    made = complete(
        model,
        [torch.tensor([0])],
        generators(0, 0, 1),
        SampleOptions(length=40),
        spec=Tokens(12, 9, 0, None),
    )[0]
    assert made.reason == "length" and len(made.tokens) == 40
    whole, total, taken, start = [0, *made.tokens], 0.0, 1, 0
    for place in range(1, len(whole)):
        if taken > SPEC.length:
            taken = SPEC.length // 2
            start = place - taken
        window = torch.tensor([whole[start:place]])
        logits = model.prefill(window, torch.ones(window.shape).bool(), {})[0].log_softmax(-1)
        total -= float(logits[0, whole[place]])
        taken += 1
    assert made.nats == pytest.approx(total, abs=1e-3)


def test_classes_are_told_to_the_memory_too() -> None:
    model = model_of(conditions={"label": Classes(("a", "b"))}, **SMALL)
    x, cond = rows_of(SPEC, 2, 6), {"label": torch.tensor([0, 1])}
    whole = model.prefill(x, torch.ones(x.shape).bool(), cond)[0]
    logits, state = model.prefill(x[:, :3], torch.ones(2, 3).bool(), cond)
    for place in (3, 4, 5):
        logits, state = model.step(x[:, place], state)
    assert torch.allclose(logits, whole, atol=1e-5)
    assert not torch.allclose(
        model.nats(Batch(x, cond=cond)),
        model.nats(Batch(x, cond={"label": 1 - cond["label"]})),
        atol=1e-3,
    )


# Infilling ----------------------------------------------------------------------------------------


def test_filling_sees_both_sides() -> None:
    model = model_of(**SMALL, order="any")
    x = rows_of(SPEC, 1, 13).expand(200, -1).clone()
    keep = torch.ones(x.shape).bool()
    keep[:, 3:6] = False
    filled = model.infill(x, keep, generators(0, 0, 200), {})
    assert torch.equal(filled[keep], x[keep])
    assert not (filled <= 1).any(1)[0] or not (filled[:, 3:6] <= 1).any()  # neither begin nor end
    later = x.clone()
    later[:, 11] = 2 + (x[:, 11] - 1) % 7
    assert not torch.equal(
        model.infill(later, keep, generators(0, 0, 200), {})[:, 3:6], filled[:, 3:6]
    )


def test_filling_draws_from_the_model() -> None:
    """One gap of one token: frequencies over 4000 draws against the nats of the order that predicts
    it last.
    """
    model = model_of(TINY_SPEC, **SMALL, order="any")
    x = torch.tensor([[0, 2, 3, 4, 2]])
    keep = torch.tensor([[True, True, False, True, True]])
    drawn = model.infill(x.expand(4000, -1), keep.expand(4000, -1), generators(0, 0, 4000), {})[
        :, 2
    ]
    choices = x.repeat(3, 1)
    choices[:, 2] = torch.tensor([2, 3, 4])
    nats = model.token_nats(Batch(choices), torch.tensor([[1, 3, 4, 2]]).expand(3, -1))[:, -1]
    expected = (-nats).softmax(0)
    found = torch.bincount(drawn, minlength=5)[2:] / 4000
    assert (found - expected).abs().max() < 4 * 0.5 / math.sqrt(4000)


def test_rows_are_filled_by_their_own_generator() -> None:
    model = model_of(**SMALL, order="any")
    x = rows_of(SPEC, 4, 13)
    keep = torch.rand(x.shape, generator=generator("keep")) < 0.6
    keep[2] = True
    whole = model.infill(x, keep, generators(0, 0, 4), {})
    for row in range(4):
        assert torch.equal(
            model.infill(x[row : row + 1], keep[row : row + 1], generators(0, row, 1), {}),
            whole[row : row + 1],
        )
    with pytest.raises(AbilityError, match="left to right"):
        model_of(**SMALL).infill(x, keep, generators(0, 0, 4), {})


# Losses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [SMALL, {**SMALL, "order": "any"}])
def test_weights_and_masks_choose_what_is_learned(options: dict[str, Any]) -> None:
    """The loss is the weighted mean of the tokens' nats, whatever the order they are
    predicted in.
    """
    model = model_of(**options)
    x = rows_of(SPEC, 3, 13)
    torch.manual_seed(1)
    order = training_order(x, None, model.spec.begin) if model.config.order == "any" else None
    ordered = model._ordered(Batch(x), order)
    with torch.no_grad():
        nats = (
            -model._logits(ordered, Batch(x))
            .log_softmax(-1)
            .gather(2, ordered.targets[..., None])[..., 0]
        )
    weight = torch.rand(x.shape, generator=generator("weight")) * 0.1
    places = torch.arange(1, 13).expand(3, -1) if order is None else order
    own = weight.gather(1, places)
    torch.manual_seed(1)
    assert float(model(Batch(x, weight=weight)).total.detach()) == pytest.approx(
        float((nats * own).sum() / own.sum()), rel=1e-5
    )
    mask = torch.zeros(x.shape).bool()
    mask[:, 4] = True
    torch.manual_seed(1)
    assert float(model(Batch(x, mask=mask)).total.detach()) == pytest.approx(
        float(nats[places == 4].mean()), rel=1e-5
    )
    torch.manual_seed(1)
    assert float(model(Batch(x, weight=torch.zeros(x.shape))).total.detach()) == 0


def test_the_gate_learns_from_the_mixture() -> None:
    """Counts that know the text by heart get the larger share; the network has no gradient in this
    phase.
    """
    model = model_of(**SMALL, counts=3).train()
    document = rows_of(SPEC, 1, 13)
    model.prepare([Batch(document)] * 5)
    optimiser = torch.optim.Adam(model.gate.parameters(), lr=0.05)
    begun = model(Batch(document), "gate")
    for _ in range(60):
        optimiser.zero_grad()
        loss = model(Batch(document), "gate")
        loss.total.backward()
        optimiser.step()
    assert (
        loss.parts["share"] > begun.parts["share"]
        and loss.total < begun.total
        and loss.parts["share"] > 0.9
    )
    assert all(parameter.grad is None for parameter in model.network.parameters())
    assert model.network.training


def test_hidden_ngrams_are_only_hidden_in_training() -> None:
    model = model_of(**{**SMALL, "ngrams": (2,), "ngram_rows": 64, "ngram_dropout": 0.9})
    x = rows_of(SPEC, 2, 13)
    assert torch.equal(model.nats(Batch(x)), model.nats(Batch(x)))
    assert torch.equal(model.train().nats(Batch(x)), model.eval().nats(Batch(x)))
    model.train()
    assert float(model(Batch(x)).total.detach()) != float(model(Batch(x)).total.detach())


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"width": 18, "heads": 6}, "even number"),
        ({"heads": 4, "kv_heads": 3, "width": 32}, "divide"),
        ({"order": "any", "counts": 3}, "left to right"),
        ({"ngrams": (1,)}, "between 2"),
    ],
)
def test_settings_that_cannot_be(config: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Ar(ArConfig(**config), SPEC, {})


def test_rows_that_cannot_be() -> None:
    model = model_of(**SMALL)
    for x in (
        torch.zeros(2, 14).long(),
        torch.zeros(2, 1).long(),
        torch.full((2, 5), 9),
        torch.zeros(2, 5),
    ):
        with pytest.raises(SpecError):
            model(Batch(x))
    with pytest.raises(SpecError, match="longer than the context"):
        model.prefill(torch.zeros(1, 13).long(), torch.ones(1, 13).bool(), {})
    with pytest.raises(SpecError, match="without counts"):
        model(Batch(rows_of(SPEC, 2, 5)), "gate")
