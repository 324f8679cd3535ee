"""Extract the text of .docx, .pdf and .html files, and the rows of .xlsx. The extra `documents`
reads all but HTML.

Compressed files are inflated once under the limits of castalia.bounded before a library sees them,
PDF files are bounded in bytes and pages. What these formats hold beside running text (pictures,
headers, notes, formulas) is not read; pages without text and further sheets are counted.
"""

from __future__ import annotations

import datetime
import importlib.util
import io
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import CastaliaError, DataError, MissingExtra
from castalia.language import say
from castalia.omissions import omit
from castalia.text_files import encodings

TEXTS = (".docx", ".pdf", ".html", ".htm")
WORKBOOKS = (".xlsx",)
# ending -> what reads it
PACKAGES = {".docx": "docx", ".pdf": "pypdf", ".xlsx": "openpyxl", ".parquet": "pyarrow"}
MOST_PAGES = 20_000  # of a PDF file
_FIX = say("open it in the program that made it and save it again, or set data.skip_bad=true")
_CHARSET = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE
)


def missing(name: str) -> bool:
    """Whether the package that reads a file of this name (in small letters) is not installed."""
    package = next((package for ending, package in PACKAGES.items() if name.endswith(ending)), None)
    return package is not None and importlib.util.find_spec(package) is None


def contents(path: Path, encoding: str | None = None) -> tuple[str, Iterator[str]]:
    """(label, the text in parts). Raises DataError for a file that is damaged, encrypted or without
    text, MissingExtra without the extra `documents`.
    """
    match path.suffix.lower():
        case ".docx":
            return "DOCX", _docx(path)
        case ".pdf":
            return "PDF", _pdf(path)
    return _html(path, encoding)


def workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(number from 1, cells) of each row of the first sheet that has any; values as the last
    program computed them, dates as text.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("openpyxl", "documents", path.name) from error
    data = _inflated(path)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if sheet.max_row]
        for place, sheet in enumerate(sheets):
            number = 0
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
                if number > bounded.current().rows:
                    raise bounded.exceeded("rows", say("the sheet is too long"), path.name)
                yield number, [_cell(value) for value in cells]
            if number:
                if sheets[place + 1 :]:
                    remedy = say("save each sheet as a file of its own, such as .csv")
                    omit(
                        say("sheets of workbooks beyond the first"),
                        len(sheets) - place - 1,
                        example=f"{path.name}, {sheets[place + 1].title}",
                        remedy=remedy,
                    )
                return
    except CastaliaError:
        raise
    except Exception as error:  # whatever the library raises is the file's fault
        raise DataError(
            say("the workbook cannot be read: {0}", _why(error)), path.name, _FIX
        ) from error


def _cell(value: Any) -> Any:
    return (
        value.isoformat()
        if isinstance(value, datetime.datetime | datetime.date | datetime.time)
        else str(value)
        if isinstance(value, datetime.timedelta)
        else value
    )


def _docx(path: Path) -> Iterator[str]:
    try:
        import docx
    except ImportError as error:
        raise MissingExtra("python-docx", "documents", path.name) from error
    data = _inflated(path)
    try:
        for block in docx.Document(io.BytesIO(data)).iter_inner_content():
            if hasattr(block, "rows"):
                for row in block.rows:
                    yield "\t".join(cell.text.replace("\n", " ") for cell in row.cells) + "\n"
            else:
                yield block.text + "\n"
    except Exception as error:  # whatever the library raises is the file's fault
        raise DataError(
            say("the document cannot be read: {0}", _why(error)), path.name, _FIX
        ) from error


def _pdf(path: Path) -> Iterator[str]:
    return (text + "\n\n" for _, text in pages(path))


