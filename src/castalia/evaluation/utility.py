"""Utility: train on synthetic, test on real (Esteban et al. 2017), beside training on as many real
items.

A classifier (classifier.py) learns the classes from n samples with the classes they were asked for,
and is tested on held-out real items; "real data" is the same classifier taught by n real training
items, "memoriser" by n replayed ones, "naive" by noise. Only for models with class conditions.
Intervals are of the jackknife over teachers and tests at once, with refitting. Accuracy, recall and
F1 are over classes alike (macro averages of recall and F1), so a rare class counts as much as a
common one. Features are the network's (`-<network>`), and the numbers themselves with a linear
classifier (`-raw`), which sees what a network overlooks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

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
    equal_or_not,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.evaluation.classifier import LeastSquares, lift_for, one_hot
from castalia.evaluation.equivalence import of_sides
from castalia.language import say
from castalia.nn.counter_random import generator

FEWEST = 2 * GROUPS
MOST_TESTED = 5000
MEASURES = ("accuracy", "recall", "f1")

Lesson = tuple[Tensor, Tensor]  # features (N, D), labels (N,)


class Utility(Metric):
    """`utility-accuracy-`, `utility-recall-` and `utility-f1-<network>`, and
    `utility-accuracy-raw`; higher is better up to the floor.
    """

    name = "utility"
    reads = Evidence

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        labelled = evidence.labelled
        if (
            labelled is None
            or labelled.requested is None
            or "model" not in evidence.candidates
            or len(labelled.names) < 2
        ):
            return []
        n, tested = len(labelled.requested), len(labelled.held_out[1])
        if min(n, tested, len(labelled.training[1])) < FEWEST:
            words = say(
                "Not computed: it needs {0} samples, and as many training and held-out items "
                "with a class.",
                FEWEST,
            )
            name = f"utility-accuracy-{evidence.network}"
            return not_computed({name: "higher"}, n, evidence.seed, words)
        own = {
            side: evidence.candidates[side]
            for side in ("model", "naive", "memoriser")
            if side in evidence.candidates
        }
        result = self._judged(
            evidence,
            labelled,
            {**own, "floor": labelled.training[0], "test": labelled.held_out[0]},
            evidence.network,
        )
        if labelled.raw is not None and evidence.network != "raw":
            raw = {
                "test" if side == "held_out" else "floor" if side == "training" else side: x
                for side, x in labelled.raw.items()
            }
            result += self._judged(evidence, labelled, raw, "raw")[:1]
        return result

    def _judged(
        self, evidence: Evidence, labelled: Labelled, items: Mapping[str, Tensor], network: str
    ) -> list[MetricResult]:
        begun = time.perf_counter()
        requested = labelled.requested
        if requested is None:
            return []
        n, seed = len(requested), evidence.seed
        chosen = torch.randperm(len(items["floor"]), generator=generator("utility", seed))[:n]
        lessons = {
            "model": (items["model"], requested),
            "floor": (items["floor"][chosen], labelled.training[1][chosen]),
            "naive": (items["naive"], requested),
            "memoriser": (items["memoriser"], labelled.replayed),
        }
        test = items["test"][:MOST_TESTED], labelled.held_out[1][:MOST_TESTED]
        sides = {
            side: taught(lesson, test, len(labelled.names), bent=network != "raw")
            for side, lesson in lessons.items()
        }
        seconds = (time.perf_counter() - begun) / len(MEASURES)
        result = []
        for measure in MEASURES:
            mine = {side: estimates[measure] for side, estimates in sides.items()}
            informative = clearly("higher", mine["floor"], mine["naive"])
            details = {
                "tested": len(test[1]),
                "classes": list(labelled.names),
                "words": _words(mine, informative, n),
            }
            result.append(
                compared(
                    f"utility-{measure}-{network}",
                    "higher",
                    mine,
                    informative,
                    n,
                    seed,
                    seconds,
                    details,
                )
            )
        return result


def taught(lesson: Lesson, test: Lesson, classes: int, *, bent: bool = True) -> dict[str, Estimate]:
    """What a classifier gets on `test` after `lesson`, in each of MEASURES; the jackknife leaves
    groups out of both.
    """
    lift = lift_for(lesson[0], bent=bent)
    ids = group_ids(len(lesson[1]), 0), group_ids(len(test[1]), 1)
    fit = LeastSquares(lift(lesson[0]), one_hot(lesson[1], classes), ids[0])
    rows, truth = lift(test[0]), test[1]

    def measured(weights: Tensor, kept: Tensor) -> dict[str, float]:
        return measures((rows[kept] @ weights).argmax(1), truth[kept], classes)

    values = measured(fit.weights(), torch.ones(len(truth), dtype=torch.bool))
    without = [measured(fit.weights((group,)), ids[1] != group) for group in range(GROUPS)]
    return {
        name: estimated(values[name], [one[name] for one in without], (0.0, 1.0))
        for name in MEASURES
    }


def measures(predicted: Tensor, truth: Tensor, classes: int) -> dict[str, float]:
    """Accuracy, and the means over the classes in `truth` of recall and F1."""
    table = torch.zeros(classes, classes, dtype=torch.float64).index_put_(
        (truth, predicted), torch.ones(1, dtype=torch.float64), accumulate=True
    )
    hits, real, called = table.diagonal(), table.sum(1), table.sum(0)
    there = real > 0
    recall = (hits / real.clamp_min(1))[there].mean().item()
    f1 = (2 * hits / (real + called).clamp_min(1))[there].mean().item()
    return {"accuracy": (hits.sum() / table.sum()).item(), "recall": recall, "f1": f1}


def _words(sides: dict[str, Estimate], informative: bool, n: int) -> list[str]:
    model, floor = sides["model"], sides["floor"]
    if not informative:
        return [
            say(
                "This score says nothing here: a classifier learns the classes from real items no "
                "better than from noise."
            )
        ]
    scores = say(
        "A classifier taught by {0:,} samples gets {1:.1%} on held-out real items, one "
        "taught by as many real items {2:.1%}.",
        *(n, model.value, floor.value),
    )
    if clearly("higher", floor, model):
        return [
            scores,
            say(
                "Training on the samples loses {0} points.", show(100 * (floor.value - model.value))
            ),
        ]
    equivalence = of_sides("higher", model, floor, sides.get("naive"), n)
    return [
        scores,
        say("Samples teach as well as real items do.")
        if equivalence.shown
        else equal_or_not(equivalence),
    ]
