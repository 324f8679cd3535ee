"""Read documents from text files: whole texts, pieces of large ones, paragraphs, lines, and rows of
tables.

Everything is streamed as UTF-8 bytes, so that a single line of 200 MB is read and cut in bounded
memory, and what is hashed of a document are exactly these bytes. Encodings are in
text_files/encodings.py. A row of a table is cut only where lines or paragraphs are asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import normalize

from castalia import bounded
from castalia.errors import DataError, meant
from castalia.language import plural, say
from castalia.omissions import omit
from castalia.text_files import encodings, office, tables
from castalia.text_files.tables import rows

WHOLE = 64 << 10  # bytes of UTF-8: longer lines and paragraphs are cut
PIECE = 16 << 10  # up to here a text file is one document; the size of the pieces of a large one
PIECES = 32  # of a file that is neither: enough to train on a part and hold another out
LEAST_PIECE = 1 << 10
TABLES = tables.ENDINGS
PACKED = (".txt.gz", ".md.gz", ".jsonl.gz", ".csv.gz", ".tsv.gz")
PROSE = (".txt", ".md", ".rst", ".tex")
CODE = (
    ".py",
    ".pyi",
    ".js",
    ".mjs",
    ".jsx",
    ".ts",
    ".tsx",
    ".java",
    ".kt",
    ".scala",
    ".c",
    ".cc",
    ".cpp",
    ".cxx",
    ".h",
    ".hh",
    ".hpp",
    ".cs",
    ".go",
    ".rs",
    ".swift",
    ".rb",
    ".php",
    ".pl",
    ".lua",
    ".r",
    ".jl",
    ".m",
    ".hs",
    ".ml",
    ".sh",
    ".bash",
    ".ps1",
    ".sql",
    ".css",
    ".scss",
    ".xml",
    ".yaml",
    ".yml",
    ".toml",
    ".ini",
    ".cfg",
    ".vue",
    ".cu",
    ".cl",
    ".f90",
    ".asm",
)
EXTENSIONS = (*PROSE, *TABLES, *PACKED, *office.TEXTS, *CODE)
COLUMNS = ("text", "content", "lines")  # where a table keeps its text by default
_ABOUT = re.compile(
    r"(readme|licen[cs]e|notice|changelog|copying)([._-].*)?|metadata\.(csv|jsonl)", re.IGNORECASE
)
_OTHERS = 6  # columns that a message lists
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
    """Whether a file of this name holds texts: by ending, but not what lies beside data to explain
    them (README, LICENSE ...).

    Of Word, PDF, Excel and Parquet files only what an installed package reads: the others are
    counted (data/unread_files.py), and one bad file of a folder does not stop the rest. Of .json
    files only those that are named themselves are read: in a folder they are settings and
    manifests.
    """
    lower = name.lower()
    return (
        lower.endswith(EXTENSIONS)
        and not lower.endswith(".json")
        and not explains(name)
        and not office.missing(lower)
    )


def contents(
    path: Path, document: str, field: str | None, encoding: str | None
) -> tuple[str, Iterator[bytes]]:
    """(encoding, and for tables the columns; UTF-8 bytes of each document in order); documents
    without a visible character are left out.

    document  "auto", "file", "paragraph" or "line"; a row of a table is a document, or is parted
              into its paragraphs or lines. field: column or template, for tables.
    Raises DataError naming the file, and the line or row where there is one, and MissingExtra for
    Parquet without pyarrow.
    """
    if is_table(path.name):
        label, texts = _table(path, field, encoding)
        return label, texts if document in ("auto", "file") else (
            part for text in texts for part in _parted(iter([text]), document)
        )
    if path.suffix.lower() in office.TEXTS:
        made, texts = office.contents(path, encoding)
        detected = encodings.Encoding(made, "utf-8")
    else:
        detected = encodings.detect(path, encoding)
        texts = encodings.blocks(path, detected)
    raw = _encoded(texts, path)
    match document:
        case "file":
            return detected.label, (whole for whole in [_whole(raw, path)] if whole.strip())
        case "line" | "paragraph":
            return detected.label, _parted(raw, document)
        case _:
            return detected.label, _pieces(raw)


def is_table(name: str) -> bool:
    """Whether a file of this name has rows and columns."""
    return tables.kind(name) in TABLES


def text_column(row: dict[str, Any]) -> str | None:
    """The column that holds the text by default: text, content or lines, else the only one with
    text; None where that is ambiguous.
    """
    texts = [name for name, value in row.items() if isinstance(value, str | list)]
    return next((name for name in COLUMNS if name in row), texts[0] if len(texts) == 1 else None)


def explains(name: str) -> bool:
    """Whether a file lies beside data to explain them: README, LICENSE, metadata.csv ..."""
    return _ABOUT.fullmatch(name) is not None


def _encoded(blocks: Iterator[str], path: Path) -> Iterator[bytes]:
    for block in blocks:
        try:
            yield block.encode()
        # only lenient encodings that a user named, UTF-7 for one, let it through
        except UnicodeEncodeError as error:
            raise _half(block[error.start], path.name) from error


def _half(surrogate: str, where: str) -> DataError:
    return DataError(
        say("the text holds half a character: the lone surrogate U+{0:04X}", ord(surrogate)),
        where,
        say("mend the file"),
    )


# Texts --------------------------------------------------------------------------------------------


def _whole(blocks: Iterator[bytes], path: Path) -> bytes:
    """A text that is one document, up to the limit document_bytes."""
    whole, most = bytearray(), bounded.current().document_bytes
    for block in blocks:
        whole += block
        if len(whole) > most:
            raise bounded.exceeded(
                "document_bytes", say("the text is too long to be one document"), path.name
            )
    return bytes(whole)


def _parted(blocks: Iterator[bytes], document: str) -> Iterator[bytes]:
    """The lines, or the paragraphs, of a text."""
    parts = _lines(blocks) if document == "line" else _paragraphs(_lines(blocks))
    return (part.rstrip(b"\n") for part in parts if part.strip())


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """One piece up to 16 KiB; more is cut into pieces of about 1/32 of it, 1 KiB to 16 KiB, whose
    concatenation is the text.

    A cut lies after the last blank line of the second half of a piece, else after its last line
    end, else between two characters.
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
        cut = text.rfind(mark, half, full)
        if cut >= 0:
            return cut + len(mark)
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
    """Paragraphs, parted by blank lines; more than 64 KiB comes in parts."""
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


