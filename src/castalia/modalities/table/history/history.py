"""A history: the events of one entity in time, each a row of whom and what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from castalia.modalities.table.row import Header, Row, Table


class History(Table):
    """Rows of two cells: whom, "" for somebody who was drawn; and what.

    head: of one without rows.
    """

    def __init__(self, rows: Sequence[Row], head: Header | None = None) -> None:
        super().__init__(rows)
        self._head = head

    @property
    def header(self) -> Header:
        return self.rows[0].header if self.rows else self._head or Header(("", ""))

    @property
    def items(self) -> list[str]:
        return [row.cells[1] or "" for row in self.rows]

    @property
    def content(self) -> bytes:
        """What is hashed: the items; who it was does not make a history another one."""
        return b"\x1e".join(one.encode(errors="surrogatepass") for one in self.items)

    def of(self, who: str) -> History:
        """The same of somebody, where it is nobody's."""
        if not self.rows or self.rows[0].cells[0]:
            return self
        rows = [Row(row.header, (who, row.cells[1])) for row in self.rows]
        return History(rows, self._head)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.items == other.items

    def __hash__(self) -> int:
        return hash(tuple(self.items))


class Histories(Table):
    """Several histories that are written as one file."""

    def __init__(self, histories: Sequence[History]) -> None:
        super().__init__([row for one in histories for row in one])
        self.histories = list(histories)

    @property
    def header(self) -> Header:
        return self.histories[0].header

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)
