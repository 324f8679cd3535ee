"""What is learned from drawn rows: predict one column from the others, trained on drawn rows, and
tested on real rows that are held out (Esteban et al. 2017, arXiv:1706.02633).

The judge is gradient boosting (boosting.py), scored by its area under the ROC curve: each of the
target's values against the others, weighted by how often it comes (Provost & Domingos 2000). The
same trained on as many real rows is what it can reach.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from castalia.evaluation.base import (
    GROUPS,
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    clearly,
    compared,
    estimated,
    group_ids,
    not_computed,
    show,
)
from castalia.language import Message, say
from castalia.modalities.table.metrics.boosting import Boosted, auc
from castalia.modalities.table.metrics.fidelity import MOST
from castalia.modalities.table.metrics.frame import Frame, frames, independent
from castalia.modalities.table.row import Row

FEWEST = 40  # rows on each side
MOST_VALUES = 12  # of the target that are told apart
LEAST = 5  # test rows of a value


class Usefulness(Metric):
    """target-auc; higher is better, and what real rows reach is the floor."""

    name = "usefulness"
    reads = Evidence
    judges = Row

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        if "model" not in items or not len(items["model"]):
            return []
        header = items["model"][0].header
        if header.target is None:
            return []
        test = list(items.get("unseen", ()))[:MOST] or list(items["reference"])[:MOST]
        n = min(len(items["model"]), len(items["training"]), MOST)
        if min(n, len(test)) < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn rows and as many real ones; there are {1}.",
                FEWEST,
                min(n, len(test)),
            )
            return not_computed({"target-auc": "higher"}, n, evidence.seed, words)
        begun = time.perf_counter()
        order = np.random.default_rng(evidence.seed).permutation(len(items["training"]))[:n]
        training = [items["training"][place] for place in order.tolist()]
        sides = {
            "model": list(items["model"])[:n],
            "floor": training,
            "memoriser": list(items.get("memoriser", ()))[:n],
        }
        made = frames({**sides, "test": test}, header)
        made["naive"] = independent(made["floor"], n, np.random.default_rng(evidence.seed))
        if header.target not in made["test"].names:
            return []
        found = {
            side: predicted(made[side], made["test"], header.target)
            for side in ("model", "floor", "naive", "memoriser")
            if len(made[side])
        }
        details: dict[str, Any] = {
            **evidence.about,
            "target": header.target,
            "words": _words(header.target, found, n, len(test)),
        }
        return [
            compared(
                "target-auc",
                "higher",
                found,
                clearly("higher", found["floor"], found["naive"]),
                n,
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]


def predicted(train: Frame, test: Frame, target: str) -> Estimate:
    """Area under the curve on the test rows, with its interval."""
    place = test.names.index(target)
    inputs = np.array([one for one in range(len(test.names)) if one != place])
    truth, taught = test.values[:, place], train.values[:, place]
    values, counts = np.unique(truth, return_counts=True)
    chosen = [
        (value, int(count))
        for value, count in zip(values, counts, strict=True)
        if LEAST <= count <= len(truth) - LEAST
    ]
    chosen = sorted(chosen, key=lambda pair: -pair[1])[:MOST_VALUES]
    if len(values) == 2:
        chosen = chosen[-1:]  # one against the other says all
    scores = {
        value: Boosted().fit(train, taught == value, inputs).scores(test)
        for value, _ in chosen
        if (taught == value).any() and not (taught == value).all()
    }

    def mean(kept: np.ndarray) -> float:
        parts = [
            (auc(scores[value][kept], truth[kept] == value) if value in scores else 0.5, count)
            for value, count in chosen
        ]
        return sum(part * count for part, count in parts) / max(1, sum(c for _, c in parts))

    groups = group_ids(len(truth)).numpy()
    without = [mean(groups != group) for group in range(GROUPS)]
    return estimated(mean(np.ones(len(truth), bool)), without, (0.0, 1.0))


def _words(target: str, found: dict[str, Estimate], n: int, tested: int) -> list[Message]:
    return [
        say(
            "A classifier that learned '{0}' from {1:,} drawn rows ranks {2:,} real rows with an "
            "area under the curve of {3}; from as many real rows, {4}.",
            target,
            n,
            tested,
            show(found["model"].value),
            show(found["floor"].value),
        )
    ]
