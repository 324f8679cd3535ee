"""What is a document in which file: whole texts, pieces of large ones, paragraphs, lines, and rows of tables.

Everything is streamed as UTF-8 bytes, so that a single line of 200 MB is read and cut in bounded memory, and what is hashed
of a document are exactly these bytes. Encodings are in codecs/encodings.py. A row of a table is cut only where lines or paragraphs are asked for.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.codecs import encodings
from castalia.errors import DataError, MissingExtra, meant

WHOLE = 64 << 10  # bytes of UTF-8: longer lines and paragraphs are cut
PIECE = 16 << 10  # up to here a text file is one document; the size of the pieces of a large one
PIECES = 32  # of a file that is neither: enough to train on a part and hold another out
LEAST_PIECE = 1 << 10
TABLES = (".jsonl", ".csv", ".tsv", ".parquet", ".json")
PACKED = (".txt.gz", ".md.gz", ".jsonl.gz", ".csv.gz", ".tsv.gz")
PROSE = (".txt", ".md", ".rst", ".tex")
# fmt: off
CODE = (
    ".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".cs",
    ".go", ".rs", ".swift", ".rb", ".php", ".pl", ".lua", ".r", ".jl", ".m", ".hs", ".ml", ".sh", ".bash", ".ps1", ".sql", ".html", ".htm",
    ".css", ".scss", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".vue", ".cu", ".cl", ".f90", ".asm",
)
# fmt: on
EXTENSIONS = (*PROSE, *TABLES, *PACKED, *CODE)
COLUMNS = ("text", "content", "lines")  # where a table keeps its text when nobody says
_ABOUT = re.compile(r"(readme|licen[cs]e|notice|changelog|copying)([._-].*)?|metadata\.(csv|jsonl)", re.IGNORECASE)
_COLUMN = re.compile(r"\{([^{}]+)\}")


class Document(str):
    """A text with the encoding that its file had; "" for one that comes from no file."""

    __slots__ = ("encoding",)
    encoding: str

    def __new__(cls, text: str, encoding: str = "") -> Document:
        made = super().__new__(cls, text)
        made.encoding = encoding
        return made


def claims(name: str) -> bool:
    """Whether a file of this name holds texts: by ending, but not what lies beside data to explain them (README, LICENSE ...).

    Of .json files only those that are named themselves are read: in a folder they are settings and manifests.
    """
    return name.lower().endswith(EXTENSIONS) and not name.lower().endswith(".json") and not explains(name)


def contents(path: Path, document: str, field: str | None, encoding: str | None) -> tuple[str, Iterator[bytes]]:
    """(encoding, and for tables the columns; UTF-8 bytes of each document in order); documents without a visible character are left out.

    document  "auto", "file", "paragraph" or "line"; a row of a table is a document, or is parted into its paragraphs or lines. field: column or template, for tables.
    Raises DataError naming the file, and the line or row where there is one, and MissingExtra for Parquet without pyarrow.
    """
    if is_table(path.name):
        label, table = rows(path, encoding)
        label, texts = _table(label, table, path, field)
        return label, texts if document in ("auto", "file") else (part for text in texts for part in _parted(iter([text]), document))
    found = encodings.detect(path, encoding)
    raw = _encoded(encodings.blocks(path, found), path)
    match document:
        case "file":
            return found.label, (whole for whole in [_whole(raw, path)] if whole.strip())
        case "line" | "paragraph":
            return found.label, _parted(raw, document)
        case _:
            return found.label, _pieces(raw)


def is_table(name: str) -> bool:
    """Whether a file of this name has rows and columns."""
    return _kind(name) in TABLES


def rows(path: Path, encoding: str | None = None) -> tuple[str, Rows]:
    """(label of the encoding, the rows of a table with their numbers). Raises as `contents` does."""
    kind = _kind(path.name)
    if kind == ".parquet":
        return "Parquet", _counted(_parquet(path), path)
    found = encodings.detect(path, encoding)
    blocks = encodings.blocks(path, found)
    if kind == ".jsonl":
        return found.label, _counted(_jsonl(blocks, path), path)
    if kind == ".json":
        return found.label, _counted(_json(blocks, path), path)
    return found.label, _counted(_csv(blocks, path, "\t" if kind == ".tsv" else ","), path)


def _counted(rows: Rows, path: Path) -> Rows:
    """The rows, up to the limit."""
    most = bounded.current().rows
    for count, row in enumerate(rows, 1):
        if count > most:
            raise bounded.exceeded("rows", "the table has too many rows", path.name)
        yield row


def text_column(row: dict[str, Any]) -> str | None:
    """The column that holds the text when nobody says which: text, content or lines, else the only one with text; None where that is open."""
    texts = [name for name, value in row.items() if isinstance(value, str | list)]
    return next((name for name in COLUMNS if name in row), texts[0] if len(texts) == 1 else None)


def explains(name: str) -> bool:
    """Whether a file lies beside data to explain them: README, LICENSE, metadata.csv ..."""
    return _ABOUT.fullmatch(name) is not None


def _kind(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _encoded(blocks: Iterator[str], path: Path) -> Iterator[bytes]:
    for block in blocks:
        try:
            yield block.encode()
        except UnicodeEncodeError as error:  # only lenient encodings that a user named, UTF-7 for one, let it through
            raise _half(block[error.start], path.name) from error


def _half(surrogate: str, where: str) -> DataError:
    return DataError(f"the text holds half a character: the lone surrogate U+{ord(surrogate):04X}", where, "mend the file")


# Texts ----------------------------------------------------------------------------------------------------------------


def _whole(blocks: Iterator[bytes], path: Path) -> bytes:
    """A text that is one document, up to the limit document_bytes."""
    whole, most = bytearray(), bounded.current().document_bytes
    for block in blocks:
        whole += block
        if len(whole) > most:
            raise bounded.exceeded("document_bytes", "the text is too long to be one document", path.name)
    return bytes(whole)


def _parted(blocks: Iterator[bytes], document: str) -> Iterator[bytes]:
    """The lines, or the paragraphs, of a text."""
    parts = _lines(blocks) if document == "line" else _paragraphs(_lines(blocks))
    return (part.rstrip(b"\n") for part in parts if part.strip())


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """One piece up to 16 KiB; more is cut into pieces of about 1/32 of it, 1 KiB to 16 KiB, whose concatenation is the text.

    A cut lies after the last blank line of the second half of a piece, else after its last line end, else between two characters.
    """
    blocks, held = iter(blocks), b""
    for block in blocks:
        held += block
        if len(held) > PIECES * PIECE:
            break
    if len(held) <= PIECE:
        if held.strip():
            yield held
        return
    size = min(PIECE, max(LEAST_PIECE, len(held) // PIECES))
    rest = b""
    for block in chain([held], blocks):
        rest += block
        start = 0
        while len(rest) - start > 2 * size:
            stop = _cut(rest, start, size)
            yield rest[start:stop]
            start = stop
        rest = rest[start:]
    while rest:
        stop = _cut(rest, 0, size) if len(rest) > size + size // 2 else len(rest)
        yield rest[:stop]
        rest = rest[stop:]


def _cut(text: bytes, start: int, size: int) -> int:
    half, full = start + size // 2, start + size
    for mark in (b"\n\n", b"\n"):
        found = text.rfind(mark, half, full)
        if found >= 0:
            return found + len(mark)
    while text[full] & 0xC0 == 0x80:  # inside a character
        full -= 1
    return full


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines with their ends; one of more than 64 KiB comes in pieces."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield from (line + b"\n",) if len(line) < WHOLE else _pieces(iter([line + b"\n"]))
        if len(rest) > WHOLE:
            *done, rest = _pieces(iter([rest]))
            yield from done
    if rest:
        yield rest


def _paragraphs(lines: Iterator[bytes]) -> Iterator[bytes]:
    """What lies between blank lines; more than 64 KiB comes in parts."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if line.strip() and size <= WHOLE:
            held.append(line)
            size += len(line)
            continue
        yield b"".join(held)
        held, size = ([line], len(line)) if line.strip() else ([], 0)
    yield b"".join(held)


