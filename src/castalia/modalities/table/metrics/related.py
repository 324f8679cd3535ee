"""Scores of drawn records against real ones: both tables, how many children, their gaps in time,
and whether parents and children hang together.

Shapes and trends are those of fidelity.py, over the columns of both tables; moments of children are
differences, as they are learned. What is between the tables is judged on a summary of each record:
the parent's columns, the number of children, and of each of their columns the mean or the most
frequent value. The same summary is what gradient boosting tells apart. Closeness is that of
privacy.py on wide rows (related/flat.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from castalia.evaluation.base import (
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    clearly,
    compared,
    not_computed,
    show,
    wilson,
)
from castalia.evaluation.equivalence import Better
from castalia.language import say
from castalia.modalities.table.metrics.fidelity import (
    FEWEST,
    MOST,
    auc_of,
    baseline_words,
    column_shape,
    jackknifed,
    shapes,
    trends,
)
from castalia.modalities.table.metrics.frame import Frame, frames, independent
from castalia.modalities.table.metrics.privacy import Closeness
from castalia.modalities.table.related.flat import wide_header, wide_rows
from castalia.modalities.table.related.record import Record
from castalia.modalities.table.row import Row


@dataclass(frozen=True)
class Tables:
    """One side. counts (N,): children of each parent. gap:
    the children's column of differences in time; None where there is none.
    """

    parents: Frame
    children: Frame
    counts: np.ndarray
    gap: int | None

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def owner(self) -> np.ndarray:
        """(M,) the parent of each child."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def of(self, chosen: np.ndarray) -> Tables:
        """Some of the records, by mask, with their children."""
        return Tables(
            self.parents.of(chosen),
            self.children.of(np.repeat(chosen, self.counts)),
            self.counts[chosen],
            self.gap,
        )


def tables_of(sides: Mapping[str, Sequence[Record]], seed: int) -> dict[str, Tables]:
    """Every side with the same codes, and "naive": columns, numbers and children drawn each by
    itself from those of "training".
    """
    codec = next(iter(sides.values()))[0].relation.codec
    inner = {side: [codec.inner(one) for one in records] for side, records in sides.items()}
    names = codec.children.header
    parents = frames(
        {
            side: [Row(codec.parents.header, tuple(parent)) for parent, _, _ in found]
            for side, found in inner.items()
        },
        codec.parents.header,
    )
    children = frames(
        {
            side: [Row(names, tuple(row)) for _, _, rows in found for row in rows]
            for side, found in inner.items()
        },
        names,
    )
    timed = codec.timeline.place
    name = None if timed is None else codec.timeline.names[timed]
    gap = children["training"].names.index(name) if name in children["training"].names else None
    made = {
        side: Tables(
            parents[side],
            children[side],
            np.array([len(rows) for _, _, rows in found], dtype=np.int64),
            gap,
        )
        for side, found in inner.items()
    }
    rng = np.random.default_rng(seed)
    training, n = made["training"], len(made["model"])
    counts = rng.choice(training.counts, n)
    made["naive"] = Tables(
        _independent(training.parents, n, rng),
        _independent(training.children, int(counts.sum()), rng),
        counts,
        gap,
    )
    return made


def _independent(frame: Frame, n: int, rng: np.random.Generator) -> Frame:
    if not frame.names or not len(frame):
        return Frame(np.zeros((n, len(frame.names))), frame.names, frame.ordered)
    return independent(frame, n, rng)


def both_shapes(drawn: Tables, real: Tables) -> np.ndarray:
    """The shapes of the parent's columns, then of the children's."""
    return np.concatenate(
        [shapes(drawn.parents, real.parents), shapes(drawn.children, real.children)]
    )


def both_trends(drawn: Tables, real: Tables) -> float:
    """Mean trend of pairs within each table; 1 where there are none."""
    values = [
        trends(one, other).ravel()
        for one, other in (
            (drawn.parents, real.parents),
            (drawn.children, real.children),
        )
        if len(other.names) > 1 and len(other) > 1 and len(one) > 1
    ]
    known = np.concatenate([*values, np.zeros(0)])
    return 1.0 if np.isnan(known).all() else float(np.nanmean(known))


