"""Tables as columns of cells, each with the line that it stands in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from castalia.errors import DataError, meant
from castalia.sentences import say
from castalia.text_files import tables

MOST_CELLS = 20_000_000
_POINT = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)?(,\d+)?")
_AROUND = "€$£¥￥%  \t"  # what may stand around a number


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
            raise DataError(
                say("the table has no column '{0}'", column[:80]),
                self.name,
                say("{0}columns: {1}", meant(column[:80], self.columns), ", ".join(self.columns)),
            )
        return self.columns[column]

    def numbers(self, column: str) -> tuple[list[float], int]:
        """(each cell as a number, NaN where it is empty; the most decimals that one has). One
        reading for all cells: 1,234.5 or 1.234,5. Raises DataError naming the first cell that is no
        number.
        """
        if column not in self._numbers:
            cells = self.cells(column)
            point, decimals, first = _read(cells, _POINT, ",", ".")
            if first is not None:
                comma, fewer, second = _read(cells, _COMMA, ".", ",")
                if second is not None:
                    raise DataError(
                        say("a cell of the column '{0}' is no number", column),
                        say("{0}, line {1}: {2}", self.name, self.lines[first], cells[first][:40]),
                        say("mend the cell, or count the column instead of adding it up"),
                    )
                point, decimals = comma, fewer
            self._numbers[column] = (point, decimals)
        return self._numbers[column]


def read(path: Path) -> Source:
    """Any table that castalia reads. Raises DataError for an empty or a too large one."""
    lines: list[int] = []
    columns: dict[str, list[str]] = {}
    for line, row in tables.rows(path)[1]:
        for name in row:
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
    return Source(path.name, lines, columns)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def _read(
    cells: Sequence[str], form: re.Pattern[str], thousands: str, point: str
) -> tuple[list[float], int, int | None]:
    """(numbers, most decimals, the first cell that is none)."""
    numbers, most = [], 0
    for place, cell in enumerate(cells):
        plain = cell.strip(_AROUND).replace("−", "-")
        if not plain:
            numbers.append(math.nan)
            continue
        if not any(map(str.isdigit, plain)) or not form.fullmatch(plain):
            return [], 0, place
        decimals = plain.partition(point)[2] if "e" not in plain.lower() else ""
        most = max(most, len(decimals))
        numbers.append(float(plain.replace(thousands, "").replace(point, ".")))
    return numbers, most, None
