"""Columns of few values: categories and truth values, each with a token of its own, and constants.

Values in fewer than `rare` training rows share one token, which is written as RARE: a value that a
single person has is not learned. How many there are is in the data report.
"""

from __future__ import annotations

from typing import Any

from castalia.modalities.table.columns.base import Cells, Column

RARE = "(rare)"
TRUTH = (
    {"yes", "no"},
    {"true", "false"},
    {"t", "f"},
    {"y", "n"},
    {"0", "1"},
    {"on", "off"},
)


class Category(Column):
    """values: in the order of their tokens, the most frequent first; RARE is the last one where
    there is any.
    """

    sort = "category"

    def __init__(self, name: str, kind: str, values: list[str], grouped: int = 0) -> None:
        super().__init__(name, kind)
        self.values, self.grouped = values, grouped
        self._tokens = {value: token for token, value in enumerate(values)}
        self._other = self._tokens.get(RARE, 0)

    @classmethod
    def of(cls, name: str, kind: str, cells: Cells, rare: int, most: int) -> Category:
        """rare: rows below which values are grouped. most: values that have a token at most."""
        ranked = sorted(cells.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = [value for value, count in ranked[:most] if count >= rare]
        if len(kept) < 2:  # so few rows that nothing is frequent
            kept = [value for value, _ in ranked[:most]]
        grouped = len(ranked) - len(kept)
        return cls(name, kind, [*kept, RARE] if grouped and RARE not in kept else kept, grouped)

    @property
    def size(self) -> int:
        return len(self.values)

    def encode(self, cell: str) -> int:
        return self._tokens.get(cell, self._other)

    def knows(self, cell: str) -> bool:
        """Whether the cell has a token of its own."""
        return cell in self._tokens

    def decode(self, token: int, chance: float) -> str:
        return self.values[token]

    def state(self) -> dict[str, Any]:
        return {"values": self.values, "grouped": self.grouped}


class Constant(Column):
    """The same in all rows."""

    sort = "constant"

    def __init__(self, name: str, kind: str = "constant", value: str = "") -> None:
        super().__init__(name, kind)
        self.constant = value

    def encode(self, cell: str) -> int:
        return 0

    def decode(self, token: int, chance: float) -> str:
        return self.constant

    def state(self) -> dict[str, Any]:
        return {"value": self.constant}


class Derived(Column):
    """A column that another one decides: the same value for each of the other's values, in all
    training rows. It is looked up, so it is right by construction.
    """

    sort = "derived"

    def __init__(
        self, name: str, kind: str, source: str, table: dict[str, str], otherwise: str
    ) -> None:
        super().__init__(name, kind)
        self.source, self.table, self.otherwise = source, table, otherwise

    def encode(self, cell: str) -> int:
        return 0

    def decode(self, token: int, chance: float) -> str:
        return self.otherwise

    def of(self, source: str) -> str:
        """The cell beside a cell of the source column."""
        return self.table.get(source, self.otherwise)

    def state(self) -> dict[str, Any]:
        return {"source": self.source, "table": self.table, "otherwise": self.otherwise}
