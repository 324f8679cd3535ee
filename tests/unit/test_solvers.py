"""Solvers of differential equations against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from castalia.errors import TrainingError
from castalia.nn.solvers import integrate, integrate_adaptively

GROWTH = 1.3


def velocity(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """x' = x (a + cos t), so x(t) = x(0) exp(a t + sin t)."""
    return x * (GROWTH + time.cos())[:, None]


def exact(x: torch.Tensor, time: float) -> torch.Tensor:
    return x * math.exp(GROWTH * time + math.sin(time))


START = torch.tensor([[1.0, -2.0], [0.3, 4.0]], dtype=torch.float64)


def error(solver, steps: int, backwards: bool = False) -> float:
    times = [step / steps for step in range(steps + 1)]
    begin, wanted = START, exact(START, 1.0)
    if backwards:
        times, begin, wanted = times[::-1], wanted, begin
    rows = [torch.full((2,), time, dtype=torch.float64) for time in times]
    assert len(rows) == steps + 1
    return float((integrate(velocity, begin, times, solver) - wanted).abs().max())


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_order_of_convergence(solver, order, backwards):
    torch.set_default_dtype(torch.float64)
    try:
        slope = math.log2(error(solver, 40, backwards) / error(solver, 80, backwards))
    finally:
        torch.set_default_dtype(torch.float32)
    assert abs(slope - order) < 0.1


def test_the_adaptive_solver_keeps_its_tolerance_and_asks_more_where_it_must():
    found = {}
    for tolerance in (1e-2, 1e-4, 1e-6):
        x, asked = integrate_adaptively(velocity, START, 0.0, 1.0, tolerance=tolerance)
        off = (x - exact(START, 1.0)).abs() / (1 + exact(START, 1.0).abs())
        assert off.max() < 20 * tolerance
        found[tolerance] = int(asked.max())
    assert found[1e-2] < found[1e-4] < found[1e-6]
    back, _ = integrate_adaptively(velocity, exact(START, 1.0), 1.0, 0.0, tolerance=1e-6)
    torch.testing.assert_close(back, START, atol=1e-4, rtol=1e-4)


def test_rows_of_the_adaptive_solver_do_not_depend_on_one_another():
    def stiff(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return x * torch.tensor([1.0, 8.0])[: len(x), None]

    x = torch.ones(2, 3)
    both, asked = integrate_adaptively(stiff, x, 0.0, 1.0)
    alone, of_one = integrate_adaptively(stiff, x[:1], 0.0, 1.0)
    assert asked[0] < asked[1] and asked[0] == of_one[0]
    torch.testing.assert_close(both[:1], alone)


def test_a_solver_that_does_not_arrive_says_so():
    with pytest.raises(TrainingError, match="did not arrive in 5 steps"):
        integrate_adaptively(velocity, START, 0.0, 1.0, tolerance=1e-12, most=5)
