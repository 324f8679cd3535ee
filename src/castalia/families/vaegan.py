"""VAE-GAN: an autoencoder whose decoder is also a generator, judged by a critic.

Larsen et al. 2016, arXiv:1512.09300, as one mixed objective

    L = alpha L_G + (1 - alpha) L_D + beta L_KL + gamma L_RE

in two turns: the autoencoder descends on alpha L_G + beta L_KL + gamma L_RE, the critic on (1 - alpha) L_D.

    L_G   -log D(decoded), the non-saturating loss, averaged over reconstructions and samples from the prior
    L_D   -log D(x) - log(1 - D(decoded)), decoded as above
    L_KL  divergence of the posterior from the prior, in nats per number of the data
    L_RE  half the mean squared error, of the data ("data") or of the critic's activations ("features", Larsen's)

In this scale beta / gamma is the noise variance that the reconstruction is measured in. A beta that dominates is the
recipe for posterior collapse: the encoder answers the prior whatever it sees, no latent is active, and every
reconstruction is the same picture. The default stays far from it; `report` counts active units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from castalia.abilities import SampleOptions
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.body import Body, Layout, body_kind, decoder_for, encoder_for
from castalia.nn.conv import CONV, ConvEncoder, Norm
from castalia.nn.embed import ConditionEmbedding, hide_classes
from castalia.nn.latent import Posterior, active_units
from castalia.nn.mlp import Mlp
from castalia.nn.random import randn_rows
from castalia.spec import Batch, Condition, Dense, Loss, Spec


class VaeGanConfig(FamilyConfig):
    """alpha, beta, gamma   weights of the objective, see the header.
    similarity           what L_RE compares: "data", "features" of the critic, or "both" (their sum).
    critic_width, critic_depth   channels (or hidden units) and residual-free depth of the critic.
    body, width, depth, patch, levels, norm: the autoencoder's networks, see nn/body.py. latent, layout: as in vae.
    """

    alpha: float = Field(0.5, gt=0, lt=1)
    beta: float = Field(0.1, ge=0)
    gamma: float = Field(10.0, ge=0)
    similarity: Literal["data", "features", "both"] = "both"
    body: Body = "auto"
    width: int | None = Field(None, ge=1)
    depth: int = Field(1, ge=0)
    patch: int = Field(1, ge=1)
    levels: int | None = Field(None, ge=0)
    norm: Norm = "none"
    critic_width: int | None = Field(None, ge=1)
    latent: int = Field(32, ge=1)
    layout: Layout = "vector"
    condition_width: int = Field(64, ge=1)
    condition_drop: float = Field(0.1, ge=0, le=1)


class Critic(nn.Module):
    """Real or decoded? (B, *shape) -> logit (B,) and activations; every layer 1-Lipschitz by spectral normalisation.

    Spectral normalisation: Miyato et al. 2018, arXiv:1802.05957. Class conditions by projection: Miyato & Koyama 2018.
    """

    def __init__(self, spec: Dense, conditions: dict[str, Condition], *, body: Body, width: int | None, patch: int, condition_width: int) -> None:
        super().__init__()
        self.body: ConvEncoder | Mlp
        if body_kind(spec, body) == "conv":
            self.body = ConvEncoder(spec.shape, width=width or 32, depth=0, norm="none", patch=patch)
            features = math.prod(self.body.grid)
        else:
            features = width or 256
            self.body = Mlp(spec.size, 1, width=features, depth=2)
        self.out = nn.Linear(features, 1)
        self.embedding = ConditionEmbedding(conditions, condition_width, drop=0.0)
        self.projection = nn.Linear(features, condition_width) if self.embedding.vector_width else None
        convolutions = tuple(CONV.values())
        for module in list(self.modules()):
            if isinstance(module, (nn.Linear, *convolutions)):
                spectral_norm(module)

    def forward(self, x: Tensor, cond: dict[str, Any]) -> tuple[Tensor, list[Tensor]]:
        found = self.body.features(x)
        last = found[-1].flatten(1)
        logit = self.out(last).squeeze(1)
        if self.projection is not None:
            vector = self.embedding(cond, len(x), x.device).vector
            logit = logit + (self.projection(last) * vector).sum(1) / math.sqrt(self.embedding.width)
        return logit.float(), found


class VaeGan(Family):
    """Samples, Encodes. The latent is (B, *latent_shape), standard normal under the prior."""

    name: ClassVar[str] = "vaegan"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = VaeGanConfig

    spec: Dense
    config: VaeGanConfig

    def __init__(self, config: VaeGanConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        self.embedding = ConditionEmbedding(conditions, config.condition_width, drop=0.0)  # dropped once, for both sides
        network: dict[str, Any] = {
            "body": config.body,
            "layout": config.layout,
            "width": config.width,
            "depth": config.depth,
            "patch": config.patch,
            "levels": config.levels,
            "norm": config.norm,
            "context": self.embedding.vector_width,
        }
        self.encoder = encoder_for(spec, 2 * config.latent, **network)
        self.decoder = decoder_for(spec, config.latent, spec.shape[0], **network)
        self.critic = Critic(spec, conditions, body=config.body, width=config.critic_width, patch=config.patch, condition_width=config.condition_width)
        self.latent_shape: tuple[int, ...] = (config.latent, *getattr(self.encoder, "sides", ()))

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic",)), Phase("autoencoder", ("encoder", "decoder", "embedding")))

    def forward(self, batch: Batch, phase: str = "autoencoder") -> Loss:
        """Weighted losses of one turn. Parts are unweighted: `critic`, or `generator`, `kl` (nats per item), `reconstruction` (half mean squares)."""
        self.check(batch)
        cond = hide_classes(batch.cond, self.conditions, self.config.condition_drop if self.training else 0.0)
        if phase == "critic":
            return self._critic_loss(batch.x, cond)
        return self._autoencoder_loss(batch.x, cond)

    def _critic_loss(self, x: Tensor, cond: dict[str, Any]) -> Loss:
        with torch.no_grad():
            posterior, reconstructed, sampled = self._decode_both(x, cond)
        on_data, on_decoded, _, _ = self._judge(x, reconstructed, sampled, cond)
        loss = F.softplus(-on_data).mean() + F.softplus(on_decoded).mean()
        return Loss((1 - self.config.alpha) * loss, {"critic": loss.detach()})

    def _autoencoder_loss(self, x: Tensor, cond: dict[str, Any]) -> Loss:
        config = self.config
        posterior, reconstructed, sampled = self._decode_both(x, cond)
        _, on_decoded, features_data, features_decoded = self._judge(x, reconstructed, sampled, cond)
        generator = F.softplus(-on_decoded).mean()
        kl = posterior.divergence().flatten(1).sum(1).mean()
        reconstruction = x.new_zeros(())
        if config.similarity != "features":
            reconstruction = reconstruction + 0.5 * (x - reconstructed).square().mean()
        if config.similarity != "data":
            pairs = list(zip(features_data, features_decoded, strict=True))
            reconstruction = reconstruction + sum(0.5 * (a.detach() - b).float().square().mean() for a, b in pairs) / len(pairs)
        total = config.alpha * generator + config.beta * kl / self.spec.size + config.gamma * reconstruction
        return Loss(total, {"generator": generator.detach(), "kl": kl.detach(), "reconstruction": reconstruction.detach()})

    def _decode_both(self, x: Tensor, cond: dict[str, Any]) -> tuple[Posterior, Tensor, Tensor]:
        """Posterior, reconstructions and samples from the prior, one decoder pass for both."""
        vector = self._vector(cond, len(x), x.device)
        posterior = Posterior.of(self.encoder(x, vector))
        z = torch.cat([posterior.draw(torch.randn_like(posterior.mean)), torch.randn_like(posterior.mean)])
        reconstructed, sampled = self._decode(z, None if vector is None else vector.repeat(2, 1)).chunk(2)
        return posterior, reconstructed, sampled

    def _judge(self, x: Tensor, reconstructed: Tensor, sampled: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Logits of data (B,) and of both decoded kinds (2B,); the critic's activations of data and of reconstructions."""
        rows = len(x)
        thrice = {name: torch.cat([value] * 3) if isinstance(value, Tensor) else value for name, value in cond.items()}
        logits, features = self.critic(torch.cat([x, reconstructed, sampled]), thrice)
        return logits[:rows], logits[rows:], [f[:rows] for f in features], [f[rows : 2 * rows] for f in features]

    def _decode(self, z: Tensor, vector: Tensor | None) -> Tensor:
        """Decoder with the unit's range imposed smoothly: tanh for signed data, sigmoid for binary, none otherwise."""
        raw = self.decoder(z, vector).float()
        match self.spec.unit:
            case "signed":
                return torch.tanh(raw)
            case "binary":
                return torch.sigmoid(raw)
            case _:
                return raw

    def sample(self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions) -> Tensor:
        """(len(rngs), *shape); the temperature scales the latent noise."""
        z = options.temperature * randn_rows(rngs, *self.latent_shape, device=self.device)
        return self.from_latent(z, cond)

    def to_latent(self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B, *shape) -> (B, *latent_shape): the posterior's mean, or one draw per row."""
        self.check(Batch(x))
        posterior = Posterior.of(self.encoder(x, self._vector(cond, len(x), x.device)))
        return posterior.mean if rngs is None else posterior.draw(randn_rows(rngs, *self.latent_shape, device=x.device))

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *latent_shape) -> (B, *shape)."""
        return self._decode(z, self._vector(cond, len(z), z.device))

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about a batch (at least two rows): active units, latent size, squared error per number."""
        means = self.to_latent(batch.x, batch.cond)
        error = (self.from_latent(means, batch.cond) - batch.x).square().mean()
        return {"active_units": float(active_units(means)), "latent": float(math.prod(self.latent_shape)), "squared_error": float(error)}

    def _vector(self, cond: dict[str, Any], rows: int, device: torch.device) -> Tensor | None:
        return self.embedding(cond, rows, device).vector
