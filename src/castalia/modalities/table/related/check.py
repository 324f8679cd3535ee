"""What a check sees of related rows: the columns of both tables, keys, numbers of children.

Children without a parent, doubled keys and the like are counted where the tables are joined
(linking.py); every check puts them first.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Look, spread
from castalia.errors import CastaliaError
from castalia.modalities.table.columns.base import ERRORS, Column, is_missing
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.discrete import Category, Derived
from castalia.modalities.table.columns.scales import Moments
from castalia.modalities.table.related.codec import RelatedCodec, Side
from castalia.modalities.table.related.record import Record
from castalia.modalities.table.row import Row

LOOKED = 20_000  # records


def known_of(column: Column) -> dict[str, Any]:
    """Facts of a fitted column, whatever its table."""
    known: dict[str, Any] = {}
    if isinstance(column, Binned):
        known["special"] = [cell for cell in column.specials if not is_missing(cell)][:8]
        if isinstance(column.scale, Moments):
            known["forms"] = column.scale.forms
    if isinstance(column, Category):
        known["grouped"] = column.grouped
    if isinstance(column, Derived):
        known["source"] = column.source
    return known


class RelatedLook(Look):
    """Records one by one; see Look."""

    def __init__(self, count: int, own: int, codec: RelatedCodec) -> None:
        super().__init__(count, own)
        self.codec = codec
        self._kept: list[Record] = []
        self._counts: list[int] = []
        self.missing: Counter[tuple[int, str]] = Counter()
        self.errors: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()

    def add(self, number: int, item: Record, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(item.content).digest())
        if number >= self._own:
            return
        self.labels[item.relation.parent.label] += 1
        self._counts.append(len(item.children))
        self._count(0, item.parent)
        for row in item.children:
            self._count(1, row)
        if len(self._kept) < LOOKED:
            self._kept.append(item)

    def _count(self, side: int, row: Row) -> None:
        for name, cell in zip(row.header.names, row.cells, strict=True):
            if is_missing(cell):
                self.missing[side, name] += 1
                if cell and cell.strip().lower() in ERRORS:
                    self.errors[cell.strip()] += 1

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        if not self._kept:
            return {"columns": [], "rows": 0, "rules": []}
        trial = RelatedCodec(self.codec.config)
        try:
            trial.fit(self._kept)
        except CastaliaError as error:
            return {"columns": [], "rows": 0, "rules": [], "problem": str(error.what)}
        relation, children = trial.relation, sum(self._counts)
        counts = np.array(self._counts)
        sides = ((0, trial.parents, len(counts)), (1, trial.children, children))
        columns = [
            self._column(number, side, column, rows, trial)
            for number, side, rows in sides
            for column in side.columns
        ]
        rules = [
            *(rule.text for _, side, _ in sides for rule in side.rules),
            *(
                f"{column.source} → {column.name}"
                for _, side, _ in sides
                for column in side.columns
                if isinstance(column, Derived)
            ),
        ]
        timed = trial.timeline
        return {
            "rows": len(counts) + children,
            "problem": "",
            "formats": dict(self.labels.most_common(8)),
            "columns": columns,
            "rules": rules,
            "errors": dict(self.errors),
            "tokens": len(trial.parents.learned) + 1,
            "related": {
                "parents": len(counts),
                "children": children,
                "childless": int((counts == 0).sum()),
                "counts": spread(counts),
                "names": list(relation.names),
                "key": relation.key,
                "link": relation.link,
                "order": None if timed.place is None else timed.names[timed.place],
                "start": None if timed.start is None else timed.start[0],
            },
        }

    def _column(
        self, number: int, side: Side, column: Column, rows: int, trial: RelatedCodec
    ) -> dict[str, Any]:
        place = side.header.places[column.name]
        cells = (
            {record.parent.get(column.name) or "" for record in self._kept}
            if not number
            else {row.get(column.name) or "" for record in self._kept for row in record.children}
        )
        timed = number == 1 and (place == trial.timeline.place or place in trial.timeline.offsets)
        scale = None
        if timed:
            at = trial.timeline
            scale = at.scale if place == at.place else at.offsets[place]
        return {
            "name": column.name,
            "kind": scale.kind if isinstance(scale, Moments) else column.kind,
            "missing": self.missing[number, column.name],
            "rows": rows,
            "tokens": column.size,
            "different": len(cells),
            **known_of(column),
        }


def related_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is known of how two tables hang together; None of a single one."""
    found: dict[str, Any] | None = facts.get("related")
    return found
