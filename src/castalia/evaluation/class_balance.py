"""Class balance: does the model draw the classes as often as the data have them?

A classifier (classifier.py) that learned the classes from training items is asked about samples and
about real items; the score is half the sum of the differences of the shares, the total variation.
Because it judges both sides, what it tends to confuse cancels. Only where training items have
classes; the model need not know them. The distance is biased upwards with few items, hence the
floor. Which classes are drawn too rarely is in the details.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Evidence,
    Labelled,
    Metric,
    MetricResult,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.classifier import LeastSquares, Lift, lift_for, one_hot
from castalia.language import join, say

FEWEST = 2 * GROUPS
TRAINED = 4000  # labelled training items that the classifier learns from
KNOWN = 0.5  # accuracy on held-out items, beyond chance, below which nothing is said


class ClassBalance(Metric):
    """`class-balance-<network>`: total variation in [0, 1]; lower is better."""

    name = "class-balance"
    reads = Evidence

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        labelled = evidence.labelled
        if labelled is None or "model" not in evidence.candidates or len(labelled.names) < 2:
            return []
        begun = time.perf_counter()
        n = len(evidence.candidates["model"])
        name, base = f"class-balance-{evidence.network}", {"classes": list(labelled.names)}
        if min(n, len(evidence.reference), len(labelled.training[1])) < FEWEST:
            words = say("Not computed: it needs {0} samples and as many real items.", FEWEST)
            return not_computed({name: "lower"}, n, evidence.seed, words, base)
        classify = Classifier(labelled)
        known = classify.skill(*labelled.held_out)
        if known is not None and known < KNOWN:
            words = say(
                "Not computed: a classifier of these features is hardly better than "
                "chance at telling the classes of held-out items."
            )
            return not_computed({name: "lower"}, n, evidence.seed, words, base)
        real = classify(evidence.reference)
        classes = {side: classify(features) for side, features in evidence.candidates.items()}
        sides = {
            side: difference(labels, real, len(labelled.names)) for side, labels in classes.items()
        }
        shares = {
            side: _shares(labels, len(labelled.names)).tolist()
            for side, labels in (("model", classes["model"]), ("real", real))
        }
        informative = (
            clearly("lower", sides["floor"], sides["naive"])
            if {"floor", "naive"} <= set(sides)
            else None
        )
        words_ = _words(sides, shares, labelled.names, informative)
        details = {**base, "shares": shares, "classifier_skill": known, "words": words_}
        return [
            compared(
                name,
                "lower",
                sides,
                informative,
                n,
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]


class Classifier:
    """Classes of features, learned from labelled training items."""

    def __init__(self, labelled: Labelled) -> None:
        features, labels = (part[:TRAINED] for part in labelled.training)
        self.lift: Lift = lift_for(features)
        targets = one_hot(labels, len(labelled.names))
        self.weights = LeastSquares(
            self.lift(features), targets, torch.zeros_like(labels)
        ).weights()

    def __call__(self, features: Tensor) -> Tensor:
        """(N, D) -> (N,) int64."""
        return (self.lift(features) @ self.weights).argmax(1)

    def skill(self, features: Tensor, labels: Tensor) -> float | None:
        """(accuracy - chance) / (1 - chance), chance being the commonest class; None where there
        are too few items or one class.
        """
        if len(labels) < FEWEST:
            return None
        chance = (labels.bincount().max() / len(labels)).item()
        accuracy = (self(features) == labels).double().mean().item()
        return (accuracy - chance) / (1 - chance) if chance < 1 else None


def difference(labels: Tensor, real: Tensor, classes: int) -> Estimate:
    """Total variation between the class shares of labels (N,) and real (M,), with its jackknife."""
    ids = group_ids(len(labels), 0), group_ids(len(real), 1)

    def value(*sides: Tensor) -> float:
        one, other = (_shares(side, classes) for side in sides)
        return 0.5 * (one - other).abs().sum().item()

    without = [value(labels[ids[0] != group], real[ids[1] != group]) for group in range(GROUPS)]
    return estimated(value(labels, real), without, (0.0, 1.0))


def _shares(labels: Tensor, classes: int) -> Tensor:
    return labels.bincount(minlength=classes).double() / max(1, len(labels))


def _words(
    sides: dict[str, Estimate],
    shares: dict[str, list[float]],
    names: Sequence[str],
    informative: bool | None,
) -> list[str]:
    model, floor = sides["model"], sides.get("floor")
    if informative is False:
        return [
            say(
                "This score says nothing here: the naive baseline's classes are as balanced as "
                "those of real data."
            )
        ]
    words: list[str] = []
    if floor is not None and clearly("lower", floor, model):
        words.append(
            say(
                "{0:.0%} of the samples would have to be of another class; real data {1:.0%}.",
                min(1.0, model.value),
                floor.value,
            )
        )
        gaps = sorted(
            range(len(names)), key=lambda place: shares["model"][place] - shares["real"][place]
        )
        low, high = gaps[0], gaps[-1]
        words.append(
            say(
                "Rarest beside the data: {0} ({1:.1%} instead of {2:.1%}); too common: "
                "{3} ({4:.1%} instead of {5:.1%}).",
                *(
                    names[low],
                    shares["model"][low],
                    shares["real"][low],
                    names[high],
                    shares["model"][high],
                    shares["real"][high],
                ),
            )
        )
    elif floor is not None:
        words.append(
            say("Real data get {0}: the classes come as often as in the data.", show(floor.value))
        )
    missing = [
        name
        for name, share, there in zip(names, shares["model"], shares["real"], strict=True)
        if not share and there > 0.01
    ]
    if missing:
        words.append(say("Never drawn: {0}.", ", ".join(missing[:8])))
    return [join(words)] if words else []
