"""The baselines that comparing scores are read against.

naive      a Gaussian for each dimension by itself, fitted to the training items: right brightness,
           no structure at all.
memoriser  replays training items: perfect looks, nothing new.
softened   real items without their details: whether a score sees that they are gone.

Not here: how they are scored (base.py).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.nn.conv import MEAN_POOL, rank_of
from castalia.nn.counter_random import generator
from castalia.spec import Dense


class Moments:
    """Running mean and standard deviation per dimension, one pass, float64 (sums about the first
    block's mean).
    """

    def __init__(self) -> None:
        self.count = 0
        self._centre = self._sum = self._square = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """x (B, *shape)."""
        x = x.double()
        if self.count == 0:
            self._centre = x.mean(0)
            self._sum, self._square = torch.zeros_like(self._centre), torch.zeros_like(self._centre)
        shifted = x - self._centre
        self.count += len(x)
        self._sum = self._sum + shifted.sum(0)
        self._square = self._square + shifted.square().sum(0)

    def result(self) -> tuple[Tensor, Tensor]:
        """(mean, standard deviation), each (*shape) float64, of the n items (divided by n)."""
        mean = self._sum / self.count
        return self._centre + mean, (self._square / self.count - mean.square()).clamp_min(0).sqrt()


def naive(moments: tuple[Tensor, Tensor], spec: Dense, seed: int, first: int, rows: int) -> Tensor:
    """(rows, *shape) float32 samples first .. first + rows - 1, clipped to the unit's limits; a
    function of its arguments.
    """
    mean, deviation = moments
    noise = torch.stack(
        [
            torch.randn(spec.shape, generator=generator("naive", seed, index))
            for index in range(first, first + rows)
        ]
    )
    return (mean.float() + deviation.float() * noise).clamp(*spec.limits)


def softened(x: Tensor, spec: Dense) -> Tensor | None:
    """(B, *shape), each number replaced by the mean of the box around it, a twelfth of each side
    wide and at least 3 positions; None where neighbours are not related.
    """
    if spec.layout != "grid" or not 2 <= len(spec.shape) <= 4:
        return None
    rank = rank_of(spec.shape)
    widths = [max(3, side // 12 // 2 * 2 + 1) for side in spec.shape[1:]]
    around = [reach for width in reversed(widths) for reach in (width // 2, width // 2)]
    return MEAN_POOL[rank](F.pad(x, around, "replicate"), widths, 1)


def memoriser(choices: int, n: int, seed: int) -> Tensor:
    """(n,) int64: which of `choices` training items are replayed, with replacement."""
    return torch.randint(0, choices, (n,), generator=generator("memoriser", seed))
