"""Building blocks of GANs: plans of grids, spectral norm, conditional batch norm, projection head,
MLP networks.

Spectral norm: Miyato et al. 2018, arXiv:1802.05957. Projection critic: Miyato & Koyama 2018,
arXiv:1802.05637. Conditional batch norm: Dumoulin et al. 2017, arXiv:1610.07629. Every generator
maps (z (B, L), vector (B, D) | None) to raw values (B, *shape); every critic maps (x (B, *shape),
vector | None) to logits (B,). Convolutional networks are in nn/dcgan.py, losses in families/gan.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from castalia.nn.conv import BATCH_NORM
from castalia.nn.mlp import Modulation

CriticNorm = Literal["batch", "spectral", "none"]


@dataclass(frozen=True)
class Plan:
    """How a grid shrinks from the data to its coarsest form. `sides` may be any numbers: the
    networks pad and crop.

    sides    lengths of the data's axes.
    patch    per axis, neighbours folded into channels first.
    strides  per level, finest first: 2 where an axis is halved, 1 where it is short already.
    base     lengths at the coarsest level.
    padded   base * strides * patch, the smallest grid of that form that covers `sides`.
    """

    sides: tuple[int, ...]
    patch: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    base: tuple[int, ...]

    @classmethod
    def of(cls, sides: Sequence[int], *, patch: int, smallest: int) -> Plan:
        """Halve every axis until none is longer than `smallest`. An axis shorter than 2 * patch is
        not folded.
        """
        folds = tuple(patch if side >= 2 * patch else 1 for side in sides)
        current = tuple(-(-side // fold) for side, fold in zip(sides, folds, strict=True))
        strides: list[tuple[int, ...]] = []
        while max(current) > smallest:
            strides.append(tuple(2 if length > smallest else 1 for length in current))
            current = tuple(
                -(-length // stride) for length, stride in zip(current, strides[-1], strict=True)
            )
        return cls(tuple(sides), folds, tuple(strides), current)

    @property
    def padded(self) -> tuple[int, ...]:
        return tuple(
            math.prod((length, fold, *steps))
            for length, fold, *steps in zip(self.base, self.patch, *self.strides, strict=True)
        )

    def pad(self, x: Tensor) -> Tensor:
        """(B, C, *sides) -> (B, C, *padded), the border repeated at the far end of each axis."""
        if self.padded == self.sides:
            return x
        amounts = [
            number
            for side, full in reversed(list(zip(self.sides, self.padded, strict=True)))
            for number in (0, full - side)
        ]
        return F.pad(x, amounts, mode="replicate")

    def crop(self, x: Tensor) -> Tensor:
        """(B, C, *padded) -> (B, C, *sides)."""
        return x if self.padded == self.sides else x[(..., *(slice(side) for side in self.sides))]


def fold(x: Tensor, patch: Sequence[int]) -> Tensor:
    """Space to channels: (B, C, *sides) -> (B, C * prod(patch), *sides / patch), channels last in
    memory.
    """
    if all(step == 1 for step in patch):
        return x
    rank = len(patch)
    split = [
        number
        for side, step in zip(x.shape[2:], patch, strict=True)
        for number in (side // step, step)
    ]
    order = [0, *(2 + 2 * axis for axis in range(rank)), 1, *(3 + 2 * axis for axis in range(rank))]
    blocks = x.reshape(*x.shape[:2], *split).permute(order)
    return blocks.reshape(*blocks.shape[: rank + 1], -1).movedim(-1, 1)


def unfold(x: Tensor, patch: Sequence[int]) -> Tensor:
    """Channels to space, the inverse of `fold`."""
    if all(step == 1 for step in patch):
        return x
    rank = len(patch)
    blocks = x.movedim(1, -1).unflatten(-1, (-1, *patch))  # (B, *sides, C, *patch)
    order = [
        0,
        rank + 1,
        *(number for axis in range(rank) for number in (1 + axis, rank + 2 + axis)),
    ]
    return blocks.permute(order).reshape(
        x.shape[0], -1, *(side * step for side, step in zip(x.shape[2:], patch, strict=True))
    )


class Spectral(nn.Module):
    """Parametrisation W -> W / sigma(W), sigma by one power iteration per training forward on the
    buffer `u`.

    Works on the weight as a matrix (out, rest), in float32 whatever the autocast.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(torch.randn(weight.shape[0]), dim=0))
        with torch.no_grad():
            for _ in range(10):
                self._iterate(weight.flatten(1).float())

    def _iterate(self, matrix: Tensor) -> Tensor:
        v = F.normalize(matrix.t().mv(self.u), dim=0)
        self.u.copy_(F.normalize(matrix.mv(v), dim=0))
        return v

    def forward(self, weight: Tensor) -> Tensor:
        # meta: to compute the size of the model alone (families.base.make)
        device = "cpu" if weight.is_meta else weight.device.type
        with torch.autocast(device, enabled=False):
            matrix = weight.flatten(1).float()
            with torch.no_grad():
                v = (
                    self._iterate(matrix)
                    if self.training
                    else F.normalize(matrix.t().mv(self.u), dim=0)
                )
                u = self.u.clone()  # the buffer moves on before backward reads it
            sigma = torch.dot(u, matrix.mv(v))
            return weight / sigma


