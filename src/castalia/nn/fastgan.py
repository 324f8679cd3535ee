"""Generator and critic for a few hundred items, over 1, 2 or 3 axes, after FastGAN.

Liu et al. 2021, arXiv:2101.04775. The generator has gated linear units and skip-layer excitation: a
coarse grid scales the channels of one `REACH` halvings finer, so that gradients reach the coarse
layers by a short way. The critic has spectral norm (Miyato et al. 2018, arXiv:1802.05957) where no
batch norm follows, which would undo it, one logit for every patch of its coarsest grid, and a
decoder that draws what the critic was shown: to draw it, the critic must look at all of it, where
it would else learn a few items by heart. Unlike the fast form in nn/dcgan.py, nothing is folded
into channels: patches left their edges in the samples, and a critic that saw patches only let them
pass. Sides need not be powers of two (nn.gan_networks.Plan). Losses are in families/gan.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.conv import CONV, rank_of
from castalia.nn.dcgan import TEXTBOOK, level_channels, textbook_weights
from castalia.nn.gan_networks import (
    CriticNorm,
    Norm,
    Plan,
    almost_silent,
    beside,
    critic_norm,
    spectral,
)

COARSEST = 4  # sides of the generator's first grid
JUDGED = 8  # sides of the grid that the critic judges; each logit sees PATCHES of them
PATCHES = 4
REACH = 3  # halvings between a grid and the one whose channels it scales
POOL: dict[int, Any] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


class FastGenerator(nn.Module):
    """Code (B, L) -> raw values (B, *shape).

    width    channels of the finest grid; doubled by each halving, as in the textbook.
    code     width of a condition vector that is concatenated to the noise (the caller does it).
    context  width of a condition vector that moves the batch norms; 0 for none.
    """

    def __init__(
        self, shape: Sequence[int], latent: int, width: int, *, code: int = 0, context: int = 0
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.plan = Plan.of(shape[1:], patch=1, smallest=COARSEST)
        channels = level_channels(width, len(self.plan.strides) + 1, TEXTBOOK)[::-1]
        first = 2 * channels[0]
        self.grid = nn.Linear(latent + code, first * math.prod(self.plan.base), bias=False)
        self.norm = Norm(first, rank, context)
        self.ups = nn.ModuleList(
            GatedUp(rank, before, after, strides, context)
            for (before, after), strides in zip(
                pairwise(channels), reversed(self.plan.strides), strict=True
            )
        )
        self.excitations = nn.ModuleList(
            Excitation(rank, coarse, fine, self.plan.base)
            for coarse, fine in zip(channels, channels[REACH:], strict=False)
        )
        self.head = CONV[rank](channels[-1], shape[0], 3, padding=1)
        textbook_weights(self)

    def forward(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        # channels last in memory, without a copy
        h = self.grid(z).unflatten(1, (*self.plan.base, -1)).movedim(-1, 1)
        grids = [gated(self.norm(h, vector))]
        for level, up in enumerate(self.ups, 1):
            h = up(grids[-1], vector)
            if level >= REACH:
                h = self.excitations[level - REACH](grids[level - REACH], h)
            grids.append(h)
        return self.plan.crop(self.head(grids[-1]))


class FastCritic(nn.Module):
    """(B, *shape) -> logits (B, patches).

    norm     "batch": batch norm in every layer but the first and the last, which have spectral
             norm; else spectral norm in all.
    extra, context: as in nn.dcgan.ConvCritic.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        norm: CriticNorm,
        *,
        extra: int = 0,
        context: int = 0,
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.rank = rank
        self.plan = Plan.of(shape[1:], patch=1, smallest=JUDGED)
        strides = self.plan.strides or ((1,) * rank,)
        channels = level_channels(width, len(strides), TEXTBOOK)
        self.stem = strided(rank, shape[0] + extra, channels[0], strides[0])
        self.downs = nn.ModuleList(
            Down(rank, before, after, steps, norm)
            for (before, after), steps in zip(pairwise(channels), strides[1:], strict=True)
        )
        last = channels[-1]
        self.mix = CONV[rank](last, last, 1, bias=norm != "batch")
        self.mix_norm = critic_norm(norm, last, rank)
        self.head = CONV[rank](last, 1, tuple(min(PATCHES, side) for side in self.plan.base))
        self.project = nn.Linear(context, last, bias=False) if context else None
        # the decoder: as far as the stem's grid, twice as coarse as what the critic is shown
        self.ups = nn.ModuleList(
            GatedUp(rank, before, after, steps)
            for (before, after), steps in zip(
                pairwise(channels[::-1]), reversed(strides[1:]), strict=True
            )
        )
        self.drawing = CONV[rank](channels[0], shape[0], 3, padding=1)
        textbook_weights(self)
        if self.project is not None:
            almost_silent(self.project)
        unnormed = () if norm == "batch" else (self.downs, self.mix)
        for judging in (self.stem, *unnormed, self.head, self.project):
            if judging is not None:
                spectral(judging)

    def forward(
        self,
        x: Tensor,
        vector: Tensor | None = None,
        extra: Tensor | None = None,
        features: list[Tensor] | None = None,
    ) -> Tensor:
        """`features` gets one grid: what the logits are read from, and what `redrawing_error`
        needs.
        """
        h = F.leaky_relu(self.stem(self.plan.pad(beside(x, extra))), 0.2)
        for down in self.downs:
            h = down(h)
        if features is not None:
            features.append(h)
        h = F.leaky_relu(self.mix_norm(self.mix(h)), 0.2)
        logits = self.head(h).flatten(1)
        if self.project is not None and vector is not None:
            logits = logits + (self.project(vector) * h.flatten(2).mean(2)).sum(1, keepdim=True)
        return logits.float()

    def redrawing_error(self, grid: Tensor, x: Tensor) -> Tensor:
        """Mean squared distance between x (B, *shape) and what the decoder makes of the grid that
        the critic had of it, both as coarse as the stem's grid.
        """
        for up in self.ups:
            grid = up(grid)
        drawn = self.drawing(grid).float()
        return (drawn - POOL[self.rank](self.plan.pad(x), drawn.shape[2:])).square().mean()


