"""DiffAugment: differentiable augmentation of grids, so that a GAN's critic does not memorise few
items.

Zhao et al. 2020, arXiv:2006.10738: real and generated items are altered alike before the critic
sees them, and gradients pass through, so the generator learns the unaltered data. Written for grids
of any rank, without knowledge of what they show: brightness and saturation become an offset and the
spread over channels, a shift moves by up to 1/8 of each side, a hole takes half of each side.

Two policies. "cutout": offset, spread over channels, shift and hole, without contrast: generators
took it over and drew faded pictures, the more so the more often it came (as Karras et al. 2020,
arXiv:2006.06676, report). "contrast": offset and spreads within narrower bounds, contrast, shift,
no hole: gentle enough to come always, for networks that keep themselves from drawing it
(nn/fastgan.py), of data with mean 0 and deviation 1. Alterations of stored pictures are in
modalities/image/augment.py.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Policy: TypeAlias = Literal["cutout", "contrast"]
REACH = 8  # a shift goes up to 1 / REACH of a side


def altered(x: Tensor, probability: float, policy: Policy = "cutout") -> Tensor:
    """(B, C, *sides) -> the same shape: each kind of alteration of the policy befalls each item
    with `probability`.

    Draws from torch's global generator on the CPU, always the same count of numbers.
    """
    if probability <= 0:
        return x
    if policy == "contrast":
        x = contrasted(toned(x, probability, 1.3, 1.0), probability)
        return shifted(x, probability, edges=True)
    return holed(shifted(toned(x, probability), probability), probability)


def toned(x: Tensor, probability: float, offsets: float = 1.0, spreads: float = 2.0) -> Tensor:
    """An offset from a range of width `offsets` around 0, the spread over channels times one of
    width `spreads` around 1.
    """
    rows, ones = len(x), (1,) * (x.dim() - 1)
    chosen = torch.rand(2, rows) < probability
    numbers = torch.rand(2, rows) - 0.5
    offset = torch.where(chosen[0], offsets * numbers[0], 0.0).to(x).view(rows, *ones)
    over_channels = torch.where(chosen[1], 1 + spreads * numbers[1], 1.0).to(x).view(rows, *ones)
    if x.shape[1] > 1:
        x = torch.lerp(x.mean(1, keepdim=True), x, over_channels)
    return x + offset


def contrasted(x: Tensor, probability: float) -> Tensor:
    """The distance from the item's mean times 0.5 to 1.5."""
    rows, ones = len(x), (1,) * (x.dim() - 1)
    chosen = torch.rand(rows) < probability
    contrast = torch.where(chosen, 0.5 + torch.rand(rows), 1.0).to(x).view(rows, *ones)
    return torch.lerp(x.flatten(1).mean(1).view(rows, *ones), x, contrast)


def shifted(x: Tensor, probability: float, *, edges: bool = False) -> Tensor:
    """Moved along every axis by up to 1/8 of its side; zeros come in, or, if `edges`, the numbers
    at the edge once more: zeros are a frame that the generator learns to expect.
    """
    sides = x.shape[2:]
    chosen = torch.rand(len(x)) < probability
    moves = torch.stack(
        [torch.randint(-(side // REACH), side // REACH + 1, (len(x),)) for side in reversed(sides)],
        1,
    )
    if edges:
        return _moved_within(x, moves * chosen[:, None])
    # negative padding crops
    amounts = (torch.stack([moves, -moves], 2).flatten(1) * chosen[:, None]).tolist()
    return torch.cat(
        [
            F.pad(row, amount) if any(amount) else row
            for row, amount in zip(x.split(1), amounts, strict=True)
        ]
    )


def _moved_within(x: Tensor, moves: Tensor) -> Tensor:
    """Row n moved by moves[n] (last axis first), its edges repeated. Padding that repeats edges
    cannot crop, so pieces are cut out of a wider grid; with zeros, one padding does both.
    """
    sides = x.shape[2:]
    reaches = [side // REACH for side in sides]
    wide = F.pad(x, [reach for reach in reversed(reaches) for _ in range(2)], "replicate")
    rows = []
    for row, move in zip(wide.split(1), moves.flip(1).tolist(), strict=True):
        for axis, (side, reach, by) in enumerate(zip(sides, reaches, move, strict=True), 2):
            row = row.narrow(axis, reach - by, side)
        rows.append(row)
    return torch.cat(rows)


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
