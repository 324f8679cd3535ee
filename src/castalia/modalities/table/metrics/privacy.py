"""How near drawn rows come to training rows: whether nearer than to rows that were held out, and
whether any are the same.

closer-share: of drawn rows whose nearest row among as many training and held-out rows is one of the
two, the share that lie nearer to a training row (Platzer & Reutterer 2021, arXiv:2104.00635): one
half where nothing was memorised. same-rows: drawn rows that stand in the training data, against
held-out rows that do. Rows are compared as in modalities/table/copies.py.
"""

from __future__ import annotations

import time

import numpy as np

from castalia.evaluation.base import (
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    compared,
    not_computed,
    wilson,
)
from castalia.language import say
from castalia.modalities.table.distance import Space
from castalia.modalities.table.row import Row

FEWEST = 40
MOST = 3000


class Closeness(Metric):
    """closer-share and same-rows."""

    name = "closeness"
    reads = Evidence
    judges = Row

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        if "model" not in items or not len(items["model"]):
            return []
        header = items["model"][0].header
        if not header.columns:
            return []
        training = list(items["training"])
        unseen = list(items.get("unseen", ()))[:MOST]
        drawn = list(items["model"])[:MOST]
        results = [self._same(evidence, drawn, training, unseen)]
        if min(len(unseen), len(training), len(drawn)) < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn rows and as many held-out ones; there are {1}.",
                FEWEST,
                min(len(unseen), len(training), len(drawn)),
            )
            return [
                *not_computed({"closer-share": None}, len(drawn), evidence.seed, words),
                *results,
            ]
        begun = time.perf_counter()
        rng = np.random.default_rng(evidence.seed)
        order = rng.permutation(len(training))
        n = min(len(unseen), len(training))
        mine = [training[place] for place in order[:n].tolist()]
        space = Space(header, training)
        sides = {"model": _share(space, drawn, mine, unseen[:n])}
        if len(training) >= n + FEWEST:
            others = [training[place] for place in order[n : n + len(drawn)].tolist()]
            # rows that neither side holds: what a perfect model would draw
            sides["floor"] = _share(space, others, mine, unseen[:n])
        replayed = [mine[place] for place in rng.integers(0, n, len(drawn)).tolist()]
        sides["memoriser"] = _share(space, replayed, mine, unseen[:n])
        words = say(
            "Of the drawn rows {0:.1%} lie nearer to a training row than to a held-out one; 50% "
            "where nothing was memorised.",
            sides["model"].value,
        )
        first = compared(
            "closer-share",
            None,
            sides,
            None,
            len(drawn),
            evidence.seed,
            time.perf_counter() - begun,
            {**evidence.about, "words": [words]},
        )
        return [first, *results]

    def _same(
        self,
        evidence: Evidence,
        drawn: list[Row],
        training: list[Row],
        unseen: list[Row],
    ) -> MetricResult:
        begun = time.perf_counter()
        known = {row.cells for row in training}
        shares = [
            sum(row.cells in known for row in rows) / max(1, len(rows)) for rows in (drawn, unseen)
        ]
        low, high = wilson(shares[0], len(drawn))
        words = say(
            "{0:.2%} of the drawn rows stand in the training data, {1:.2%} of the held-out ones.",
            *shares,
        )
        return MetricResult(
            "same-rows",
            shares[0],
            low,
            high,
            n=len(drawn),
            seeds=(evidence.seed,),
            better="lower",
            floor=shares[1] if unseen else None,
            seconds=time.perf_counter() - begun,
            details={
                **evidence.about,
                "words": [words],
                "intervals": {"floor": list(wilson(shares[1], max(1, len(unseen))))},
            },
        )


def _share(space: Space, rows: list[Row], mine: list[Row], others: list[Row]) -> Estimate:
    """The share of rows nearer to `mine` than to `others`, ties counted half, with its
    interval.
    """
    near = [space.nearest(space.coded(rows), space.coded(side))[1] for side in (mine, others)]
    share = float(((near[0] < near[1]) + 0.5 * (near[0] == near[1])).mean())
    low, high = wilson(share, len(rows))
    return Estimate(share, low, high)
