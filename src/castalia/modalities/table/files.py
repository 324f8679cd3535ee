"""Read and write files of one table: CSV with any usual delimiter, TSV, Excel, Parquet, JSON lines,
SQLite.

Cells of lines are kept as they are written; typed cells of other formats become the text that a CSV
would hold. CSV: encoding (text_files/encodings.py), byte order mark, delimiter, line ends and
quotation marks are found and kept with the header, so that samples are written alike. Rows of
another length than the header are counted as omissions, never cut in silence. Not here: what cells
mean (columns/).
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import DataError, MissingExtra, meant
from castalia.language import say
from castalia.modalities.table.row import Cell, Dialect, Header, Row
from castalia.omissions import omit
from castalia.text_files import encodings, office, tables

LINES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
TYPED = (".jsonl", ".jsonl.gz", ".xlsx", ".parquet")
DATABASES = (".sqlite", ".sqlite3", ".db")
EXTENSIONS = (*LINES, *TYPED, *DATABASES)
WRITTEN = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")
_HEAD = 200  # lines by which the delimiter is chosen
_KEYS = 1000  # rows whose keys together are the columns of a file of JSON lines
MOST_COLUMNS = 16_384  # as many as a sheet of Excel has


def read(path: Path, encoding: str | None = None, table: str | None = None) -> Iterator[Row]:
    """The rows of a file in their order. table: of a database, which one.

    Raises DataError naming the file and the line, MissingExtra without what reads the format.
    """
    header, cells = opened(path, encoding, table)
    most = bounded.current().rows
    for count, row in enumerate(cells, 1):
        if count > most:
            raise bounded.exceeded("rows", say("the table has too many rows"), path.name)
        yield Row(header, row)


def opened(
    path: Path, encoding: str | None = None, table: str | None = None
) -> tuple[Header, Iterator[tuple[Cell, ...]]]:
    """(header, rows of cells). Raises DataError for a file without a row that names the columns."""
    ending = tables.kind(path.name)
    if ending in DATABASES:
        header, cells = _database(path, table)
    elif ending in (".csv", ".tsv"):
        header, cells = _lines(path, encoding, "\t" if ending == ".tsv" else ",")
    else:
        header, cells = _typed(path, encoding)
    if len(header.names) > MOST_COLUMNS:
        raise DataError(
            say(
                "the table has {0:,} columns; {1:,} are read at most",
                len(header.names),
                MOST_COLUMNS,
            ),
            path.name,
            say("leave columns out"),
        )
    return header, cells


# Lines --------------------------------------------------------------------------------------------


def _lines(
    path: Path, encoding: str | None, usual: str
) -> tuple[Header, Iterator[tuple[Cell, ...]]]:
    detected = encodings.detect(path, encoding)
    lines = tables.text_lines(encodings.blocks(path, detected), path)
    head = list(islice(lines, _HEAD))
    if not head:
        raise _empty(path)
    skipped = 0
    declared = tables._SEPARATOR.fullmatch(head[0])
    if declared is not None:
        head, skipped = head[1:], 1
    delimiter = declared[1] if declared is not None else tables.delimiter(head, usual)
    dialect = Dialect(
        delimiter,
        "\r\n" if _has_carriage_returns(path) else "\n",
        detected.codec,
        bool(detected.mark) or detected.label == "UTF-8 with BOM",
        bool(head) and all(_quoted(line, delimiter) for line in head[:20] if line.strip()),
    )
    csv.field_size_limit(bounded.current().cell_characters)
    reader = csv.reader(chain(head, lines), delimiter=delimiter)
    rows = _parsed(reader, path, skipped)
    first = next(rows, None)
    if first is None:
        raise _empty(path)
    header = Header(_names(first[1], path), dialect, f"CSV, {detected.label}")
    return header, _even(rows, header, path)


def _parsed(reader: Any, path: Path, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not blank."""
    try:
        for cells in reader:
            if cells:
                yield skipped + reader.line_num, cells
    except csv.Error as error:
        raise tables.unreadable(error, path, skipped + reader.line_num) from error


def _even(
    rows: Iterable[tuple[int, list[str]]], header: Header, path: Path
) -> Iterator[tuple[Cell, ...]]:
    """Rows with as many cells as the header. What is beyond it, and cells that lack, are counted.
    A row in which every cell is empty is no row.
    """
    width = len(header.names)
    for number, cells in rows:
        if len(cells) == width:
            if width > 1 and not any(cells):
                continue
            yield tuple(cells)
            continue
        if len(cells) > width:
            if any(cell.strip() for cell in cells[width:]):
                omit(
                    say("cells beyond the columns that the header names"),
                    len(cells) - width,
                    example=say("{0}, line {1}", path.name, number),
                    remedy=say(
                        "put cells that hold the delimiter in quotation marks, or give each "
                        "column a name"
                    ),
                )
            yield tuple(cells[:width])
            continue
        if not any(cell.strip() for cell in cells):
            continue
        omit(
            say("cells that are missing at the end of rows, taken as empty"),
            width - len(cells),
            example=say("{0}, line {1}", path.name, number),
            remedy=say("write as many cells in every row as the header has"),
        )
        yield (*cells, *[""] * (width - len(cells)))


