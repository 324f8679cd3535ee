"""What lies in a place, before any codec was chosen: every file, its kind and size, and what could
not be looked at.

A kind is the codec that would read a file: "image", "array", "text", "music"; "beside" explains
data (README, captions, metadata tables, labels), "other" is read by nothing here. The name decides,
and for array files their header. Not here: what is inside the files (reading.py), and which of them
a codec takes when it trains (listing.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from castalia import bounded
from castalia.codecs import array_files
from castalia.data import file_discovery, file_names, metadata
from castalia.data.locate import LOOP, NOWHERE, OUTSIDE, SPECIAL, Located, Source, located
from castalia.errors import DataError
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.music.codec import MusicCodec
from castalia.sentences import say
from castalia.text_files import documents

T = TypeVar("T")
READ = ("image", "array", "text", "music")
_PIECE_OF_TEXT = documents.PIECE
_HEAD = 1 << 16


@dataclass(frozen=True)
class Entry:
    """name: relative to the source, with /. weight: about how many items it holds, for the choice
    of a codec.
    """

    name: str
    path: Path
    bytes: int
    kind: str
    weight: int


@dataclass
class Inventory:
    """folder: what names are relative to. trouble: (name, why) of what could not be looked at;
    harmless: the same of links that go round or nowhere.
    """

    folder: Path
    entries: list[Entry] = field(default_factory=list)
    trouble: list[tuple[str, str]] = field(default_factory=list)
    harmless: list[tuple[str, str]] = field(default_factory=list)

    def kinds(self) -> dict[str, Counter[str]]:
        """Kind -> files by ending, most frequent kind first."""
        found: dict[str, Counter[str]] = {}
        for entry in self.entries:
            found.setdefault(entry.kind, Counter())[ending(entry.name)] += 1
        return dict(sorted(found.items(), key=lambda pair: -pair[1].total()))

    def of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    def codec(self) -> str | None:
        """The codec that would read most of the items; None when no codec reads any."""
        weights = {kind: sum(entry.weight for entry in self.of(kind)) for kind in READ}
        best = max(READ, key=lambda kind: weights[kind])
        return best if weights[best] else None


def take(source: Source, follow_links: bool = False) -> Inventory:
    """Every file of a source: a built-in set, folders, archives, a list, a table or one file.
    Raises DataError when it does not exist.
    """
    place = located(source)
    path = place.file
    if path is None:
        return _folder(place, follow_links)
    named = _named(path)
    found = Inventory(path.parent)
    if named is None:
        _enter(found, path, path.name, set())
        if found.entries and found.entries[0].kind == "beside":  # a README that is named is meant
            found.entries = [_entry(path, path.name, "text")]
        return found
    found.entries.append(_entry(path, path.name, "beside"))
    for line in named:
        if (file := file_names.listed(path.parent, line)) is not None:
            _enter(found, file, line.replace("\\", "/"), set())
        else:
            found.trouble.append((line, say("a listed file does not exist")))
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises DataError when it cannot be read."""
    with bounded.open_regular(path) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(
                say("the file cannot be read: {0}", error.strerror),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            ) from error


def ending(name: str) -> str:
    """The ending of a name, ".txt.gz" as one; "(none)" without."""
    lower = name.rpartition("/")[2].lower()
    suffix = Path(lower).suffix
    return (
        Path(lower.removesuffix(".gz")).suffix + suffix if suffix == ".gz" else suffix
    ) or "(none)"


def columns_of(table: Path) -> list[str]:
    """The columns of a table about files, without the one that names them; empty where
    it is none.
    """
    first = _safely(lambda: next(iter(documents.rows(table)[1]), None), None)
    return [] if first is None else [name for name in first[1] if name not in metadata.FILE_COLUMNS]


def _folder(place: Located, follow_links: bool) -> Inventory:
    found = Inventory(place.base)

    def tell(path: Path, why: str) -> None:
        if why not in (OUTSIDE, SPECIAL):  # counted as omitted when the files are listed
            (found.harmless if why in (LOOP, NOWHERE) else found.trouble).append(
                (place.name(path), why)
            )

    files = list(place.walk(tell, follow_links))
    pictures = {
        path.with_suffix("")
        for path, _ in files
        if path.suffix.lower() in ImageCodec.extensions and not array_files.is_container(path)
    }
    for path, name in files:
        _enter(found, path, name, pictures)
    return found


def _enter(found: Inventory, path: Path, name: str, pictures: set[Path]) -> None:
    try:
        found.entries.append(_entry(path, name, _kind(path, pictures)))
    except OSError as error:
        found.trouble.append((name, say("the file cannot be read: {0}", error.strerror)))


def _entry(path: Path, name: str, kind: str) -> Entry:
    size = path.stat().st_size
    weight = 1
    if kind in ("image", "array") and array_files.is_container(path):
        weight = _safely(lambda: array_files.header(path).shape[0], 1)
    elif kind == "text":
        weight = max(1, size // _PIECE_OF_TEXT)
    return Entry(name, path, size, kind, weight if kind in READ else 0)


def _kind(path: Path, pictures: set[Path]) -> str:
    if array_files.is_container(path):
        return _container_kind(path)
    if ImageCodec.claims(path.name):
        return "image"
    if MusicCodec.claims(path.name):
        return "music"
    if documents.explains(path.name) or path.name == "classes.txt":
        return "beside"
    if not documents.claims(path.name):
        if file_discovery.recognised(path, ImageCodec):
            return "image"
        return "beside" if path.name.startswith("README") else "other"
    if path.suffix.lower() == ".txt" and path.with_suffix("") in pictures:
        return "beside"  # the caption of a picture
    return "beside" if path.suffix.lower() in metadata.ENDINGS and _names_files(path) else "text"


def _container_kind(path: Path) -> str:
    if _safely(lambda: array_files.is_labels(path), False):
        return "beside"
    head = _safely(lambda: array_files.header(path), None)
    if head is None:
        return "array" if path.suffix.lower() in (".npy", ".npz") else "image"
    pictures = head.dtype == "uint8" and (
        len(head.shape) == 3 or (len(head.shape) == 4 and head.shape[3] in (1, 3, 4))
    )
    return "image" if pictures else "array"


def _names_files(table: Path) -> bool:
    """Whether a table speaks of files beside it: its first row names one that is there."""
    first = _safely(lambda: next(iter(documents.rows(table)[1]), None), None)
    if first is None:
        return False
    column = next(
        (name for name in metadata.FILE_COLUMNS if isinstance(first[1].get(name), str)), None
    )
    return column is not None and file_names.listed(table.parent, first[1][column]) is not None


def _named(path: Path) -> list[str] | None:
    """The files that a list or a table names; None where it is data itself."""
    if path.suffix.lower() in metadata.ENDINGS:
        return list(metadata.load(path, ())) if _names_files(path) else None
    if path.suffix.lower() not in file_discovery.LIST_ENDINGS:
        return None
    try:
        with bounded.open_regular(path) as file:
            head = [
                line.strip()
                for line in file.read(_HEAD).decode("utf-8-sig", "ignore").splitlines()[:8]
                if line.strip()
            ]
        if not head or len(head[0]) > 4096 or file_names.listed(path.parent, head[0]) is None:
            return None
        return list(dict.fromkeys(file_discovery.lines_of(path)))
    except (OSError, ValueError, DataError):
        return None


def _safely(look: Callable[[], T], otherwise: T) -> T:
    """What `look` gives; `otherwise` for a file that is damaged: it will be named when
    it is read.
    """
    try:
        return look()
    except (DataError, OSError):
        return otherwise
