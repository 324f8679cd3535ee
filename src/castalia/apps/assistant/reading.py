"""Passages from the owner's files: entries of questions with answers, and pieces of documents.

A table (CSV, TSV, JSON lines, Excel ...) with a column of questions and one of answers is a FAQ:
rows with the same answer are one entry, whose further questions are what people asked before. Other
files are documents: Markdown, text, HTML, Word and PDF, cut at headings, pages and paragraphs. HTML
inside a text is text.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from castalia import bounded
from castalia.apps.assistant.terms import language, sentences
from castalia.errors import CastaliaError, DataError
from castalia.sentences import say
from castalia.text_files import documents, office, tables

QUESTIONS = ("question", "questions", "q", "prompt", "问题", "提问", "问")
ANSWERS = ("answer", "answers", "a", "response", "reply", "答案", "回答", "答复", "答")
CUT = 900  # characters of a piece of a document, about
MOST_PASSAGES = 50_000
LONGEST = 20_000  # characters of an answer
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")


@dataclass(frozen=True)
class Passage:
    """text: an answer, or a piece of a document. questions: those that it answers, the entry's own
    first; none for documents. source: the file's name; place: "line 3", "page 2" ..., in numbers.
    """

    text: str
    source: str
    questions: tuple[str, ...] = ()
    line: int = 0
    page: int = 0
    heading: str = ""
    language: str = field(default="en")


@dataclass(frozen=True)
class Source:
    """A file that was read, or why it was not."""

    name: str
    hash: str
    passages: int
    problem: str = ""


@dataclass(frozen=True)
class Clash:
    """A question with more than one answer. places: "file, line"."""

    question: str
    places: tuple[str, ...]


def read(
    paths: Sequence[str | os.PathLike[str]],
) -> tuple[list[Passage], list[Source], list[Clash]]:
    """All passages of files and folders. A bad file of a folder is left out and named; one that is
    named itself raises its error. Raises DataError where nothing can be answered from.
    """
    passages: list[Passage] = []
    sources: list[Source] = []
    for path, named in _files(paths):
        try:
            found = list(_passages(path))
        except CastaliaError as error:
            if named:
                raise
            sources.append(Source(path.name, "", 0, error.what))
            continue
        if named and not found:
            raise DataError(
                say("the file holds no text and no questions with answers"),
                path.name,
                say("a table needs a row below its header, with a question and an answer"),
            )
        digest = hashlib.sha256(bounded.read_bytes(path)).hexdigest()
        sources.append(Source(path.name, digest, len(found)))
        passages += found
        if len(passages) > MOST_PASSAGES:
            raise DataError(
                say("too many passages"),
                path.name,
                say("{0:,} at most: leave files out", MOST_PASSAGES),
            )
    if not passages:
        raise DataError(
            say("there is nothing to answer from"),
            ", ".join(str(path) for path in paths),
            say("give tables with the columns question and answer, or documents"),
        )
    merged = _merged(passages)
    return merged, sources, _clashes(merged)


def questions_of(path: Path) -> list[tuple[str, str]]:
    """(question, the right answer, "" where there is none) of a table of the owner's questions.
    Raises DataError for one without a column of questions.
    """
    found = []
    for line, row in tables.rows(path)[1]:
        asked, answer = _column(row, QUESTIONS), _column(row, ANSWERS)
        if asked is None or answer is None:
            raise _no_columns(path, row, line)
        if text := _cell(row.get(asked)):
            found.append((text, _cell(row.get(answer))))
    if not found:
        raise DataError(say("the table holds no question"), path.name, say("add rows to it"))
    return found


def _files(paths: Sequence[str | os.PathLike[str]]) -> Iterator[tuple[Path, bool]]:
    """(file, whether it was named itself), in the order of names."""
    for given in map(Path, paths):
        if given.is_dir():
            for path in sorted(given.rglob("*")):
                hidden = any(part.startswith(".") for part in path.relative_to(given).parts)
                if path.is_file() and not hidden and _readable(path.name):
                    yield path, False
        elif given.is_file():
            yield given, True
        else:
            raise DataError(say("there is no such file or folder"), given, say("check its name"))


def _readable(name: str) -> bool:
    ending = Path(name).suffix.lower()
    return documents.is_table(name) or ending in (*documents.PROSE, *office.TEXTS)


def _passages(path: Path) -> Iterator[Passage]:
    if documents.is_table(path.name):
        yield from _entries(path)
    elif path.suffix.lower() == ".pdf":
        for page, text in office.pages(path):
            yield from _pieces(text, path.name, page=page)
    else:
        parts = documents.contents(path, "file", None, None)[1]
        for whole in parts:
            yield from _pieces(whole.decode(), path.name)


def _entries(path: Path) -> Iterator[Passage]:
    for line, row in tables.rows(path)[1]:
        asked, answer = _column(row, QUESTIONS), _column(row, ANSWERS)
        if asked is None or answer is None:
            raise _no_columns(path, row, line)
        question, text = _cell(row.get(asked)), _cell(row.get(answer))
        if not question and not text:
            continue
        if not question or not text:
            raise DataError(
                say("a row has no question") if text else say("a row has no answer"),
                say("{0}, line {1}", path.name, line),
                say("fill it in, or take the row out"),
            )
        if len(text) > LONGEST:
            raise DataError(
                say("an answer is too long: {0:,} characters", len(text)),
                say("{0}, line {1}", path.name, line),
                say("{0:,} at most: make a document of it", LONGEST),
            )
        spoken = language(f"{question} {text}") or "en"
        yield Passage(text, path.name, (question,), line=line, language=spoken)


def _no_columns(path: Path, row: dict[str, object], line: int) -> DataError:
    return DataError(
        say("the table has no columns of questions and answers"),
        path.name,
        say("call them question and answer; columns: {0}", ", ".join(list(row)[:12])),
    )


def _column(row: dict[str, object], names: Sequence[str]) -> str | None:
    lower = {str(name).strip().lower(): str(name) for name in row}
    return next((lower[name] for name in names if name in lower), None)


def _cell(value: object) -> str:
    return "" if value is None else str(value).strip()


def _pieces(text: str, name: str, page: int = 0) -> Iterator[Passage]:
    """Pieces of about 900 characters that begin at a heading or a paragraph, each with its
    heading and the line at which it begins.
    """
    held: list[str] = []
    heading, begin, fenced = "", 1, False

    def piece() -> Iterator[Passage]:
        whole = "\n".join(held).strip()
        if any(map(str.isalnum, whole)):
            spoken = language(whole) or "en"
            line = 0 if page else begin
            yield Passage(whole, name, line=line, page=page, heading=heading, language=spoken)
        held.clear()

    for number, line in enumerate(text.split("\n"), 1):
        fenced ^= line.lstrip().startswith("```")
        found = None if fenced else _HEADING.match(line)
        if found:
            yield from piece()
            heading = found[2]
            continue
        size = sum(map(len, held))
        if size > CUT or (size > CUT // 2 and not line.strip()):
            yield from piece()
        if not held:
            begin = number
        for part in _short(line):
            if held and sum(map(len, held)) + len(part) > 2 * CUT:
                yield from piece()
                begin = number
            held.append(part)
    yield from piece()


def _short(line: str) -> list[str]:
    """A line; a long one in parts of whole sentences."""
    if len(line) <= CUT:
        return [line]
    parts, held = [], ""
    for sentence in sentences(line):
        for place in range(0, len(sentence), CUT):
            piece = sentence[place : place + CUT]
            if held and len(held) + len(piece) > CUT:
                parts.append(held)
                held = ""
            held = f"{held} {piece}".strip()
    return [*parts, held] if held else parts


def _merged(passages: Sequence[Passage]) -> list[Passage]:
    """Entries with the same answer in the same file are one, with all their questions."""
    entries: dict[tuple[str, str], list[Passage]] = {}
    for number, one in enumerate(passages):
        key = (one.source, one.text) if one.questions else (one.source, f"\0{number}")
        entries.setdefault(key, []).append(one)
    merged = []
    for group in entries.values():
        first = group[0]
        asked = tuple(dict.fromkeys(question for one in group for question in one.questions))
        merged.append(
            Passage(
                first.text,
                first.source,
                asked,
                first.line,
                first.page,
                first.heading,
                first.language,
            )
        )
    return merged


def _clashes(passages: Sequence[Passage]) -> list[Clash]:
    places: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for one in passages:
        for question in one.questions:
            key = " ".join(question.lower().split()).rstrip("?？。. ")
            places.setdefault(key, []).append(f"{one.source}:{one.line}")
            shown.setdefault(key, question)
    return [Clash(shown[key], tuple(at)) for key, at in places.items() if len(at) > 1]
