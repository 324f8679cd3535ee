"""Convolutional generators and critics over 1, 2 or 3 axes: the textbook DCGAN, and a form made for
short runs on a CPU.

DCGAN: Radford et al. 2016, arXiv:1511.06434. The fast form puts its weights where a CPU multiplies
quickly: a patch of neighbours is folded into channels before the critic's first layer and unfolded
after the generator's last (sub-pixel convolution, Shi et al. 2016, arXiv:1609.05158), so no layer
works at full resolution, and one dense layer holds most weights. Sides need not be powers of two
(see nn.gan_networks.Plan). Losses are in families/gan.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.conv import CONV, TRANSPOSED, rank_of
from castalia.nn.gan_networks import (
    CriticHead,
    CriticNorm,
    Norm,
    Plan,
    beside,
    critic_norm,
    fold,
    unfold,
)


@dataclass(frozen=True)
class Style:
    """How the two forms differ.

    patch     neighbours per axis folded into channels.
    smallest  halve until no axis is longer; per rank of the data.
    hidden    width of the dense layer between code and grid, as a multiple of `width`; 0 for none.
    down      length of the critic's kernels where they halve an axis; 3 costs two thirds of 4.
    textbook  first critic layer strided and without norm, last generator layer a transposed
              convolution, weights N(0, 0.02).
    """

    patch: int
    smallest: dict[int, int]
    hidden: int
    down: int
    textbook: bool


FAST = Style(patch=2, smallest={1: 16, 2: 8, 3: 4}, hidden=4, down=3, textbook=False)
TEXTBOOK = Style(patch=1, smallest={1: 8, 2: 4, 3: 4}, hidden=0, down=4, textbook=True)


class ConvGenerator(nn.Module):
    """Code (B, L) -> raw values (B, *shape): dense to the coarsest grid, then transposed
    convolutions, each doubling it.

    code     width of a condition vector that is concatenated to the noise (the caller does it).
    context  width of a condition vector that moves the batch norms; 0 for none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent: int,
        width: int,
        style: Style,
        *,
        code: int = 0,
        context: int = 0,
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.plan = Plan.of(shape[1:], patch=style.patch, smallest=style.smallest[rank])
        levels = len(self.plan.strides)
        channels = level_channels(width, levels, style)[::-1]
        hidden = style.hidden * width
        self.hidden = nn.Linear(latent + code, hidden, bias=False) if hidden else None
        self.hidden_norm = Norm(hidden, 0, context) if hidden else None
        self.grid = nn.Linear(
            hidden or latent + code, channels[0] * math.prod(self.plan.base), bias=False
        )
        self.grid_norm = Norm(channels[0], rank, context)
        self.ups = nn.ModuleList()
        self.norms = nn.ModuleList()
        ends = [*channels[1:], shape[0]] if style.textbook else channels[1:]
        for before, after, strides in zip(
            channels, ends, reversed(self.plan.strides), strict=False
        ):
            kernel = tuple(4 if stride == 2 else 3 for stride in strides)
            last = style.textbook and len(self.ups) == levels - 1
            self.ups.append(
                TRANSPOSED[rank](before, after, kernel, stride=strides, padding=1, bias=last)
            )
            self.norms.append(nn.Identity() if last else Norm(after, rank, context))
        needs_head = not style.textbook or levels == 0
        self.head = (
            CONV[rank](channels[-1], shape[0] * math.prod(self.plan.patch), 3, padding=1)
            if needs_head
            else None
        )
        if style.textbook:
            textbook_weights(self)

    def forward(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        if self.hidden is not None and self.hidden_norm is not None:
            z = F.relu(self.hidden_norm(self.hidden(z), vector))
        # channels last in memory, without a copy
        h = self.grid(z).unflatten(1, (*self.plan.base, -1)).movedim(-1, 1)
        h = F.relu(self.grid_norm(h, vector))
        for up, norm in zip(self.ups, self.norms, strict=True):
            h = up(h)
            if isinstance(norm, Norm):
                h = F.relu(norm(h, vector))
        if self.head is not None:
            h = self.head(h)
        return self.plan.crop(unfold(h, self.plan.patch))


class ConvCritic(nn.Module):
    """(B, *shape) -> logits (B,): convolutions, each halving the grid, then (in the fast form) one
    dense layer.

    extra    channels beside the data's, constant over the grid, that hold the condition
             (concatenated conditioning).
    context  width of a condition vector for the projection head; 0 for none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        style: Style,
        norm: CriticNorm,
        *,
        extra: int = 0,
        context: int = 0,
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.plan = Plan.of(shape[1:], patch=style.patch, smallest=style.smallest[rank])
        channels = level_channels(width, len(self.plan.strides), style)
        inputs = (shape[0] + extra) * math.prod(self.plan.patch)
        strided = len(self.plan.strides) > 0 and style.textbook
        self.stem = None if strided else CONV[rank](inputs, channels[0], 3, padding=1)
        before = [inputs, *channels[:-1]] if strided else channels[:-1]
        after = channels if strided else channels[1:]
        self.downs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for index, (a, b, strides) in enumerate(zip(before, after, self.plan.strides, strict=True)):
            chosen: CriticNorm = "none" if strided and index == 0 else norm
            kernel = tuple(style.down if stride == 2 else 3 for stride in strides)
            self.downs.append(
                CONV[rank](a, b, kernel, stride=strides, padding=1, bias=chosen != "batch")
            )
            self.norms.append(critic_norm(chosen, b, rank))
        flat = channels[-1] * math.prod(self.plan.base)
        hidden = style.hidden * width
        self.hidden = nn.Linear(flat, hidden, bias=norm != "batch") if hidden else None
        self.hidden_norm = critic_norm(norm, hidden, 0) if hidden else nn.Identity()
        self.head = CriticHead(hidden or flat, context)
        if style.textbook:
            textbook_weights(self)

    def forward(
        self,
        x: Tensor,
        vector: Tensor | None = None,
        extra: Tensor | None = None,
        features: list[Tensor] | None = None,
    ) -> Tensor:
        """`features` collects the features of every layer before its norm, each (B, C, ...)."""
        features = [] if features is None else features
        h = fold(self.plan.pad(beside(x, extra)), self.plan.patch)
        if self.stem is not None:
            h = self.stem(h)
            features.append(h)
            h = F.leaky_relu(h, 0.2)
        for down, norm in zip(self.downs, self.norms, strict=True):
            h = down(h)
            features.append(h)
            h = F.leaky_relu(norm(h), 0.2)
        h = h.movedim(1, -1).flatten(1)
        if self.hidden is not None:
            h = self.hidden(h)
            features.append(h)
            h = F.leaky_relu(self.hidden_norm(h), 0.2)
        return self.head(h, vector)


def level_channels(width: int, levels: int, style: Style) -> list[int]:
    """Channels of the critic's feature maps, finest first; the generator's are the same backwards.

    Textbook: `width` after the first halving, doubled by each further one, at most 8 times. Fast:
    width / 2 on the folded grid, doubled by each halving, at most 4 times `width`.
    """
    if style.textbook:
        return [width * min(8, 2**level) for level in range(max(levels, 1))]
    return [max(1, width * min(8, 2**level) // 2) for level in range(levels + 1)]


def textbook_weights(module: nn.Module) -> None:
    """Kernels from N(0, 0.02), batch-norm gains from N(1, 0.02) (Radford et al. 2016,
    section 3).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)
