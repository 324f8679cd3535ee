"""Synthetic data for contract tests: items with structure, a function of (spec, seed) alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from castalia.nn.counter_random import generator
from castalia.spec import Batch, Classes, Condition, Dense, Tokens, Words

SPECS: dict[str, Dense | Tokens] = {
    "grey picture": Dense((1, 12, 10), levels=256),
    "colour picture": Dense((3, 16, 16), levels=256),
    "signal": Dense((2, 37), unit="signed"),
    "volume": Dense((1, 6, 7, 8), unit="binary", levels=2),
    "vector": Dense((5,), unit="standard", layout="vector"),
    "tokens": Tokens(length=12, vocab=9, begin=0, end=1),
}


def synthetic(
    spec: Dense | Tokens, rows: int, seed: int = 0, conditions: dict[str, Condition] | None = None
) -> Batch:
    """Smooth waves of random phase along every axis, on the spec's levels, or token scales of
    random start; classes and captions by turns.

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
    return Batch(on_levels(spec, x), cond=_told(rows, conditions or {}))


def _scales(
    spec: Tokens, rows: int, rng: torch.Generator, conditions: dict[str, Condition]
) -> Batch:
    """Tokens that climb by one from a random start; a second document begins in the middle of every
    other row, the last row is cut from a longer document.
    """
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
    return Batch(x, segment=begins.cumsum(1), cond=_told(rows, conditions))


def _told(rows: int, conditions: dict[str, Condition]) -> dict[str, Tensor]:
    """Classes by turns; captions of two words, the first by turns."""
    told = {
        name: torch.arange(rows) % len(kind)
        for name, kind in conditions.items()
        if isinstance(kind, Classes)
    }
    for name, kind in conditions.items():
        if isinstance(kind, Words):
            told[name] = torch.zeros(rows, kind.length, dtype=torch.int64)
            told[name][:, 0] = 1 + torch.arange(rows) % len(kind)
            told[name][:, 1] = 1
    return told


def on_levels(spec: Dense, x: Tensor) -> Tensor:
    """x rounded to the values that stored data can take; unchanged without levels."""
    if spec.levels is None or spec.unit == "standard":
        return x
    low, high = spec.limits
    top = spec.levels - 1
    return low + (high - low) * torch.round((x - low) / (high - low) * top).clamp(0, top) / top


class Rolling:
    """A model that `Decodes` and has nothing to learn: its logits are a row of a fixed table,
    chosen by a rolling code of every token taken in since the prefill. So it notices any token that
    is lost, doubled or out of place, and one row's logits never depend on another's.

    sharpness  scale of the logits: larger is more certain.
    """

    def __init__(
        self, vocab: int, codes: int = 1009, seed: int = 0, sharpness: float = 1.0
    ) -> None:
        self.table = sharpness * torch.randn(codes, vocab, generator=generator("rolling", seed))

    def code(self, code: Tensor, tokens: Tensor) -> Tensor:
        return (31 * code + tokens + 1) % len(self.table)

    def prefill(
        self, ids: Tensor, mask: Tensor, cond: dict[str, Any]
    ) -> tuple[Tensor, RollingState]:
        codes = (
            cond["shift"].clone() if "shift" in cond else torch.zeros(len(ids), dtype=torch.int64)
        )
        for tokens, real in zip(ids.T, mask.T, strict=True):
            codes = torch.where(real, self.code(codes, tokens), codes)
        return self.table[codes], RollingState(codes, mask.sum(1))

    def step(self, tokens: Tensor, state: RollingState) -> tuple[Tensor, RollingState]:
        codes = self.code(state.codes, tokens)
        return self.table[codes], RollingState(codes, state.lengths + 1)


@dataclass(frozen=True)
class RollingState:
    codes: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> RollingState:
        return RollingState(self.codes[rows], self.lengths[rows])

    def join(self, other: RollingState) -> RollingState:
        return RollingState(
            torch.cat([self.codes, other.codes]), torch.cat([self.lengths, other.lengths])
        )
