"""Small made-up data for contract tests: items that have structure, a function of (spec, seed) alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from castalia.nn.random import generator
from castalia.spec import Batch, Classes, Condition, Dense, Tokens

SPECS: dict[str, Dense | Tokens] = {
    "grey picture": Dense((1, 12, 10), levels=256),
    "colour picture": Dense((3, 16, 16), levels=256),
    "signal": Dense((2, 37), unit="signed"),
    "volume": Dense((1, 6, 7, 8), unit="binary", levels=2),
    "vector": Dense((5,), unit="standard", layout="vector"),
    "tokens": Tokens(length=12, vocab=9, begin=0, end=1),
}


def synthetic(spec: Dense | Tokens, rows: int, seed: int = 0, conditions: dict[str, Condition] | None = None) -> Batch:
    """Smooth waves of random phase along every axis, on the spec's levels, or token scales of random start; classes by turns.

    x is (rows, *spec.shape) float32 in the spec's unit, or (rows, length + 1) int64.
    """
    rng = generator("synthetic", seed)
    if isinstance(spec, Tokens):
        return _scales(spec, rows, rng, conditions or {})
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
    return Batch(on_levels(spec, x), cond=_classes(rows, conditions or {}))


def _scales(spec: Tokens, rows: int, rng: torch.Generator, conditions: dict[str, Condition]) -> Batch:
    """Tokens that climb by one from a random start; a second document begins in the middle of every other row, the last row is cut
    from a longer document."""
    special = 2 if spec.end is not None else 1
    start = torch.randint(0, spec.vocab - special, (rows, 1), generator=rng)
    x = special + (start + torch.arange(spec.length + 1)) % (spec.vocab - special)
    x[: max(1, rows - 1), 0] = spec.begin
    middle = spec.length // 2
    x[::2, middle] = spec.begin
    if spec.end is not None:
        x[::2, middle - 1] = spec.end
    begins = x == spec.begin
    begins[:, 0] = False
    return Batch(x, segment=begins.cumsum(1), cond=_classes(rows, conditions))


def _classes(rows: int, conditions: dict[str, Condition]) -> dict[str, Tensor]:
    return {name: torch.arange(rows) % len(kind) for name, kind in conditions.items() if isinstance(kind, Classes)}


def on_levels(spec: Dense, x: Tensor) -> Tensor:
    """x rounded to the values that stored data can take; unchanged without levels."""
    if spec.levels is None or spec.unit == "standard":
        return x
    low, high = spec.limits
    top = spec.levels - 1
    return low + (high - low) * torch.round((x - low) / (high - low) * top).clamp(0, top) / top
