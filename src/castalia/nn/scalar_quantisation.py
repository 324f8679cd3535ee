"""Finite scalar quantisation: each number of a vector is rounded to one of a few levels, and the
levels together are one code.

Mentzer et al. 2023, arXiv:2309.15505. There is no codebook to learn, so none collapses. Levels lie
evenly between -1 and 1, both included; a number z is bounded by tanh(`SLOPE` z), which uses the
levels about equally often where z is standard normal, and gradients pass the rounding as they are
(Bengio et al. 2013, arXiv:1308.3432).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

SLOPE = 1.1


class ScalarQuantiser(nn.Module):
    """levels: how many each number of a vector has, e.g. (8, 5, 5, 5) for 1,000 codes."""

    levels: Tensor
    basis: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.codes = math.prod(levels)
        basis = [math.prod(levels[:place]) for place in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    def bounded(self, z: Tensor) -> Tensor:
        """(B, numbers, ...) any float -> float32 in (-1, 1)."""
        return torch.tanh(SLOPE * z.float())

    def forward(self, bounded: Tensor) -> Tensor:
        """(B, numbers, ...) in [-1, 1] -> the nearest levels; the gradient is that of the
        identity.
        """
        steps = self._along(self.levels - 1, bounded) / 2
        nearest = ((bounded.clamp(-1, 1) + 1) * steps).round() / steps - 1
        return bounded + (nearest - bounded).detach()

    def to_codes(self, bounded: Tensor) -> Tensor:
        """(B, numbers, ...) in [-1, 1] -> (B, ...) int64 below `codes`."""
        steps = self._along(self.levels - 1, bounded) / 2
        digits = ((bounded.clamp(-1, 1) + 1) * steps).round().long()
        return (digits * self._along(self.basis, digits)).sum(1)

    def from_codes(self, codes: Tensor) -> Tensor:
        """(B, ...) int64 -> (B, numbers, ...) float32, the levels; codes outside are cut."""
        codes = codes.clamp(0, self.codes - 1)[:, None]
        digits = codes // self._along(self.basis, codes) % self._along(self.levels, codes)
        return 2 * digits.float() / self._along(self.levels - 1, codes) - 1

    def _along(self, numbers: Tensor, like: Tensor) -> Tensor:
        """(numbers,) -> (1, numbers, 1, ...)."""
        return numbers.view(1, -1, *[1] * (like.ndim - 2))


def usage(codes: Tensor, most: int) -> tuple[float, float]:
    """Of codes (any shape), which are below `most`: the share of all codes that occur, and the
    perplexity of their frequencies, the effective number of codes.
    """
    counts = torch.bincount(codes.flatten().cpu(), minlength=most).double()
    shares = counts[counts > 0] / counts.sum()
    return float((counts > 0).double().mean()), float(torch.exp(-(shares * shares.log()).sum()))
