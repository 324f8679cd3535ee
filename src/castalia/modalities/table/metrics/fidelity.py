"""Scores of drawn rows against real ones: shapes of columns, trends of pairs, whether a classifier
tells rows apart, missing cells, and rules.

Shapes and trends are those of SDMetrics (DataCebo, "Quality Report"): of a number 1 - the
Kolmogorov-Smirnov statistic, of a category 1 - the total variation; of two numbers 1 - |r - s| / 2
of Pearson's correlations, of other pairs 1 - the total variation of their table, numbers in ten
equal bins; only of pairs that are associated in the real data. The classifier is gradient boosting
(boosting.py), scored by its area under the ROC curve on rows that it has not seen: 0.5 where it
cannot tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
    wilson,
)
from castalia.evaluation.equivalence import Better
from castalia.language import Message, say
from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.metrics.boosting import auc, told_apart
from castalia.modalities.table.metrics.frame import Frame, frames, independent
from castalia.modalities.table.row import Header, Row

FEWEST = 40  # rows on each side
MOST = 3000  # rows of a side that are compared
BINS = 10  # of numbers in tables of two columns
# of real data: pairs below are not judged (SDMetrics' defaults of version 0.32)
CORRELATED, ASSOCIATED = 0.5, 0.3


def column_shape(one: np.ndarray, other: np.ndarray, ordered: bool) -> float:
    """In [0, 1]; 1: the same distribution. Missing numbers do not count."""
    if ordered:
        one, other = np.sort(one[~np.isnan(one)]), np.sort(other[~np.isnan(other)])
        if not len(one) or not len(other):
            return float(len(one) == len(other))
        both = np.concatenate([one, other])
        shares = [np.searchsorted(side, both, side="right") / len(side) for side in (one, other)]
        return 1.0 - float(np.abs(shares[0] - shares[1]).max())
    size = 1 + int(max(one.max(initial=0), other.max(initial=0)))
    return 1.0 - _variation(one.astype(np.int64), other.astype(np.int64), size)


def shapes(drawn: Frame, real: Frame) -> np.ndarray:
    """(C,) the shape of each column."""
    return np.array(
        [
            column_shape(drawn.values[:, place], real.values[:, place], bool(ordered))
            for place, ordered in enumerate(real.ordered)
        ]
    )


def trends(drawn: Frame, real: Frame) -> np.ndarray:
    """(C, C) the trend of each pair; NaN on the diagonal, and of pairs that are not associated in
    the real data. Where none is, of all pairs.
    """
    width = len(real.ordered)
    result, weak = np.full((width, width), np.nan), np.full((width, width), np.nan)
    codes = [(_coded(drawn, place), _coded(real, place)) for place in range(width)]
    for one in range(width):
        for other in range(one):
            if real.ordered[one] and real.ordered[other]:
                r, s = (_pearson(side.values[:, [one, other]]) for side in (real, drawn))
                value, tied = 1 - abs(r - s) / 2, abs(r) > CORRELATED
            else:
                (a, b), (c, d) = codes[one], codes[other]
                width_b = 1 + int(max(c.max(initial=0), d.max(initial=0)))
                size = width_b * (1 + int(max(a.max(initial=0), b.max(initial=0))))
                value = 1.0 - _variation(a * width_b + c, b * width_b + d, size)
                tied = cramers_v(b, d) > ASSOCIATED
            weak[one, other] = weak[other, one] = value
            if tied:
                result[one, other] = result[other, one] = value
    return weak if np.isnan(result).all() else result


def cramers_v(one: np.ndarray, other: np.ndarray) -> float:
    """Cramer 1946: how much two codes (N,) are associated, in [0, 1]; 0 where one never varies."""
    _, one = np.unique(one, return_inverse=True)
    _, other = np.unique(other, return_inverse=True)
    rows, columns = int(one.max(initial=0)) + 1, int(other.max(initial=0)) + 1
    if min(rows, columns) < 2:
        return 0.0
    table = np.bincount(one * columns + other, minlength=rows * columns).reshape(rows, columns)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / len(one)
    chi = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi / len(one) / (min(rows, columns) - 1)))


def _coded(frame: Frame, place: int) -> np.ndarray:
    """Codes (N,) of a column; numbers in BINS equal bins of their own side, a missing one with the
    largest.
    """
    values = frame.values[:, place]
    if not frame.ordered[place]:
        return values.astype(np.int64)
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(len(values), np.int64)
    edges = np.histogram_bin_edges(known, BINS)
    missing = np.isnan(values)
    return np.where(missing, BINS + 1, np.digitize(np.where(missing, 0, values), edges)).astype(
        np.int64
    )


def _variation(one: np.ndarray, other: np.ndarray, size: int) -> float:
    """Total variation of codes below `size`."""
    if not len(one) or not len(other):
        return 1.0
    shares = [np.bincount(side, minlength=size) / len(side) for side in (one, other)]
    return 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def _pearson(pairs: np.ndarray) -> float:
    """Correlation of the rows (N, 2) in which both are known; NaN where one never varies."""
    known = pairs[~np.isnan(pairs).any(1)]
    if len(known) < 2:
        return float("nan")
    spread = known.std(0)
    if not spread.all():
        return float("nan")
    centred = known - known.mean(0)
    return float((centred[:, 0] * centred[:, 1]).mean() / spread.prod())


def gaps(drawn: Sequence[Row], real: Sequence[Row]) -> float:
    """Mean over columns of the difference of the shares of missing cells, and of pairs of columns
    that miss together.
    """
    one, other = _holes(drawn), _holes(real)
    together = [side.T @ side / max(1, len(side)) for side in (one, other)]
    some = np.flatnonzero(one.any(0) | other.any(0))
    if not len(some):
        return 0.0
    return float(np.abs(together[0] - together[1])[np.ix_(some, some)].mean())


def _holes(rows: Sequence[Row]) -> np.ndarray:
    return np.array([[is_missing(cell) for cell in row.cells] for row in rows], dtype=float)


def broken(rows: Sequence[Row], header: Header) -> np.ndarray:
    """(N,) bool: rows that break a rule, or the cell of a column that another one decides."""
    columns = _ByName({column.name: column for column in header.columns})
    derived = [column for column in header.columns if column.sort == "derived"]
    return np.array(
        [
            any(
                rule.broken(dict(zip(header.names, row.cells, strict=True)), columns)
                for rule in header.rules
            )
            or any(
                (row.get(one.name) or "") != one.of(row.get(one.source) or "") for one in derived
            )
            for row in rows
        ],
        dtype=bool,
    )


class _ByName:
    def __init__(self, by_name: dict[str, Any]) -> None:
        self.by_name = by_name


def sides_of(evidence: Evidence) -> tuple[dict[str, Frame], Header] | None:
    """Frames of "model", "floor", "naive" (columns drawn each by itself), "memoriser" and
    "reference", at most MOST rows each; None where rows know nothing of their columns.
    """
    items = evidence.items
    if "model" not in items or not len(items["model"]) or not len(items["reference"]):
        return None
    header: Header = items["model"][0].header
    if not header.columns:
        return None
    rows = {
        side: list(items[side][:MOST])
        for side in ("model", "floor", "memoriser", "reference")
        if side in items
    }
    made = frames({**rows, "training": list(items["training"])[:MOST]}, header)
    rng = np.random.default_rng(evidence.seed)
    made["naive"] = independent(made["training"], len(made["model"]), rng)
    return made, header


class TableFidelity(Metric):
    """column-shapes and pair-trends (higher is better), row-auc (lower), missing-cells and
    rule-breaks where there are any.
    """

    name = "table"
    reads = Evidence
    judges = Row
    ideal = {}  # noqa: RUF012 - what a perfect model gets depends on n

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        known = sides_of(evidence)
        if known is None:
            return []
        made, header = known
        n = min(len(made["model"]), len(made["reference"]))
        names: dict[str, Better | None] = {
            "column-shapes": "higher",
            "pair-trends": "higher",
            "row-auc": "lower",
        }
        if n < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn rows and as many real ones; there are {1}.",
                FEWEST,
                n,
            )
            return not_computed(names, n, evidence.seed, words)
        return [
            self._shapes(made, evidence),
            *self._trends(made, evidence),
            self._apart(made, evidence),
            *self._missing(evidence),
            *self._rules(evidence, header),
        ]

    def _shapes(self, made: dict[str, Frame], evidence: Evidence) -> MetricResult:
        begun = time.perf_counter()
        sides = {
            side: jackknifed(
                made[side], made["reference"], lambda one, other: float(shapes(one, other).mean())
            )
            for side in ("model", "floor", "memoriser")
            if len(made.get(side, ()))
        }
        values = shapes(made["model"], made["reference"])
        worst = int(values.argmin())
        details: dict[str, Any] = {
            **evidence.about,
            "columns": dict(zip(made["model"].names, values.round(4).tolist(), strict=True)),
            "words": [
                *baseline_words(sides, "higher"),
                say(
                    "The least alike is the column '{0}': {1}.",
                    made["model"].names[worst],
                    show(float(values[worst])),
                ),
            ],
        }
        return compared(
            "column-shapes",
            "higher",
            sides,
            None,
            len(made["model"]),
            evidence.seed,
            time.perf_counter() - begun,
            details,
        )

    def _trends(self, made: dict[str, Frame], evidence: Evidence) -> list[MetricResult]:
        if len(made["model"].names) < 2:
            return []
        begun = time.perf_counter()

        def mean(one: Frame, other: Frame) -> float:
            values = trends(one, other)
            return float(np.nanmean(values)) if not np.isnan(values).all() else 1.0

        sides = {
            side: jackknifed(made[side], made["reference"], mean)
            for side in ("model", "floor", "naive", "memoriser")
            if len(made.get(side, ()))
        }
        values = trends(made["model"], made["reference"])
        worst = np.unravel_index(np.nanargmin(values), values.shape)
        informative = (
            clearly("higher", sides["floor"], sides["naive"]) if "floor" in sides else None
        )
        names = made["model"].names
        details = {
            **evidence.about,
            "words": [
                *baseline_words(sides, "higher"),
                say(
                    "The least alike are the columns '{0}' and '{1}': {2}.",
                    names[int(worst[1])],
                    names[int(worst[0])],
                    show(float(values[worst])),
                ),
            ],
        }
        return [
            compared(
                "pair-trends",
                "higher",
                sides,
                informative,
                len(made["model"]),
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]

    def _apart(self, made: dict[str, Frame], evidence: Evidence) -> MetricResult:
        begun = time.perf_counter()
        sides = {
            side: auc_of(made["reference"], made[side])
            for side in ("model", "floor", "naive", "memoriser")
            if len(made.get(side, ()))
        }
        informative = clearly("lower", sides["floor"], sides["naive"]) if "floor" in sides else None
        details = {**evidence.about, "words": baseline_words(sides, "lower")}
        return compared(
            "row-auc",
            "lower",
            sides,
            informative,
            len(made["model"]),
            evidence.seed,
            time.perf_counter() - begun,
            details,
        )

    def _missing(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        sides = {
            side: list(items[side])[:MOST]
            for side in ("model", "floor", "memoriser")
            if side in items and len(items[side])
        }
        real = list(items["reference"])[:MOST]
        if not any(_holes(rows).any() for rows in (sides["model"], real)):
            return []
        begun = time.perf_counter()
        found = {side: _rows_jackknifed(rows, real, gaps) for side, rows in sides.items()}
        shares = [float(_holes(rows).mean()) for rows in (sides["model"], real)]
        details = {
            **evidence.about,
            "words": [
                say("Of the drawn cells {0:.2%} are missing, of the real ones {1:.2%}.", *shares)
            ],
        }
        return [
            compared(
                "missing-cells",
                "lower",
                found,
                None,
                len(sides["model"]),
                evidence.seed,
                time.perf_counter() - begun,
                details,
            )
        ]

    def _rules(self, evidence: Evidence, header: Header) -> list[MetricResult]:
        count = len(header.rules) + sum(column.sort == "derived" for column in header.columns)
        if not count:
            return []
        begun = time.perf_counter()
        drawn, real = (list(evidence.items[side])[:MOST] for side in ("model", "reference"))
        shares = [float(broken(rows, header).mean()) for rows in (drawn, real)]
        rules = [rule.text for rule in header.rules]
        rules += [
            f"{column.source} → {column.name}"
            for column in header.columns
            if column.sort == "derived"
        ]
        words = say(
            "{0:.2%} of the drawn rows break one of {1:,} rules, {2:.2%} of the real ones.",
            shares[0],
            count,
            shares[1],
        )
        return [
            MetricResult(
                "rule-breaks",
                shares[0],
                *wilson(shares[0], len(drawn)),
                n=len(drawn),
                seeds=(evidence.seed,),
                better="lower",
                floor=shares[1],
                seconds=time.perf_counter() - begun,
                details={
                    "words": [words],
                    "rules": rules[:200],
                    "intervals": {"floor": list(wilson(shares[1], len(real)))},
                },
            )
        ]


def jackknifed(one: Frame, other: Frame, measure: Callable[[Frame, Frame], float]) -> Estimate:
    """measure(one, other) with the values that it has without each group of rows on both sides."""
    groups = [group_ids(len(side)).numpy() for side in (one, other)]
    without = [
        measure(one.of(groups[0] != group), other.of(groups[1] != group)) for group in range(GROUPS)
    ]
    return estimated(measure(one, other), without, (0.0, 1.0))


def _rows_jackknifed(
    one: Sequence[Row], other: Sequence[Row], measure: Callable[..., float]
) -> Estimate:
    groups = [group_ids(len(side)).tolist() for side in (one, other)]

    def kept(rows: Sequence[Row], ids: list[int], group: int) -> list[Row]:
        return [row for row, own in zip(rows, ids, strict=True) if own != group]

    without = [
        measure(kept(one, groups[0], group), kept(other, groups[1], group))
        for group in range(GROUPS)
    ]
    return estimated(measure(one, other), without, (0.0, 1.0))


def auc_of(real: Frame, drawn: Frame) -> Estimate:
    scores, truth = told_apart(real, drawn)
    groups = np.concatenate([group_ids(len(side)).numpy() for side in (real, drawn)])
    without = [auc(scores[groups != group], truth[groups != group]) for group in range(GROUPS)]
    return estimated(auc(scores, truth), without, (0.0, 1.0))


def baseline_words(sides: dict[str, Estimate], better: Better) -> list[Message]:
    floor, naive, model = (sides.get(side) for side in ("floor", "naive", "model"))
    words: list[Message] = []
    if floor is not None:
        words.append(say("Other real rows get {0}.", show(floor.value)))
    if naive is not None:
        words.append(say("Columns drawn each by itself get {0}.", show(naive.value)))
    if floor is not None and model is not None and not clearly(better, floor, model):
        words.append(say("No difference from other real rows is shown."))
    return words
