"""Bits per dimension of held-out items, from `Scores.nats`: the likelihood of dense data.

bits = nats / (dimensions * ln 2) (Theis et al. 2016). `exact` in the details separates a likelihood
from an upper bound; both are compared with a per-dimension Gaussian of the training items,
discretised to the same levels, and with a uniform one. A likelihood is weak evidence of how samples
look (the same paper), so it never stands alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from castalia.abilities import Scores
from castalia.evaluation.base import (
    DenseEvidence,
    Metric,
    MetricResult,
    mean_interval,
    means_without,
    show,
)
from castalia.language import say
from castalia.nn.counter_random import generators
from castalia.spec import Batch, Dense


class Likelihood(Metric):
    """`bits-per-dimension` of held-out items; lower is better; only for models that score."""

    name = "likelihood"

    def scores(self, evidence: DenseEvidence) -> list[MetricResult]:
        model, spec = evidence.model, evidence.spec
        if not isinstance(model, Scores) or not isinstance(spec, Dense) or not evidence.batches:
            return []
        begun = time.perf_counter()
        nats = held_out_nats(model, evidence.batches, evidence.seed)
        bits = nats / (spec.size * math.log(2))
        value, low, high = mean_interval(bits)
        naive = None
        words: list[str] = []
        if evidence.moments is not None:
            gaussian = torch.cat(
                [
                    gaussian_nats(batch.x.cpu(), *evidence.moments, spec)
                    for batch in evidence.batches
                ]
            ) / (spec.size * math.log(2))
            naive = gaussian.mean().item()
            gain = mean_interval(gaussian - bits)  # paired: both see the same items
            if gain[1] <= 0:
                words.append(
                    say(
                        "A per-dimension Gaussian ({0} bits) is not clearly worse than the model.",
                        show(naive),
                    )
                )
            else:
                words.append(
                    say(
                        "{0:.3g} bits per dimension better than a per-dimension Gaussian ({1}).",
                        gain[0],
                        show(naive),
                    )
                )
        kind = (
            say("a likelihood") if model.exact else say("an upper bound of it (the truth is lower)")
        )
        words.append(say("On {0} held-out items; {1}.", len(bits), kind))
        details = {
            "exact": bool(model.exact),
            "nats_per_item": nats.mean().item(),
            "dimensions": spec.size,
            "uniform": math.log2(spec.levels) if spec.levels else None,
            "words": words,
            "without": list(means_without(bits)) or None,
        }
        return [
            MetricResult(
                "bits-per-dimension",
                value,
                low,
                high,
                n=len(bits),
                seeds=(evidence.seed,),
                better="lower",
                baselines=None if naive is None else {"naive": naive, "memoriser": None},
                seconds=time.perf_counter() - begun,
                details=details,
            )
        ]


@torch.inference_mode()
def held_out_nats(model: Scores, batches: Sequence[Batch], seed: int) -> Tensor:
    """(N,) float64 nats of every item; noise of item i is a function of (seed, i)."""
    parts, first = [], 0
    for batch in batches:
        rows = len(batch.x)
        parts.append(model.nats(batch, generators(seed, first, rows)).double().cpu())
        first += rows
    return torch.cat(parts)


def gaussian_nats(x: Tensor, mean: Tensor, deviation: Tensor, spec: Dense) -> Tensor:
    """(B,) float64 nats of x (B, *shape) under independent Gaussians, mean and deviation of shape
    (*shape).

    With `spec.levels`, the mass of each level's bin, the outermost bins open; else the density. A
    deviation smaller than half a level (or 1e-3) counts as that, so that constant pixels stay
    finite.
    """
    x, mean, deviation = x.double(), mean.double(), deviation.double()
    if spec.levels is None:
        deviation = deviation.clamp_min(1e-3)
        return (
            (0.5 * ((x - mean) / deviation) ** 2 + deviation.log() + 0.5 * math.log(2 * math.pi))
            .flatten(1)
            .sum(1)
        )
    low, high = spec.limits
    half = (high - low) / (spec.levels - 1) / 2
    deviation = deviation.clamp_min(half)
    upper = torch.where(x > high - half, torch.inf, (x + half - mean) / deviation)
    lower = torch.where(x < low + half, -torch.inf, (x - half - mean) / deviation)
    # in the upper tail both values of the distribution function are 1; the mirrored, lower tail
    # keeps its digits
    mirrored = lower > 0
    a, b = torch.where(mirrored, -upper, lower), torch.where(mirrored, -lower, upper)
    log_a, log_b = torch.special.log_ndtr(a), torch.special.log_ndtr(b)
    return -(log_b + torch.log(-torch.expm1(log_a - log_b))).flatten(1).sum(1)