class GatedUp(nn.Module):
    """Every position repeated `strides` times along its axes, a convolution, batch norm, a gated
    linear unit: (B, before, ...) -> (B, after, ...).
    """

    def __init__(
        self, rank: int, before: int, after: int, strides: Sequence[int], context: int = 0
    ) -> None:
        super().__init__()
        self.strides = [float(step) for step in strides]
        self.conv = CONV[rank](before, 2 * after, 3, padding=1, bias=False)
        self.norm = Norm(2 * after, rank, context)

    def forward(self, h: Tensor, vector: Tensor | None = None) -> Tensor:
        wide = F.interpolate(h, scale_factor=self.strides)
        return gated(self.norm(self.conv(wide), vector))


def gated(h: Tensor) -> Tensor:
    """Gated linear unit: (B, 2 C, ...) -> (B, C, ...).

    Not `F.glu`: its gradient forgets that channels are last in memory, and the batch norm before it
    then takes ten times as long. Every other number of a grid costs more than a copy.
    """
    value, gate = h.chunk(2, 1)
    return value * gate.clone().sigmoid()


class Excitation(nn.Module):
    """Skip-layer excitation (section 3.1): a factor in (0, 1) for each channel of `fine`, from
    `coarse`, averaged to sides `base`.
    """

    def __init__(self, rank: int, coarse: int, fine: int, base: Sequence[int]) -> None:
        super().__init__()
        self.rank, self.base = rank, tuple(base)
        self.squeeze = CONV[rank](coarse, fine, self.base)
        self.expand = CONV[rank](fine, fine, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        seen = POOL[self.rank](coarse, self.base)
        return fine * self.expand(F.silu(self.squeeze(seen))).sigmoid()


class Down(nn.Module):
    """Two convolutions, of which the first divides the sides by `strides`."""

    def __init__(
        self, rank: int, before: int, after: int, strides: Sequence[int], norm: CriticNorm
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        self.halve = strided(rank, before, after, strides, bias=bias)
        self.halve_norm = critic_norm(norm, after, rank)
        self.conv = CONV[rank](after, after, 3, padding=1, bias=bias)
        self.norm = critic_norm(norm, after, rank)

    def forward(self, h: Tensor) -> Tensor:
        h = F.leaky_relu(self.halve_norm(self.halve(h)), 0.2)
        return F.leaky_relu(self.norm(self.conv(h)), 0.2)


def strided(
    rank: int, before: int, after: int, strides: Sequence[int], *, bias: bool = True
) -> nn.Module:
    """A convolution that divides each side by its stride of 1 or 2."""
    kernel = tuple(4 if step == 2 else 3 for step in strides)
    made: nn.Module = CONV[rank](before, after, kernel, stride=tuple(strides), padding=1, bias=bias)
    return made