def summary(tables: Tables) -> Frame:
    """(N, P + 1 + C): see the module's header. A record without children has no mean, and a value
    of its own for the most frequent one.
    """
    n, owner = len(tables), tables.owner
    starts = np.cumsum(tables.counts) - tables.counts
    columns, ordered = [tables.counts.astype(float)], [True]
    for place, numeric in enumerate(tables.children.ordered):
        values = tables.children.values[:, place]
        if numeric:
            known = ~np.isnan(values)
            counts = np.bincount(owner[known], minlength=n)
            sums = np.bincount(owner[known], values[known], n)
            columns.append(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
        else:
            codes = values.astype(np.int64)
            most = np.zeros(n)
            for own in np.flatnonzero(tables.counts):
                part = codes[starts[own] : starts[own] + tables.counts[own]]
                most[own] = 1 + np.bincount(part).argmax()
            columns.append(most)
        ordered.append(bool(numeric))
    return Frame(
        np.concatenate([tables.parents.values, np.stack(columns, 1)], 1),
        (*tables.parents.names, "children", *tables.children.names),
        np.concatenate([tables.parents.ordered, np.array(ordered)]),
    )


def ranked(frame: Frame, real: Frame) -> Frame:
    """Numbers as the share of the real ones that they are not below."""
    values = frame.values.copy()
    for place in np.flatnonzero(real.ordered).tolist():
        known = np.sort(real.values[:, place][~np.isnan(real.values[:, place])])
        own = ~np.isnan(values[:, place])
        ranks = np.searchsorted(known, values[own, place], side="right")
        values[own, place] = ranks / max(1, len(known))
    return Frame(values, frame.names, frame.ordered)


def between(drawn: Tables, real: Tables) -> float:
    """Mean trend of pairs of a parent's column and one of the children's summary that are
    associated in the real data; NaN where none is. Numbers are compared by their ranks among the
    real ones, because means of few rows have outliers that equal bins would be made for.
    """
    other = summary(real)
    one, other = ranked(summary(drawn), other), ranked(other, other)
    own = len(real.parents.names)
    values = trends(one, other)[:own, own:]
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))


def gaps_of(tables: Tables) -> np.ndarray:
    """Differences in time that are known."""
    values: np.ndarray = tables.children.values[:, tables.gap or 0]
    return values[~np.isnan(values)]  # type: ignore[no-any-return]


