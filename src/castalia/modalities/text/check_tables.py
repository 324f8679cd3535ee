"""The check of the columns of a table of texts: what is in each, and which to read where none is
called text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from castalia.checks.report_schema import Column
from castalia.codecs import conversation
from castalia.errors import DataError
from castalia.text_files import documents

_ROWS = 1000  # of the beginning
# two words, or six Chinese characters, in a row
_SPOKEN = re.compile(r"[^\W\d_]\S*\s+[^\W\d_]|[\u3400-\u9fff\uf900-\ufaff]{6}")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?%?")


def columns(path: Path, encoding: str | None = None) -> tuple[list[Column], bool]:
    """(the columns of a table's first thousand rows, whether `documents` knows by itself which to
    read); none for a table that cannot be read.
    """
    rows: list[dict[str, Any]] = []
    with suppress(DataError):  # a broken row is reported when all are read
        rows.extend(row for _, row in islice(documents.rows(path, encoding)[1], _ROWS))
    if not rows:
        return [], True
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [_column(name, [row.get(name) for row in rows]) for name in names], (
        conversation.recognised(rows[0]) or documents.text_column(rows[0])
    ) is not None


def proposal(columns: Sequence[Column]) -> str:
    """A column or template for codec.field: all that hold texts, else what has parts, else
    everything.
    """
    texts = [column.name for column in columns if column.kind == "text"]
    if not texts:
        texts = [column.name for column in columns if column.kind == "parts"][:1]
    if texts:
        return texts[0] if len(texts) == 1 else "\\n".join(f"{{{name}}}" for name in texts)
    return ", ".join(f"{{{column.name}}}" for column in columns)


def _column(name: str, values: list[Any]) -> Column:
    filled = [value for value in values if value is not None and value != ""]
    kind: Literal["text", "category", "number", "parts"]
    if any(
        isinstance(value, dict)
        or (isinstance(value, list) and any(isinstance(part, dict | list) for part in value))
        for value in filled
    ):
        kind = "parts"
    elif filled and all(_is_number(value) for value in filled):
        kind = "number"
    else:
        spoken = sum(
            isinstance(value, list) or _SPOKEN.search(str(value)) is not None for value in filled
        )
        different = len({str(value) for value in filled})
        kind = (
            "text"
            if filled and spoken >= 0.3 * len(filled) and different > min(50, 0.2 * len(filled))
            else "category"
        )
    return Column(
        name=name,
        kind=kind,
        filled=round(len(filled) / len(values), 4),
        values=len({str(value) for value in filled}),
    )


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is not None
    )
