"""Probabilistic PCA: a linear Gaussian generator, trained on its exact likelihood. A whole family
in one file.

Tipping & Bishop 1999, "Probabilistic principal component analysis": x = W z + mu + noise, z and
noise Gaussian, so that x is Gaussian with covariance C = W W' + s^2 I. Use it with `family: {name:
"ppca.py:Ppca"}`; docs/extend.md explains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.counter_random import randn_rows
from castalia.spec import Batch, Condition, Dense, Loss


class PpcaConfig(FamilyConfig):
    latent: int = Field(8, ge=1, description="directions in which data vary")


class Ppca(Family):
    """Samples, encodes (the posterior's mean) and scores (exactly, as a density in the spec's
    unit).
    """

    name = "ppca"
    accepts = (Dense,)
    Config = PpcaConfig
    exact = True

    spec: Dense

    def __init__(self, config: PpcaConfig, spec: Dense, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        self.line = nn.Linear(min(config.latent, spec.size), spec.size)  # weight is W, bias is mu
        # a list, because a phase trains modules
        self.log_noise = nn.ParameterList([nn.Parameter(torch.tensor(-1.0))])

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("line", "log_noise")),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        self.check(batch)
        total = self.nats(batch).mean()
        return Loss(total, {"nats": total.detach()})

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) -log N(x; mu, C). With M = W'W + s^2 I, both |C| and C^-1 cost latent^3 instead of
        size^3.
        """
        with torch.autocast(batch.x.device.type, enabled=False):  # a determinant wants float32
            x = batch.x.flatten(1) - self.line.bias
            root, inner = self._inner()
            weights = x @ self.line.weight
            explained = torch.cholesky_solve(weights.T, root).T
            square = (x.square().sum(1) - (weights * explained).sum(1)) / self._variance
            rest = self.spec.size - inner.shape[0]
            log_det = 2 * root.diagonal().log().sum() + rest * self._variance.log()
            return 0.5 * (square + log_det + self.spec.size * math.log(2 * math.pi))

    @torch.no_grad()
    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape): the mean of x for a random z."""
        z = randn_rows(rngs, self.line.in_features, device=self.device)
        return self.from_latent(z * options.temperature, cond)

    @torch.no_grad()
    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> (B, latent): the posterior's mean, or a draw from the posterior N(M^-1
        W'(x - mu), s^2 M^-1).
        """
        root, _ = self._inner()
        mean = torch.cholesky_solve(((x.flatten(1) - self.line.bias) @ self.line.weight).T, root).T
        if rngs is None:
            return mean
        noise = randn_rows(rngs, mean.shape[1], device=mean.device)
        return (
            mean
            + self._variance.sqrt() * torch.linalg.solve_triangular(root.T, noise.T, upper=True).T
        )

    @torch.no_grad()
    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        low, high = self.spec.limits
        return self.line(z).unflatten(1, self.spec.shape).clamp(low, high)

    @property
    def _variance(self) -> Tensor:
        return (2 * self.log_noise[0]).exp()

    def _inner(self) -> tuple[Tensor, Tensor]:
        """Cholesky root of M, and M itself, (latent, latent)."""
        w = self.line.weight
        inner = w.T @ w + self._variance * torch.eye(w.shape[1], device=w.device)
        return torch.linalg.cholesky(inner), inner
