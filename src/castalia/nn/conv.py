"""Convolutional encoders and decoders over 1, 2 or 3 trailing axes, of any lengths.

One code path for signals, pictures and volumes: an axis is halved (rounding up) while it is longer
than `smallest`, axes may stop at different levels, and the decoder walks the same list of sizes
backwards, so that 28, 105 and 50x37 come out exactly as they went in. Pictures run in channels-last
memory, which nearly doubles a CPU's speed. Residual blocks begin as the identity, which trains well
without normalisation; group norm was slower by half on a CPU and no better per picture. Losses and
output distributions are not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.errors import SpecError
from castalia.nn.mlp import Modulation
from castalia.sentences import say

Norm = Literal["group", "batch", "none"]
CONV: dict[int, type[Any]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[Any]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
BATCH_NORM: dict[int, type[Any]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MEAN_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def rank_of(shape: Sequence[int]) -> int:
    """Trailing axes of (C, ...): 1, 2 or 3, else SpecError."""
    rank = len(shape) - 1
    if rank not in CONV:
        raise SpecError(
            say("convolutions need 1 to 3 axes after the channels, not {0}", rank),
            where=f"shape {tuple(shape)}",
            fix="family.body=mlp",
        )
    return rank


def resolutions(
    sides: Sequence[int], *, patch: int = 1, levels: int | None = None, smallest: int = 4
) -> list[tuple[int, ...]]:
    """Sizes of the grid at every level, finest first; the finest is `sides` divided by `patch`,
    rounded up.

    `levels` bounds the number of halvings; None halves until no axis is longer than 2 * smallest -
    1.
    """
    sizes = [tuple(-(-side // patch) for side in sides)]
    while (levels is None or len(sizes) <= levels) and max(sizes[-1]) >= 2 * smallest - 1:
        sizes.append(
            tuple(-(-side // 2) if side >= 2 * smallest - 1 else side for side in sizes[-1])
        )
    return sizes


def normalisation(norm: Norm, rank: int, channels: int) -> nn.Module:
    match norm:
        case "batch":
            return BATCH_NORM[rank](channels)
        case "group":
            groups = next(count for count in (8, 4, 2, 1) if channels % count == 0)
            return nn.GroupNorm(groups, channels)
        case "none":
            return nn.Identity()


def fast_layout(module: nn.Module, rank: int) -> None:
    """Puts a picture network's weights in channels-last memory; values are unchanged."""
    if rank == 2:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Block(nn.Module):
    """Residual block, pre-activation (He et al. 2016): (B, C, ...) -> (B, C, ...). Modulated by (B,
    D) if `context`.
    """

    def __init__(self, rank: int, channels: int, *, context: int = 0, norm: Norm = "none") -> None:
        super().__init__()
        self.norm = normalisation(norm, rank, channels)
        self.first = CONV[rank](channels, channels, 3, padding=1)
        self.modulation = Modulation(channels, context) if context else None
        self.second = CONV[rank](channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        h = self.first(F.silu(self.norm(x)))
        if self.modulation is not None and vector is not None:
            h = self.modulation(h, vector)
        return x + self.second(F.silu(h))


class ConvEncoder(nn.Module):
    """(B, *shape) -> (B, *grid): fewer, wider positions.

    grid    (channels, *sides) of the output.
    width   channels at the finest level; doubled at every level up to 4 times.
    depth   residual blocks at every level.
    patch   side of the patches that the first layer turns into one position each (2 or 4 is much
            faster on a CPU).
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        width: int = 32,
        depth: int = 1,
        levels: int | None = None,
        patch: int = 1,
        smallest: int = 4,
        context: int = 0,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.rank = rank
        self.sizes = resolutions(shape[1:], patch=patch, levels=levels, smallest=smallest)
        channels = channels_at(width, len(self.sizes))
        self.pads = pads_to(shape[1:], self.sizes[0], patch)
        kernel = 3 if patch == 1 else patch
        self.stem = CONV[rank](
            shape[0], channels[0], kernel, stride=patch, padding=1 if patch == 1 else 0
        )
        self.downs = nn.ModuleList()
        self.stages = nn.ModuleList([level_blocks(rank, channels[0], depth, context, norm)])
        for index in range(1, len(self.sizes)):
            stride = tuple(
                1 if a == b else 2
                for a, b in zip(self.sizes[index - 1], self.sizes[index], strict=True)
            )
            self.downs.append(
                CONV[rank](channels[index - 1], channels[index], 3, stride=stride, padding=1)
            )
            self.stages.append(level_blocks(rank, channels[index], depth, context, norm))
        self.norm = normalisation(norm, rank, channels[-1])
        self.grid = (channels[-1], *self.sizes[-1])
        fast_layout(self, rank)

    def features(self, x: Tensor, vector: Tensor | None = None) -> list[Tensor]:
        """Activations at the end of every level, finest first; the last is what
        `forward` returns.
        """
        if any(self.pads):
            x = F.pad(x, self.pads)
        if self.rank == 2:
            x = x.contiguous(memory_format=torch.channels_last)
        h = self.stem(x)
        activations = []
        for index, stage in enumerate(self.stages):
            if index:
                h = self.downs[index - 1](h)
            h = through_level(stage, h, vector, last=index + 1 == len(self.stages))
            activations.append(h)
        activations[-1] = F.silu(self.norm(h))
        return activations

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        return self.features(x, vector)[-1]


class ConvDecoder(nn.Module):
    """(B, *grid) -> (B, outputs, *sides): the encoder's way backwards, by transposed convolutions.

    Built from the shape of the *data*; `grid` is the shape of its input. Options as for
    ConvEncoder, and
    overlap  whether every patch is decoded a half larger on each side, and neighbours are added
             where they meet.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        width: int = 32,
        depth: int = 1,
        levels: int | None = None,
        patch: int = 1,
        smallest: int = 4,
        context: int = 0,
        norm: Norm = "none",
        overlap: bool = False,
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.rank = rank
        self.sides = tuple(shape[1:])
        self.sizes = resolutions(self.sides, patch=patch, levels=levels, smallest=smallest)[::-1]
        channels = channels_at(width, len(self.sizes))[::-1]
        self.grid = (channels[0], *self.sizes[0])
        self.stages = nn.ModuleList([level_blocks(rank, channels[0], depth, context, norm)])
        self.ups = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise(channels)):
            stride = tuple(
                1 if a == b else 2
                for a, b in zip(self.sizes[index], self.sizes[index + 1], strict=True)
            )
            # 4 where an axis doubles, 3 where it stays: every output has as many inputs
            kernel = tuple(step + 2 for step in stride)
            self.ups.append(TRANSPOSED[rank](before, after, kernel, stride=stride, padding=1))
            self.stages.append(level_blocks(rank, after, depth, context, norm))
        self.norm = normalisation(norm, rank, channels[-1])
        if patch == 1:
            self.head = CONV[rank](channels[-1], outputs, 3, padding=1)
        else:
            # Patches that are decoded apart have seams. A small convolution over the whole, at
            # first the identity, mends them a little; where patches overlap by half, there are few.
            over = patch // 2 if overlap else 0
            # In a volume it would cost more than all the rest.
            mend: nn.Module = nn.Identity()
            if rank < 3:
                mend = CONV[rank](outputs, outputs, 5, padding=2)
                nn.init.dirac_(mend.weight)
                nn.init.zeros_(mend.bias)
            head = TRANSPOSED[rank](
                channels[-1], outputs, patch + 2 * over, stride=patch, padding=over
            )
            if over:
                # it begins as patches that are decoded apart, which learn fastest
                inner = (..., *[slice(over, -over)] * rank)
                apart = TRANSPOSED[rank](channels[-1], outputs, patch, stride=patch)
                with torch.no_grad():
                    head.weight.zero_()[inner].copy_(apart.weight)
            self.head = nn.Sequential(head, mend)
        fast_layout(self, rank)

    def forward(self, h: Tensor, vector: Tensor | None = None) -> Tensor:
        if self.rank == 2:
            h = h.contiguous(memory_format=torch.channels_last)
        for index, stage in enumerate(self.stages):
            if index:
                # 4 -> 8, cut to 7
                h = self.ups[index - 1](h)[(..., *(slice(side) for side in self.sizes[index]))]
            h = through_level(stage, h, vector, last=index + 1 == len(self.stages))
        x = self.head(F.silu(self.norm(h)))
        return x[(..., *(slice(side) for side in self.sides))]  # a patch may reach over the edge


def channels_at(width: int, levels: int) -> list[int]:
    """Channels per level, finest first: width, 2, 4, 4, 4 ... times width."""
    return [width * min(4, 2**index) for index in range(levels)]


def pads_to(sides: Sequence[int], grid: Sequence[int], patch: int) -> tuple[int, ...]:
    """For F.pad: what `sides` lack to be `grid` patches."""
    return tuple(
        amount
        for side, size in reversed(list(zip(sides, grid, strict=True)))
        for amount in (0, size * patch - side)
    )


def level_blocks(rank: int, channels: int, depth: int, context: int, norm: Norm) -> nn.ModuleList:
    return nn.ModuleList(Block(rank, channels, context=context, norm=norm) for _ in range(depth))


def through_level(stage: nn.Module, h: Tensor, vector: Tensor | None, last: bool) -> Tensor:
    """The blocks of a level. A level without blocks gets a non-linearity, save the last: what
    follows it brings one.
    """
    blocks = list(stage.children())
    for block in blocks:
        h = block(h, vector)
    return h if blocks or last else F.silu(h)
