"""What contract tests of the scores of tables are shown: rows of four columns that hang together,
and ways to damage them; the same of patients and their visits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.table.codec import TableCodec, TableConfig
from castalia.modalities.table.related.codec import RelatedCodec, RelatedConfig
from castalia.modalities.table.related.record import Record, Relation
from castalia.modalities.table.row import Header, Row
from castalia.nn.counter_random import counter_seed

NAMES = ("place", "size", "weight", "sort")


def rows(n: int, name: str, header: Header | None = None) -> list[Row]:
    """n rows: a place, a size that depends on it, a weight that follows the size and is missing for
    one in twenty, and a sort that both decide with some noise.
    """
    rng = np.random.default_rng(counter_seed("table", name))
    place = rng.integers(0, 3, n)
    size = 20 + 5 * place + rng.normal(0, 3, n)
    weight = 3 * size + rng.normal(0, 4, n)
    sort = np.where(size + 2 * rng.normal(0, 1, n) > 25, "large", "small")
    cells = [
        (
            ("north", "south", "west")[int(place[row])],
            f"{size[row]:.1f}",
            "" if rng.random() < 0.05 else f"{weight[row]:.0f}",
            str(sort[row]),
        )
        for row in range(n)
    ]
    own = header or Header(NAMES)
    return [Row(own, one) for one in cells]


def fitted(n: int) -> TableCodec:
    codec = TableCodec(TableConfig())
    codec.fit(rows(n, "training"))
    return codec


def table_evidence(shown: Any, n: int) -> Evidence:
    """`shown` with n rows on each side."""
    codec = fitted(max(n, 60))
    header = codec.header
    training = rows(max(n, 60), "training", header)
    items = {
        "model": rows(n, "model", header),
        "floor": rows(n, "floor", header),
        "reference": rows(n, "reference", header),
        "unseen": rows(n, "unseen", header),
        "memoriser": training[:n],
        "training": training,
    }
    return replace(shown, items=items)  # type: ignore[no-any-return]


Change = Callable[[list[Row], float, np.random.Generator, Sequence[Row]], list[Row]]


def _cells(
    rows: list[Row], share: float, rng: np.random.Generator, copies: Sequence[Row]
) -> list[Row]:
    """Columns that no longer hang together: cells change places with those of other rows."""
    made = [list(row.cells) for row in rows]
    for place in range(len(NAMES)):
        chosen = np.flatnonzero(rng.random(len(rows)) < share)
        mixed = [made[row][place] for row in rng.permutation(chosen).tolist()]
        for row, cell in zip(chosen.tolist(), mixed, strict=True):
            made[row][place] = cell
    return [Row(row.header, tuple(cells)) for row, cells in zip(rows, made, strict=True)]


def _extreme(
    rows: list[Row], share: float, rng: np.random.Generator, copies: Sequence[Row]
) -> list[Row]:
    """Everything becomes the same row."""
    return [rows[0] if rng.random() < share else row for row in rows]


def _empty(
    rows: list[Row], share: float, rng: np.random.Generator, copies: Sequence[Row]
) -> list[Row]:
    """Weights go missing."""
    return [
        Row(row.header, (row.cells[0], row.cells[1], "", row.cells[3]))
        if rng.random() < share
        else row
        for row in rows
    ]


def _copied(
    rows: list[Row], share: float, rng: np.random.Generator, copies: Sequence[Row]
) -> list[Row]:
    """Rows of the training data."""
    return [
        copies[number % len(copies)] if rng.random() < share else row
        for number, row in enumerate(rows)
    ]


CHANGES: tuple[Change, ...] = (_cells, _extreme, _empty, _copied)


def _damage(change: Change, most: float) -> Callable[[Any, float], Evidence]:
    def damaged(shown: Any, strength: float) -> Evidence:
        rng = np.random.default_rng(counter_seed("damage", change.__name__))
        model = change(list(shown.items["model"]), strength / most, rng, shown.items["training"])
        return replace(shown, items={**shown.items, "model": model})  # type: ignore[no-any-return]

    return damaged


# Parents with children ----------------------------------------------------------------------------

VISITS = Relation(
    Header(("patient", "group")),
    Header(("patient", "day", "dose", "ward")),
    "patient",
    "patient",
    ("patients", "visits"),
)


def records(n: int, name: str) -> list[Record]:
    """n patients of two groups: those of the second come more often, at shorter gaps, for more."""
    rng = np.random.default_rng(counter_seed("records", name))
    made = []
    for number in range(n):
        key, group = f"P{number:05d}", int(rng.random() < 0.5)
        day, rows = date(2020, 1, 1) + timedelta(int(rng.integers(0, 300))), []
        for _ in range(int(rng.binomial(6, 0.3 + 0.4 * group))):
            dose = 10 + 8 * group + rng.normal(0, 2)
            ward = "east" if dose + rng.normal(0, 2) > 14 else "west"
            rows.append(Row(VISITS.child, (key, day.isoformat(), f"{dose:.1f}", ward)))
            day += timedelta(int(rng.integers(1, 30 - 18 * group)))
        made.append(Record(VISITS, Row(VISITS.parent, (key, "AB"[group])), rows))
    return made


def fitted_records(n: int) -> RelatedCodec:
    codec = RelatedCodec(RelatedConfig(children="visits.csv"))
    codec.fit(records(n, "training"))
    return codec


RecordChange = Callable[[list[Record], float, np.random.Generator, Sequence[Record]], list[Record]]


def _exchanged(
    items: list[Record], share: float, rng: np.random.Generator, copies: Sequence[Record]
) -> list[Record]:
    """Parents get the children of others, with keys of their own."""
    chosen = np.flatnonzero(rng.random(len(items)) < share)
    made = list(items)
    for place, other in zip(chosen.tolist(), rng.permutation(chosen).tolist(), strict=True):
        own, place_of = items[place], items[place].relation.child.places["patient"]
        rows = []
        for row in items[other].children:
            cells = list(row.cells)
            cells[place_of] = own.parent.get("patient")
            rows.append(Row(row.header, tuple(cells)))
        made[place] = Record(own.relation, own.parent, rows)
    return made


def _same(
    items: list[Record], share: float, rng: np.random.Generator, copies: Sequence[Record]
) -> list[Record]:
    """Everybody becomes the same patient."""
    one = max(items[:20], key=lambda item: len(item.children))
    return [one if rng.random() < share else item for item in items]


def _slower(
    items: list[Record], share: float, rng: np.random.Generator, copies: Sequence[Record]
) -> list[Record]:
    """Six times as much time between visits."""
    made = []
    for one in items:
        rows = list(one.children)
        if rows and rng.random() < share:
            days = [date.fromisoformat(row.get("day") or "") for row in rows]
            rows = [
                Row(row.header, (row.cells[0], str(days[0] + 6 * (day - days[0])), *row.cells[2:]))
                for row, day in zip(rows, days, strict=True)
            ]
        made.append(Record(one.relation, one.parent, rows))
    return made


def _orphaned(
    items: list[Record], share: float, rng: np.random.Generator, copies: Sequence[Record]
) -> list[Record]:
    """Children with a key that nobody has."""
    return [
        Record(
            one.relation,
            one.parent,
            [Row(row.header, ("nobody", *row.cells[1:])) for row in one.children],
        )
        if rng.random() < share
        else one
        for one in items
    ]


def _repeated(
    items: list[Record], share: float, rng: np.random.Generator, copies: Sequence[Record]
) -> list[Record]:
    """Records of the training data."""
    return [
        copies[number % len(copies)] if rng.random() < share else one
        for number, one in enumerate(items)
    ]


RECORD_CHANGES: tuple[RecordChange, ...] = (_exchanged, _same, _slower, _orphaned, _repeated)


class RecordContract:
    """A MetricContract."""

    native = Record

    def evidence(self, shown: Any, n: int) -> Evidence:
        codec = fitted_records(max(n, 60))

        def known(name: str, count: int = n) -> list[Record]:
            return [codec.known(one) for one in records(count, name)]

        training = known("training", max(n, 60))
        items = {
            "model": known("model"),
            "floor": known("floor"),
            "reference": known("reference"),
            "unseen": known("unseen"),
            "memoriser": training[:n],
            "training": training,
        }
        return replace(shown, items=items)  # type: ignore[no-any-return]

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return {
            change.__name__.strip("_"): _damage(change, most)  # type: ignore[arg-type]
            for change in RECORD_CHANGES
        }


class TableContract:
    """A MetricContract."""

    native = Row
    further = (RecordContract(),)

    def evidence(self, shown: Any, n: int) -> Evidence:
        return table_evidence(shown, n)

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}
