"""Whether the rows of a file are a table of values, or texts and conversations in a table.

Decided by what is in the first rows, not by the ending: files whose characters stand mostly in
running text, or that hold conversations, are texts. Both readings work on every such file; this
only says which one is meant where nobody says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from castalia.errors import CastaliaError
from castalia.modalities.table import files
from castalia.modalities.table.row import Cell
from castalia.text_files import documents

LOOKED = 200  # rows
LONG = 24  # characters of a cell, on average, from which a column may be running text
WORDS = 4  # of such a cell, on average
SPOKEN = frozenset({"messages", "conversations", "conversation", "turns", "dialog", "dialogue"})
PAIRED = (
    frozenset({"prompt", "response"}),
    frozenset({"instruction", "output"}),
    frozenset({"question", "answer"}),
    frozenset({"chosen", "rejected"}),
    frozenset({"prompt", "completion"}),
)


class Reading(NamedTuple):
    """What a file is taken for: "table", "texts" or "conversations"; prose: the columns of running
    text; columns: how many there are.
    """

    kind: str
    prose: tuple[str, ...]
    columns: int


def claims(name: str) -> bool:
    """Whether a file of this name may hold a table that an installed package reads."""
    lower = name.lower()
    return (
        lower.endswith(files.EXTENSIONS) and not documents.explains(name) and files.openable(name)
    )


def is_table(path: Path) -> bool:
    """Whether the file is taken for a table; also where it is damaged, for then its reading will
    say how.
    """
    if path.name.lower().endswith((*files.DATABASES, ".xlsx")):
        return True
    try:
        return reading(path).kind == "table"
    except (CastaliaError, OSError, ValueError):
        return path.name.lower().endswith((*files.LINES, ".parquet"))


def reading(path: Path) -> Reading:
    """How the file is read where nobody says it. Raises DataError for one that cannot be read."""
    header, rows = files.opened(path)
    columns = list(zip(*islice(rows, LOOKED), strict=True))
    names = [name.lower() for name in header.names]
    if SPOKEN & set(names) or any(pair <= set(names) and len(names) <= 4 for pair in PAIRED):
        return Reading("conversations", (), len(names))
    if not columns:
        return Reading("table", (), len(names))
    weights = [sum(len(cell or "") for cell in column) for column in columns]
    prose = [place for place, column in enumerate(columns) if _is_prose(column)]
    named = [
        place
        for place, name in enumerate(names)
        if name in documents.COLUMNS and not _all_numbers(columns[place])
    ]
    chosen = sorted({*prose, *(named if len(names) <= 3 else [])})
    words = tuple(header.names[place] for place in chosen)
    if len(names) == 1 and not prose and not named and _distinct(columns[0]) < 0.5:
        return Reading("table", (), 1)
    if len(names) == 1 and (chosen or not _all_numbers(columns[0])):
        return Reading("texts", tuple(header.names), 1)
    share = sum(weights[place] for place in chosen) / max(1, sum(weights))
    return Reading("texts" if chosen and share > 0.5 else "table", words, len(names))


def _is_prose(column: Sequence[Cell]) -> bool:
    cells = [cell for cell in column if cell]
    if not cells or _distinct(cells) < 0.3:
        return False
    length = sum(map(len, cells)) / len(cells)
    words = sum(cell.count(" ") + cell.count("\n") for cell in cells) / len(cells)
    wide = sum(ord(max(cell)) >= 0x3040 for cell in cells) / len(cells)  # written without spaces
    return (length >= LONG and words >= WORDS) or (wide > 0.5 and length >= LONG / 2)


def _distinct(column: Sequence[Cell]) -> float:
    return len(set(column)) / max(1, len(column))


def _all_numbers(column: Sequence[Cell]) -> bool:
    cells = [cell for cell in column if cell]
    return bool(cells) and all(
        cell.strip().lstrip("+-").replace(",", "").replace(".", "").isdigit() for cell in cells
    )
