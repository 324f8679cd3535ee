"""VAE-GAN: an autoencoder whose decoder is also a generator, judged by a critic.

Larsen et al. 2016, arXiv:1512.09300, as one mixed objective

    L = alpha L_G + (1 - alpha) L_D + beta L_KL + gamma L_RE

in two turns: the autoencoder descends on alpha L_G + beta L_KL + gamma L_RE, the critic on (1 -
alpha) L_D.

    L_G   -log D(decoded), the non-saturating loss, averaged over reconstructions and samples from
          the prior
    L_D   -log D(x) - log(1 - D(decoded)), decoded as above
    L_KL  divergence of the posterior from the prior, in nats per number of the data
    L_RE  half the mean squared error, of the data ("data") or of the critic's activations
          ("features", Larsen's)

In this scale beta / gamma is the noise variance that the reconstruction is measured in. A beta that
dominates is the recipe for posterior collapse: the encoder answers the prior whatever it sees, no
latent is active, and every reconstruction is the same picture. The default stays far from it;
`report` counts active units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.abilities import SampleOptions
from castalia.config import DEEPEST, WIDEST
from castalia.errors import SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import Body, body_kind, encoder_for
from castalia.nn.batchnorm_stats import fresh_statistics, passes_for
from castalia.nn.condition_embedding import ConditionEmbedding, Context, hide_classes
from castalia.nn.counter_random import randn_rows
from castalia.nn.dcgan import FAST, ConvCritic, ConvGenerator
from castalia.nn.gan_networks import MlpCritic, MlpGenerator
from castalia.nn.gaussian_latent import Posterior, active_units
from castalia.nn.graph import ConditionVector, Graph, Port, condition_ports, encoding
from castalia.sentences import say
from castalia.spec import Batch, Classes, Condition, Dense, Loss, Spec

REFRESH_ROWS = 128


class VaeGanConfig(FamilyConfig):
    """What the autoencoder and its critic are, and what they are asked for."""

    alpha: float = Field(
        0.5, gt=0, lt=1, description="weight of the generator's loss; 1 - alpha is the critic's"
    )
    beta: float = Field(
        5.0, ge=0, description="weight of the divergence; a dominating one collapses the posterior"
    )
    gamma: float = Field(10.0, ge=0, description="weight of the reconstruction")
    similarity: Literal["data", "features", "both"] = Field(
        "both", description="what the reconstruction is compared in; both: the sum"
    )
    body: Body = Field("auto", description="auto: conv for grids, mlp for vectors and sets")
    width: int | None = Field(
        None,
        ge=1,
        le=WIDEST,
        description="channels of decoder and critic at the coarse grid (default 64), units of a "
        "layer (mlp, default 128)",
    )
    depth: int = Field(1, ge=0, le=DEEPEST, description="residual blocks per level of the encoder")
    latent: int = Field(32, ge=1, le=WIDEST, description="numbers in the latent vector")
    condition_width: int = Field(
        64, ge=1, le=WIDEST, description="numbers in the vector that stands for the conditions"
    )
    condition_drop: float = Field(
        0.1, ge=0, le=1, description="probability of hiding a class in training"
    )


class Exposed(nn.Module):
    """Stands where a critic's head was and hands out what the head was given."""

    def forward(self, h: Tensor, vector: Tensor | None = None) -> Tensor:
        return h


class Critic(nn.Module):
    """Real or decoded? (B, *shape) -> logits (B,) and the activations (B, F) that they are a linear
    map of.

    The critic of the `gan` family, with batch norm: rows of one kind must come in one call, see
    VaeGan._judge.
    """

    def __init__(self, config: VaeGanConfig, spec: Dense, conditions: dict[str, Condition]) -> None:
        super().__init__()
        self.embedding = ConditionEmbedding(conditions, config.condition_width, drop=0.0)
        context = self.embedding.vector_width
        self.body: ConvCritic | MlpCritic
        if body_kind(spec, config.body) == "conv":
            self.body = ConvCritic(spec.shape, config.width or 64, FAST, "batch", context=context)
        else:
            self.body = MlpCritic(spec.shape, config.width or 128, 2, "batch", context=context)
        self.head = self.body.head
        self.body.head = Exposed()  # type: ignore[assignment]

    def forward(self, x: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Tensor]:
        activations = self.body(x)
        return self.head(activations, self.embedding(cond, len(x), x.device).vector), activations


