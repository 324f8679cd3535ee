"""Read compressed files and archives, counting bytes while they inflate; declared sizes are not
trusted.

Two limits stop a bomb: `inflated_bytes`, and beyond the first 64 MiB `inflation_ratio`, which is
the bytes that came out over the size of the file on disk. Members of an archive that overlap, as in
the bombs that no nesting needs (Fifield 2019), are counted each time.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from castalia.bounded.files import BLOCK, open_regular
from castalia.bounded.limits import current, exceeded
from castalia.errors import CastaliaError, DataError
from castalia.sentences import say

FREE = 64 << 20  # bytes that may come out whatever the ratio
# What the standard readers raise for damaged files.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
)
_FIX = say("copy it again, or set data.skip_bad=true")


class Meter:
    """Counts what comes out of one compressed file of `packed` bytes."""

    def __init__(self, packed: int, where: object, error: type[CastaliaError] = DataError) -> None:
        self.packed, self.where, self.error, self.count = max(packed, 1), where, error, 0

    def add(self, size: int) -> None:
        """Raises the error of a limit that this many more bytes pass."""
        self.count += size
        if self.count > current().inflated_bytes:
            raise exceeded(
                "inflated_bytes", say("the file unpacks to too much"), self.where, self.error
            )
        if self.count > FREE and self.count > self.packed * current().inflation_ratio:
            raise exceeded(
                "inflation_ratio",
                say("the file unpacks to far more than its size"),
                self.where,
                self.error,
            )


class Counted(io.RawIOBase):
    """A stream that unpacks, with a meter behind it: reads come in blocks, so that no declared size
    is allocated at once.
    """

    def __init__(self, stream: IO[bytes], meter: Meter) -> None:
        super().__init__()
        self._stream, self._meter = stream, meter

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None else size
        parts: list[bytes] = []
        while wanted:
            part = self._stream.read(BLOCK if wanted < 0 else min(wanted, BLOCK))
            if not part:
                break
            self._meter.add(len(part))
            parts.append(part)
            wanted -= len(part) if wanted > 0 else 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    """`count` bytes, or as many as there are, in blocks: what a header declares is not allocated
    before it is there.
    """
    if count <= BLOCK:
        return stream.read(count)
    parts = bytearray()
    while len(parts) < count and (part := stream.read(min(BLOCK, count - len(parts)))):
        parts += part
    return bytes(parts)


@contextmanager
def open_gzip(
    path: str | os.PathLike[str], error: type[CastaliaError] = DataError
) -> Iterator[Counted]:
    """What a gzip file unpacks to. Damage raises what gzip raises (see DAMAGE), where
    it is read.
    """
    with open_regular(path, error) as raw:
        meter = Meter(os.fstat(raw.fileno()).st_size, Path(path).name, error)
        with gzip.GzipFile(fileobj=raw) as stream:
            yield Counted(stream, meter)


class Zip:
    """A zip archive whose members are counted together as they inflate."""

    def __init__(self, archive: zipfile.ZipFile, meter: Meter) -> None:
        self.archive, self._meter = archive, meter

    def names(self) -> list[str]:
        return self.archive.namelist()

    def open(self, member: str | zipfile.ZipInfo) -> Counted:
        """Raises DataError for a member that is encrypted, KeyError for one that is not there."""
        info = self.archive.getinfo(member) if isinstance(member, str) else member
        if info.flag_bits & 0x1:
            raise self._meter.error(
                say("the archive is encrypted"),
                self._meter.where,
                say("unpack it with its password first"),
            )
        return Counted(self.archive.open(info), self._meter)


@contextmanager
def open_zip(
    source: str | os.PathLike[str] | bytes,
    where: object = "",
    error: type[CastaliaError] = DataError,
) -> Iterator[Zip]:
    """The zip archive in a file, or in bytes that were read. Raises `error` for one that is damaged
    or has too many members.
    """
    stream: BinaryIO = (
        io.BytesIO(source) if isinstance(source, bytes) else open_regular(source, error)
    )
    place = where or ("" if isinstance(source, bytes) else Path(source).name)
    with stream:
        size = stream.seek(0, os.SEEK_END)
        try:
            archive = zipfile.ZipFile(stream)
        except DAMAGE as failure:
            raise error(say("the archive is damaged: {0}", failure), place, _FIX) from failure
        with archive:
            if len(archive.infolist()) > current().archive_members:
                raise exceeded(
                    "archive_members", say("the archive holds too many files"), place, error
                )
            yield Zip(archive, Meter(size, place, error))