# Tables ---------------------------------------------------------------------------------------------------------------

Rows = Iterator[tuple[int, dict[str, Any]]]  # (line or row number from 1, column -> value)


def _table(label: str, rows: Rows, path: Path, field: str | None) -> tuple[str, Iterator[bytes]]:
    """The first row decides how rows become texts; the label says from which columns, because nobody may have been asked."""
    first = next(rows, None)
    if first is None:
        return label, iter(())
    written = template(field, first[1], path)
    names = list(dict.fromkeys(_COLUMN.findall(written)))
    return f"{label}, column{'s' if len(names) > 1 else ''} {' + '.join(names)}", _rows(chain([first], rows), path, written)


def _rows(rows: Iterable[tuple[int, dict[str, Any]]], path: Path, template: str) -> Iterator[bytes]:
    for number, row in rows:
        text = filled(template, row)
        if not text.strip():
            continue
        try:
            yield text.encode()
        except UnicodeEncodeError as error:
            raise _half(text[error.start], f"{path.name}, row {number}") from error


def filled(template: str, row: dict[str, Any]) -> str:
    """A template with the cells of a row."""
    return _COLUMN.sub(lambda found: _text(row.get(found[1])), template).replace("\r\n", "\n")


def template(field: str | None, row: dict[str, Any], path: Path) -> str:
    """How a row becomes a text, e.g. "{title}\\n{lines}", decided by the first row."""
    columns = ", ".join(row)
    if field is None:
        chosen = text_column(row)
        if chosen is None:
            raise DataError(
                f"the table has no column 'text' or 'content', so the text may be any of: {columns}",
                path.name,
                "say which with codec.field=COLUMN, or join several: codec.field='\"{title}\\n{body}\"'",
            )
        return f"{{{chosen}}}"
    written = f"{{{field}}}" if field in row or "{" not in field else field
    for name in _COLUMN.findall(written):
        if name not in row:
            raise DataError(f"the table has no column '{name}'", f"{path.name}, codec.field", f"{meant(name, row)}columns: {columns}")
    return written


