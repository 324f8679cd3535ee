"""Copies: the share of samples that lie nearer to a training item than new real items do. Question three: novelty.

The yardstick is the data's own: held-out items are new by definition, so the 5% of them that lie nearest to the training
set say how near new items come. A model that invents has a share of about 5%, or less when it misses the data; one that
replays the training set has 1. Compare the authenticity of Alaa et al. 2022, which has no such yardstick. The
evidence, samples beside their nearest training items, is on the report page.

Not here: exact copies of pixels, and membership inference, which needs shadow models.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from castalia.evaluation.base import DenseEvidence, Estimate, Metric, Score, clearly, show, wilson
from castalia.evaluation.neighbours import nearest

QUANTILE = 0.05
FEWEST = 12


class Novelty(Metric):
    """`copies-<network>`: a share in [0, 1], lower is better down to the floor of about 0.05."""

    name = "novelty"

    def scores(self, evidence: DenseEvidence) -> list[Score]:
        model = evidence.candidates.get("model")
        if model is None:
            return []
        name = f"copies-{evidence.network}"
        held_out, training = evidence.held_out, evidence.training
        if len(held_out) < FEWEST or len(training) < FEWEST or len(model) < FEWEST:
            words = (
                f"Not computed: it needs at least {FEWEST} held-out items to know how near new real items come to the training set, "
                f"as many training items and samples; there are {len(held_out)}, {len(training)} and {len(model)}."
            )
            return [Score(name, n=len(model), seeds=(evidence.seed,), better="lower", details={"words": [words]})]
        begun = time.perf_counter()
        distances = nearest(held_out, training)[0][:, 0]
        order = torch.randperm(len(distances), generator=torch.Generator().manual_seed(0))
        threshold = torch.quantile(distances, QUANTILE)
        shares = {"model": copies(model, training, threshold), "memoriser": copies(training[:FEWEST], training, threshold)}
        if "naive" in evidence.candidates:
            shares["naive"] = copies(evidence.candidates["naive"], training, threshold)
        one, other = distances[order[::2]], distances[order[1::2]]
        crossed = (
            (one < torch.quantile(other, QUANTILE)).double().mean() + (other < torch.quantile(one, QUANTILE)).double().mean()
        ).item() / 2
        value = _estimate(shares["model"], len(model), len(distances))
        floor = _estimate(crossed, len(distances), len(distances))
        informative = clearly("lower", floor, Estimate(shares["memoriser"], *wilson(shares["memoriser"], len(distances))))
        return [
            Score(
                name,
                shares["model"],
                value.low,
                value.high,
                n=len(model),
                seeds=(evidence.seed,),
                better="lower",
                floor=crossed,
                baselines={"naive": shares.get("naive"), "memoriser": shares["memoriser"]},
                informative=informative,
                seconds=time.perf_counter() - begun,
                details={
                    "held_out": len(held_out),
                    "training_searched": len(training),
                    "threshold": threshold.item(),
                    "words": _words(value, floor, informative),
                },
            )
        ]


def copies(items: Tensor, training: Tensor, threshold: Tensor | float) -> float:
    """Share of `items` (N, D) strictly nearer than `threshold` to one of `training` (M, D)."""
    return (nearest(items, training)[0][:, 0] < threshold).double().mean().item()


def _estimate(share: float, n: int, held_out: int) -> Estimate:
    """Wilson's interval, at the smaller of the two sets: the threshold is itself an estimate from the held-out items."""
    return Estimate(share, *wilson(share, min(n, held_out)))


def _words(model: Estimate, floor: Estimate, informative: bool) -> list[str]:
    if not informative:
        return ["This score says nothing here: so many held-out items are as good as equal to training items that copies do not stand out."]
    if clearly("lower", floor, model):
        return [
            f"{model.value:.0%} of the samples lie nearer to a training item than all but {QUANTILE:.0%} of new real items do: "
            "the model copies."
        ]
    return [
        f"{model.value:.0%} of the samples are as near to a training item as the nearest {QUANTILE:.0%} of new real items "
        f"({show(floor.value)}): no clear sign of copying. A model that misses the data also scores low here; read it with precision."
    ]
