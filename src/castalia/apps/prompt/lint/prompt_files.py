"""Prompts of files: a text, a Markdown page or a template is one prompt; so is each row of a table.

Tables are read by text_files/tables.py: JSON lines, JSON, CSV, TSV, Parquet and XLSX.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from castalia import bounded
from castalia.apps.prompt.template import SUFFIX
from castalia.errors import DataError
from castalia.sentences import say
from castalia.text_files import tables

COLUMNS = ("prompt", "instruction", "text", "content")  # taken in this order without --column
MOST_FILES = 10_000
TEXTS = (".txt", ".md")


@dataclass(frozen=True)
class Source:
    """One prompt. row: its line or row in a table, from 1; None where the file is the prompt."""

    path: Path
    text: str
    row: int | None = None

    @property
    def template(self) -> bool:
        return self.path.name.endswith(SUFFIX)

    @property
    def name(self) -> str:
        return str(self.path) if self.row is None else f"{self.path}:{self.row}"


def prompts_in(paths: Sequence[Path], column: str | None = None) -> Iterator[Source]:
    """The prompts of files and folders, in order. Raises DataError naming the file."""
    for path in paths:
        if path.is_dir():
            found = sorted(
                one
                for one in path.rglob("*")
                if one.is_file()
                and (one.suffix in TEXTS or tables.kind(one.name) in tables.ENDINGS)
            )
            if not found:
                raise DataError(
                    say("there is no prompt in this folder"), path, say("give files of prompts")
                )
            if len(found) > MOST_FILES:
                raise DataError(
                    say("the folder holds {0:,} files", len(found)),
                    path,
                    say("give at most {0:,} at a time", MOST_FILES),
                )
            for one in found:
                yield from _prompts(one, column)
        else:
            yield from _prompts(path, column)


def _prompts(path: Path, column: str | None) -> Iterator[Source]:
    if tables.kind(path.name) in tables.ENDINGS:
        yield from _rows(path, column)
        return
    text = bounded.read_text(path, "settings_bytes")
    if "\0" in text:
        raise DataError(say("this is no text"), path, say("give files of prompts"))
    if not text.strip():
        raise DataError(say("the file is empty"), path, say("write a prompt into it"))
    yield Source(path, text)


def _rows(path: Path, column: str | None) -> Iterator[Source]:
    count = 0
    for number, row in tables.rows(path)[1]:
        name = column or next((one for one in COLUMNS if one in row), None)
        if name is None or name not in row:
            listed = ", ".join(map(str, row))[:200]
            raise DataError(
                say("the row has no column '{0}'", name)
                if name
                else say("no column is known to hold prompts"),
                say("{0}, row {1}", path.name, number),
                say("--column NAME, one of: {0}", listed),
            )
        value = row[name]
        if not isinstance(value, str) or not value.strip():
            raise DataError(
                say("the cell '{0}' holds no prompt", name),
                say("{0}, row {1}", path.name, number),
                say("write a prompt into it, or leave the row out"),
            )
        count += 1
        yield Source(path, value.replace("\r\n", "\n"), number)
    if not count:
        raise DataError(say("the table has no rows"), path, say("write a prompt into it"))
