"""The watermark of drawn tokens: it changes no law, holds to grammars, and is found by its key."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.nn.counter_random import generators
from castalia.nn.decode import Decoder, complete
from castalia.nn.tournament import LAYERS, Tournament, coins, score, won
from castalia.spec import Tokens
from castalia.testing.synthetic import Rolling

VOCAB = 12
SPEC = Tokens(length=64, vocab=VOCAB, begin=0, end=None)
MODEL = Rolling(VOCAB)
MARK = Tournament("tournament-1", "0" * 16, b"k" * 32, VOCAB)
OPTIONS = SampleOptions(length=300)


def drawn(mark: Tournament | None, rows: int = 4, **more: object) -> list[list[int]]:
    prompts = [torch.tensor([0])] * rows
    rngs = generators(7, 0, rows)
    done = complete(MODEL, prompts, rngs, replace(OPTIONS, **more), spec=SPEC, mark=mark)
    return [one.tokens for one in done]


def test_coins_are_fair_and_independent():
    bits = coins(torch.arange(3000)[:, None], torch.arange(40))
    heads = ((bits[..., None] >> torch.arange(LAYERS)) & 1).double().flatten(0, 1)
    sigma = 0.5 / math.sqrt(len(heads))
    assert float((heads.mean(0) - 0.5).abs().max()) < 5 * sigma
    correlation = torch.corrcoef(heads.T) - torch.eye(LAYERS)
    assert float(correlation.abs().max()) < 5 / math.sqrt(len(heads))


def test_the_mean_over_keys_is_the_models_own_law():
    law = torch.softmax(1.5 * torch.randn(1, 20, generator=torch.Generator().manual_seed(0)), 1)
    many = won(law.double().expand(20_000, -1), torch.arange(20_000) * 7919)
    spread = many.std(0) / math.sqrt(len(many))
    assert bool(((many.mean(0) - law[0]).abs() < 5 * spread + 1e-12).all())
    assert torch.allclose(many.sum(1), torch.ones(20_000, dtype=torch.float64))


def test_the_closed_form_is_the_tournament():
    """Two candidates a round, by brute force: of each pair the one whose coin is 1 wins."""
    law = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    bits = coins(torch.tensor(5), torch.arange(3)).tolist()
    expected = law.tolist()
    for layer in range(LAYERS):
        heads = [bit >> layer & 1 for bit in bits]
        following = [0.0] * 3
        for first in range(3):
            for second in range(3):
                pair = expected[first] * expected[second]
                if heads[first] == heads[second]:
                    following[first] += pair / 2
                    following[second] += pair / 2
                else:
                    following[first if heads[first] else second] += pair
        expected = following
    found = won(law[None], torch.tensor([5]))[0]
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))


def test_what_has_no_weight_gets_none():
    weights = torch.rand(50, 30)
    weights[:, ::3] = 0
    assert float(won(weights, torch.arange(50))[:, ::3].sum()) == 0


def test_the_key_finds_its_tokens_and_no_others():
    marked, plain = drawn(MARK), drawn(None)
    other = replace(MARK, key=b"x" * 32)
    for row in marked:
        z, counted = score(MARK, row)
        assert counted > 100
        assert math.exp(-z * z / 2) < 1e-6
        assert math.exp(-(score(other, row)[0] ** 2) / 2) > 1e-3
    assert all(math.exp(-(score(MARK, row)[0] ** 2) / 2) > 1e-3 for row in plain)


def test_rows_do_not_depend_on_their_neighbours_nor_on_when_they_joined():
    short = replace(OPTIONS, length=90)
    together = drawn(MARK, length=90)
    assert [drawn(MARK, rows=count + 1, length=90)[count] for count in range(3)] == together[:3]
    decoder = Decoder(MODEL, SPEC)
    rngs = generators(7, 0, 4)
    alone: dict[int, list[int]] = {}
    decoder.add([torch.tensor([0])], rngs[:1], short, mark=MARK)
    for _ in range(5):
        decoder.step()
    decoder.add([torch.tensor([0])] * 2, rngs[1:3], short)  # these have no mark
    while decoder.live:
        alone |= {number: done.tokens for number, done in decoder.step().finished.items()}
    assert alone[0] == together[0]
    assert [alone[1], alone[2]] == drawn(None, length=90)[1:3]


def test_greedy_rows_and_seen_contexts_stay_as_the_model_has_them():
    assert drawn(MARK, temperature=0.0) == drawn(None, temperature=0.0)
    tokens = [3] * 200  # one context, over and over
    assert score(MARK, tokens)[1] == 1
    assert score(MARK, [3])[1] == 0


@pytest.mark.parametrize(
    ("vocab", "context"), [(2, 24), (100, 4), (256, 3), (4096, 2), (150_000, 2)]
)
def test_small_vocabularies_have_long_contexts(vocab: int, context: int):
    assert replace(MARK, vocab=vocab).context == context