class VaeGan(Family):
    """Samples, Encodes, Generates. The latent is (B, *latent_shape), standard normal under the
    prior.
    """

    name: ClassVar[str] = "vaegan"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = VaeGanConfig

    spec: Dense
    config: VaeGanConfig

    def __init__(self, config: VaeGanConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        # dropped once, for both sides
        self.embedding = ConditionEmbedding(conditions, config.condition_width, drop=0.0)
        context = self.embedding.vector_width
        self.decoder: ConvGenerator | MlpGenerator
        if body_kind(spec, config.body) == "conv":
            width = config.width or 64
            self.encoder = encoder_for(
                spec,
                2 * config.latent,
                body="conv",
                width=max(1, width // 4),
                depth=config.depth,
                patch=2,
                context=context,
            )
            self.decoder = ConvGenerator(spec.shape, config.latent, width, FAST, context=context)
        else:
            width = config.width or 128
            self.encoder = encoder_for(
                spec, 2 * config.latent, body="mlp", width=width, depth=2, context=context
            )
            self.decoder = MlpGenerator(spec.shape, config.latent, width, 2, context=context)
        self.critic = Critic(config, spec, conditions)
        self.latent_shape: tuple[int, ...] = (config.latent,)

    def phases(self) -> Sequence[Phase]:
        return (
            Phase("critic", ("critic",)),
            Phase("autoencoder", ("encoder", "decoder", "embedding")),
        )

    def forward(self, batch: Batch, phase: str = "autoencoder") -> Loss:
        """The weighted loss of one turn. Parts are unweighted: `critic`, or `generator`, `kl` (nats
        per item) and `reconstruction` (half mean squares).
        """
        self.check(batch)
        if self.training and len(batch.x) < 2:
            raise SpecError(
                say("batch norm needs at least two items a step"),
                where=say("batch of {0}", len(batch.x)),
                fix=say("training.batch=2 or more"),
            )
        cond = hide_classes(
            batch.cond, self.conditions, self.config.condition_drop if self.training else 0.0
        )
        if phase == "critic":
            return self._critic_loss(batch.x, cond)
        return self._autoencoder_loss(batch.x, cond)

    def _critic_loss(self, x: Tensor, cond: dict[str, Any]) -> Loss:
        with torch.no_grad():
            _, reconstructed, sampled = self._decode_both(x, cond)
        on_data, on_decoded, _, _ = self._judge(x, reconstructed, sampled, cond)
        loss = F.softplus(-on_data).mean() + F.softplus(on_decoded).mean()
        return Loss((1 - self.config.alpha) * loss, {"critic": loss.detach()})

    def _autoencoder_loss(self, x: Tensor, cond: dict[str, Any]) -> Loss:
        config = self.config
        posterior, reconstructed, sampled = self._decode_both(x, cond)
        _, on_decoded, features_data, features_decoded = self._judge(
            x, reconstructed, sampled, cond
        )
        generator = F.softplus(-on_decoded).mean()
        kl = posterior.divergence().flatten(1).sum(1).mean()
        reconstruction = x.new_zeros(())
        if config.similarity != "features":
            reconstruction = reconstruction + 0.5 * (x - reconstructed).square().mean()
        if config.similarity != "data":
            reconstruction = (
                reconstruction
                + 0.5 * (features_data.detach() - features_decoded).float().square().mean()
            )
        total = (
            config.alpha * generator
            + config.beta * kl / self.spec.size
            + config.gamma * reconstruction
        )
        return Loss(
            total,
            {
                "generator": generator.detach(),
                "kl": kl.detach(),
                "reconstruction": reconstruction.detach(),
            },
        )

    def _decode_both(self, x: Tensor, cond: dict[str, Any]) -> tuple[Posterior, Tensor, Tensor]:
        """Posterior, reconstructions and samples from the prior, one decoder pass for both."""
        vector = self._vector(cond, len(x), x.device)
        posterior = Posterior.of(self.encoder(x, vector))
        z = torch.cat(
            [posterior.draw(torch.randn_like(posterior.mean)), torch.randn_like(posterior.mean)]
        )
        reconstructed, sampled = self._decode(
            z, None if vector is None else vector.repeat(2, 1)
        ).chunk(2)
        return posterior, reconstructed, sampled

    def _judge(
        self, x: Tensor, reconstructed: Tensor, sampled: Tensor, cond: dict[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of data (B,) and of both decoded kinds (2B,); the critic's activations of data and
        of reconstructions.

        One call for each kind: batch statistics over a mixture would tell the critic the answer.
        """
        on_data, features_data = self.critic(x, cond)
        on_reconstructed, features_reconstructed = self.critic(reconstructed, cond)
        on_sampled, _ = self.critic(sampled, cond)
        return (
            on_data,
            torch.cat([on_reconstructed, on_sampled]),
            features_data,
            features_reconstructed,
        )

    def _decode(self, z: Tensor, vector: Tensor | None) -> Tensor:
        """The decoder, within the unit's range."""
        return within(self.decoder(z, vector), self.spec.unit)

    @torch.no_grad()
    def refresh(self, rngs: Sequence[torch.Generator]) -> None:
        """Batch-norm statistics of the decoder from fresh noise and classes by turns: averaged
        weights need their own.
        """
        rows = torch.arange(REFRESH_ROWS, device=self.device)
        cond = {
            name: rows % len(condition)
            for name, condition in self.conditions.items()
            if isinstance(condition, Classes)
        }
        with fresh_statistics(self.decoder):
            for _ in range(passes_for(self.spec.size)):
                noise = [
                    torch.randn(self.latent_shape, generator=rngs[row % len(rngs)])
                    for row in range(REFRESH_ROWS)
                ]
                self._decode(
                    torch.stack(noise).to(self.device),
                    self._vector(cond, REFRESH_ROWS, self.device),
                )

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape); the temperature scales the latent noise."""
        z = options.temperature * randn_rows(rngs, *self.latent_shape, device=self.device)
        return self.from_latent(z, cond)

    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> (B, *latent_shape): the posterior's mean, or one draw per row."""
        self.check(Batch(x))
        posterior = Posterior.of(self.encoder(x, self._vector(cond, len(x), x.device)))
        return (
            posterior.mean
            if rngs is None
            else posterior.draw(randn_rows(rngs, *self.latent_shape, device=x.device))
        )

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *latent_shape) -> (B, *shape)."""
        return self._decode(z, self._vector(cond, len(z), z.device))

    def graphs(self) -> dict[str, Graph]:
        """sample, which decodes latents as well; and encode."""
        latent = Port(
            "noise", ("rows", *self.latent_shape), "normal", "standard normal, or a latent"
        )
        outputs = {"data": f"(rows, {', '.join(map(str, self.spec.shape))}) in the model's unit"}
        return {
            "sample": Graph(
                Decoding(self).eval(), (latent, *condition_ports(self.embedding)), outputs
            ),
            "encode": encoding(self.encoder, self.embedding, self.spec),
        }

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about a batch (at least two rows): active units, latent size, squared error per
        number.
        """
        means = self.to_latent(batch.x, batch.cond)
        error = (self.from_latent(means, batch.cond) - batch.x).square().mean()
        return {
            "active_units": float(active_units(means)),
            "latent": float(math.prod(self.latent_shape)),
            "squared_error": float(error),
        }

    def _vector(self, cond: dict[str, Any], rows: int, device: torch.device) -> Tensor | None:
        context: Context = self.embedding(cond, rows, device)
        return context.vector


class Decoding(nn.Module):
    """(latent, *conditions) -> data."""

    def __init__(self, family: VaeGan) -> None:
        super().__init__()
        self.decoder, self.condition, self.unit = (
            family.decoder,
            ConditionVector(family.embedding),
            family.spec.unit,
        )

    def forward(self, z: Tensor, *given: Tensor) -> tuple[Tensor]:
        return (within(self.decoder(z, self.condition(given, z.shape[0])), self.unit),)


def within(raw: Tensor, unit: str) -> Tensor:
    """float32 in the unit's range, imposed smoothly: tanh for signed data, sigmoid for binary, none
    otherwise.
    """
    match unit:
        case "signed":
            return torch.tanh(raw.float())
        case "binary":
            return torch.sigmoid(raw.float())
    return raw.float()
