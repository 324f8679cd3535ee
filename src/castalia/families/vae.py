"""Variational autoencoder: an encoder, a decoder and a bound on the likelihood.

Kingma & Welling 2014, arXiv:1312.6114; beta: Higgins et al. 2017; free bits: Kingma et al. 2016,
arXiv:1606.04934; learned noise level: Rybkin et al. 2021, arXiv:2006.13202; importance sampling:
Burda et al. 2016, arXiv:1509.00519; learned prior: Chen et al. 2017, arXiv:1611.02731. Output
distributions are in nn/likelihoods.py, latent Gaussians in nn/gaussian_latent.py, the learned prior
in nn/coupling_flow.py, networks in nn/backbones.py.

With prior=flow, two latents have to be told apart: z, which the encoder gives and the decoder
takes, and the noise u that the flow maps to z. What leaves this file is always u: it is standard
normal under the prior, as editors and exports want it.
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
from castalia.errors import SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import Body, Layout, body_kind, decoder_for, encoder_for
from castalia.nn.condition_embedding import ConditionEmbedding, Context
from castalia.nn.conv import Norm
from castalia.nn.counter_random import generator, randn_rows
from castalia.nn.coupling_flow import CouplingFlow
from castalia.nn.gaussian_latent import Posterior, active_units, free_bits, log_prior
from castalia.nn.graph import ConditionVector, Graph, Port, condition_ports, encoding
from castalia.nn.likelihoods import LikelihoodName, Spread, likelihood_for
from castalia.sentences import say
from castalia.spec import Batch, Condition, Dense, Loss, Spec


class VaeConfig(FamilyConfig):
    """latent        numbers (layout=vector) or channels (layout=grid) of the latent.
    body, width, depth, patch, levels, norm, overlap: the networks, see nn/backbones.py.
    prior         standard: the latent is standard normal. flow: its density is learned, in the same
                  bound, given the conditions; for layout=vector. What is drawn is then like
                  what the encoder gives, so samples come near reconstructions.
    prior_layers, prior_width  couplings of the flow, hidden units of each.
    likelihood    auto: logistic for 8-bit data, Bernoulli for two levels, Gaussian otherwise.
    spread        the likelihood's noise level: learned and shared, per channel, per element, or
                  fixed at `deviation`.
    beta          weight of the divergence; 1 is the bound itself. A weight that dominates switches
                  latents off.
    kl_warmup     fraction of the training over which that weight grows from 0.
    free_bits     nats per latent unit below which the divergence is not pressed further; with
                  prior=flow, of all units together, because it has no parts by unit.
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
    overlap: bool = False
    latent: int = Field(32, ge=1, le=WIDEST)
    layout: Layout = "vector"
    prior: Literal["standard", "flow"] = "standard"
    prior_layers: int = Field(6, ge=1, le=DEEPEST)
    prior_width: int = Field(128, ge=1, le=WIDEST)
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
    """Samples, Encodes, Generates, Compresses, Scores. The latent is (B, *latent_shape), standard
    normal under the prior.
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
        self.decoder = decoder_for(
            spec,
            config.latent,
            self.likelihood.outputs,
            overlap=config.overlap,
            **network,
        )
        self.latent_shape: tuple[int, ...] = (config.latent, *getattr(self.encoder, "sides", ()))
        self.prior: CouplingFlow | None = None
        if config.prior == "flow":
            if len(self.latent_shape) > 1:
                raise SpecError(
                    say("a learned prior needs a latent vector"),
                    where="family.prior=flow, family.layout=grid",
                    fix=say("family.layout=vector, or family.prior=standard"),
                )
            self.prior = CouplingFlow(
                config.latent,
                layers=config.prior_layers,
                width=config.prior_width,
                context=self.embedding.vector_width,
            )
        self.latent_spec = Dense(
            self.latent_shape,
            unit="standard",
            layout="grid" if config.layout == "grid" else "vector",
        )
        self.drawn = config.output == "draw" or (
            config.output == "auto" and body_kind(spec, "auto") == "mlp"
        )
        self.warmth = 1.0  # progress of the KL warm-up, set by `schedule`

    def phases(self) -> Sequence[Phase]:
        learned = () if self.prior is None else ("prior",)
        return (Phase("main", ("encoder", "decoder", "likelihood", "embedding", *learned)),)

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
        kl = (divergence.flatten(1).sum(1) - self._gain(z, vector)).mean()
        pressed, floor = kl, self.config.free_bits
        if floor:
            pressed = (
                free_bits(divergence, floor)
                if self.prior is None
                else kl.clamp_min(floor * self.config.latent)
            )
        total = reconstruction + self.config.beta * self.warmth * pressed
        parts = {"nelbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape): the decoder's mean or a draw (config.output); the temperature scales
        the noise that the latent is made of.
        """
        u = options.temperature * randn_rows(rngs, *self.latent_shape, device=self.device)
        parameters = self._decode(u, self._vector(cond, len(rngs), self.device))
        return (
            self.likelihood.draw(parameters, rngs, options.temperature)
            if self.drawn
            else self.likelihood.mean(parameters)
        )

    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> (B, *latent_shape): the posterior's mean, or one draw per row; with
        prior=flow, the noise that the flow maps to it.
        """
        posterior = self._posterior(x, cond)
        z = (
            posterior.mean
            if rngs is None
            else posterior.draw(randn_rows(rngs, *self.latent_shape, device=x.device))
        )
        return z if self.prior is None else self.prior(z, self._vector(cond, len(x), x.device))[0]

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *latent_shape) -> (B, *shape): the decoder's mean."""
        return self.likelihood.mean(self._decode(z, self._vector(cond, len(z), z.device)))

    @torch.no_grad()
    def compress(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, *latent_shape): the posterior's mean, told no condition."""
        return self.to_latent(x, {})

    def expand(self, z: Tensor) -> Tensor:
        """(B, *latent_shape) -> (B, *shape): the decoder's mean, told no condition. It has a
        gradient, for what stands before it in a chain.
        """
        return self.from_latent(z, {})

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
            "encode": encoding(self.encoder, self.embedding, self.spec, self.prior),
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
        `importance` draws. KL in closed form; with prior=flow, what that is better than the
        standard normal by is a mean over the draws.
        """
        reconstruction, kl = self._bound(batch, rngs)
        return reconstruction + kl

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about a batch (at least two rows): active units, latent size, nelbo, kl and nats
        per item.
        """
        reconstruction, kl = self._bound(batch, None)
        return {
            "active_units": float(active_units(self.to_latent(batch.x, batch.cond))),
            "latent": float(math.prod(self.latent_shape)),
            "nelbo": float((reconstruction + kl).mean()),
            "kl": float(kl.mean()),
            "nats": float(self.nats(batch).mean()),
        }

    def _vector(self, cond: dict[str, Any], rows: int, device: torch.device) -> Tensor | None:
        context: Context = self.embedding(cond, rows, device)
        return context.vector

    def _decode(self, u: Tensor, vector: Tensor | None) -> Tensor:
        """Noise of the prior (B, *latent_shape) to parameters of the likelihood."""
        z = u if self.prior is None else self.prior.inverse(u, vector)
        parameters: Tensor = self.decoder(z, vector)
        return parameters

    def _gain(self, z: Tensor, vector: Tensor | None) -> Tensor:
        """(B,) log p(z) - log N(z; 0, 1) in nats: 0 for a standard prior.

        The divergence is KL(q | N(0, 1)), in closed form, minus the mean of this under q: no bias,
        and no noise while the flow is the identity.
        """
        if self.prior is None:
            return z.new_zeros(z.shape[0])
        with torch.autocast(z.device.type, enabled=False):
            z, vector = z.float(), None if vector is None else vector.float()
            return self.prior.log_density(z, vector) - log_prior(z).sum(1)

    def _posterior(self, x: Tensor, cond: dict[str, Any]) -> Posterior:
        self.check(Batch(x))
        return Posterior.of(self.encoder(x, self._vector(cond, len(x), x.device)))

    def _draws(
        self, batch: Batch, posterior: Posterior, rngs: Sequence[torch.Generator] | None
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Blocks of (z (k, B, *latent_shape), -log p(x | z) (k, B), `_gain` of z (k, B)),
        `importance` draws in all, about 512 decoded rows at a time.
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
            gains = self._gain(z.flatten(0, 1), repeated)
            yield z, losses.view(count, rows), gains.view(count, rows)

    def _bound(self, batch: Batch, rngs: Sequence[torch.Generator] | None) -> tuple[Tensor, Tensor]:
        """Reconstruction and KL, (B,) each, as means over `importance` draws; their sum is the
        negative bound.
        """
        posterior = self._posterior(batch.x, batch.cond)
        draws = [(losses, gains) for _, losses, gains in self._draws(batch, posterior, rngs)]
        losses, gains = (torch.cat(parts).mean(0) for parts in zip(*draws, strict=True))
        return losses, posterior.divergence().flatten(1).sum(1) - gains

    def _log_weights(
        self, batch: Batch, rngs: Sequence[torch.Generator] | None
    ) -> Iterator[Tensor]:
        """Blocks (k, B) of log p(x | z) + log p(z) - log q(z | x)."""
        posterior = self._posterior(batch.x, batch.cond)
        for z, losses, gains in self._draws(batch, posterior, rngs):
            ratio = (log_prior(z) - posterior.log_density(z)).flatten(2).sum(2)
            yield ratio + gains - losses


class Decoding(nn.Module):
    """(latent, `draws` tensors of noise, *conditions) -> data: a draw, or without noise
    the mean.
    """

    def __init__(self, vae: Vae, draws: int) -> None:
        super().__init__()
        self.prior, self.decoder, self.likelihood, self.condition, self.draws = (
            vae.prior,
            vae.decoder,
            vae.likelihood,
            ConditionVector(vae.embedding),
            draws,
        )

    def forward(self, z: Tensor, *more: Tensor) -> tuple[Tensor]:
        noises, given = more[: self.draws], more[self.draws :]
        vector = self.condition(given, z.shape[0])
        parameters = self.decoder(
            z if self.prior is None else self.prior.inverse(z, vector), vector
        )
        return (
            self.likelihood.outcome(parameters, noises)
            if noises
            else self.likelihood.mean(parameters),
        )
