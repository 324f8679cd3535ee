"""What the data look like on the whole, so that networks can work with numbers of mean 0 and
deviation 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from castalia.spec import Batch, Dense


class DataScale(nn.Module):
    """`centre`, the mean of each channel (C, 1, ...), and `spread`, the deviation of all numbers
    from it; 0 and 1 until `fit`.

    Alterations and noise of a fixed size drown pale pictures: of the blood cells in
    benchmarks/own_photos.py, whose numbers deviate by 0.17, a critic without it learned nothing.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, spec: Dense) -> None:
        super().__init__()
        self.unit = spec.unit
        self.register_buffer("centre", torch.zeros(spec.shape[0], *[1] * (len(spec.shape) - 1)))
        self.register_buffer("spread", torch.ones(()))

    def fit(self, batches: Iterable[Batch]) -> int:
        """One pass, sums in float64. How many items there were."""
        items = count = 0
        sums = squares = torch.zeros(())
        for batch in batches:
            channels = batch.x.double().transpose(0, 1).flatten(1)
            items, count = items + len(batch.x), count + channels.shape[1]
            sums, squares = sums + channels.sum(1), squares + channels.square().sum(1)
        means = sums / count
        self.centre.copy_(means.view_as(self.centre))
        self.spread.copy_((squares / count - means.square()).mean().clamp_min(1e-6).sqrt())
        return items

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) in the spec's unit -> the same with mean 0 and deviation 1."""
        return (x - self.centre) / self.spread

    def back(self, z: Tensor) -> Tensor:
        """The way back; values may leave the unit's limits."""
        return z * self.spread + self.centre

    def before_squashing(self, raw: Tensor) -> Tensor:
        """What a network draws -> what tanh (signed) or the sigmoid (binary) takes: 0 becomes the
        mean of the data. Twice the spread, because both flatten what is far from 0.
        """
        match self.unit:
            case "signed":
                start = self.centre.clamp(-0.99, 0.99).atanh()
            case "binary":
                start = self.centre.clamp(0.01, 0.99).logit()
            case _:
                start = self.centre
        return raw * (2 * self.spread) + start
