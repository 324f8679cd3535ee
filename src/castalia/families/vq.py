"""Quantised autoencoder: data to a small grid of codes and back. It draws nothing by itself; a
model over its codes does, as a run that is chained to it (`codec.chain`, families/chained.py).

Codes by finite scalar quantisation (nn/scalar_quantisation.py; Mentzer et al. 2023,
arXiv:2309.15505). With `adversarial`, a critic of patches sharpens what is decoded (Esser et al.
2021, arXiv:2012.09841): hinge loss (Lim & Ye 2017, arXiv:1705.02894), and the distance of data and
reconstruction in the critic's own activations (Larsen et al. 2016, arXiv:1512.09300), which takes
the place of a foreign perceptual network. Networks are in nn/backbones.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.config import DEEPEST, WIDEST
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import body_kind, decoder_for, encoder_for
from castalia.nn.conv import CONV, ConvEncoder, Norm
from castalia.nn.graph import Graph, Port
from castalia.nn.scalar_quantisation import ScalarQuantiser, usage
from castalia.sentences import say
from castalia.spec import Batch, Condition, Dense, Loss, Spec, Tokens

MOST_CODES = 1 << 20
CRITIC_LEVELS = 2  # halvings: a patch of the critic sees about 30 numbers a side
ALONE = 0.25  # share of the training that the critic only watches


class VqConfig(FamilyConfig):
    """What the autoencoder is, and what it is asked for."""

    code_levels: tuple[Annotated[int, Field(ge=2, le=1024)], ...] = Field(
        (8, 5, 5, 5),
        min_length=1,
        max_length=16,
        description="levels of each number of a code; their product is the number of codes",
    )
    width: int = Field(32, ge=1, le=WIDEST, description="channels at the finest level")
    depth: int = Field(1, ge=0, le=DEEPEST, description="residual blocks at every level")
    patch: int = Field(1, ge=1, le=WIDEST, description="side of the patches of the first layer")
    levels: int | None = Field(
        None,
        ge=0,
        le=16,
        description="halvings; null: until 8 codes a side are left, or each stands for 8 numbers",
    )
    norm: Norm = Field("none", description="what residual blocks begin with")
    adversarial: float = Field(
        0.0, ge=0, le=100, description="weight of a critic, for sharp details; 0: none"
    )


class Vq(Family):
    """Compresses, Quantises. Not told any condition: codes serve every model over them."""

    name: ClassVar[str] = "vq"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = VqConfig

    spec: Dense
    config: VqConfig

    def __init__(self, config: VqConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        if body_kind(spec, "auto") != "conv":
            raise SpecError(
                say("codes stand on a grid, and these data have none"),
                where=say("shape {0}, layout {1}", spec.shape, spec.layout),
                fix="family.name=vae",
            )
        if math.prod(config.code_levels) > MOST_CODES:
            raise RecipeError(
                say("at most {0:,} codes", MOST_CODES),
                where=f"family.code_levels={list(config.code_levels)}",
            )
        halvings = halvings_to(spec.shape[1:], config.patch)
        network = {
            "body": "conv",
            "layout": "grid",
            "width": config.width,
            "depth": config.depth,
            "patch": config.patch,
            "levels": halvings if config.levels is None else config.levels,
            "norm": config.norm,
        }
        numbers = len(config.code_levels)
        self.encoder = encoder_for(spec, numbers, **network)  # type: ignore[arg-type]
        self.decoder = decoder_for(
            spec, numbers, spec.shape[0], overlap=config.patch > 1, **network
        )  # type: ignore[arg-type]
        self.quantiser = ScalarQuantiser(config.code_levels)
        self.critic = PatchCritic(spec, config) if config.adversarial else None
        sides: tuple[int, ...] = self.encoder.sides  # type: ignore[assignment]
        self.latent_spec = Dense((numbers, *sides))
        codes = self.quantiser.codes
        self.tokens_spec = Tokens(math.prod(sides), codes + 1, begin=codes, period=sides[-1])
        self.heard = 0.0  # how much of the critic's weight counts, set by `schedule`

    def phases(self) -> Sequence[Phase]:
        main = Phase("main", ("encoder", "decoder"))
        return (main,) if self.critic is None else (Phase("critic", ("critic",)), main)

    def schedule(self, step: int, steps: int) -> None:
        self.heard = float(step >= ALONE * steps)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Absolute plus squared error per number, and the critic's judgement. Parts: reconstruction
        (mean squared error); of the critic's turn, critic; with a critic, also generator and
        features.
        """
        self.check(batch)
        if phase == "critic":
            return self._critic_loss(batch.x)
        decoded = self._decoded(self.quantiser(self.quantiser.bounded(self.encoder(batch.x))))
        error = decoded - batch.x
        squared = error.square().mean()
        total, parts = error.abs().mean() + squared, {"reconstruction": squared.detach()}
        if self.critic is not None:
            judged, seen = self.critic(decoded)
            with torch.no_grad():
                _, wanted = self.critic(batch.x)
            generator = -judged.mean()
            features = torch.stack(
                [
                    (one - other).float().abs().mean()
                    for one, other in zip(seen, wanted, strict=True)
                ]
            ).mean()
            total = total + self.config.adversarial * self.heard * (generator + features)
            parts |= {"generator": generator.detach(), "features": features.detach()}
        return Loss(total, parts)

    def _critic_loss(self, x: Tensor) -> Loss:
        assert self.critic is not None
        with torch.no_grad():
            decoded = self._decoded(self.quantiser(self.quantiser.bounded(self.encoder(x))))
        real, made = self.critic(x)[0], self.critic(decoded)[0]
        loss = F.relu(1 - real).mean() + F.relu(1 + made).mean()
        return Loss(loss, {"critic": loss.detach()})

    @torch.no_grad()
    def compress(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, *latent_spec.shape) in (-1, 1), before rounding."""
        self.check(Batch(x))
        return self.quantiser.bounded(self.encoder(x))

    def expand(self, z: Tensor) -> Tensor:
        """(B, *latent_spec.shape), rounded to levels first -> (B, *shape) in the spec's unit; with
        gradient.
        """
        return self._decoded(self.quantiser(z.float())).clamp(*self.spec.limits)

    @torch.no_grad()
    def to_tokens(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, positions + 1) int64: `begin`, then the codes, row by row."""
        codes = self.quantiser.to_codes(self.compress(x)).flatten(1)
        return F.pad(codes, (1, 0), value=self.tokens_spec.begin)

    @torch.no_grad()
    def from_tokens(self, tokens: Tensor) -> Tensor:
        """(B, positions + 1) int64 with `begin` first -> (B, *shape). `begin` for a code
        is read as the last code.
        """
        codes = tokens[:, 1:].unflatten(1, self.latent_spec.shape[1:])
        return self._decoded(self.quantiser.from_codes(codes)).clamp(*self.spec.limits)

    def graphs(self) -> dict[str, Graph]:
        """encode: data to latents, before rounding; decode: latents to data."""
        spec, latent = self.spec, self.latent_spec
        low, high = spec.limits
        data = Port("data", ("rows", *spec.shape), "data", f"{low:g} to {high:g}")
        codes = Port(
            "latent", ("rows", *latent.shape), "data", "-1 to 1, rounded to levels by the graph"
        )
        encoded, decoded = "numbers of each code", f"(rows, {', '.join(map(str, spec.shape))})"
        return {
            "encode": Graph(Encoding(self).eval(), (data,), {"latent": encoded}),
            "decode": Graph(Decoding(self).eval(), (codes,), {"data": decoded}),
        }

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about a batch: squared error per number, share of the codes in use, perplexity of
        the codes, their number and how many an item has.
        """
        tokens = self.to_tokens(batch.x)
        used, perplexity = usage(tokens[:, 1:], self.quantiser.codes)
        return {
            "squared_error": float((self.from_tokens(tokens) - batch.x).square().mean()),
            "codes_used": used,
            "perplexity": perplexity,
            "codes": float(self.quantiser.codes),
            "positions": float(self.tokens_spec.length),
        }

    def _decoded(self, levels: Tensor) -> Tensor:
        decoded: Tensor = self.decoder(levels).float()
        return decoded


class Encoding(nn.Module):
    """Data -> latents, before rounding."""

    def __init__(self, vq: Vq) -> None:
        super().__init__()
        self.encoder, self.quantiser = vq.encoder, vq.quantiser

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.quantiser.bounded(self.encoder(x)),)


class Decoding(nn.Module):
    """Latents -> data."""

    def __init__(self, vq: Vq) -> None:
        super().__init__()
        self.decoder, self.quantiser, self.limits = vq.decoder, vq.quantiser, vq.spec.limits

    def forward(self, z: Tensor) -> tuple[Tensor]:
        return (self.decoder(self.quantiser(z)).float().clamp(*self.limits),)


class PatchCritic(nn.Module):
    """(B, *shape) -> logits (B, 1, *patches), and the activations of every level (Isola et al.
    2017, arXiv:1611.07004).
    """

    def __init__(self, spec: Dense, config: VqConfig) -> None:
        super().__init__()
        self.body = ConvEncoder(
            spec.shape, width=config.width, depth=1, levels=CRITIC_LEVELS, patch=config.patch
        )
        self.head = CONV[self.body.rank](self.body.grid[0], 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        activations = self.body.features(x)
        return self.head(activations[-1]).float(), activations


def halvings_to(sides: Sequence[int], patch: int, fewest: int = 8, coarsest: int = 8) -> int:
    """How often the longest side is halved until `fewest` codes are left on it, or each stands for
    `coarsest` numbers.
    """
    longest, halvings = -(-max(sides) // patch), 0
    while longest > fewest and patch << halvings < coarsest:
        longest, halvings = -(-longest // 2), halvings + 1
    return halvings
