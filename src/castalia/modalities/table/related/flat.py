"""A record as one wide row, for what compares items column by column: the parent's columns, how
many children there are, and the first of these one behind another.

Moments are differences, as they are learned, so two histories that differ in their first day alone
differ in one cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.related.record import Record
from castalia.modalities.table.related.timeline import WHOLE
from castalia.modalities.table.row import Header, Row

SHOWN = 8  # children that stand in a wide row


def wide_header(codec: Any) -> Header:
    """The columns of wide rows of a fitted RelatedCodec; only learned ones."""
    columns = list(codec.parents.learned)
    names = [column.name for column in columns]
    counts = Counter({str(count): 1 for count in range(codec.most + 1)})
    columns.append(Binned.of("children", "integer", counts, WHOLE, codec.most + 1))
    names.append("children")
    if codec.start is not None:
        columns.append(codec.start)
        names.append("start")
    for number in range(min(SHOWN, codec.most)):
        columns += codec.children.learned
        names += [f"{column.name} {number + 1}" for column in codec.children.learned]
    return Header(tuple(names), columns=tuple(columns))


def wide_rows(codec: Any, records: Sequence[Record], header: Header) -> list[Row]:
    """header: of `wide_header`."""
    ours, theirs = (
        [place for place, column in enumerate(side.columns) if column.size > 1]
        for side in (codec.parents, codec.children)
    )
    shown = min(SHOWN, codec.most)
    made = []
    for record in records:
        parent, start, rows = codec.inner(record)
        cells = [*(parent[place] for place in ours), str(len(rows))]
        cells += [start] if codec.start is not None else []
        for row in rows[:shown]:
            cells += [row[place] for place in theirs]
        cells += [""] * (len(header.names) - len(cells))
        made.append(Row(header, tuple(cells)))
    return made
