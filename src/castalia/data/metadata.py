"""Tables beside the files: classes, captions and groups from a `*.csv`, `*.tsv` or `*.jsonl` with a `file_name` or `file` column.

This is the "imagefolder" convention of Hugging Face datasets. Nothing here opens the files that the table names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from castalia.codecs import tables
from castalia.errors import DataError, meant

ENDINGS = (".csv", ".tsv", ".jsonl")
FILE_COLUMNS = ("file_name", "file")
AUTOMATIC = ("metadata.csv", "metadata.jsonl")

Row = dict[str, str | None]


def find(folder: Path, named: str | None) -> Path:
    """The table to use: `named` (in the folder, else in the working folder), else metadata.csv or .jsonl, else the only one there."""
    if named is not None:
        for candidate in (folder / named, Path(named).expanduser()):
            if candidate.is_file():
                return candidate
        raise DataError("the metadata file does not exist", named, "give data.metadata as a path inside the data folder")
    for name in AUTOMATIC:
        if (folder / name).is_file():
            return folder / name
    tables = _tables(folder)
    if len(tables) == 1:
        return tables[0]
    found = f"; found: {', '.join(path.name for path in tables)}" if tables else ""
    raise DataError(
        f"data.label, data.caption, data.group and data.conditions need a metadata table{found}",
        folder.name,
        "set data.metadata=FILE.csv or FILE.jsonl",
    )


def load(path: Path, columns: Sequence[str]) -> dict[str, Row]:
    """File name as written in the table -> the wanted columns as text; None where a value is null or empty.

    The first row counts when a file has several. Raises DataError for a broken line (with its number) and for a missing column.
    """
    table: dict[str, Row] = {}
    file_column = None
    for number, values in _rows(path):
        if file_column is None:
            file_column = next((name for name in FILE_COLUMNS if name in values), None)
            if file_column is None:
                raise DataError(
                    "the table has no column 'file_name' or 'file'", path.name, f"rename one of its columns: {', '.join(values)}"
                )
            for column in columns:
                if column not in values:
                    raise _no_column(column, list(values), path)
        name = _text(values.get(file_column))
        if name is None:
            raise DataError("a row names no file", f"{path.name}, line {number}", f"fill in the column '{file_column}'")
        table.setdefault(str(PurePosixPath(name.replace("\\", "/"))), {column: _text(values.get(column)) for column in columns})
    if not table:
        raise DataError("the table is empty", path.name, "give it one row per file")
    return table


def columns(folder: Path, named: str | None) -> list[str]:
    """The columns of the table that `find` finds; none where there is no table."""
    if named is None and not any((folder / name).is_file() for name in AUTOMATIC) and len(_tables(folder)) != 1:
        return []
    path = find(folder, named)
    first = next(_rows(path), None)
    return [] if first is None else [name for name in first[1] if name not in FILE_COLUMNS]


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS) if folder.is_dir() else []


def _rows(path: Path) -> tables.Rows:
    """The rows with their line numbers. Raises DataError naming file and line."""
    try:
        yield from tables.rows(path, "utf-8")[1]
    except DataError as error:
        if "cannot be decoded" in error.what:
            raise DataError(f"the table is not UTF-8 text: {error.what}", error.where, "save it as UTF-8") from error
        raise


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or None
    return str(value).strip() or None


def _no_column(column: str, known: list[str], path: Path) -> DataError:
    return DataError(f"the table has no column '{column}'", path.name, f"{meant(column, known)}columns: {', '.join(known)}")
