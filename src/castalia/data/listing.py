"""Finding files: which files a source means, by name alone. Nothing is decoded here, and a path never leaves this machine.

A source is a built-in set, a folder (walked in name order, hidden files left out), a file list, a metadata table, or one file that the
codec reads. Files that the codec does not claim are counted by ending.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from castalia.codecs import containers
from castalia.codecs.base import Codec
from castalia.codecs.omissions import Omission, Omissions
from castalia.data import builtin, foreign, metadata
from castalia.errors import DataError

LIST_ENDINGS = (".txt", ".list")
LOOP, NOWHERE = "the folder was read already under another name", "the link leads nowhere"  # why `walk` leaves out what is no fault
_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE")


@dataclass
class Listing:
    """Claimed files, their names relative to the source, and what lies beside them.

    captions maps a file to its caption file; table is the metadata table when the source itself is one; skipped: what could not be looked at;
    omitted: files of kinds that are known and not read.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    captions: dict[Path, Path] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    omitted: Omissions = field(default_factory=Omissions)
    passed: list[str] = field(default_factory=list)
    table: Path | None = None
    licence: str | None = None


def list_files(source: str, codec: Codec[Any], skip_bad: bool) -> Listing:
    """The files that `source` means. Raises DataError when it does not exist or holds nothing that the codec reads."""
    path, licence = located(source)
    endings = ", ".join(codec.extensions)
    if path.is_dir():
        listing = _folder(path, codec, skip_bad)
    elif codec.claims(path.name) or path.name.lower().endswith(codec.extensions):  # a README that is named is meant
        listing = Listing(path.parent, [path], [path.name])
    elif path.suffix.lower() in (*LIST_ENDINGS, *metadata.ENDINGS):
        listing = _named(path, codec, skip_bad)
    else:
        fix = foreign.advice([path.name], codec.name) or f"it reads {endings}, folders, and lists of files as .txt, .csv or .jsonl"
        raise DataError(f"the codec '{codec.name}' does not read this file", path.name, fix)
    if not listing.files:
        ignored = ", ".join(f"{count} {ending}" for ending, count in listing.ignored.most_common(5))
        what = f"no files that the codec '{codec.name}' reads; " + (f"ignored: {ignored}" if ignored else "the folder is empty")
        raise DataError(what, source, foreign.advice(listing.passed, codec.name) or f"it reads {endings}")
    listing.licence = licence or licence_beside(listing.folder)
    return listing


def located(source: str) -> tuple[Path, str | None]:
    """Where a source lies, and the licence of a built-in set. Raises DataError when there is no such thing."""
    known = ", ".join(f"builtin/{name}" for name in builtin.names())
    if not source:
        raise DataError("no data were given", "data.source", f"castalia train RECIPE FOLDER, or a built-in set: {known}")
    if source.startswith("builtin/"):
        name = source.removeprefix("builtin/")
        return builtin.path(name), builtin.licence(name)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError("the data do not exist", source, f"check the path; built in: {known}")
    return path, None


def caption(path: Path) -> str | None:
    """The text of a caption file; None when it is empty."""
    try:
        return path.read_text(encoding="utf-8-sig").strip() or None
    except (UnicodeDecodeError, OSError) as error:
        raise DataError("the caption cannot be read as UTF-8 text", path.name, "save it as UTF-8") from error


def _folder(folder: Path, codec: Codec[Any], skip_bad: bool) -> Listing:
    listing = Listing(folder)
    beside: set[Path] = set()

    def skip(path: Path, why: str) -> None:
        if why not in (LOOP, NOWHERE):
            listing.skipped.append({"file": path.relative_to(folder).as_posix(), "why": why})

    for path in walk(folder, skip if skip_bad else None):
        if not codec.claims(path.name):
            beside.add(path)
        elif not (containers.is_container(path) and codec.is_container(path) and containers.is_labels(path)):
            listing.files.append(path)
            listing.names.append(path.relative_to(folder).as_posix())
    listing.captions = {path: path.with_suffix(".txt") for path in listing.files if path.with_suffix(".txt") in beside}
    used = set(listing.captions.values()) | {folder / name for name in ("classes.txt", *metadata.AUTOMATIC)}
    for path in sorted(beside - used):
        _pass(listing, path.relative_to(folder).as_posix())
    if sum(map(containers.is_container, listing.files)) > 1 and any(map(codec.is_container, listing.files)):
        listing.notes.append("several container files are read together; name one of them to use it alone")
    return listing


def _named(path: Path, codec: Codec[Any], skip_bad: bool) -> Listing:
    """Files named by a list or a table, relative to its folder."""
    listing = Listing(path.parent)
    if path.suffix.lower() in metadata.ENDINGS:
        named, listing.table = list(metadata.load(path, ())), path
    else:
        try:
            named = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise DataError("the file list is not UTF-8 text", path.name, "write one path per line, in UTF-8") from error
    for line in dict.fromkeys(named):
        file = path.parent / Path(line).expanduser()
        if not codec.claims(file.name):
            _pass(listing, line.replace("\\", "/"))
        elif file.is_file():
            listing.files.append(file)
            listing.names.append(str(PurePosixPath(line.replace("\\", "/"))))
        elif not skip_bad:
            fix = "paths are relative to the list; mend it, or set data.skip_bad=true"
            raise DataError("a listed file does not exist", f"{path.name}: {line}", fix)
        else:
            listing.notes.append(f"listed but missing: {line}")
    listing.captions = {file: file.with_suffix(".txt") for file in listing.files if file.with_suffix(".txt").is_file()}
    return listing


def _pass(listing: Listing, name: str) -> None:
    """Counts a file that the codec does not claim."""
    listing.passed.append(name)
    listing.ignored[PurePosixPath(name).suffix.lower() or "(no ending)"] += 1
    kind = foreign.kind(name)
    if kind is not None:
        listing.omitted.add(Omission(kind.name, 1, name, kind.remedy))


def walk(folder: Path, tell: Callable[[Path, str], None] | None = None, seen: set[str] | None = None) -> Iterator[Path]:
    """Files below a folder, by name; hidden ones are left out, links to folders are followed once.

    tell(path, why): what cannot be walked is told and left out. Without it, a folder that cannot be read raises DataError.
    """
    seen = set() if seen is None else seen
    real = os.path.realpath(folder)
    if real in seen:
        if tell is not None:
            tell(folder, LOOP)
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        why = f"the folder cannot be read: {error.strerror}"
        if tell is None:
            raise DataError(why, folder.name, "check its permissions, or set data.skip_bad=true") from error
        tell(folder, why)
        return
    for path in entries:
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_dir():
            yield from walk(path, tell, seen)
        elif path.is_file():
            yield path
        elif tell is not None:
            tell(path, NOWHERE if path.is_symlink() else "it is neither a file nor a folder")


def licence_beside(folder: Path) -> str | None:
    """The first line of a licence file in the folder."""
    for name in _LICENCE_NAMES:
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.strip("# \t")[:200] for line in lines if line.strip("# \t")), None)
    return None
