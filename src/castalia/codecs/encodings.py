"""Bytes of a text file to characters: which encoding, read in blocks, and where it breaks.

A byte order mark decides first (UTF-8, UTF-16, UTF-32). Without one, strict UTF-8 is tried on the whole file; where that fails, the bytes
around the place tell a damaged UTF-8 file, which is refused by offset and never turned into mojibake, from GB18030 (which contains
GBK and GB2312; bytes above 127 stand together) and from Latin-1 (they stand alone between ASCII letters; its superset Windows-1252 is used).
Other encodings must be named. CRLF becomes LF. Nothing here holds more than a few megabytes, whatever the file's size.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from castalia import bounded
from castalia.errors import DataError

BLOCK = 1 << 20
_MARKS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_BINARY = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"RIFF": "a sound, picture or video file",
    b"%PDF-": "a PDF file",
    b"PK\x03\x04": "a ZIP archive, as .docx, .xlsx and .epub files are",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"\x1f\x8b": "a gzip file without the ending .gz",
    b"PAR1": "a Parquet table",
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
}
_CONTROLS = bytes(byte for byte in [*range(32), 127] if byte not in b"\b\t\n\v\f\r\x1b")
_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_TOGETHER = re.compile(rb"[\x80-\xff]{2,}")
_ASCII = bytes(range(128))


@dataclass(frozen=True)
class Encoding:
    """label: as reports say it. codec: Python's name of it. mark: bytes of the byte order mark, which is not text."""

    label: str
    codec: str
    mark: int = 0


def detect(path: Path, named: str | None = None) -> Encoding:
    """The encoding of a whole file, `named` by the user or found. Raises DataError for binary files and for damaged UTF-8."""
    if named is not None:
        return Encoding(named, named)
    decoder = codecs.getincrementaldecoder("utf-8")()
    window, offset = b"", 0
    try:
        for number, block in enumerate(_raw(path)):
            if number == 0:
                for mark, codec, label in _MARKS:
                    if block.startswith(mark):
                        return Encoding(label, codec, len(mark))
                _refuse_binary(path, block)
            window, offset = window[-4096:] + block, offset + len(block)
            decoder.decode(block)
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        return _guessed(path, window, offset - len(error.object) + error.start, error.object[error.start : error.end])
    return Encoding("UTF-8", "utf-8")


def blocks(path: Path, encoding: Encoding) -> Iterator[str]:
    """The text in blocks of about a megabyte, CRLF as LF. Raises DataError with the offset of the first byte that cannot be decoded."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    offset, held, first = 0, "", True
    for block in _raw(path):
        offset += len(block)
        text = held + _decoded(decoder, block[encoding.mark :] if first else block, False, path, encoding, offset)
        if first and not encoding.mark:
            text = text.removeprefix("\ufeff")  # a mark in an encoding that the user named
        first, held = False, "\r" if text.endswith("\r") else ""  # its LF may come with the next block
        yield text[: len(text) - len(held)].replace("\r\n", "\n")
    yield held + _decoded(decoder, b"", True, path, encoding, offset)


def is_known(name: str) -> bool:
    """Whether Python decodes text of this encoding in blocks."""
    try:
        codecs.getincrementaldecoder(name)().decode(b"", True).encode()
        b"".decode(name)  # "hex" and its like are not text
    except (LookupError, UnicodeError, AttributeError, TypeError):
        return False
    return True


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, final: bool, path: Path, encoding: Encoding, offset: int) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeError as error:
        if not isinstance(error, UnicodeDecodeError):  # UTF-16 without its mark
            raise DataError(f"the file is not {encoding.label}: {error}", path.name, "set codec.encoding to its real encoding") from error
        place = offset - len(error.object) + error.start
        raise _broken(path, encoding.label, place, error.object[error.start : error.end]) from error


def _broken(path: Path, label: str, place: int, found: bytes) -> DataError:
    unpacked = " once unpacked" if path.suffix.lower() == ".gz" else ""
    return DataError(
        f"the byte{'s' if len(found) > 1 else ''} {found[:4].hex(' ').upper()} at offset {place}{unpacked} cannot be decoded as {label}",
        path.name,
        "mend the file, name its encoding with codec.encoding=..., or set data.skip_bad=true",
    )


def _guessed(path: Path, window: bytes, place: int, found: bytes) -> Encoding:
    """What a file is that is not UTF-8, from the bytes around the place where that showed."""
    high = len(window.translate(None, _ASCII))
    if 2 * sum(map(len, _UTF8.findall(window))) > high:
        raise _broken(path, "UTF-8", place, found)
    together = sum(map(len, _TOGETHER.findall(window)))
    if 2 * together >= high:
        return Encoding("GB18030", "gb18030")
    return Encoding("Latin-1", "cp1252")


def _refuse_binary(path: Path, head: bytes) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise DataError(f"the file is {what}, not text, whatever its name says", path.name, "remove it, or set data.skip_bad=true")
    zeros = [head[start::2].count(0) for start in (0, 1)]
    if 5 * max(zeros) > len(head) // 2 > 0 and 10 * min(zeros) < max(zeros):
        name = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        raise DataError(
            "the file looks like UTF-16 without a byte order mark", path.name, f"set codec.encoding={name}, or save it as UTF-8"
        )
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if 200 * controls > len(head):
        raise DataError(
            f"the file is binary, not text: {controls} of its first {len(head)} bytes are control characters",
            path.name,
            "remove it, name its encoding with codec.encoding=..., or set data.skip_bad=true",
        )


def _raw(path: Path) -> Iterator[bytes]:
    """The file's bytes in blocks, unpacked when the name ends in .gz."""
    packed = path.suffix.lower() == ".gz"
    try:
        with bounded.open_gzip(path) if packed else bounded.open_regular(path) as file:
            while block := file.read(BLOCK):
                yield block
    except (OSError, EOFError, zlib.error) as error:
        what = "the gzip file is damaged" if packed else "the file cannot be read"
        raise DataError(
            f"{what}: {getattr(error, 'strerror', None) or error}", path.name, "copy it again, or set data.skip_bad=true"
        ) from error
