"""Read rows of tables as a stream: CSV with any usual delimiter, TSV, JSON lines, JSON and Parquet.

A row is a dict, column -> value. What a file holds and a row cannot is counted (omissions.py):
cells beyond the header, and lines that an open quotation mark has probably swallowed. Which columns
make a text is in text_files/documents.py.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import normalize

from castalia import bounded
from castalia.errors import CastaliaError, DataError, MissingExtra
from castalia.language import say
from castalia.omissions import omit
from castalia.text_files import encodings, office

ENDINGS = (".jsonl", ".csv", ".tsv", ".parquet", ".json", *office.WORKBOOKS)
Rows = Iterator[tuple[int, dict[str, Any]]]  # (line or row number from 1, column -> value)
DELIMITERS = (",", ";", "\t", "|")
_HEAD = 200  # lines by which the delimiter is chosen
# the first line in which spreadsheets declare the delimiter
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n?')
_NUMBER = re.compile(r"\s*[+-]?[0-9][0-9.,:/-]*\s*")
# lines inside a cell that look like rows, from which a quotation mark is taken to be open
_SWALLOWED = 3


def kind(name: str) -> str:
    """The ending of a name, ".gz" taken off."""
    return Path(name.lower().removesuffix(".gz")).suffix


def rows(
    path: Path, encoding: str | None = None, only: Sequence[str] | None = None
) -> tuple[str, Rows]:
    """(label of the encoding, the rows of a table with their numbers).

    only: the columns that are needed; others may be left out of the rows where that saves reading
    them (Parquet). Raises DataError naming the file, and the line or row where there is one, and
    MissingExtra for Parquet without pyarrow.
    """
    label, numbered = _rows(path, encoding, only)
    return label, _counted(numbered, path)


def _counted(rows: Rows, path: Path) -> Rows:
    """The rows, up to the limit."""
    most = bounded.current().rows
    for count, row in enumerate(rows, 1):
        if count > most:
            raise bounded.exceeded("rows", say("the table has too many rows"), path.name)
        yield row


def _rows(path: Path, encoding: str | None, only: Sequence[str] | None) -> tuple[str, Rows]:
    ending = kind(path.name)
    if ending == ".parquet":
        return "Parquet", _parquet(path, only)
    if ending in office.WORKBOOKS:
        return "XLSX", _workbook(path)
    detected = encodings.detect(path, encoding)
    blocks = encodings.blocks(path, detected)
    if ending == ".jsonl":
        return detected.label, _jsonl(blocks, path)
    if ending == ".json":
        return detected.label, _json(blocks, path)
    return detected.label, _csv(blocks, path, "\t" if ending == ".tsv" else ",")


def text_lines(blocks: Iterator[str], path: Path) -> Iterator[str]:
    """Lines with their LF; other line separators of Unicode are part of a line."""
    # of a line that is not complete: joined once, however many blocks it spans
    parts: list[str] = []
    size, number, most = 0, 1, bounded.current().line_bytes
    for block in blocks:
        for place, part in enumerate(block.split("\n")):
            if place:
                yield "".join(parts) + "\n"
                number, parts, size = number + 1, [], 0
            parts.append(part)
            size += len(part)
            if size > most:
                raise bounded.exceeded(
                    "line_bytes",
                    say("the line is too long"),
                    say("{0}, line {1}", path.name, number),
                )
    if size:
        yield "".join(parts)


# JSON ---------------------------------------------------------------------------------------------


def _jsonl(blocks: Iterator[str], path: Path) -> Rows:
    for number, line in enumerate(text_lines(blocks, path), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        row = bounded.parse_json(line, where, say("write one JSON object a line"))
        if not isinstance(row, dict):
            raise DataError(
                say("the line is not a JSON object"),
                where,
                say('write lines like {{"text": "..."}}'),
            )
        yield number, _composed(row)


def _json(blocks: Iterator[str], path: Path) -> Rows:
    """A list of objects, or an object that holds one list of them."""
    whole = bounded.parse_json(
        _joined(blocks, path),
        path.name,
        say("write a list of objects, or one object a line as .jsonl"),
    )
    lists = (
        [value for value in whole.values() if isinstance(value, list)]
        if isinstance(whole, dict)
        else [whole]
    )
    if (
        len(lists) != 1
        or not isinstance(lists[0], list)
        or not all(isinstance(row, dict) for row in lists[0])
    ):
        raise DataError(
            say("the file is not a list of JSON objects"),
            path.name,
            say('write [{{"text": "..."}}, ...]'),
        )
    yield from enumerate(map(_composed, lists[0]), 1)


def _composed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with names of columns in Unicode's composed form (NFC), in which they are
    compared.
    """
    if all(map(str.isascii, row)):
        return row
    return {normalize("NFC", name): value for name, value in row.items()}


