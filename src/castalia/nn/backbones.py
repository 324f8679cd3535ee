"""Encoders and decoders of the shape that the data ask for: an MLP for vectors, 1-D, 2-D or 3-D
convolutions for grids.

`encoder_for` and `decoder_for` are, with `likelihoods.likelihood_for`, the only places where an
autoencoding family meets the shape of its data.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from torch import Tensor, nn

from castalia.errors import SpecError
from castalia.nn.conv import CONV, ConvDecoder, ConvEncoder, Norm
from castalia.nn.mlp import Mlp
from castalia.sentences import say
from castalia.spec import Dense

Body = Literal["auto", "mlp", "conv"]
Layout = Literal["vector", "grid"]


def body_kind(spec: Dense, body: Body) -> Literal["mlp", "conv"]:
    """What "auto" means for a spec: convolutions for grids of at most three axes, an MLP for
    everything else.
    """
    if body == "auto":
        return (
            "conv"
            if spec.layout == "grid" and 2 <= len(spec.shape) <= 4 and max(spec.shape[1:]) > 1
            else "mlp"
        )
    if body == "conv" and not 2 <= len(spec.shape) <= 4:
        raise SpecError(
            say("convolutions need data with 1 to 3 axes after the channels"),
            where=say("family.body=conv, shape {0}", spec.shape),
            fix="family.body=mlp",
        )
    return body


class GridEncoder(nn.Module):
    """ConvEncoder, then one linear map to (B, outputs), or a 1x1 convolution to (B, outputs,
    *sides) if `layout` is grid.
    """

    def __init__(self, spec: Dense, outputs: int, layout: Layout, **options: Any) -> None:
        super().__init__()
        self.body = ConvEncoder(spec.shape, **options)
        self.layout = layout
        self.sides: tuple[int, ...] = self.body.grid[1:] if layout == "grid" else ()
        self.out = (
            CONV[self.body.rank](self.body.grid[0], outputs, 1)
            if layout == "grid"
            else nn.Linear(math.prod(self.body.grid), outputs)
        )

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        h = self.body(x, vector)
        out: Tensor = self.out(h if self.layout == "grid" else h.flatten(1))
        return out


class GridDecoder(nn.Module):
    """Mirror of GridEncoder: latent (B, latent[, *sides]) -> (B, outputs, *spec.shape[1:])."""

    def __init__(
        self, spec: Dense, latent: int, outputs: int, layout: Layout, **options: Any
    ) -> None:
        super().__init__()
        self.body = ConvDecoder(spec.shape, outputs, **options)
        self.layout = layout
        self.into = (
            CONV[self.body.rank](latent, self.body.grid[0], 1)
            if layout == "grid"
            else nn.Linear(latent, math.prod(self.body.grid))
        )

    def forward(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        h = self.into(z)
        x: Tensor = self.body(
            h if self.layout == "grid" else h.unflatten(1, self.body.grid), vector
        )
        return x


class FlatDecoder(nn.Module):
    """Mlp whose output has the data's axes: (B, latent) -> (B, outputs, *spec.shape[1:])."""

    def __init__(
        self,
        spec: Dense,
        latent: int,
        outputs: int,
        *,
        width: int,
        depth: int,
        context: int,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self.shape = (outputs, *spec.shape[1:])
        self.body = Mlp(
            latent,
            math.prod(self.shape),
            width=width,
            depth=depth,
            context=context,
            activation=activation,
        )

    def forward(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        x: Tensor = self.body(z, vector)
        return x.unflatten(1, self.shape)


def encoder_for(
    spec: Dense,
    outputs: int,
    *,
    body: Body = "auto",
    layout: Layout = "vector",
    width: int | None = None,
    depth: int = 1,
    patch: int = 1,
    levels: int | None = None,
    norm: Norm = "none",
    context: int = 0,
    activation: type[nn.Module] = nn.SiLU,
) -> Mlp | GridEncoder:
    """A module (x, vector | None) -> (B, outputs), or (B, outputs, *sides) with layout="grid".

    width  hidden units (default 512) or channels at the finest level (default 32).
    depth  hidden layers, or residual blocks per level.
    """
    if body_kind(spec, body) == "mlp":
        _no_grid(layout)
        return Mlp(
            spec.size,
            outputs,
            width=width or 512,
            depth=max(depth, 1),
            context=context,
            activation=activation,
        )
    return GridEncoder(
        spec,
        outputs,
        layout,
        width=width or 32,
        depth=depth,
        patch=patch,
        levels=levels,
        norm=norm,
        context=context,
    )


def decoder_for(
    spec: Dense,
    latent: int,
    outputs: int,
    *,
    body: Body = "auto",
    layout: Layout = "vector",
    width: int | None = None,
    depth: int = 1,
    patch: int = 1,
    levels: int | None = None,
    norm: Norm = "none",
    context: int = 0,
    overlap: bool = False,
    activation: type[nn.Module] = nn.SiLU,
) -> FlatDecoder | GridDecoder:
    """A module (z, vector | None) -> (B, outputs, *spec.shape[1:]); options as for
    `encoder_for`, and `overlap`, see ConvDecoder; an MLP has none.
    """
    if body_kind(spec, body) == "mlp":
        _no_grid(layout)
        return FlatDecoder(
            spec,
            latent,
            outputs,
            width=width or 512,
            depth=max(depth, 1),
            context=context,
            activation=activation,
        )
    return GridDecoder(
        spec,
        latent,
        outputs,
        layout,
        width=width or 32,
        depth=depth,
        patch=patch,
        levels=levels,
        norm=norm,
        context=context,
        overlap=overlap,
    )


def _no_grid(layout: Layout) -> None:
    if layout == "grid":
        raise SpecError(
            say("an MLP has no grid to keep"),
            where="family.layout=grid",
            fix=say("family.layout=vector, or family.body=conv"),
        )
