"""A network over sets: order does not matter, and neither does the number of members."""

from __future__ import annotations

import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.errors import SpecError
from castalia.families.flow import Flow, FlowConfig
from castalia.nn.counter_random import generator, generators
from castalia.nn.set_network import SetNetwork
from castalia.spec import Batch, Dense


def network() -> SetNetwork:
    torch.manual_seed(0)
    net = SetNetwork(3, 2, width=16, depth=2, induced=4, context=5)
    for parameter in net.parameters():  # no layer at zero, where nothing could be seen
        torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def test_a_permutation_of_the_members_permutes_what_comes_out() -> None:
    net, x, vector = network(), torch.randn(2, 3, 9), torch.randn(2, 5)
    order = torch.randperm(9, generator=generator("order"))
    assert torch.allclose(net(x, vector)[..., order], net(x[..., order], vector), atol=1e-5)


def test_members_see_one_another() -> None:
    net, x = network(), torch.randn(1, 3, 9)
    moved = x.clone()
    moved[..., 0] += 3
    assert not torch.allclose(net(x)[..., 1:], net(moved)[..., 1:], atol=1e-4)
    assert net(torch.randn(1, 3, 30)).shape == (1, 2, 30)


def test_the_vector_matters() -> None:
    net, x = network(), torch.randn(1, 3, 9)
    assert not torch.allclose(net(x, torch.zeros(1, 5)), net(x, torch.ones(1, 5)), atol=1e-4)


def test_a_flow_of_sets_learns_a_ring() -> None:
    """Members of a set lie on a circle whose radius is the set's own: samples agree within a set on
    the radius, which members that did not see one another could not.
    """
    spec = Dense((2, 24), unit="standard", layout="set")
    torch.manual_seed(0)
    flow = Flow(FlowConfig(width=32, depth=2, steps=8, times="uniform"), spec, {})
    optimiser = torch.optim.Adam(flow.parameters(), 3e-3)

    def rings(seed: int, rows: int = 64) -> torch.Tensor:
        rng = generator("rings", seed)
        radius = torch.where(torch.rand(rows, 1, generator=rng) < 0.5, 0.5, 1.5)
        angle = 2 * torch.pi * torch.rand(rows, 24, generator=rng)
        return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)

    flow.prepare([Batch(rings(seed)) for seed in range(4)])
    for step in range(300):
        optimiser.zero_grad()
        flow(Batch(rings(step))).total.backward()
        optimiser.step()
    radii = flow.sample(generators(0, 0, 48), {}, SampleOptions()).norm(dim=1)
    within, among = radii.std(1).mean(), radii.mean(1).std()
    assert among > 0.35 and within < 0.5 * among


def test_only_sets_are_taken() -> None:
    with pytest.raises(SpecError, match="set of members"):
        Flow(FlowConfig(body="set"), Dense((3, 8)), {})
