"""Small made-up data for contract tests: items that have structure, a function of (spec, seed) alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from castalia.nn.random import generator
from castalia.spec import Batch, Classes, Condition, Dense

SPECS: dict[str, Dense] = {
    "grey picture": Dense((1, 12, 10), levels=256),
    "colour picture": Dense((3, 16, 16), levels=256),
    "signal": Dense((2, 37), unit="signed"),
    "volume": Dense((1, 6, 7, 8), unit="binary", levels=2),
    "vector": Dense((5,), unit="standard", layout="vector"),
}


def synthetic(spec: Dense, rows: int, seed: int = 0, conditions: dict[str, Condition] | None = None) -> Batch:
    """Smooth waves of random phase along every axis, on the spec's levels; classes by turns.

    x is (rows, *spec.shape) float32 in the spec's unit.
    """
    rng = generator("synthetic", seed)
    x = torch.zeros(rows, *spec.shape)
    for axis, side in enumerate(spec.shape):
        phase = 2 * math.pi * torch.rand(rows, generator=rng)
        wave = torch.sin(phase[:, None] + math.pi * torch.arange(side) / max(1, side - 1))
        x = x + wave.view(rows, *[side if index == axis else 1 for index in range(len(spec.shape))])
    x = x / len(spec.shape)
    if spec.unit == "standard":
        x = x + 0.1 * torch.randn(x.shape, generator=rng)
    elif spec.unit == "binary":
        x = 0.5 + 0.5 * x
    cond: dict[str, Tensor] = {}
    for name, condition in (conditions or {}).items():
        if isinstance(condition, Classes):
            cond[name] = torch.arange(rows) % len(condition)
    return Batch(on_levels(spec, x), cond=cond)


def on_levels(spec: Dense, x: Tensor) -> Tensor:
    """x rounded to the values that stored data can take; unchanged without levels."""
    if spec.levels is None or spec.unit == "standard":
        return x
    low, high = spec.limits
    top = spec.levels - 1
    return low + (high - low) * torch.round((x - low) / (high - low) * top).clamp(0, top) / top