def spectral(module: nn.Module) -> nn.Module:
    """Give every weight matrix and kernel of `module` a `Spectral` parametrisation, in place."""
    for layer in list(module.modules()):
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Embedding):
            parametrize.register_parametrization(layer, "weight", Spectral(layer.weight.detach()))
    return module


class Norm(nn.Module):
    """Batch norm over (B, C) or (B, C, ...), its gain and offset moved by a vector (B, D) if
    `context` > 0.
    """

    def __init__(self, channels: int, rank: int, context: int = 0) -> None:
        super().__init__()
        self.norm = BATCH_NORM[max(rank, 1)](channels)
        self.modulation = Modulation(channels, context) if context else None

    def forward(self, h: Tensor, vector: Tensor | None = None) -> Tensor:
        h = self.norm(h)
        return h if self.modulation is None or vector is None else self.modulation(h, vector)


def critic_norm(norm: CriticNorm, channels: int, rank: int) -> nn.Module:
    """A layer of its own for "batch" only: "spectral" acts on the weights."""
    return Norm(channels, rank) if norm == "batch" else nn.Identity()


def beside(x: Tensor, extra: Tensor | None) -> Tensor:
    """(B, C, *sides) with a condition (B, E) as further channels, constant over the grid; x where
    there is none.
    """
    if extra is None:
        return x
    sides = x.shape[2:]
    return torch.cat([x, extra.view(*extra.shape, *[1] * len(sides)).expand(-1, -1, *sides)], 1)


def almost_silent(projection: nn.Linear) -> None:
    """A condition begins with little weight: large random products would rule the logits. Not with
    none, which spectral norm cannot divide.
    """
    nn.init.normal_(projection.weight, 0, 1e-3)


class CriticHead(nn.Module):
    """Features (B, F) -> logits (B,); with a vector (B, D) the projection critic's w.f
    + <V c, f>.
    """

    def __init__(self, features: int, context: int = 0) -> None:
        super().__init__()
        self.out = nn.Linear(features, 1)
        self.project = nn.Linear(context, features, bias=False) if context else None
        if self.project is not None:
            almost_silent(self.project)

    def forward(self, h: Tensor, vector: Tensor | None = None) -> Tensor:
        logits = self.out(h).squeeze(1)
        if self.project is not None and vector is not None:
            logits = logits + (self.project(vector) * h).sum(1)
        return logits.float()


class MlpGenerator(nn.Module):
    """`depth` hidden layers of `width`, batch norm and ReLU; (B, L) -> (B, *shape) raw values."""

    def __init__(
        self,
        shape: Sequence[int],
        latent: int,
        width: int,
        depth: int,
        *,
        code: int = 0,
        context: int = 0,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        sizes = [latent + code, *([width] * depth)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(Norm(size, 0, context) for size in sizes[1:])
        self.out = nn.Linear(sizes[-1], math.prod(self.shape))

    def forward(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            z = F.relu(norm(layer(z), vector))
        return self.out(z).unflatten(1, self.shape)


class MlpCritic(nn.Module):
    """Flattened data through `depth` hidden layers of `width`; no norm on the first (Radford et al.
    2016).
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        depth: int,
        norm: CriticNorm,
        *,
        extra: int = 0,
        context: int = 0,
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape) + extra, *([width] * depth)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(
            critic_norm(norm if index else "none", size, 0) for index, size in enumerate(sizes[1:])
        )
        self.head = CriticHead(sizes[-1], context)

    def forward(
        self,
        x: Tensor,
        vector: Tensor | None = None,
        extra: Tensor | None = None,
        features: list[Tensor] | None = None,
    ) -> Tensor:
        """`features` collects the features of every layer before its norm, each (B, width)."""
        h = beside(x.flatten(1), extra)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = layer(h)
            if features is not None:
                features.append(h)
            h = F.leaky_relu(norm(h), 0.2)
        return self.head(h, vector)