def _joined(blocks: Iterator[str], path: Path) -> str:
    """A text that has to be in memory whole, up to the limit json_bytes."""
    parts, size, most = [], 0, bounded.current().json_bytes
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > most:
            raise bounded.exceeded("json_bytes", say("the JSON is too long"), path.name)
    return "".join(parts)


# CSV ----------------------------------------------------------------------------------------------


def delimiter(head: Sequence[str], usual: str = ",") -> str:
    """What separates cells in the lines of the beginning of a table: of , ; tab | the one by which
    most rows have as many cells as the header, at least two; `usual` where none does, and where two
    do it as well.
    """
    best = (0.0, 0, usual)
    for candidate in sorted(DELIMITERS, key=lambda one: one != usual):
        try:
            counts = [len(cells) for cells in csv.reader(head, delimiter=candidate) if cells]
        except csv.Error:
            continue
        if not counts or counts[0] < 2:
            continue
        body = counts[1:] or counts
        rank = (sum(count == counts[0] for count in body) / len(body), candidate == usual)
        if rank > best[:2]:
            best = (*rank, candidate)
    return best[2]


def _csv(blocks: Iterator[str], path: Path, usual: str) -> Rows:
    # a text may be longer than the 128 KiB that Python allows by default
    csv.field_size_limit(bounded.current().cell_characters)
    lines = text_lines(blocks, path)
    head, size, before = [], 0, 0
    for line in lines:
        head.append(line)
        size += len(line)
        if len(head) >= _HEAD or size > bounded.BLOCK:
            break
    declared = _SEPARATOR.fullmatch(head[0]) if head else None
    if declared is not None:
        head, before = head[1:], 1
    source = _Quotes(chain(head, lines))
    chosen = declared[1] if declared is not None else delimiter(head, usual)
    reader = csv.reader(source, delimiter=chosen)
    names: list[str] = []
    numeric: set[int] = set()
    try:
        for cells in reader:
            number = before + reader.line_num
            if not cells:
                continue
            if not names:
                names = _header(cells)
                source.taken()
                continue
            span, open_quote = source.taken()
            _watch(
                cells, names, numeric, chosen, f"{path.name}, line {number - span + 1}", open_quote
            )
            if len(names) == 1:  # nothing can be separated, so a delimiter is text
                cells = [chosen.join(cells)]
            elif len(cells) > len(names):
                omit(
                    say("cells beyond the columns that the header names"),
                    len(cells) - len(names),
                    example=f"{path.name}, line {number}",
                    remedy=say(
                        "put cells that hold the delimiter in quotation marks, or give each "
                        "column a name"
                    ),
                )
            yield (
                number,
                dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=False)),
            )
    except csv.Error as error:
        raise unreadable(error, path, before + reader.line_num) from error


def unreadable(error: csv.Error, path: Path, number: int) -> CastaliaError:
    """What the csv module cannot read, at line `number`."""
    where = say("{0}, line {1}", path.name, number)
    if "field limit" in str(error):
        return bounded.exceeded("cell_characters", say("a cell is too long"), where)
    return DataError(
        say("the table cannot be read: {0}", error), where, say("save it as UTF-8 CSV")
    )


def _workbook(path: Path) -> Rows:
    """The first row with cells names the columns."""
    names: list[str] = []
    for number, cells in office.workbook(path):
        if all(cell is None for cell in cells):
            continue
        if not names:
            while cells and cells[-1] is None:
                cells = cells[:-1]
            names = _header(["" if cell is None else str(cell) for cell in cells])
            continue
        yield number, dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=False))


def _header(cells: Sequence[str]) -> list[str]:
    """Names of columns: one that stands twice gets a number, one without a name its place."""
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        name = normalize("NFC", cell.strip()) or f"column {place}"
        same = 1
        while (name if same == 1 else f"{name} ({same})") in names:
            same += 1
        names.append(name if same == 1 else f"{name} ({same})")
    return names


