"""One row in NumPy is the same network: against the whole sequence at once, and beside rows that
torch steps.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from castalia.families.ar import Ar, ArConfig
from castalia.nn import lora
from castalia.nn.incremental_step import Single
from castalia.spec import Tokens

SPEC = Tokens(length=24, vocab=11, begin=0)
NETWORKS: dict[str, dict[str, Any]] = {
    "swiglu": {},
    "relu2": {"activation": "relu2"},
    "grouped": {"heads": 4, "kv_heads": 2},
    "n-grams": {"ngrams": (2, 3), "ngram_rows": 64, "tie": False},
}


def model(**config: Any) -> Ar:
    torch.manual_seed(0)
    made = Ar(ArConfig(**{"width": 32, "depth": 2, "heads": 2, **config}), SPEC, {}).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    return made


def prefilled(made: Ar, x: torch.Tensor) -> Any:
    return made.prefill(x, torch.ones_like(x, dtype=torch.bool), {})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_step_is_that_of_the_whole_sequence(name: str) -> None:
    made, x = (
        model(**NETWORKS[name]),
        torch.randint(1, 11, (1, 20), generator=torch.Generator().manual_seed(1)),
    )
    _, memory = prefilled(made, x[:, :3])
    for place in range(3, 20):
        logits, memory = made.step(x[:, place], memory)
        assert isinstance(memory.single, Single)
        expected, _ = prefilled(made, x[:, : place + 1])
        torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-5)


def test_a_row_goes_on_in_a_batch_and_alone_again() -> None:
    made, x = model(), torch.randint(1, 11, (2, 16), generator=torch.Generator().manual_seed(2))
    _, memory = prefilled(made, x[:1, :4])
    for place in range(4, 8):
        _, memory = made.step(x[:1, place], memory)
    both = memory.join(prefilled(made, x[1:, :8])[1])
    for place in range(8, 12):
        _, both = made.step(x[:, place], both)
        assert both.single is None
    memory = both.take(torch.tensor([1]))
    for place in range(12, 16):
        logits, memory = made.step(x[1:, place], memory)
    assert memory.single is not None
    torch.testing.assert_close(logits, prefilled(made, x[1:])[0], atol=2e-5, rtol=1e-5)


def test_weights_that_moved_are_seen_without_asking() -> None:
    made, x = model(), torch.tensor([[1, 2, 3]])
    _, memory = prefilled(made, x)
    before, _ = made.step(torch.tensor([4]), memory.take(torch.tensor([0])))
    with torch.no_grad():
        made.network.blocks[1].feed_forward.into.weight.mul_(-1)
    after, _ = made.step(torch.tensor([4]), memory)
    assert (before - after).abs().max() > 1e-3


def test_where_it_does_not_fit_torch_steps() -> None:
    made, x = model(), torch.tensor([[1, 2, 3]])
    alone, pair = prefilled(made, x)[1], prefilled(made, x.repeat(2, 1))[1]
    assert Single.fits(made.network.blocks, alone) and not Single.fits(made.network.blocks, pair)
    assert not Single.fits(made.network.blocks.double(), alone)
    lora.adapt(made.float(), 2, 4.0)
    assert not Single.fits(made.network.blocks, alone)


def test_logits_that_are_not_finite_stay_so_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    made = model()
    _, memory = prefilled(made, torch.tensor([[1, 2]]))
    with torch.no_grad():
        made.network.blocks[0].feed_forward.into.weight.fill_(float("nan"))
    logits, _ = made.step(torch.tensor([3]), memory)
    assert logits.isnan().all() and not recwarn.list
