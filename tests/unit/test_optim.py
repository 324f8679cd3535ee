"""Schedules against closed forms; optimiser state survives a round trip."""

import pytest
import torch
from torch import nn

from castalia.recipe_sections import OptimiserConfig, ScheduleConfig
from castalia.training.optim import PhaseOptimiser, factor


def test_schedules_hit_their_corners():
    wsd = ScheduleConfig(name="wsd", warmup=9, decay=0.5)
    assert factor(0, 100, wsd) == pytest.approx(0.1)
    assert factor(9, 100, wsd) == factor(50, 100, wsd) == 1.0
    assert factor(75, 100, wsd) == pytest.approx(0.5)
    assert factor(100, 100, wsd) == pytest.approx(0.0)
    cosine = ScheduleConfig(name="cosine", floor=0.1)
    assert factor(50, 100, cosine) == pytest.approx(0.55)
    assert factor(100, 100, cosine) == pytest.approx(0.1)
    assert factor(99, 100, ScheduleConfig()) == 1.0


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_state_round_trip_is_exact(name: str):
    def build() -> tuple[nn.Module, PhaseOptimiser]:
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 40), nn.ReLU(), nn.Linear(40, 4)
        ).to(memory_format=torch.channels_last)
        return model, PhaseOptimiser(
            "main", {"model": model}, OptimiserConfig(name=name, weight_decay=0.01)
        )

    def step(model: nn.Module, optimiser: PhaseOptimiser, seed: int) -> None:
        x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        model(x).square().mean().backward()
        optimiser.step(1.0)

    whole, optimiser = build()
    for seed in range(4):
        step(whole, optimiser, seed)
        if seed == 1:
            weights = {key: value.clone() for key, value in whole.state_dict().items()}
            state = {key: value.clone().contiguous() for key, value in optimiser.state().items()}
    halved, other = build()
    halved.load_state_dict(weights)
    other.load(state)
    for seed in (2, 3):
        step(halved, other, seed)
    for left, right in zip(whole.parameters(), halved.parameters(), strict=True):
        assert torch.equal(left, right)


def test_muon_takes_hidden_matrices_only():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    model[1].is_head = True
    optimiser = PhaseOptimiser("main", {"model": model}, OptimiserConfig(name="muon"))
    taken = [
        parameter
        for group in optimiser.optimisers["muon"].param_groups
        for parameter in group["params"]
    ]
    assert len(taken) == 1 and taken[0] is model[0].weight


def test_a_phase_can_have_its_own_rate():
    model = nn.Linear(2, 2)
    optimiser = PhaseOptimiser(
        "critic", {"model": model}, OptimiserConfig(rate=0.1, rates={"critic": 0.4})
    )
    assert optimiser.rates == {"adamw": 0.4}