def _names(cells: Sequence[Any], path: Path) -> tuple[str, ...]:
    """Names of columns. Those that stand twice get a number, and are reported."""
    names = tuple(tables._header(["" if cell is None else str(cell) for cell in cells]))
    given = [str(cell or "").strip() for cell in cells]
    twice = [name for name in dict.fromkeys(given) if name and given.count(name) > 1]
    if twice:
        omit(
            say("columns of one name, which got numbers: {0}", ", ".join(twice[:5])),
            len(twice),
            example=path.name,
            remedy=say("rename them"),
        )
    return names


def _quoted(line: str, delimiter: str) -> bool:
    bare = line.rstrip("\r\n")
    return bare.startswith('"') and bare.endswith('"') and bare.count(f'"{delimiter}"') > 0


def _has_carriage_returns(path: Path) -> bool:
    if path.name.lower().endswith(".gz"):
        return False
    with bounded.open_regular(path) as file:
        head = file.read(1 << 16)
    return b"\r\n" in head or b"\r\0\n" in head


def _empty(path: Path) -> DataError:
    return DataError(
        say("the table is empty"),
        path.name,
        say("give it a line that names the columns, and rows below it"),
    )


# Formats with types -------------------------------------------------------------------------------


def _typed(path: Path, encoding: str | None) -> tuple[Header, Iterator[tuple[Cell, ...]]]:
    """JSON lines, Excel and Parquet, by text_files/tables.py."""
    label, numbered = tables.rows(path, encoding)
    head = list(islice(numbered, _KEYS))
    names = tuple(dict.fromkeys(str(name) for _, row in head for name in row))
    if not names:
        raise _empty(path)
    header = Header(names, label=label)
    return header, _as_text(chain(head, numbered), header, path)


def _as_text(
    numbered: Iterable[tuple[int, dict[str, Any]]], header: Header, path: Path
) -> Iterator[tuple[Cell, ...]]:
    known = set(header.names)
    for number, row in numbered:
        if not row.keys() <= known:
            omit(
                say("values of columns that the first {0:,} rows do not have", _KEYS),
                len(row.keys() - known),
                example=say("{0}, row {1}", path.name, number),
                remedy=say("put a row that has all columns first"),
            )
        cells = tuple(text_of(row.get(name)) for name in header.names)
        if any(cells):
            yield cells


def text_of(value: Any) -> Cell:
    """A typed cell as a CSV would hold it; None for nothing."""
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            if value != value:
                return None
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
        case bytes():
            return value.decode(errors="replace")
    return str(value)


def table_names(path: Path) -> list[str]:
    """Names of the tables and views of a SQLite file, ascending. Raises DataError for another
    file.
    """
    connection = _connected(path)
    try:
        return _tables_of(connection)
    except sqlite3.Error as error:
        raise _unreadable(error, path) from error
    finally:
        connection.close()


def _tables_of(connection: sqlite3.Connection) -> list[str]:
    return [
        str(name)
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]


def _unreadable(error: sqlite3.Error, path: Path) -> DataError:
    return DataError(
        say("the database cannot be read: {0}", error), path.name, say("export the table as CSV")
    )


def _connected(path: Path) -> sqlite3.Connection:
    """A SQLite file, opened for reading only."""
    with bounded.open_regular(path) as file:
        head = file.read(16)
    if head != b"SQLite format 3\x00":
        raise DataError(
            say("the file is no SQLite database"), path.name, say("export the table as CSV")
        )
    uri = f"file:{path.resolve().as_posix()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri.replace("#", "%23"), uri=True)
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def _database(path: Path, wanted: str | None) -> tuple[Header, Iterator[tuple[Cell, ...]]]:
    """One table of a SQLite file."""
    connection = _connected(path)
    try:
        known = _tables_of(connection)
        if not known:
            raise _empty(path)
        if wanted is None and len(known) > 1:
            raise DataError(
                say("the database holds several tables: {0}", ", ".join(known[:12])),
                path.name,
                say("say which: codec.table={0}", known[0]),
            )
        name = known[0] if wanted is None else wanted
        if name not in known:
            raise DataError(
                say("the database has no table '{0}'", name),
                path.name,
                say("{0}tables: {1}", meant(name, known), ", ".join(known[:12])),
            )
        cursor = connection.execute(f"SELECT * FROM {_quotation(name)}")
        names = tuple(str(column[0]) for column in cursor.description)
    except sqlite3.Error as error:
        connection.close()
        raise _unreadable(error, path) from error
    except DataError:
        connection.close()
        raise

    def cells() -> Iterator[tuple[Cell, ...]]:
        try:
            for row in cursor:
                yield tuple(map(text_of, row))
        except sqlite3.Error as error:
            raise _unreadable(error, path) from error
        finally:
            connection.close()

    return Header(names, label="SQLite"), cells()


