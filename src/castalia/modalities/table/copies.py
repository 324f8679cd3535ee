"""The copy matcher of tables: the training row that a row is nearest to, column by column.

`distance` is the mean over the learned columns of how much two cells differ (distance.py): 0 for
the same row, 1 / C for one that differs in one category of C. Rows are compared as the codec writes
them, so two numbers of one bin are equal. A parent with its children is compared as one wide row.
How near is a copy is calibrated on held-out rows
(governance/calibration.py): where columns are few, new rows are equal to old ones, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches
from castalia.modalities.table.distance import Space
from castalia.modalities.table.related.flat import wide_rows
from castalia.modalities.table.related.record import Record
from castalia.modalities.table.row import Row


class Rows:
    """training: rows, or tensors that the codec decodes to them."""

    name: ClassVar = "rows"
    kinds: ClassVar = ("exact", "near")
    planted: ClassVar = ("exact", "near")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec = codec
        self._rows = rows_of(codec, training)
        header = self._rows[0].header if self._rows else getattr(codec, "header", None)
        self._space = Space(header, self._rows)  # type: ignore[arg-type]
        self._coded = self._space.coded(self._rows)

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return issubclass(codec.native, Row | Record)

    def __len__(self) -> int:
        return len(self._rows)

    def match(self, queries: Any) -> Matches:
        """queries: rows -> the nearest training row of each."""
        rows = rows_of(self._codec, queries)
        coded = self._space.coded(rows)
        place, far = self._space.nearest(coded, self._coded)
        differ = [
            int((np.abs(one - self._coded[other]) > 1e-6).sum()) if other >= 0 else 0
            for one, other in zip(coded, place.tolist(), strict=True)
        ]
        width = max(1, self._coded.shape[1])
        return Matches(
            torch.from_numpy(place),
            torch.from_numpy(np.minimum(far.astype(np.float64), 1.0)),
            torch.tensor([one / width for one in differ], dtype=torch.float64),
            ["exact" if one == 0 else "near" for one in differ],
            [
                {
                    "sample": list(row.cells),
                    "train": list(self._rows[other].cells) if other >= 0 else [],
                    "names": list(row.header.names),
                    "differ": one,
                }
                for row, other, one in zip(rows, place.tolist(), differ, strict=True)
            ],
        )

    def plant(self, items: Any, kind: str, rng: torch.Generator) -> list[Row]:
        """ "near": one learned cell in each row replaced by that of another training row."""
        rows = rows_of(self._codec, items)
        if kind == "exact" or not self._rows:
            return rows
        places = [place for place, _ in self._space.columns]
        changed = []
        for row in rows:
            place = places[int(torch.randint(len(places), (), generator=rng))]
            other = self._rows[int(torch.randint(len(self._rows), (), generator=rng))]
            cells = list(row.cells)
            cells[place] = other.cells[place]
            changed.append(Row(row.header, tuple(cells)))
        return changed

    @staticmethod
    def as_long(items: Any, like: Any, codec: Codec[Any]) -> list[Row]:
        """Rows are of one length."""
        return rows_of(codec, items)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"rows": [list(row.cells) for row in self._rows]}, {}

    @classmethod
    def restore(cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]) -> Rows:
        header = codec.header  # type: ignore[attr-defined]
        return cls(codec, [Row(header, tuple(cells)) for cells in state["rows"]])


def rows_of(codec: Codec[Any], items: Any) -> list[Row]:
    """Rows as they are, records as wide rows (related/flat.py); tensors (N, *shape), or blocks of
    them, decoded; tables row by row.
    """
    rows: list[Row] = []
    for item in items:
        if isinstance(item, Row | Record):
            rows.append(_known(codec, item))
        elif isinstance(item, Sequence):
            rows += [_known(codec, row) for row in item]
        else:
            width = len(getattr(codec.spec, "shape", (0,)))
            parts = item[None] if item.dim() == width else item
            rows += [_known(codec, codec.decode(one)) for one in parts]
    return rows


def _known(codec: Any, row: Row | Record) -> Row:
    """The row with the header of the run, so that its columns mean something."""
    if isinstance(row, Record):
        return wide_rows(codec, [row], codec.header)[0]
    if row.header.columns:
        return row
    return Row(codec.header, tuple(codec.cells_of(row)))
