"""DiffAugment: differentiable augmentation of grids, so that a GAN's critic does not memorise few
items.

Zhao et al. 2020, arXiv:2006.10738: real and generated items are altered alike before the critic
sees them, and gradients pass through, so the generator learns the unaltered data. Written for grids
of any rank, without knowledge of what they show: brightness and saturation become an offset and the
spread over channels, a shift moves by up to 1/8 of each side, a hole takes half of each side.
Contrast is left out: generators took it over and drew faded pictures, the more so the more often it
came (as Karras et al. 2020, arXiv:2006.06676, report). Alterations of stored pictures are in
modalities/image/augment.py.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 8  # a shift goes up to 1 / REACH of a side


def altered(x: Tensor, probability: float) -> Tensor:
    """(B, C, *sides) -> the same shape: each kind of alteration befalls each item with
    `probability`.

    Draws from torch's global generator on the CPU, always the same count of numbers.
    """
    if probability <= 0:
        return x
    return holed(shifted(toned(x, probability), probability), probability)


def toned(x: Tensor, probability: float) -> Tensor:
    """Offset within +-0.5, spread over channels times 0 to 2."""
    rows, ones = len(x), (1,) * (x.dim() - 1)
    chosen = torch.rand(2, rows) < probability
    numbers = torch.rand(2, rows)
    offset = torch.where(chosen[0], numbers[0] - 0.5, 0.0).to(x).view(rows, *ones)
    over_channels = torch.where(chosen[1], 2 * numbers[1], 1.0).to(x).view(rows, *ones)
    if x.shape[1] > 1:
        x = torch.lerp(x.mean(1, keepdim=True), x, over_channels)
    return x + offset


def shifted(x: Tensor, probability: float) -> Tensor:
    """Moved along every axis by up to 1/8 of its side; zeros come in."""
    sides = x.shape[2:]
    chosen = torch.rand(len(x)) < probability
    moves = torch.stack(
        [torch.randint(-(side // REACH), side // REACH + 1, (len(x),)) for side in reversed(sides)],
        1,
    )
    # negative padding crops
    amounts = (torch.stack([moves, -moves], 2).flatten(1) * chosen[:, None]).tolist()
    return torch.cat(
        [
            F.pad(row, amount) if any(amount) else row
            for row, amount in zip(x.split(1), amounts, strict=True)
        ]
    )


def holed(x: Tensor, probability: float) -> Tensor:
    """A box of half of every side, anywhere (it may reach over the edge), set to zero."""
    rows, sides = len(x), x.shape[2:]
    inside = (torch.rand(rows) < probability).view(rows, *(1 for _ in sides))
    for axis, side in enumerate(sides):
        centre = torch.randint(0, side + 1, (rows, 1))
        near = (torch.arange(side) - centre).abs() < max(1, side // 4)
        inside = inside & near.view(
            rows, *(side if other == axis else 1 for other in range(len(sides)))
        )
    return x * (~inside).unsqueeze(1).to(x)
