"""Rows and tables as they are between files and tensors.

A cell is the text that the file holds, or None where the file has no such cell, so that what is
not changed is written as it was read. What a text means (a number, a date) is the columns' affair.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeVar

from castalia.errors import RecipeError, meant
from castalia.sentences import say

Cell = str | None
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Dialect:
    """How a file of lines writes its rows.

    delimiter  between cells. ending: of a line. encoding: Python's name. mark: whether the file
               begins with a byte order mark, as Excel asks for. quoted: whether every cell stands
               in quotation marks.
    """

    delimiter: str = ","
    ending: str = "\n"
    encoding: str = "utf-8"
    mark: bool = False
    quoted: bool = False

    def to_json(self) -> list[Any]:
        """The arguments that make it again."""
        return list(astuple(self))


@dataclass(frozen=True)
class Header:
    """The columns of a file, in their order, and how it writes its rows.

    label    of its format and encoding, for reports.
    columns  what the cells mean, as a codec has learned it; empty for rows as they were read.
    target   the column that judges predict. rules: what every row should keep.
    """

    names: tuple[str, ...]
    dialect: Dialect = field(default=Dialect())
    label: str = "CSV"
    columns: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    target: str | None = field(default=None, compare=False)
    rules: tuple[Any, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def signature(self) -> bytes:
        """A digest of the names."""
        return sha256("\x1f".join(self.names).encode(errors="surrogatepass")).digest()


class Row:
    """One row: as many cells as its header has names."""

    __slots__ = ("cells", "header")

    def __init__(self, header: Header, cells: tuple[Cell, ...]) -> None:
        self.header, self.cells = header, cells

    def __getitem__(self, name: str) -> Cell:
        return self.cells[self.header.places[name]]

    def get(self, name: str) -> Cell:
        """The cell of a column; None where the file has no such column."""
        place = self.header.places.get(name)
        return None if place is None else self.cells[place]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Row)
            and self.cells == other.cells
            and self.header.names == other.header.names
        )

    def __hash__(self) -> int:
        return hash(self.cells)

    def __repr__(self) -> str:
        return ", ".join(
            f"{name}={'' if cell is None else cell}"
            for name, cell in zip(self.header.names, self.cells, strict=True)
        )

    @property
    def content(self) -> bytes:
        """What is hashed, names of columns included: a codec that was fitted on rows is found again
        by it. An empty cell and none are the same.
        """
        return self.header.signature + "\x1f".join(
            "" if cell is None else cell for cell in self.cells
        ).encode(errors="surrogatepass")


def fair_draw(items: Iterable[Drawn], most: int) -> tuple[list[Drawn], int]:
    """(at most so many items, every one as likely; how many there were). A function of the items
    (Vitter 1985, algorithm R).
    """
    rng, kept, count = random.Random(0), list[Drawn](), 0
    for count, item in enumerate(items, 1):
        if count <= most:
            kept.append(item)
        elif (place := rng.randrange(count)) < most:
            kept[place] = item
    return kept, count


class Table(Sequence[Row]):
    """Several rows that are written as one file."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    @property
    def header(self) -> Header:
        return self.rows[0].header


def no_column(name: str, names: Sequence[str], where: str) -> RecipeError:
    """What to raise where a name is not among those of a table."""
    return RecipeError(
        say("the table has no column '{0}'", name),
        where=where,
        fix=say("{0}columns: {1}", meant(name, names), ", ".join(names[:20])),
    )
