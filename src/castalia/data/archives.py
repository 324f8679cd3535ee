"""Unpack .zip and .tar archives (also .gz, .bz2, .xz) once, into a folder named by their content.

    $CASTALIA_HOME/archives/<first 24 hex digits of SHA-256>/
        files/... castalia.json (where it came from, what was left out)

What is unpacked are files alone. A member whose name leads out of the archive, a link, a device, a
sparse file and a name that this system cannot write are left out, and each is counted as omitted.
Of two members with one name the later one counts, as for unpacking programs. Archives inside
archives stay packed. Bytes are counted while they inflate (castalia.bounded); nothing that a header
declares is believed.
"""

from __future__ import annotations

import bz2
import errno
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from castalia import bounded, user_dirs
from castalia.bounded.packed import DAMAGE, Counted, Meter
from castalia.errors import DataError
from castalia.language import say
from castalia.omissions import Omission, Omissions

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGE = (*DAMAGE, tarfile.TarError, lzma.LZMAError, UnicodeError)
_STALE_SECONDS = 86_400
_HEADER_BYTES = 1 << 20  # of a long name or the extended header of a member of a tar file
_DICTIONARY_BYTES = 1 << 28  # that an .xz file may ask for
_UTF8_NAME = 0x800  # flag of a zip member
_DRIVE = re.compile(r"[A-Za-z]:")
_TWO_BYTES = re.compile(rb"(?:[\x00-\x7f]|[\x81-\xfe][\x40-\x7e\x80-\xfe])*")
_CHINESE = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")

OUTSIDE = say("members of archives whose names lead out of the archive")
LINK = say("links and devices in archives")
SPARSE = say("sparse files in archives")
TWICE = say("members of archives that a later one of the same name replaces")
UNWRITABLE = say("members of archives whose names this system cannot write")
_AGAIN = say("pack them again as plain files")


class Unpacked(NamedTuple):
    """folder: of the files. omitted: what was left out."""

    folder: Path
    omitted: Omissions


class _Member(NamedTuple):
    """why: one of the sentences above where it is left out; "" for a file. open: its bytes, valid
    until the next member.
    """

    name: str
    why: str
    open: Any


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive that is opened in place."""
    return name.lower().endswith(ENDINGS)


def bare(name: str) -> str:
    """The name of an archive without its ending; any other name as it is."""
    ending = max((one for one in ENDINGS if name.lower().endswith(one)), key=len, default="")
    return name[: len(name) - len(ending)] or name


def unpacked(path: Path) -> Unpacked:
    """The files of an archive. Raises DataError for one that is damaged, encrypted or empty, that
    passes a limit, or that the cache has no room for.
    """
    with bounded.open_regular(path) as file:
        try:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(
                say("the archive cannot be read: {0}", error.strerror),
                path.name,
                say("copy it again"),
            ) from error
    folder = user_dirs.home() / "archives" / digest[:24]
    known = _known(folder)
    if known is None:
        _unpack(path, folder)
        known = _known(folder)
    if known is None:
        raise DataError(
            say("the cache was damaged while it was written"),
            folder.parent,
            say("check the disk, or set CASTALIA_HOME to another one"),
        )
    return known


def _known(folder: Path) -> Unpacked | None:
    """The archive's folder in the cache, if it is there."""
    try:
        about = bounded.parse_json(bounded.read_bytes(folder / "castalia.json", "json_bytes"))
        omitted = Omissions.of(about["omitted"])
    except (DataError, ValueError, KeyError, TypeError):
        return None
    with suppress(OSError):
        os.utime(folder)  # when it was last used
    return Unpacked(folder / "files", omitted) if (folder / "files").is_dir() else None


def _unpack(path: Path, folder: Path) -> None:
    for stale in folder.parent.glob("*.tmp"):  # of an unpacking that was killed
        with suppress(OSError):
            if time.time() - stale.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(stale, ignore_errors=True)
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    omitted = Omissions()
    try:
        with _writing(folder):
            (temporary / "files").mkdir(parents=True)
        count, size = _write_all(path, temporary / "files", omitted)
        if count == 0:
            raise DataError(
                say("the archive holds no files"),
                path.name,
                say("look into it: it may be empty, or hold links alone"),
            )
        about = {"source": str(path), "files": count, "bytes": size, "omitted": omitted.plain()}
        with _writing(folder):
            (temporary / "castalia.json").write_text(json.dumps(about), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)  # a damaged one
            with suppress(FileExistsError):  # another process unpacked it meanwhile
                temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_all(path: Path, target: Path, omitted: Omissions) -> tuple[int, int]:
    """How many files, and how many bytes."""
    written: dict[str, int] = {}
    most = bounded.current().archive_members
    with _members(path) as members:
        for number, member in enumerate(_whole(members, path), 1):
            if number > most:
                raise bounded.exceeded(
                    "archive_members", say("the archive holds too many files"), path.name
                )
            name = _cleaned(member.name)
            if name == "":  # hidden, or a folder
                continue
            why = OUTSIDE if name is None else member.why
            if why or name is None:
                omitted.add(Omission(why, 1, f"{path.name}: {member.name[:200]}", _AGAIN))
                continue
            place = target / name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                file = place.open("wb" if name in written else "xb")
            except (
                FileExistsError,
                NotADirectoryError,
                IsADirectoryError,
                UnicodeError,
                ValueError,
            ):
                omitted.add(Omission(UNWRITABLE, 1, f"{path.name}: {name[:200]}", _AGAIN))
                continue
            except OSError as error:
                if error.errno not in _BAD_NAME:
                    raise _no_room(error, target) from error
                omitted.add(Omission(UNWRITABLE, 1, f"{path.name}: {name[:200]}", _AGAIN))
                continue
            if name in written:
                omitted.add(Omission(TWICE, 1, f"{path.name}: {name}", _AGAIN))
            with file:
                written[name] = _copy(member, file, f"{path.name}: {name}", target)
    return len(written), sum(written.values())


