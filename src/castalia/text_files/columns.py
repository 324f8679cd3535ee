"""Tables as columns of cells, each with the line that it stands in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from castalia.errors import DataError, meant
from castalia.sentences import say
from castalia.text_files import cells as reading
from castalia.text_files import tables

MOST_CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class Source:
    """One file. lines: of each row, the line or row number in the file. columns: name -> cells as
    they were written, "" where there is none.
    """

    name: str
    lines: Sequence[int]
    columns: dict[str, list[str]]
    _numbers: dict[str, tuple[list[float], int]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def cells(self, column: str) -> list[str]:
        """Raises DataError for a column that there is not."""
        if column not in self.columns:
            raise missing(column, list(self.columns), self.name)
        return self.columns[column]

    def numbers(self, column: str) -> tuple[list[float], int]:
        """(each cell as a number, NaN where it is empty; the most decimals that one has). One
        reading for all cells: 1,234.5 or 1.234,5. Raises DataError naming the first cell that is no
        number.
        """
        if column not in self._numbers:
            found = reading.numbers(self.cells(column), missing=("",))
            if found.wrong is not None:
                raise DataError(
                    say("a cell of the column '{0}' is no number", column),
                    self.place(column, found.wrong),
                    say("mend the cell, or count the column instead of adding it up"),
                )
            self._numbers[column] = (found.values, found.decimals)
        return self._numbers[column]

    def moments(self, column: str) -> tuple[list[datetime], list[str]]:
        """(each cell as a moment in UTC, sentences about ways of writing that were open, or
        several). Raises DataError naming the first cell that is no date.
        """
        found, notes = reading.moments(self.cells(column))
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            raise DataError(
                say("a cell of the column '{0}' is no date", column),
                self.place(column, found.index(None)),
                say("write dates such as 2024-03-31"),
            )
        return known, notes

    def place(self, column: str, row: int) -> str:
        """Where a cell stands, and its beginning, for errors."""
        return say("{0}, line {1}: {2}", self.name, self.lines[row], self.columns[column][row][:40])


def read(path: Path, only: Sequence[str] | None = None) -> Source:
    """Any table that castalia reads; of its columns `only` those. Raises DataError for an empty or
    a too large one.
    """
    lines: list[int] = []
    columns: dict[str, list[str]] = {}
    others: dict[str, None] = {}
    for line, row in tables.rows(path, only=only)[1]:
        for name in row:
            if only is not None and name not in only:
                others[name] = None
                continue
            if name not in columns:
                columns[name] = [""] * len(lines)
        for name, cells in columns.items():
            value = row.get(name)
            cells.append("" if value is None else _text(value))
        lines.append(line)
        if len(lines) * len(columns) > MOST_CELLS:
            raise DataError(
                say("the table has too many cells"),
                path.name,
                say("{0:,} at most: leave columns or rows out", MOST_CELLS),
            )
    if not lines:
        raise DataError(say("the table is empty"), path.name, say("give it a header and rows"))
    for name in only or ():
        if name not in columns:
            raise missing(name, [*columns, *others], path.name)
    return Source(path.name, lines, columns)


def missing(column: str, columns: Sequence[str], name: str) -> DataError:
    """The error of a column that a table has not."""
    return DataError(
        say("the table has no column '{0}'", column[:80]),
        name,
        say("{0}columns: {1}", meant(column[:80], columns), ", ".join(columns)),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()
