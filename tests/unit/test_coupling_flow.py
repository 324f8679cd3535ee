"""Flows of affine couplings: exact inverse, exact density, and what a condition does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from castalia.nn.counter_random import generator
from castalia.nn.coupling_flow import CouplingFlow
from castalia.nn.gaussian_latent import log_prior


def flow_of(size: int, context: int = 0, layers: int = 4, scale: float = 0.4) -> CouplingFlow:
    """A flow far from the identity, in double precision."""
    flow = CouplingFlow(size, layers=layers, width=12, context=context).double()
    for number, weight in enumerate(flow.parameters()):
        noise = torch.randn(weight.shape, generator=generator("flow", number), dtype=weight.dtype)
        weight.data = scale * noise
    return flow


def rows(count: int, size: int) -> Tensor:
    return torch.randn(count, size, generator=generator("rows"), dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("context", [0, 3])
def test_there_and_back(size: int, context: int) -> None:
    flow, z = flow_of(size, context), rows(50, size)
    vector = rows(50, context) if context else None
    noise, _ = flow(z, vector)
    assert float((noise - z).detach().abs().amax(1).min()) > 1e-3, "it moves every row"
    torch.testing.assert_close(flow.inverse(noise, vector), z, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow(flow.inverse(z, vector), vector)[0], z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_the_determinant_is_that_of_the_jacobian(size: int) -> None:
    flow, z, vector = flow_of(size, 3), rows(6, size), rows(6, 3)
    _, stretch = flow(z, vector)
    for row in range(6):
        jacobian = torch.autograd.functional.jacobian(
            lambda one, row=row: flow(one[None], vector[row : row + 1])[0][0], z[row]
        )
        sign, log_size = torch.linalg.slogdet(jacobian)
        assert float(sign) == 1.0
        torch.testing.assert_close(stretch[row], log_size, rtol=1e-9, atol=1e-9)


def test_the_density_integrates_to_one() -> None:
    flow, side = flow_of(2, scale=0.3), torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        density = flow.log_density(grid).exp()
    assert abs(float(density.sum()) * float(side[1] - side[0]) ** 2 - 1) < 1e-3
    assert float((density - log_prior(grid).sum(1).exp()).abs().max()) > 0.02


def test_draws_have_the_density() -> None:
    """Shares of draws in the cells of a grid, against the density in their middle."""
    flow = flow_of(2, scale=0.3)
    drawn = flow.inverse(rows(200_000, 2))
    edges = torch.linspace(-3, 3, 31, dtype=torch.float64)
    found, _ = torch.histogramdd(drawn, [edges, edges])
    middle = (edges[1:] + edges[:-1]) / 2
    wanted = flow.log_density(torch.cartesian_prod(middle, middle)).exp().view(30, 30) * 0.04
    assert float((found / len(drawn) - wanted).abs().sum()) < 0.08
    mirrored = flow(rows(200_000, 2))[0]
    wrong, _ = torch.histogramdd(mirrored, [edges, edges])
    assert float((wrong / len(drawn) - wanted).abs().sum()) > 0.3, "the other direction differs"


def test_it_begins_as_the_standard_normal() -> None:
    flow, z = CouplingFlow(6, context=3), torch.randn(10, 6)
    vector = torch.randn(10, 3)
    noise, stretch = flow(z, vector)
    assert torch.equal(noise, z) and torch.equal(flow.inverse(z, vector), z)
    assert torch.equal(stretch, torch.zeros(10))
    assert torch.equal(flow.log_density(z, vector), log_prior(z).sum(1))


@pytest.mark.parametrize("size", [2, 5, 32])
def test_every_entry_comes_to_depend_on_every_other(size: int) -> None:
    layers = 2 * (size - 1).bit_length()
    flow, z = flow_of(size, layers=layers, scale=0.2), rows(1, size)[0]
    jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], z)
    assert bool((jacobian != 0).all())


def test_it_learns_a_density_that_is_no_gaussian() -> None:
    """Two rings' worth of points, told apart by a condition. Baseline: the Gaussian with the same
    moments.
    """
    torch.manual_seed(0)
    rng = generator("rings")
    angle = 6.2832 * torch.rand(1024, generator=rng)
    ring = torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * torch.randn(1024, 2, generator=rng)
    label = (torch.arange(1024) % 2).float()[:, None]
    z = ring * (1 + label)
    flow = CouplingFlow(2, layers=6, width=32, context=1)
    optimiser = torch.optim.Adam(flow.parameters(), 5e-3)
    for _ in range(300):
        optimiser.zero_grad()
        (-flow.log_density(z, label).mean()).backward()
        optimiser.step()
    gaussian = torch.distributions.MultivariateNormal(z.mean(0), torch.cov(z.T))
    with torch.no_grad():
        gain = float((flow.log_density(z, label) - gaussian.log_prob(z)).mean())
        drawn = flow.inverse(torch.randn(1024, 2, generator=rng), label).norm(dim=1)
    assert gain > 0.6, gain
    inner, outer = drawn[label[:, 0] == 0], drawn[label[:, 0] == 1]
    assert abs(float(inner.median()) - 1) < 0.15 and abs(float(outer.median()) - 2) < 0.3