def _copy(member: _Member, file: IO[bytes], where: str, target: Path) -> int:
    size = 0
    try:
        stream = member.open()
        while block := stream.read(bounded.BLOCK):
            try:
                file.write(block)
            except OSError as error:
                raise _no_room(error, target) from error
            size += len(block)
    except _DAMAGE as error:
        raise _damaged(where, error) from error
    return size


def _whole(members: Iterator[_Member], path: Path) -> Iterator[_Member]:
    """The members; damage to the list of them is named."""
    try:
        yield from members
    except _DAMAGE as error:
        raise _damaged(path.name, error) from error


@contextmanager
def _members(path: Path) -> Iterator[Iterator[_Member]]:
    with bounded.open_regular(path) as file:
        head = file.read(6)
    if head[:2] == b"PK":
        with bounded.open_zip(path) as archive:
            yield _zip_members(archive)
        return
    with ExitStack() as opened:
        stream: IO[bytes]
        if head[:2] == b"\x1f\x8b":
            stream = opened.enter_context(bounded.open_gzip(path))  # type: ignore[assignment]
        else:
            raw = opened.enter_context(bounded.open_regular(path))
            meter = Meter(os.fstat(raw.fileno()).st_size, path.name)
            inner: Any = raw
            if head[:3] == b"BZh":
                inner = opened.enter_context(bz2.BZ2File(raw))
            elif head == b"\xfd7zXZ\x00":
                inner = _Xz(raw)
            stream = Counted(inner, meter)  # type: ignore[assignment]
        try:
            archive_of_tar = opened.enter_context(
                tarfile.open(
                    fileobj=stream,
                    mode="r|",
                    tarinfo=_Header,
                    encoding="utf-8",
                    errors="surrogateescape",
                )
            )
        except _DAMAGE as error:
            raise _damaged(path.name, error) from error
        yield _tar_members(archive_of_tar)


def _zip_members(archive: bounded.Zip) -> Iterator[_Member]:
    infos = [info for info in archive.archive.infolist() if not info.filename.endswith("/")]
    unnamed = [
        info.orig_filename.encode("cp437", "replace")
        for info in infos
        if not info.flag_bits & _UTF8_NAME
    ]
    # one program wrote them all, and together they are less ambiguous
    encoding = _encoding(b"\n".join(unnamed))
    for info in infos:
        mode = info.external_attr >> 16
        # written on Unix, where these bits mean something
        special = stat.S_IFMT(mode) not in (0, stat.S_IFREG) and info.create_system == 3
        name = (
            info.filename
            if info.flag_bits & _UTF8_NAME
            else info.orig_filename.encode("cp437", "replace").decode(encoding, "replace")
        )
        yield _Member(
            name.replace("\\", "/"), LINK if special else "", lambda info=info: archive.open(info)
        )


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if info.isdir():
            continue
        why = "" if info.isreg() else LINK
        if info.issparse():
            why = SPARSE  # the declared content is not there, so nothing counts it
        raw = info.name.encode("utf-8", "surrogateescape")
        yield _Member(
            raw.decode(_encoding(raw), "replace"),
            why,
            lambda info=info: archive.extractfile(info) or io.BytesIO(),
        )


class _Header(tarfile.TarInfo):
    """Refuses a header that asks for more memory than any name needs."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in (b"L", b"K", b"x", b"g", b"X") and self.size > _HEADER_BYTES:
            raise tarfile.ReadError("a header of a member is too long")
        return super()._proc_member(archive)  # type: ignore[misc]


class _Xz(io.RawIOBase):
    """An .xz stream whose dictionary is bounded, which lzma.open cannot do."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__()
        self._raw, self._decoder = raw, lzma.LZMADecompressor(lzma.FORMAT_XZ, _DICTIONARY_BYTES)

    def read(self, size: int | None = -1) -> bytes:
        while not self._decoder.eof:
            fed = self._raw.read(1 << 16) if self._decoder.needs_input else b""
            if self._decoder.needs_input and not fed:
                raise EOFError("the compressed file ends too early")
            if data := self._decoder.decompress(fed, -1 if size is None else size):
                return data
        return b""


def _cleaned(name: str) -> str | None:
    """A relative name with /; "" for what is hidden; None for a name that leads elsewhere."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or _DRIVE.match(name) or ".." in parts or "\0" in name:
        return None
    return (
        "" if any(part.startswith(".") or part == "__MACOSX" for part in parts) else "/".join(parts)
    )


def _encoding(raw: bytes) -> str:
    """Of names that do not say theirs: UTF-8, else what Chinese Windows writes, else what old DOS
    programs do.
    """
    with suppress(UnicodeDecodeError):
        raw.decode("utf-8")
        return "utf-8"
    high = sum(byte > 0x7F for byte in raw)
    return (
        "gb18030"
        if _TWO_BYTES.fullmatch(raw) and 4 * len(_CHINESE.findall(raw)) >= high
        else "cp437"
    )


_BAD_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


def _damaged(where: str, error: Exception) -> DataError:
    return DataError(
        say("the archive is damaged: {0}", error),
        where,
        say("copy it again, or set data.skip_bad=true"),
    )


def _no_room(error: OSError, place: Path) -> DataError:
    fix = say("free some space, or set CASTALIA_HOME to a folder that can be written")
    return DataError(
        say("the archive cannot be unpacked: {0}", error.strerror or error), place, fix
    )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _no_room(error, folder.parent) from error
