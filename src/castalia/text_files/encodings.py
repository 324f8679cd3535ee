"""Decode text files: find the encoding, read in blocks, name the place of an error.

A byte order mark decides first (UTF-8, UTF-16, UTF-32), then escape sequences (ISO-2022). Without
either, strict UTF-8 is tried on the whole file; where that fails, text_files/encoding_detection.py
scores how likely the bytes are in each other encoding. Damaged UTF-8 is never taken for something
else: it is refused by offset where the bytes are likelier as UTF-8 with errors, and where nothing
but broken UTF-8 sequences stand in ASCII. Where two encodings are about as likely, files of the
same ending in the same folder are examined; where that does not decide, an error asks for
codec.encoding. CRLF becomes LF. Nothing here holds more than a few megabytes, whatever the file's
size.
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
from castalia.sentences import plural, say
from castalia.text_files import encoding_detection

BLOCK = 1 << 20
_MARKS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_BINARY = {
    b"\x89PNG": say("a PNG picture"),
    b"\xff\xd8\xff": say("a JPEG picture"),
    b"GIF8": say("a GIF picture"),
    b"RIFF": say("a sound, picture or video file"),
    b"%PDF-": say("a PDF file"),
    b"PK\x03\x04": say("a ZIP archive, as .docx, .xlsx and .epub files are"),
    b"\xd0\xcf\x11\xe0": say("an old Office document"),
    b"\x1f\x8b": say("a gzip file without the ending .gz"),
    b"PAR1": say("a Parquet table"),
    b"SQLite format 3": "a database",
    b"\x7fELF": "a program",
}
_CONTROLS = bytes(byte for byte in [*range(32), 127] if byte not in b"\b\t\n\v\f\r\x1b")
_ESCAPES = (  # encodings of seven bits: a sequence that opens them, Python's name, label
    (re.compile(rb"\x1b\$[@B]|\x1b\([JI]"), "iso2022_jp_2", "ISO-2022-JP"),
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr", "ISO-2022-KR"),
)
_VALID = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
# what a UTF-8 sequence looks like, were it cut, overlong or a surrogate
_SHAPED = re.compile(rb"[\xc0-\xf7][\x80-\xbf]{1,3}")
_ASCII = bytes(range(128))
_NEIGHBOURS = 24  # files of the same folder that are examined where one is ambiguous
_WINDOW = 256 << 10  # bytes behind the first that is not UTF-8
LABELS = {
    "cp1252": "Latin-1",
    "gb18030": "GB18030",
    "big5hkscs": "Big5",
    "cp932": "Shift-JIS",
    "cp949": "EUC-KR",
    "euc_jp": "EUC-JP",
    "mac-roman": "Mac Roman",
    "mac-latin2": "Mac Central European",
    "mac-cyrillic": "Mac Cyrillic",
    "cp874": "TIS-620",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
}


@dataclass(frozen=True)
class Encoding:
    """label: as reports say it. codec: Python's name of it. mark: bytes of the byte order mark,
    which is not text.
    """

    label: str
    codec: str
    mark: int = 0


def detect(path: Path, named: str | None = None) -> Encoding:
    """The encoding of a whole file, `named` by the user or detected. Raises DataError for binary
    files, for damaged UTF-8, and where several encodings are about as likely.
    """
    if named is not None:
        return Encoding(named, named)
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, block, offset = b"", b"", 0
    blocks = _raw(path)
    try:
        for number, block in enumerate(blocks):
            if number == 0:
                known = _marked(block)
                if known is not None:
                    return known
                _refuse_binary(path, block)
            offset += len(block)
            decoder.decode(block)
            before = (before + block)[-4096:]
        decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        place = offset - len(error.object) + error.start
        window = (
            before + block
            if error.object[error.start :] and before[-len(block) :] != block
            else before
        )
        start = max(0, place - (offset - len(window)) - 4096)
        window = (window[start:] + next(blocks, b""))[: 4096 + _WINDOW]
        return _guessed(path, window, place, error.object[error.start : error.end], place <= 4096)
    return Encoding("UTF-8", "utf-8")


def _marked(head: bytes) -> Encoding | None:
    """The encoding that the first bytes of a file declare."""
    for mark, codec, label in _MARKS:
        if head.startswith(mark):
            return Encoding(label, codec, len(mark))
    for opening, codec, label in _ESCAPES:
        if opening.search(head) and head.isascii():
            try:
                codecs.getincrementaldecoder(codec)().decode(head)
            except UnicodeDecodeError:
                continue
            return Encoding(label, codec)
    return None


def blocks(path: Path, encoding: Encoding) -> Iterator[str]:
    """The text in blocks of about a megabyte, CRLF as LF. Raises DataError with the offset of the
    first byte that cannot be decoded.
    """
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    offset, held, first = 0, "", True
    for block in _raw(path):
        offset += len(block)
        text = held + _decoded(
            decoder, block[encoding.mark :] if first else block, False, path, encoding, offset
        )
        if first and not encoding.mark:
            text = text.removeprefix("\ufeff")  # a mark in an encoding that the user named
        # its LF may come with the next block
        first, held = False, "\r" if text.endswith("\r") else ""
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


def _decoded(
    decoder: codecs.IncrementalDecoder,
    block: bytes,
    final: bool,
    path: Path,
    encoding: Encoding,
    offset: int,
) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeError as error:
        if not isinstance(error, UnicodeDecodeError):  # UTF-16 without its mark
            raise DataError(
                say("the file is not {0}: {1}", encoding.label, error),
                path.name,
                say("set codec.encoding to its real encoding"),
            ) from error
        place = offset - len(error.object) + error.start
        raise _broken(path, encoding.label, place, error.object[error.start : error.end]) from error


def _broken(path: Path, label: str, place: int, bad: bytes) -> DataError:
    unpacked = say(" once unpacked") if path.suffix.lower() == ".gz" else ""
    return DataError(
        say(
            "the byte{0} {1} at offset {2}{3} cannot be decoded as {4}",
            "s" if len(bad) > 1 else "",
            bad[:4].hex(" ").upper(),
            place,
            unpacked,
            label,
        ),
        path.name,
        say("mend the file, name its encoding with codec.encoding=..., or set data.skip_bad=true"),
    )


def _guessed(path: Path, window: bytes, place: int, bad: bytes, begins: bool) -> Encoding:
    """What a file is that is not UTF-8, from the bytes around the place where that showed. begins:
    whether the window starts at a character.
    """
    if _is_broken_utf8(window):
        raise _broken(path, "UTF-8", place, bad)
    sample = encoding_detection.sample_of(window, begins)
    best = encoding_detection.guess(sample)
    if encoding_detection.score(sample.decode("utf-8", "replace")) > best.score:
        raise _broken(path, "UTF-8", place, bad)
    if best.sure:
        return _encoding(best.codec)
    together = _neighbours(path)
    if together is not None and together in (best.codec, *best.rivals):
        return _encoding(together)
    likely = [name for name in (best.codec, *best.rivals) if name][:3]
    raise DataError(
        say(
            "the file is not UTF-8 (from offset {0} on), and its bytes do not tell what else", place
        ),
        path.name,
        say(
            "name its encoding, such as codec.encoding={0}{1}, or save it as UTF-8",
            likely[0] if likely else "cp1252",
            say(" (it may also be {0})", ", ".join(likely[1:])) if likely[1:] else "",
        ),
    )


def _encoding(codec: str) -> Encoding:
    return Encoding(
        LABELS.get(codec, codec.replace("cp12", "Windows-12").replace("iso8859", "ISO-8859")), codec
    )


def _is_broken_utf8(window: bytes) -> bool:
    """Whether all bytes above 127 form sequences of UTF-8, whole, cut, overlong or surrogates, and
    these are few among ASCII or mostly whole.
    """
    high = len(window.translate(None, _ASCII))
    # a character that the end of the file cuts
    ends = re.search(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z", window)
    cut = len(ends[0]) if ends else 0
    if cut == high > 1:
        return True
    whole = sum(map(len, _VALID.findall(window)))
    shaped = sum(map(len, _SHAPED.findall(window)))
    if shaped + (cut if cut == 1 else 0) < high:
        return False
    return 10 * high < len(window) or 2 * whole > high


def _neighbours(path: Path) -> str | None:
    """The encoding of the files beside this one, taken together, where they are not UTF-8 and
    unambiguous; else None.
    """
    own = path.suffix.lower()
    samples = []
    try:
        beside = sorted(
            other
            for other in path.parent.iterdir()
            if other.suffix.lower() == own and other.is_file()
        )[:_NEIGHBOURS]
        for other in beside:
            head = next(_raw(other), b"")[:_WINDOW]
            try:
                codecs.getincrementaldecoder("utf-8")().decode(head)
            except UnicodeDecodeError:
                samples.append(encoding_detection.sample_of(head, True))
    except (OSError, DataError):
        return None
    if len(samples) < 2:
        return None
    best = encoding_detection.guess(b"\n".join(samples)[: 4 * encoding_detection.SAMPLE])
    return best.codec if best.sure else None


def _refuse_binary(path: Path, head: bytes) -> None:
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise DataError(
                say("the file is {0}, not text, whatever its name says", what),
                path.name,
                say("remove it, or set data.skip_bad=true"),
            )
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if 200 * controls <= len(head):
        return
    name = encoding_detection.wide(head)
    if name is not None:
        form = name[:6].upper()
        raise DataError(
            say("the file looks like {0} without a byte order mark", form),
            path.name,
            say("set codec.encoding={0}, or save it as UTF-8", name),
        )
    raise DataError(
        say(
            "the file is binary, not text: {0} of its first {1} are control characters",
            controls,
            plural("{0} byte", "{0} bytes", len(head)),
        ),
        path.name,
        say("remove it, name its encoding with codec.encoding=..., or set data.skip_bad=true"),
    )


def _raw(path: Path) -> Iterator[bytes]:
    """The file's bytes in blocks, unpacked when the name ends in .gz."""
    packed = path.suffix.lower() == ".gz"
    try:
        with bounded.open_gzip(path) if packed else bounded.open_regular(path) as file:
            while block := file.read(BLOCK):
                yield block
    except (OSError, EOFError, zlib.error) as error:
        what = say("the gzip file is damaged") if packed else say("the file cannot be read")
        raise DataError(
            f"{what}: {getattr(error, 'strerror', None) or error}",
            path.name,
            say("copy it again, or set data.skip_bad=true"),
        ) from error