# Tables -------------------------------------------------------------------------------------------


def _table(path: Path, field: str | None, encoding: str | None) -> tuple[str, Iterator[bytes]]:
    """The first row decides how rows become texts; the label says from which columns, because the
    user may not have chosen them.
    """
    label, numbered = rows(path, encoding)
    first = next(numbered, None)
    if first is None:
        return label, iter(())
    written = template(field, first[1], path)
    names = list(dict.fromkeys(_COLUMN.findall(written)))
    if tables.kind(path.name) == ".parquet":
        _, numbered = rows(path, encoding, only=names)  # the other columns are not read at all
    else:
        numbered = chain([first], numbered)
    twice = next((name for name in names if f"{name} (2)" in first[1]), None)
    if twice is not None:
        raise DataError(
            say("two columns are called '{0}'", twice), path.name, say("rename one of them")
        )
    columns = plural("{1}, column {2}", "{1}, columns {2}", len(names), label, " + ".join(names))
    return columns, _rows(numbered, path, written, names)


def _rows(
    numbered: Iterable[tuple[int, dict[str, Any]]], path: Path, template: str, names: Sequence[str]
) -> Iterator[bytes]:
    for number, row in numbered:
        text = filled(template, row)
        if (
            not any(name in row and row[name] not in (None, "") for name in names)
            or not text.strip()
        ):
            _leave_out(row, names, f"{path.name}, row {number}")
            continue
        try:
            yield text.encode()
        except UnicodeEncodeError as error:
            raise _half(text[error.start], f"{path.name}, row {number}") from error


def _leave_out(row: dict[str, Any], names: Sequence[str], where: str) -> None:
    """Counts a row that gives no text."""
    columns = ", ".join(names)
    if any(name in row for name in names):
        omit(
            say("rows in which '{0}' is empty", columns),
            example=where,
            remedy=say("fill them in, or leave them out; nothing is learned from them"),
        )
        return
    others = ", ".join(list(row)[:_OTHERS])
    omit(
        say("rows without the column '{0}'", columns),
        example=where,
        remedy=say(
            "these rows have: {0}. Give the column one name in all rows, or put them into a "
            "file of their own",
            others,
        ),
    )


def filled(template: str, row: dict[str, Any]) -> str:
    """A template with the cells of a row."""
    return _COLUMN.sub(lambda match: _text(row.get(match[1])), template).replace("\r\n", "\n")


def template(field: str | None, row: dict[str, Any], path: Path) -> str:
    """How a row becomes a text, e.g. "{title}\\n{lines}", decided by the first row."""
    columns = ", ".join(row)
    field = field if field is None else normalize("NFC", field)
    if field is None:
        chosen = text_column(row)
        if chosen is None and {"chosen", "rejected"} <= set(row):
            raise DataError(
                say("the rows are pairs of a preferred and another text"),
                path.name,
                say(
                    "tune a run of texts by them: castalia train text/dpo DATA "
                    "start_from=RUN; or learn one column: codec.field=chosen"
                ),
            )
        if chosen is None:
            raise DataError(
                say(
                    "the table has no column 'text' or 'content', so the text may be any of: {0}",
                    columns,
                ),
                path.name,
                say(
                    "say which with codec.field=COLUMN, or join several: "
                    "codec.field='\"{{title}}\\n{{body}}\"'"
                ),
            )
        return f"{{{chosen}}}"
    written = f"{{{field}}}" if field in row or "{" not in field else field
    for name in _COLUMN.findall(written):
        if name not in row:
            raise DataError(
                say("the table has no column '{0}'", name),
                say("{0}, codec.field", path.name),
                say("{0}columns: {1}", meant(name, row), columns),
            )
    return written


def _text(value: Any) -> str:
    """A cell as text: lists one element a line, nothing for null, JSON for what has parts."""
    match value:
        case None:
            return ""
        case tables.Undecoded():
            raise value.refuse()
        case str():
            return value
        case list() | tuple():
            return "\n".join(map(_text, value))
        case bool() | dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