def _text(value: Any) -> str:
    """A cell as text: lists one element a line, nothing for null, JSON for what has parts."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() | tuple():
            return "\n".join(map(_text, value))
        case bool() | dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def _text_lines(blocks: Iterator[str], path: Path) -> Iterator[str]:
    """Lines with their LF; other line separators of Unicode are part of a line."""
    parts: list[str] = []  # of a line that is not complete: joined once, however many blocks it spans
    size, number, most = 0, 1, bounded.current().line_bytes
    for block in blocks:
        first, *lines = block.split("\n")
        parts.append(first)
        size += len(first)
        if lines:
            yield "".join(parts) + "\n"
            for line in lines[:-1]:
                yield line + "\n"
            number, parts, size = number + len(lines), [lines[-1]], len(lines[-1])
        if size > most:
            raise bounded.exceeded("line_bytes", "the line is too long", f"{path.name}, line {number}")
    if size:
        yield "".join(parts)


def _jsonl(blocks: Iterator[str], path: Path) -> Rows:
    for number, line in enumerate(_text_lines(blocks, path), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        row = bounded.parse_json(line, where, "write one JSON object a line")
        if not isinstance(row, dict):
            raise DataError("the line is not a JSON object", where, 'write lines like {"text": "..."}')
        yield number, row


def _json(blocks: Iterator[str], path: Path) -> Rows:
    """A list of objects, or an object that holds one list of them."""
    whole = bounded.parse_json(_joined(blocks, path), path.name, "write a list of objects, or one object a line as .jsonl")
    lists = [value for value in whole.values() if isinstance(value, list)] if isinstance(whole, dict) else [whole]
    if len(lists) != 1 or not isinstance(lists[0], list) or not all(isinstance(row, dict) for row in lists[0]):
        raise DataError("the file is not a list of JSON objects", path.name, 'write [{"text": "..."}, ...]')
    yield from enumerate(lists[0], 1)


def _joined(blocks: Iterator[str], path: Path) -> str:
    """A text that has to be in memory whole, up to the limit json_bytes."""
    parts, size, most = [], 0, bounded.current().json_bytes
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > most:
            raise bounded.exceeded("json_bytes", "the JSON is too long", path.name)
    return "".join(parts)


def _csv(blocks: Iterator[str], path: Path, delimiter: str) -> Rows:
    csv.field_size_limit(bounded.current().cell_characters)  # a text may be longer than the 128 KiB that Python allows by default
    reader = csv.DictReader(_text_lines(blocks, path), delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if name is not None}
    except csv.Error as error:
        if "field limit" in str(error):
            raise bounded.exceeded("cell_characters", "a cell is too long", f"{path.name}, line {reader.line_num}") from error
        raise DataError(f"the table cannot be read: {error}", f"{path.name}, line {reader.line_num}", "save it as UTF-8 CSV") from error


def _parquet(path: Path) -> Rows:
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
                    raise bounded.exceeded("array_bytes", f"row group {group} is too large", path.name)
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"the Parquet table cannot be read: {error}", path.name, "write it again, or set data.skip_bad=true") from error