def pages(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of the pages of a PDF file that have text. Raises as `contents`."""
    try:
        import pypdf
        from pypdf.errors import DependencyError
    except ImportError as error:
        raise MissingExtra("pypdf", "documents", path.name) from error
    data, silent, count = bounded.read_bytes(path), 0, 0
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not _opened(reader, DependencyError):
            raise DataError(
                say("the PDF file is encrypted"),
                path.name,
                say("save it without a password, or set data.skip_bad=true"),
            )
        count = len(reader.pages)
        if count > MOST_PAGES:
            raise DataError(
                say("the PDF file has {0:,} pages; {1:,} are read at most", count, MOST_PAGES),
                path.name,
                say("split it"),
            )
        for number, page in enumerate(reader.pages, 1):
            text = page.extract_text().encode("utf-8", "replace").decode().strip()
            silent += not text
            if text:
                yield number, text
    except CastaliaError:
        raise
    except Exception as error:  # whatever the library raises is the file's fault
        raise DataError(
            say("the PDF file cannot be read: {0}", _why(error)), path.name, _FIX
        ) from error
    remedy = say("run text recognition (OCR) over it, or leave it out with data.skip_bad=true")
    if silent == count:
        raise DataError(
            say("the PDF file holds no text: its pages are pictures, or empty"), path.name, remedy
        )
    if silent:
        omit(
            say("pages of PDF files without text"),
            silent,
            example=path.name,
            remedy=say("run text recognition (OCR) over them"),
        )


def _opened(reader: Any, missing: type[Exception]) -> bool:
    """Whether an empty password opens a PDF file."""
    try:
        return bool(reader.decrypt(""))
    except (missing, NotImplementedError):  # a cipher that needs a further package
        return False


def _html(path: Path, encoding: str | None) -> tuple[str, Iterator[str]]:
    named = encoding
    if named is None:
        with bounded.open_regular(path) as file:
            declared = _CHARSET.search(file.read(4096))
        name = declared[1].decode().lower() if declared else ""
        if encodings.is_known(name) and not name.startswith(("utf-8", "utf8", "utf-16", "utf-32")):
            # as browsers read them
            named = (
                "cp1252"
                if name in ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii")
                else name
            )
    detected = encodings.detect(path, named)
    return f"HTML, {detected.label}", _readable(encodings.blocks(path, detected))


def _readable(blocks: Iterator[str]) -> Iterator[str]:
    parser = _Readable()
    for block in blocks:
        parser.feed(block)
        yield parser.taken()
    parser.close()
    yield parser.taken() + "\n"


class _Readable(HTMLParser):
    """Keeps what a reader of the page sees: words, one line a block, nothing of scripts, styles and
    the head.
    """

    _HIDDEN = frozenset(
        (
            "script",
            "style",
            "template",
            "noscript",
            "head",
            "svg",
            "math",
            "iframe",
            "object",
            "select",
        )
    )
    _BLOCKS = frozenset(
        [
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "br",
            "dd",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
            "table",
            "tbody",
            "thead",
            "tr",
            "ul",
        ]
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._line = self._kept = 0
        self._as_is = 0
        self._last = "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._HIDDEN:
            self._hidden.append(tag)
        elif tag == "body":
            self._hidden.clear()  # a head that nobody closed
        self._as_is += tag == "pre"
        self._between(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        self._as_is -= tag == "pre" and self._as_is > 0
        self._between(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if not self._as_is:
            data = re.sub(r"[ \t\r\n\f]+", " ", data)
            if self._last in " \n\t":
                data = data.lstrip(" ")
        self._add(data)

    def _between(self, tag: str) -> None:
        if self._hidden:
            return
        if tag in ("td", "th") and self._last not in "\n\t":
            self._add("\t")
        elif (
            tag
            in (
                "p",
                "h1",
                "h2",
                "h3",
                "h4",
                "h5",
                "h6",
                "blockquote",
                "table",
                "ul",
                "ol",
                "article",
                "section",
            )
            and self._kept
        ):
            self._add("\n" if self._last != "\n" else "")
            self._line = 2
        elif tag in self._BLOCKS and self._last != "\n":
            self._add("\n")

    def _add(self, text: str) -> None:
        if not text:
            return
        if self._line == 2 and text.strip():
            self._parts.append("\n")
            self._line = 0
        self._parts.append(text)
        self._kept += bool(text.strip())
        self._last = text[-1]

    def taken(self) -> str:
        """What has been read since it was last asked."""
        text = "".join(self._parts)
        self._parts.clear()
        return text


def _inflated(path: Path) -> bytes:
    """The bytes of a zip file, once all of its members were inflated within the limits."""
    data = bounded.read_bytes(path)
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise DataError(
            say("the file is encrypted, or of an older Office"),
            path.name,
            say("save it without a password in today's format"),
        )
    try:
        with bounded.open_zip(data, path.name) as archive:
            for name in archive.names():
                with archive.open(name) as member:
                    while member.read(bounded.BLOCK):
                        pass
    except CastaliaError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(say("the file is damaged: {0}", error), path.name, _FIX) from error
    return data


def _why(error: Exception) -> str:
    words = str(error).strip().split("\n")[0][:200]
    return words or type(error).__name__