class RelatedFidelity(Metric):
    """column-shapes, pair-trends, child-counts, child-gaps and between-tables (higher is better),
    row-auc and orphans (lower).
    """

    name = "related"
    reads = Evidence
    judges = Record
    ideal: ClassVar = {}

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        if "model" not in items or not len(items["model"]) or not len(items["reference"]):
            return []
        if items["model"][0].relation.codec is None:
            return []
        sides = {
            side: list(items[side])[:MOST]
            for side in ("model", "floor", "memoriser", "reference", "training")
            if side in items and len(items[side])
        }
        names: dict[str, Better | None] = {
            "column-shapes": "higher",
            "pair-trends": "higher",
            "child-counts": "higher",
            "row-auc": "lower",
        }
        n = min(len(sides["model"]), len(sides["reference"]))
        if n < FEWEST:
            words = say(
                "Not computed: it needs {0} drawn rows and as many real ones; there are {1}.",
                FEWEST,
                n,
            )
            return not_computed(names, n, evidence.seed, words)
        made = tables_of(sides, evidence.seed)
        results = [
            self._measured(
                "column-shapes",
                made,
                evidence,
                lambda one, other: float(both_shapes(one, other).mean()),
            ),
            self._measured("pair-trends", made, evidence, both_trends),
            self._measured(
                "child-counts",
                made,
                evidence,
                lambda one, other: column_shape(
                    one.counts.astype(float), other.counts.astype(float), True
                ),
                {
                    "words": [
                        say(
                            "A drawn parent has {0:.2f} children on average, a real one {1:.2f}.",
                            float(made["model"].counts.mean()),
                            float(made["reference"].counts.mean()),
                        )
                    ]
                },
            ),
        ]
        gaps = {side: gaps_of(one) for side, one in made.items() if one.gap is not None}
        if gaps and len(gaps["model"]) and len(gaps["reference"]):
            results.append(
                self._measured(
                    "child-gaps",
                    made,
                    evidence,
                    lambda one, other: column_shape(gaps_of(one), gaps_of(other), True),
                )
            )
        if not np.isnan(between(made["model"], made["reference"])):
            results.append(
                self._measured(
                    "between-tables",
                    made,
                    evidence,
                    lambda one, other: float(np.nan_to_num(between(one, other), nan=1.0)),
                )
            )
        return [*results, self._apart(made, evidence), self._orphans(sides["model"], evidence)]

    def _measured(
        self,
        name: str,
        made: dict[str, Tables],
        evidence: Evidence,
        measure: Callable[[Any, Any], float],
        details: dict[str, Any] | None = None,
    ) -> MetricResult:
        begun = time.perf_counter()
        sides: dict[str, Estimate] = {
            side: jackknifed(made[side], made["reference"], measure)  # type: ignore[arg-type]
            for side in ("model", "floor", "naive", "memoriser")
            if side in made
        }
        # drawing columns by themselves keeps these as they are
        if name in ("column-shapes", "child-counts", "child-gaps"):
            sides.pop("naive")
        informative = (
            clearly("higher", sides["floor"], sides["naive"])
            if "floor" in sides and "naive" in sides
            else None
        )
        words = [*(details or {}).get("words", []), *baseline_words(sides, "higher")]
        if name == "column-shapes":
            values = both_shapes(made["model"], made["reference"])
            columns = [*made["model"].parents.names, *made["model"].children.names]
            worst = int(values.argmin())
            words.append(
                say(
                    "The least alike is the column '{0}': {1}.",
                    columns[worst],
                    show(float(values[worst])),
                )
            )
        return compared(
            name,
            "higher",
            sides,
            informative,
            len(made["model"]),
            evidence.seed,
            time.perf_counter() - begun,
            {**evidence.about, "words": words},
        )

    def _apart(self, made: dict[str, Tables], evidence: Evidence) -> MetricResult:
        begun = time.perf_counter()
        flat = {side: summary(one) for side, one in made.items()}
        sides: dict[str, Estimate] = {
            side: auc_of(flat["reference"], flat[side])
            for side in ("model", "floor", "naive", "memoriser")
            if side in flat
        }
        informative = clearly("lower", sides["floor"], sides["naive"]) if "floor" in sides else None
        return compared(
            "row-auc",
            "lower",
            sides,
            informative,
            len(made["model"]),
            evidence.seed,
            time.perf_counter() - begun,
            {**evidence.about, "words": baseline_words(sides, "lower")},
        )

    def _orphans(self, drawn: Sequence[Record], evidence: Evidence) -> MetricResult:
        known = {one.parent.get(one.relation.key) for one in drawn}
        keys = [row.get(one.relation.link) for one in drawn for row in one.children]
        lost = sum(key not in known for key in keys)
        share = lost / max(1, len(keys))
        return MetricResult(
            "orphans",
            share,
            *wilson(share, max(1, len(keys))),
            n=len(drawn),
            seeds=(evidence.seed,),
            better="lower",
            floor=0.0,
            seconds=0.0,
            details={
                "intervals": {"floor": [0.0, 0.0]},
                "words": [
                    say("Of {0:,} drawn children, {1:,} have a key of no parent.", len(keys), lost)
                ],
            },
        )


class RelatedCloseness(Closeness):
    """closer-share and same-rows, of wide rows."""

    name = "related-closeness"
    judges = Record  # type: ignore[assignment]

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        items = evidence.items
        if "model" not in items or not len(items["model"]):
            return []
        codec = items["model"][0].relation.codec
        if codec is None:
            return []
        header = wide_header(codec)
        wide = {side: wide_rows(codec, list(items[side]), header) for side in items}
        return super().scores(replace(evidence, items=wide))
