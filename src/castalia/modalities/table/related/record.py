"""A record: a row of one table with the rows of another that belong to it, in their order.

A customer and its orders; a patient and its visits. `Relation` says how two tables hang together;
where both stand in one file, the first holds what is the same in all rows of an entity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from castalia.modalities.table.row import Cell, Header, Row


@dataclass(frozen=True)
class Relation:
    """parent, child: the columns of the two tables; the child's hold the key, too.

    key, link  the column that names a parent, in the parent's table and in the child's.
    names      what the two files are called, without their ending.
    whole      the columns of the one file in which both stand; None where there are two.
    codec      what the cells mean, once a codec has learned it.
    """

    parent: Header
    child: Header
    key: str
    link: str
    names: tuple[str, str]
    whole: Header | None = None
    codec: Any = field(default=None, compare=False, repr=False)


class Record:
    """One row of the parent's table with its children in their order."""

    __slots__ = ("children", "parent", "relation")

    def __init__(self, relation: Relation, parent: Row, children: Sequence[Row]) -> None:
        self.relation, self.parent, self.children = relation, parent, tuple(children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Record)
            and self.parent == other.parent
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.parent, self.children))

    def __repr__(self) -> str:
        rows = "; ".join(map(repr, self.children))
        return f"{self.parent!r} [{rows}]"

    @property
    def content(self) -> bytes:
        """What is hashed."""
        return b"\x1e".join(row.content for row in (self.parent, *self.children))

    def joined(self) -> Iterator[tuple[Cell, ...]]:
        """The rows of the one file that holds both, in its columns."""
        whole = self.relation.whole or self.relation.child
        for row in self.children:
            yield tuple(
                row.get(name) if name in row.header.places else self.parent.get(name)
                for name in whole.names
            )


class Records(Sequence[Record]):
    """Several records that are written as one file."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self.records[place]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and self.records == other.records

    __hash__ = None  # type: ignore[assignment]
