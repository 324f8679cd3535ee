"""Novelty: the share of samples that are nearer to a training item than new real items are.

The yardstick is the data's own: held-out items are new by definition, so the 5% of them that lie
nearest to the training set say how near new items come. A model that invents has a share of about
5%, or less when it misses the data; one that replays the training set has 1. Compare the
authenticity of Alaa et al. 2022, which has no such yardstick. The evidence, samples beside their
nearest training items, is on the report page.

Not here: exact copies of pixels, and membership inference, which needs shadow models.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from castalia.evaluation.base import (
    DenseEvidence,
    Estimate,
    Metric,
    MetricResult,
    clearly,
    compared,
    means_without,
    not_computed,
    show,
    wilson,
)
from castalia.evaluation.nearest_neighbours import nearest
from castalia.language import say

QUANTILE = 0.05
FEWEST = 12


class Novelty(Metric):
    """`copies-<network>`: a share in [0, 1], lower is better down to the floor of about 0.05."""

    name = "novelty"
    ideal: ClassVar[Mapping[str, float]] = {"copies": QUANTILE}

    def scores(self, evidence: DenseEvidence) -> list[MetricResult]:
        model = evidence.candidates.get("model")
        if model is None:
            return []
        name = f"copies-{evidence.network}"
        held_out, training = evidence.held_out, evidence.training
        if len(held_out) < FEWEST or len(training) < FEWEST or len(model) < FEWEST:
            words = say(
                "Not computed: it needs at least {0} held-out items to know how near new "
                "real items come to the training set, as many "
                "training items and samples; there are {1}, {2} and {3}.",
                *(FEWEST, len(held_out), len(training), len(model)),
            )
            return not_computed({name: "lower"}, len(model), evidence.seed, words)
        begun = time.perf_counter()
        distances = nearest(held_out, training)[0][:, 0]
        order = torch.randperm(len(distances), generator=torch.Generator().manual_seed(0))
        threshold = torch.quantile(distances, QUANTILE)
        count = len(distances)
        sides = {"model": _estimate(_near(model, training, threshold), count)}
        sides["memoriser"] = _estimate(
            _near(training[:FEWEST], training, threshold), count, as_if=len(model)
        )
        if "naive" in evidence.candidates:
            sides["naive"] = _estimate(
                _near(evidence.candidates["naive"], training, threshold), count
            )
        one, other = distances[order[::2]], distances[order[1::2]]
        crossed = torch.cat(
            [one < torch.quantile(other, QUANTILE), other < torch.quantile(one, QUANTILE)]
        )
        # as many items as held out, thresholds as good as those of a half: twice the variance
        sides["floor"] = floor = _estimate(crossed, count)
        informative = clearly("lower", floor, sides["memoriser"])
        details = {
            "held_out": len(held_out),
            "training_searched": len(training),
            "threshold": threshold.item(),
            "words": _words(sides["model"], floor, informative),
        }
        return [
            compared(
                name,
                "lower",
                sides,
                informative,
                len(model),
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]


def copies(items: Tensor, training: Tensor, threshold: Tensor | float) -> float:
    """Share of `items` (N, D) strictly nearer than `threshold` to one of `training` (M, D)."""
    return _near(items, training, threshold).double().mean().item()


def _near(items: Tensor, training: Tensor, threshold: Tensor | float) -> Tensor:
    return nearest(items, training)[0][:, 0] < threshold


def _estimate(near: Tensor, held_out: int, as_if: int | None = None) -> Estimate:
    """Wilson's interval for n h / (n + h) items: the share is one of n samples, and the threshold
    itself a quantile of h held-out ones, so their variances add.
    """
    share, n = near.double().mean().item(), len(near) if as_if is None else as_if
    low, high = wilson(share, max(1, n * held_out // (n + held_out)))
    return Estimate(share, low, high, without=means_without(near.double()))


def _words(model: Estimate, floor: Estimate, informative: bool) -> list[str]:
    if not informative:
        return [
            say(
                "This score says nothing here: so many held-out items are as good as equal to "
                "training items that copies do not stand out."
            )
        ]
    if clearly("lower", floor, model):
        return [
            say(
                "{0:.0%} of the samples lie nearer to a training item than all but "
                "{1:.0%} of new real items do: the model copies.",
                *(model.value, QUANTILE),
            )
        ]
    return [
        say(
            "{0:.0%} of the samples are as near to a training item as the nearest {1:.0%} "
            "of new real items ({2}): no clear sign of "
            "copying. A model that misses the data also scores low here; read it with precision.",
            *(model.value, QUANTILE, show(floor.value)),
        )
    ]