class _Quotes:
    """Lines as they are read, with the number of lines and of quotation marks since it was last
    asked.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._count, self._marks = lines, 0, 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._count += 1
            self._marks += line.count('"')
            yield line

    def taken(self) -> tuple[int, bool]:
        """(lines, whether an odd number of quotation marks stood in them)."""
        taken = self._count, self._marks % 2 == 1
        self._count = self._marks = 0
        return taken


def _watch(
    cells: Sequence[str],
    names: Sequence[str],
    numeric: set[int],
    delimiter: str,
    where: str,
    odd: bool,
) -> None:
    """Counts lines inside a cell that are probably rows of their own. numeric: columns that held
    numbers in rows of one line.
    """
    swallowed = 0
    for cell in cells:
        inner = cell.split("\n")[1:]
        if not inner or (not odd and len(inner) < _SWALLOWED):
            continue
        if odd and cell.rstrip("\n") and cell is cells[-1]:
            swallowed = max(swallowed, sum(bool(line.strip()) for line in inner))
            continue
        # the last one is cut by the mark that closes
        alike = [line.split(delimiter) for line in inner[:-1] if line.strip()]
        fit = [
            parts
            for parts in alike
            if len(parts) == len(names)
            and (len(names) > 2 or any(_NUMBER.fullmatch(parts[place]) for place in numeric))
        ]
        if len(names) > 1 and len(fit) >= (1 if odd else max(_SWALLOWED, 0.8 * len(alike))):
            swallowed = max(swallowed, len(fit))
    if swallowed:
        omit(
            say("lines inside one quoted cell that look like rows: a quotation mark is open"),
            swallowed,
            example=where,
            remedy=say('close the quotation mark there, or double it if it is meant: ""'),
        )
    elif len(cells) == len(names):
        numeric |= {place for place, cell in enumerate(cells) if cell and _NUMBER.fullmatch(cell)}


# Parquet ------------------------------------------------------------------------------------------


def _parquet(path: Path, only: Sequence[str] | None) -> Rows:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet", path.name) from error
    number = 0
    limits = bounded.current()
    try:
        with bounded.open_regular(path) as raw, pyarrow.parquet.ParquetFile(raw) as file:
            for group in range(file.metadata.num_row_groups):
                if file.metadata.row_group(group).total_byte_size > limits.array_bytes:
                    raise bounded.exceeded(
                        "array_bytes", say("row group {0} is too large", group), path.name
                    )
            known = file.schema_arrow.names
            if len(set(known)) < len(known):
                twice = next(name for name in known if known.count(name) > 1)
                raise DataError(
                    say("two columns are called '{0}'", twice), path.name, say("rename one of them")
                )
            wanted = None if only is None else [name for name in known if name in only]
            for batch in file.iter_batches(batch_size=1024, columns=wanted):
                columns = {
                    name: _values(column, name, number, path)
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
                for place in range(batch.num_rows):
                    number += 1
                    yield number, {name: values[place] for name, values in columns.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            say("the Parquet table cannot be read: {0}", error),
            path.name,
            say("write it again, or set data.skip_bad=true"),
        ) from error


def _values(column: Any, name: str, before: int, path: Path) -> list[Any]:
    """The cells of a column as Python values: bytes decoded as UTF-8, times as text."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_temporal(column.type) or types.is_decimal(column.type):
        try:
            column = column.cast(pyarrow.string())
        except pyarrow.ArrowException:  # durations
            column = column.cast(pyarrow.int64())
    if (
        types.is_binary(column.type)
        or types.is_large_binary(column.type)
        or types.is_fixed_size_binary(column.type)
    ):
        return [
            _decoded(value, name, f"{path.name}, row {before + place}")
            for place, value in enumerate(column.to_pylist(), 1)
        ]
    try:
        return list(column.to_pylist())
    # times inside lists and structs that Python's have no room for
    except (ValueError, OverflowError) as error:
        raise DataError(
            say("the column '{0}' cannot be read: {1}", name, error),
            path.name,
            say("write it as text or numbers"),
        ) from error


def _decoded(value: bytes | None, name: str, where: str) -> Any:
    """Bytes as text; as they are where they are no UTF-8, which only matters where the column is
    read (`documents.filled`).
    """
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return Undecoded(value or b"", name, where)


class Undecoded(bytes):
    """A cell of bytes that are no UTF-8: an error where it is to be a text, nothing where its
    column is not read.
    """

    def __new__(cls, value: bytes, name: str, where: str) -> Undecoded:
        made = super().__new__(cls, value)
        made.name, made.where = name, where
        return made

    name: str
    where: str

    def refuse(self) -> DataError:
        return DataError(
            say("the column '{0}' holds bytes that are not UTF-8 text", self.name),
            self.where,
            say("write it as text, or name another column with codec.field"),
        )
