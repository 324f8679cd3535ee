"""The formulas of preferences and rewards against hand computation, exact sums and enumeration."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from castalia.families.ar import Ar, ArConfig
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.nn.preference_losses import divergence, dpo, leave_one_out, policy_gradient
from castalia.spec import Batch


def test_dpo_by_hand() -> None:
    """Log-ratios 1.0 and 0.2, beta 0.5: -log sigmoid(0.4) = log(1 + exp(-0.4))."""
    loss = dpo(torch.tensor([1.0]), torch.tensor([0.2]), 0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-0.4)), rel=1e-6)
    assert dpo(torch.zeros(1), torch.zeros(1), 3.0).item() == pytest.approx(math.log(2), rel=1e-6)
    smoothed = 0.9 * math.log(1 + math.exp(-0.4)) + 0.1 * math.log(1 + math.exp(0.4))
    assert dpo(torch.tensor([1.0]), torch.tensor([0.2]), 0.5, 0.1).item() == pytest.approx(
        smoothed, rel=1e-6
    )


def test_dpo_raises_the_chosen_and_lowers_the_rejected() -> None:
    """Equation 7's gradient: -beta sigmoid(-margin) on the chosen, the opposite on the rejected;
    pairs that are told apart weigh less.
    """
    chosen, rejected = (
        torch.tensor(values, requires_grad=True) for values in ([0.0, 5.0], [0.0, -5.0])
    )
    dpo(chosen, rejected, 0.3).sum().backward()
    weight = 0.3 * torch.sigmoid(-0.3 * torch.tensor([0.0, 10.0]))
    assert torch.allclose(chosen.grad, -weight) and torch.allclose(rejected.grad, weight)  # type: ignore[arg-type]
    assert weight[1] < weight[0] / 5


@given(st.integers(1, 3), st.integers(2, 5), st.integers(0, 1000))
def test_leave_one_out_is_the_mean_of_the_others(groups: int, size: int, seed: int) -> None:
    values = torch.randn(
        groups * size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    expected = [
        values[i]
        - (values[i // size * size : i // size * size + size].sum() - values[i]) / (size - 1)
        for i in range(groups * size)
    ]
    assert torch.allclose(leave_one_out(values, size), torch.stack(expected))


@pytest.mark.parametrize("leash", [0.0, 0.7])
def test_the_policy_gradient_is_unbiased(leash: float) -> None:
    """Four outcomes, groups of two: the mean over all sixteen batches is minus the gradient of
    E[reward] - leash KL, exactly.
    """
    logits = torch.tensor([0.3, -1.0, 0.5, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.0, 0.4, -0.2, 1.0], dtype=torch.float64).log_softmax(0)
    reward = torch.tensor([1.0, 0.0, 0.3, 0.0], dtype=torch.float64)
    log_p = logits.log_softmax(0)
    exact = (log_p.exp() * (reward - leash * (log_p - reference))).sum()
    (wanted,) = torch.autograd.grad(exact, logits, retain_graph=True)
    found = torch.zeros_like(logits)
    for pair in itertools.product(range(4), repeat=2):
        rows = torch.tensor(pair)
        loss = policy_gradient(log_p[rows], (log_p - reference)[rows], reward[rows], leash, 2)
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        found -= log_p[rows].sum().exp().detach() * gradient
    assert torch.allclose(found, wanted)


def test_the_divergence_is_that_of_an_exact_sum() -> None:
    """Texts of two tokens from a vocabulary of three, the second depending on the first."""
    rng = torch.Generator().manual_seed(1)
    first, second, other_first, other_second = (
        torch.randn(*shape, generator=rng, dtype=torch.float64).log_softmax(-1)
        for shape in ((3,), (3, 3), (3,), (3, 3))
    )
    joint, other = (
        (first[:, None] + second).flatten(),
        (other_first[:, None] + other_second).flatten(),
    )
    exact = float((joint.exp() * (joint - other)).sum())
    ratios = torch.stack(
        [(first - other_first)[:, None].expand(3, 3).flatten(), (second - other_second).flatten()],
        1,
    )
    estimates = divergence(ratios)
    assert (
        float((joint.exp() * estimates.sum(1)).sum()) == pytest.approx(exact, rel=1e-9)
        and exact > 0.1
    )
    assert bool((estimates >= 0).all()) and not bool((ratios >= 0).all())


@pytest.mark.parametrize("counts", [0, 3])
def test_token_loss_is_the_exact_likelihood_with_a_gradient(counts: int) -> None:
    codec = TextCodec(TextConfig(length=12))
    codec.fit(["abcabc", "bca"])
    torch.manual_seed(0)
    model = Ar(ArConfig(width=16, depth=1, heads=2, counts=counts), codec.spec, {}).eval()
    x = torch.stack([codec.encode("abc"), codec.encode("cab")]).long()
    model.prepare([Batch(row[None]) for row in x])
    loss = model.token_loss(Batch(x))
    assert loss.shape == (2, 4) and torch.allclose(loss, model.token_nats(Batch(x)), atol=1e-6)
    loss.sum().backward()
    assert all(parameter.grad is not None for parameter in model.network.blocks.parameters())
    with torch.no_grad():
        assert not model.token_loss(Batch(x)).requires_grad
