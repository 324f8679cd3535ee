"""What contract tests of the scores of tables are shown: rows of four columns that hang together,
and ways to damage them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.table.codec import TableCodec, TableConfig
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


class TableContract:
    """A MetricContract."""

    native = Row

    def evidence(self, shown: Any, n: int) -> Evidence:
        return table_evidence(shown, n)

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}
