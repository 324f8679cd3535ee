"""Metadata tables: classes, captions and groups from a `*.csv`, `*.tsv` or `*.jsonl` with a
`file_name` or `file` column.

This is the "imagefolder" convention of Hugging Face datasets. Nothing here opens the files that the
table names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from castalia.errors import DataError, meant
from castalia.omissions import omit
from castalia.sentences import say
from castalia.text_files import tables

ENDINGS = (".csv", ".tsv", ".jsonl")
FILE_COLUMNS = ("file_name", "file")
AUTOMATIC = ("metadata.csv", "metadata.jsonl")

Row = dict[str, str | None]


def find(folder: Path, named: str | None) -> Path:
    """The table to use: `named` (in the folder, else in the working folder), else metadata.csv or
    .jsonl, else the only one there.
    """
    if named is not None:
        for candidate in (folder / named, Path(named).expanduser()):
            if candidate.is_file():
                return candidate
        raise DataError(
            say("the metadata file does not exist"),
            named,
            say("give data.metadata as a path inside the data folder"),
        )
    for name in AUTOMATIC:
        if (folder / name).is_file():
            return folder / name
    tables = _tables(folder)
    if len(tables) == 1:
        return tables[0]
    listed = f"; found: {', '.join(path.name for path in tables)}" if tables else ""
    raise DataError(
        say(
            "data.label, data.caption, data.group and data.conditions need a metadata table{0}",
            listed,
        ),
        folder.name,
        say("set data.metadata=FILE.csv or FILE.jsonl"),
    )


def load(path: Path, columns: Sequence[str]) -> dict[str, Row]:
    """File name as written in the table -> the wanted columns as text; None where a value is null
    or empty.

    The first row counts when a file has several; the others are reported as omitted. Raises
    DataError for a broken line (with its number) and for a missing column.
    """
    table: dict[str, Row] = {}
    file_column = None
    for number, values in _rows(path):
        if file_column is None:
            file_column = next((name for name in FILE_COLUMNS if name in values), None)
            if file_column is None:
                raise DataError(
                    say("the table has no column 'file_name' or 'file'"),
                    path.name,
                    say("rename one of its columns: {0}", ", ".join(values)),
                )
            for column in columns:
                if column not in values:
                    raise _no_column(column, list(values), path)
        name = _text(values.get(file_column))
        if name is None:
            raise DataError(
                say("a row names no file"),
                say("{0}, line {1}", path.name, number),
                say("fill in the column '{0}'", file_column),
            )
        file = str(PurePosixPath(name.replace("\\", "/")))
        row = {column: _text(values.get(column)) for column in columns}
        if table.setdefault(file, row) != row:
            omit(
                say("further rows of a file that say something else"),
                example=say("{0}, line {1}", path.name, number),
                remedy=say("leave one row for each file, or give each caption a column of its own"),
            )
    if not table:
        raise DataError(say("the table is empty"), path.name, say("give it one row per file"))
    return table


def columns(folder: Path, named: str | None) -> list[str]:
    """The columns of the table that `find` finds; none where there is no table."""
    if (
        named is None
        and not any((folder / name).is_file() for name in AUTOMATIC)
        and len(_tables(folder)) != 1
    ):
        return []
    path = find(folder, named)
    first = next(_rows(path), None)
    return [] if first is None else [name for name in first[1] if name not in FILE_COLUMNS]


def _tables(folder: Path) -> list[Path]:
    return (
        sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        if folder.is_dir()
        else []
    )


def _rows(path: Path) -> tables.Rows:
    """The rows with their line numbers. Raises DataError naming file and line."""
    try:
        yield from tables.rows(path, "utf-8")[1]
    except DataError as error:
        if "cannot be decoded" in error.what:
            raise DataError(
                say("the table is not UTF-8 text: {0}", error.what),
                error.where,
                say("save it as UTF-8"),
            ) from error
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
    return DataError(
        say("the table has no column '{0}'", column),
        path.name,
        say("{0}columns: {1}", meant(column, known), ", ".join(known)),
    )
