"""Variational autoencoder: an encoder, a decoder and a bound on the likelihood.

Kingma & Welling 2014, arXiv:1312.6114; beta: Higgins et al. 2017; free bits: Kingma et al. 2016,
arXiv:1606.04934; learned noise level: Rybkin et al. 2021, arXiv:2006.13202; importance sampling:
Burda et al. 2016, arXiv:1509.00519. Output distributions are in nn/likelihoods.py, latent Gaussians
in nn/gaussian_latent.py, networks in nn/backbones.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.config import DEEPEST, MOST_ROWS, WIDEST
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import Body, Layout, body_kind, decoder_for, encoder_for
from castalia.nn.condition_embedding import ConditionEmbedding, Context
from castalia.nn.conv import Norm
from castalia.nn.counter_random import generator, randn_rows
from castalia.nn.gaussian_latent import Posterior, active_units, free_bits, log_prior
from castalia.nn.graph import ConditionVector, Graph, Port, condition_ports, encoding
from castalia.nn.likelihoods import LikelihoodName, Spread, likelihood_for
from castalia.spec import Batch, Condition, Dense, Loss, Spec


class VaeConfig(FamilyConfig):
    """latent        numbers (layout=vector) or channels (layout=grid) of the latent.
    body, width, depth, patch, levels, norm: the networks, see nn/backbones.py.
    likelihood    auto: logistic for 8-bit data, Bernoulli for two levels, Gaussian otherwise.
    spread        the likelihood's noise level: learned and shared, per channel, per element, or
                  fixed at `deviation`.
    beta          weight of the divergence; 1 is the bound itself. A weight that dominates switches
                  latents off.
    kl_warmup     fraction of the training over which that weight grows from 0.
    free_bits     nats per latent unit below which the divergence is not pressed further.
    importance    draws per item in `nats`.
    output        what a sample is: the decoder's mean (clean), or a draw with the likelihood's
                  noise (as the model's data look). auto: mean for grids, draw for
                  vectors.
    condition_drop  probability of hiding the condition in training.
    """

    body: Body = "auto"
    width: int | None = Field(None, ge=1, le=WIDEST)
    depth: int = Field(1, ge=0, le=DEEPEST)
    patch: int = Field(1, ge=1, le=WIDEST)
    levels: int | None = Field(None, ge=0, le=16)
    norm: Norm = "none"
    latent: int = Field(32, ge=1, le=WIDEST)
    layout: Layout = "vector"
    likelihood: LikelihoodName = "auto"
    spread: Spread = "shared"
    deviation: float = Field(0.5, gt=0)
    beta: float = Field(1.0, ge=0)
    kl_warmup: float = Field(0.1, ge=0, le=1)
    free_bits: float = Field(0.0, ge=0)
    importance: int = Field(64, ge=1, le=MOST_ROWS)
    output: Literal["auto", "mean", "draw"] = "auto"
    condition_width: int = Field(64, ge=1, le=WIDEST)
    condition_drop: float = Field(0.1, ge=0, le=1)


class Vae(Family):
    """Samples, Encodes, Scores. The latent is (B, *latent_shape), standard normal under
    the prior.
    """

    name: ClassVar[str] = "vae"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = VaeConfig
    exact: ClassVar[bool] = False  # importance sampling bounds the nats from above, on average

    spec: Dense
    config: VaeConfig

    def __init__(self, config: VaeConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        self.embedding = ConditionEmbedding(
            conditions, config.condition_width, config.condition_drop
        )
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
        self.likelihood = likelihood_for(
            spec, config.likelihood, spread=config.spread, deviation=config.deviation
        )
        self.encoder = encoder_for(spec, 2 * config.latent, **network)
        self.decoder = decoder_for(spec, config.latent, self.likelihood.outputs, **network)
        self.latent_shape: tuple[int, ...] = (config.latent, *getattr(self.encoder, "sides", ()))
        self.drawn = config.output == "draw" or (
            config.output == "auto" and body_kind(spec, "auto") == "mlp"
        )
        self.warmth = 1.0  # progress of the KL warm-up, set by `schedule`

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("encoder", "decoder", "likelihood", "embedding")),)

    def schedule(self, step: int, steps: int) -> None:
        span = self.config.kl_warmup * steps
        self.warmth = min(1.0, (step + 1) / span) if span > 0 else 1.0

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Loss in nats per item. Parts: nelbo = reconstruction + kl, always the plain bound,
        whatever beta and the warm-up say.
        """
        self.check(batch)
        vector = self._vector(batch.cond, len(batch.x), batch.x.device)
        posterior = Posterior.of(self.encoder(batch.x, vector))
        z = posterior.draw(torch.randn_like(posterior.mean))
        reconstruction = self.likelihood.loss(self.decoder(z, vector), batch.x).mean()
        divergence = posterior.divergence()
        kl = divergence.flatten(1).sum(1).mean()
        pressed = free_bits(divergence, self.config.free_bits) if self.config.free_bits else kl
        total = reconstruction + self.config.beta * self.warmth * pressed
        parts = {"nelbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape): the decoder's mean or a draw (config.output); the temperature scales
        the latent noise.
        """
        z = options.temperature * randn_rows(rngs, *self.latent_shape, device=self.device)
        parameters = self.decoder(z, self._vector(cond, len(rngs), self.device))
        return (
            self.likelihood.draw(parameters, rngs, options.temperature)
            if self.drawn
            else self.likelihood.mean(parameters)
        )

    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> (B, *latent_shape): the posterior's mean, or one draw per row."""
        posterior = self._posterior(x, cond)
        if rngs is None:
            return posterior.mean
        return posterior.draw(randn_rows(rngs, *self.latent_shape, device=x.device))

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *latent_shape) -> (B, *shape): the decoder's mean."""
        return self.likelihood.mean(self.decoder(z, self._vector(cond, len(z), z.device)))

    def graphs(self) -> dict[str, Graph]:
        """sample; encode; and, where a sample is a draw, decode: the mean of what a latent stands
        for.
        """
        latent = Port(
            "noise", ("rows", *self.latent_shape), "normal", "standard normal, or a latent"
        )
        noises = [
            Port(
                f"outcome_{kind}",
                ("rows", *shape),
                kind,
                f"standard {kind}" if kind != "uniform" else "uniform in [0, 1)",
            )
            for kind, shape in (self.likelihood.noises if self.drawn else ())
        ]
        ports = condition_ports(self.embedding)
        outputs = {"data": f"(rows, {', '.join(map(str, self.spec.shape))}) in the model's unit"}
        graphs = {
            "sample": Graph(Decoding(self, len(noises)).eval(), (latent, *noises, *ports), outputs),
            "encode": encoding(self.encoder, self.embedding, self.spec),
        }
        if self.drawn:
            given = Port(
                "latent", ("rows", *self.latent_shape), "normal", "e.g. what `encode` gives"
            )
            graphs["decode"] = Graph(Decoding(self, 0).eval(), (given, *ports), outputs)
        return graphs

    @torch.no_grad()
    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) upper bound (on average) on the negative log-likelihood, by `importance` draws from
        the posterior.

        -log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x), Burda et al. 2016, eq. 8. In nats of the
        data as stored, see nn/likelihoods.py. Without `rngs` the noise is a function of the row
        number.
        """
        return math.log(self.config.importance) - torch.cat(
            list(self._log_weights(batch, rngs))
        ).logsumexp(0)

    @torch.no_grad()
    def nelbo(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) negative evidence lower bound in nats of the data as stored: the mean over
        `importance` draws, KL in closed form.
        """
        posterior = self._posterior(batch.x, batch.cond)
        losses = [losses for _, losses in self._draws(batch, posterior, rngs)]
        return torch.cat(losses).mean(0) + posterior.divergence().flatten(1).sum(1)

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about a batch (at least two rows): active units, latent size, nelbo, kl and nats
        per item.
        """
        posterior = self._posterior(batch.x, batch.cond)
        return {
            "active_units": float(active_units(posterior.mean)),
            "latent": float(math.prod(self.latent_shape)),
            "nelbo": float(self.nelbo(batch).mean()),
            "kl": float(posterior.divergence().flatten(1).sum(1).mean()),
            "nats": float(self.nats(batch).mean()),
        }

    def _vector(self, cond: dict[str, Any], rows: int, device: torch.device) -> Tensor | None:
        context: Context = self.embedding(cond, rows, device)
        return context.vector

    def _posterior(self, x: Tensor, cond: dict[str, Any]) -> Posterior:
        self.check(Batch(x))
        return Posterior.of(self.encoder(x, self._vector(cond, len(x), x.device)))

    def _draws(
        self, batch: Batch, posterior: Posterior, rngs: Sequence[torch.Generator] | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of (z (k, B, *latent_shape), -log p(x | z) (k, B)), `importance` draws in all,
        about 512 decoded rows at a time.
        """
        rows = len(batch.x)
        rngs = rngs or [generator("nats", row) for row in range(rows)]
        vector = self._vector(batch.cond, rows, batch.x.device)
        left = self.config.importance
        while left > 0:
            count = min(left, max(1, 512 // rows))
            left -= count
            z = posterior.draw(
                randn_rows(rngs, count, *self.latent_shape, device=batch.x.device).transpose(0, 1)
            )
            repeated = None if vector is None else vector.repeat(count, 1)
            losses = self.likelihood.nats(
                self.decoder(z.flatten(0, 1), repeated),
                batch.x.repeat(count, *[1] * (batch.x.dim() - 1)),
            )
            yield z, losses.view(count, rows)

    def _log_weights(
        self, batch: Batch, rngs: Sequence[torch.Generator] | None
    ) -> Iterator[Tensor]:
        """Blocks (k, B) of log p(x | z) + log p(z) - log q(z | x)."""
        posterior = self._posterior(batch.x, batch.cond)
        for z, losses in self._draws(batch, posterior, rngs):
            yield (log_prior(z) - posterior.log_density(z)).flatten(2).sum(2) - losses


class Decoding(nn.Module):
    """(latent, `draws` tensors of noise, *conditions) -> data: a draw, or without noise
    the mean.
    """

    def __init__(self, vae: Vae, draws: int) -> None:
        super().__init__()
        self.decoder, self.likelihood, self.condition, self.draws = (
            vae.decoder,
            vae.likelihood,
            ConditionVector(vae.embedding),
            draws,
        )

    def forward(self, z: Tensor, *more: Tensor) -> tuple[Tensor]:
        noises, given = more[: self.draws], more[self.draws :]
        parameters = self.decoder(z, self.condition(given, z.shape[0]))
        return (
            self.likelihood.outcome(parameters, noises)
            if noises
            else self.likelihood.mean(parameters),
        )