# Writing ------------------------------------------------------------------------------------------


def write(
    path: Path,
    header: Header,
    rows: Iterable[Sequence[Cell]],
    typed: Sequence[Callable[[str], Any]],
) -> None:
    """A table to one file, by its ending. typed: of each column, what makes a number of a cell for
    formats that have types. Raises MissingExtra without what writes the format.
    """
    match path.suffix.lower():
        case ".jsonl":
            path.write_text(_json_lines(header, rows, typed), encoding="utf-8")
        case ".xlsx":
            _workbook(path, header, rows, typed)
        case ".parquet":
            _parquet(path, header, rows, typed)
        case ".tsv":
            _csv(path, replace(header, dialect=replace(header.dialect, delimiter="\t")), rows)
        case _:
            _csv(path, header, rows)


def _csv(path: Path, header: Header, rows: Iterable[Sequence[Cell]]) -> None:
    path.write_bytes(lines_of(header, rows))


def lines_of(header: Header, rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as lines in the header's dialect."""
    dialect = header.dialect
    held = io.StringIO(newline="")
    writer = csv.writer(
        held,
        delimiter=dialect.delimiter,
        lineterminator=dialect.ending,
        quoting=csv.QUOTE_ALL if dialect.quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow(header.names)
    writer.writerows(rows)  # None is written as an empty cell
    text = held.getvalue()
    if dialect.mark:
        text = "\ufeff" + text
    try:
        return text.encode(dialect.encoding)
    except (UnicodeEncodeError, LookupError):  # what it has no characters for
        return text.encode("utf-8", "replace")


def _values(row: Sequence[Cell], typed: Sequence[Callable[[str], Any]]) -> list[Any]:
    return [None if not cell else make(cell) for cell, make in zip(row, typed, strict=True)]


def _json_lines(
    header: Header, rows: Iterable[Sequence[Cell]], typed: Sequence[Callable[[str], Any]]
) -> str:
    return "".join(
        json.dumps(dict(zip(header.names, _values(row, typed), strict=True)), ensure_ascii=False)
        + "\n"
        for row in rows
    )


def _workbook(
    path: Path,
    header: Header,
    rows: Iterable[Sequence[Cell]],
    typed: Sequence[Callable[[str], Any]],
) -> None:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("openpyxl", "documents", path.name) from error
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(header.names))
    for row in rows:
        sheet.append(_values(row, typed))
    book.save(path)


def _parquet(
    path: Path,
    header: Header,
    rows: Iterable[Sequence[Cell]],
    typed: Sequence[Callable[[str], Any]],
) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet", path.name) from error
    columns = [list(column) for column in zip(*(_values(row, typed) for row in rows), strict=True)]
    arrays = []
    for column in columns or [[] for _ in header.names]:
        kinds = {type(value) for value in column} - {type(None)}
        if kinds == {int, float}:
            column = [None if value is None else float(value) for value in column]
        elif len(kinds) > 1:
            column = [None if value is None else str(value) for value in column]
        arrays.append(pyarrow.array(column))
    pyarrow.parquet.write_table(pyarrow.table(arrays, names=list(header.names)), path)


def write_database(
    path: Path,
    tables: Sequence[tuple[str, Header, Sequence[Sequence[Cell]]]],
    typed: Sequence[Sequence[Callable[[str], Any]]],
) -> None:
    """Tables (name, header, rows) to one SQLite file. typed: as of `write`, for each table."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        for (name, header, rows), makes in zip(tables, typed, strict=True):
            columns = ", ".join(map(_quotation, header.names))
            connection.execute(f"CREATE TABLE {_quotation(name)} ({columns})")
            marks = ", ".join("?" * len(header.names))
            connection.executemany(
                f"INSERT INTO {_quotation(name)} VALUES ({marks})",
                (_values(row, makes) for row in rows),
            )
        connection.commit()
    finally:
        connection.close()


def _quotation(name: str) -> str:
    """A name as SQL quotes it."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def openable(name: str) -> bool:
    """Whether what reads a file of this name is installed."""
    return not office.missing(name.lower())
