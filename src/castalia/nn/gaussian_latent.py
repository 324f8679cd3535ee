"""Gaussian latent variables: divergence, free bits, draws, active units.

Kingma & Welling 2014, arXiv:1312.6114 (divergence, appendix B); Kingma et al. 2016,
arXiv:1606.04934 (free bits, eq. 15); Burda et al. 2016, arXiv:1509.00519 (active units, section
5.2). Networks and likelihoods are not here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


class Posterior(NamedTuple):
    """Diagonal Gaussian over latents: mean and log-variance, both (B, ...) float32."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, parameters: Tensor) -> Posterior:
        """From an encoder's output (B, 2 * latent, ...); the log-variance is kept within [-14, 6]
        by a smooth bend.
        """
        mean, raw = parameters.float().chunk(2, dim=1)
        return cls(mean, 10.0 * torch.tanh((raw + 4.0) / 10.0) - 4.0)

    def draw(self, noise: Tensor) -> Tensor:
        """mean + deviation * noise; broadcasts, so noise may carry leading draws."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def divergence(self) -> Tensor:
        """KL to the standard normal, in nats, per latent entry: (B, ...)."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)

    def log_density(self, z: Tensor) -> Tensor:
        """log q(z | x) in nats, per latent entry."""
        return -0.5 * (
            LOG_2PI + self.log_variance + (z - self.mean).square() * torch.exp(-self.log_variance)
        )


def log_prior(z: Tensor) -> Tensor:
    """log N(z; 0, 1) in nats, per latent entry."""
    return -0.5 * (LOG_2PI + z.square())


def free_bits(divergence: Tensor, floor: float) -> Tensor:
    """(B, latent, ...) -> scalar: per latent unit the batch mean of its divergence, but never less
    than `floor` nats.
    """
    per_unit = divergence.flatten(2).sum(2).mean(0) if divergence.dim() > 2 else divergence.mean(0)
    return per_unit.clamp_min(floor).sum()


def mutual_information(posterior: Posterior, z: Tensor) -> float:
    """I(x; z) in nats under q over N rows, from one draw z (N, latent) each: E log q(z | x) - E log
    q(z), q(z) the mean of the N posteriors (Hoffman & Johnson 2016). At most log N, towards which
    it is biased; KL = I + KL(q(z) || prior).
    """
    conditional = posterior.log_density(z).flatten(1).sum(1)
    means, log_variances = posterior.mean.flatten(1), posterior.log_variance.flatten(1)
    # (draws, posteriors)
    every = torch.stack(
        [Posterior(means, log_variances).log_density(one).sum(1) for one in z.flatten(1)]
    )
    return float((conditional - every.logsumexp(1) + math.log(len(z))).mean())


def active_units(means: Tensor, threshold: float = 0.01) -> int:
    """Latent entries whose posterior mean varies over the data by more than `threshold` (variance
    over rows).
    """
    return int((means.flatten(1).var(0, unbiased=True) > threshold).sum())
