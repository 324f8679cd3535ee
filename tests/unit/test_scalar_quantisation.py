"""Finite scalar quantisation: every code comes back, gradients pass, and codes are used evenly."""

from __future__ import annotations

import math

import pytest
import torch

from castalia.nn.scalar_quantisation import ScalarQuantiser, usage


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (2,), (3, 4), (7, 2, 9)])
def test_every_code_comes_back(levels: tuple[int, ...]) -> None:
    quantiser = ScalarQuantiser(levels)
    codes = torch.arange(math.prod(levels)).view(-1, 1)
    values = quantiser.from_codes(codes)
    assert values.shape == (len(codes), len(levels), 1)
    assert torch.equal(quantiser.to_codes(values), codes)
    assert values.min() == -1 and values.max() == 1
    assert torch.allclose(quantiser(values), values)
    assert len(values.flatten(1).unique(dim=0)) == len(codes)


def test_what_lies_between_goes_to_the_nearest_level() -> None:
    quantiser = ScalarQuantiser((5,))
    x = torch.linspace(-1.5, 1.5, 301).view(-1, 1, 1)
    nearest = (torch.linspace(-1, 1, 5) - x.view(-1, 1)).abs()
    wanted = torch.linspace(-1, 1, 5)[nearest.argmin(1)]
    ties = (nearest.sort(1).values[:, 1] - nearest.sort(1).values[:, 0]) < 1e-6
    assert torch.allclose(quantiser(x).flatten()[~ties], wanted[~ties])
    assert torch.equal(quantiser.to_codes(x).flatten()[~ties], nearest.argmin(1)[~ties])


def test_gradients_pass_the_rounding_unchanged() -> None:
    quantiser = ScalarQuantiser((5, 5))
    x = (torch.rand(6, 2, 3) * 2 - 1).requires_grad_()
    quantiser(x).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))


def test_normal_numbers_use_all_levels_about_equally() -> None:
    quantiser = ScalarQuantiser((5,))
    z = torch.randn(20_000, 1, 1, generator=torch.Generator().manual_seed(0))
    shares = quantiser.to_codes(quantiser.bounded(z)).flatten().bincount(minlength=5) / len(z)
    assert shares.min() > 0.16 and shares.max() < 0.24


def test_codes_outside_are_cut() -> None:
    quantiser = ScalarQuantiser((3, 3))
    assert torch.equal(
        quantiser.from_codes(torch.tensor([[-4, 9, 100]])),
        quantiser.from_codes(torch.tensor([[0, 8, 8]])),
    )


def test_usage_of_codes() -> None:
    share, perplexity = usage(torch.tensor([[0, 1], [2, 3]]), 8)
    assert share == 0.5 and perplexity == pytest.approx(4)
    assert usage(torch.zeros(9, dtype=torch.int64), 4) == (0.25, pytest.approx(1))
