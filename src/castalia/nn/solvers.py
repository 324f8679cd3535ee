"""Solvers of ordinary differential equations dx/dt = velocity(x, t), as pure functions.

Fixed steps: euler (order 1), midpoint and heun (order 2). Adaptive: Dormand & Prince 1980, order 5
with an error estimate of order 4, each row with steps of its own, so that no row depends on the
others of its batch. Time may run in either direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from castalia.errors import TrainingError
from castalia.sentences import say

Velocity: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # x (B, ...), t (B,) -> (B, ...)
Solver: TypeAlias = Literal["euler", "midpoint", "heun"]

EVALUATIONS: dict[Solver, int] = {"euler": 1, "midpoint": 2, "heun": 2}  # of the velocity, a step

# Dormand & Prince 1980, table 2: nodes, stages, and the fifth-order solution minus the fourth
_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def step(velocity: Velocity, x: Tensor, start: Tensor, end: Tensor, solver: Solver) -> Tensor:
    """x (B, ...) at time start (B,), moved to time end (B,)."""
    span = end - start
    first = velocity(x, start)
    match solver:
        case "euler":
            return x + along(span, x) * first
        case "midpoint":
            half = x + along(span / 2, x) * first
            return x + along(span, x) * velocity(half, start + span / 2)
        case "heun":
            there = x + along(span, x) * first
            return x + along(span / 2, x) * (first + velocity(there, end))


def integrate(velocity: Velocity, x: Tensor, times: Sequence[float], solver: Solver) -> Tensor:
    """x (B, ...) at times[0], moved through `times` to the last of them, one step each."""
    rows = [torch.full((x.shape[0],), time, device=x.device) for time in times]
    for start, end in pairwise(rows):
        x = step(velocity, x, start, end, solver)
    return x


def integrate_adaptively(
    velocity: Velocity,
    x: Tensor,
    start: float,
    end: float,
    *,
    tolerance: float = 1e-3,
    most: int = 1000,
) -> tuple[Tensor, Tensor]:
    """x (B, ...) moved from `start` to `end`, and how often each row's velocity was asked for (B,).

    tolerance  of a row's error in each step: the root mean square over its numbers, each divided by
               1 + its size.
    Raises TrainingError where a row needs more than `most` steps.
    """
    rows = x.shape[0]
    sign = 1.0 if end >= start else -1.0
    time = x.new_full((rows,), start)
    size = x.new_full((rows,), 0.05 * abs(end - start))
    asked = torch.zeros(rows, dtype=torch.int64, device=x.device)
    for _ in range(most):
        left = (end - time) * sign
        going = left > 1e-6
        if not going.any():
            return x, asked
        # the velocity is asked for all rows, because it may know them by their places
        span = torch.where(going, sign * torch.minimum(size, left), 0.0)
        slopes: list[Tensor] = []
        for node, weights in zip(_NODES, _STAGES, strict=True):
            there = x
            for weight, slope in zip(weights, slopes, strict=True):
                there = there + along(weight * span, x) * slope
            slopes.append(velocity(there, time + node * span))
        # the last stage stands at the fifth-order solution
        off = along(span, x) * sum(
            weight * slope for weight, slope in zip(_ERROR, slopes, strict=True)
        )
        off = off / (1 + torch.maximum(x.abs(), there.abs()))
        error = off.square().flatten(1).mean(1).sqrt() / tolerance
        good = going & (error <= 1)
        asked += len(_NODES) * going
        x, time = torch.where(along(good, x), there, x), time + span * good
        factor = (0.9 * error.clamp_min(1e-8) ** -0.2).clamp(0.2, 5.0)
        size = torch.where(going, span.abs() * factor, size)
    raise TrainingError(
        say("the solver did not arrive in {0} steps", most),
        where=say("rows at times {0}", [round(float(one), 4) for one in time[:3]]),
        fix=say("family.solver=heun, or train longer"),
    )


def along(times: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B, 1, ...), to multiply x with."""
    return times.view(-1, *[1] * (x.dim() - 1))
