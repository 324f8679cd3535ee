"""Inventory of a place before a codec is chosen: every file, its kind and size, and what could not
be read.

A kind is the name of the codec that would read a file; "beside" explains data (README, captions,
metadata tables, labels), "other" is read by nothing here. Codecs are asked in their order: the
first that claims and prefers a file has it, else the first that recognises how it begins. Not here:
what is inside the files (item_reader.py), and which of them a codec takes when it trains
(file_discovery.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from castalia import bounded, registry
from castalia.codecs import array_files
from castalia.codecs.base import Codec
from castalia.data import file_discovery, file_names, metadata
from castalia.data.locate import LOOP, NOWHERE, OUTSIDE, SPECIAL, Located, Source, located
from castalia.errors import CastaliaError, DataError
from castalia.sentences import say
from castalia.text_files import documents

T = TypeVar("T")
BESIDE, OTHER = "beside", "other"
CAPTION = ".txt"
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


def codecs() -> dict[str, type[Codec[Any]]]:
    """Every codec by name, those of modalities first; without those that cannot be loaded."""
    known = {}
    for name in registry.names("codec"):
        with suppress(CastaliaError):  # a broken plug-in reads nothing
            known[name] = registry.resolve("codec", name)
    return known


@dataclass
class Inventory:
    """folder: what names are relative to. trouble: (name, why) of what could not be opened;
    harmless: the same of links that go round or nowhere. codecs: those that were asked.
    """

    folder: Path
    entries: list[Entry] = field(default_factory=list)
    trouble: list[tuple[str, str]] = field(default_factory=list)
    harmless: list[tuple[str, str]] = field(default_factory=list)
    codecs: dict[str, type[Codec[Any]]] = field(default_factory=codecs)

    def kinds(self) -> dict[str, Counter[str]]:
        """Kind -> files by ending, most frequent kind first."""
        kinds: dict[str, Counter[str]] = {}
        for entry in self.entries:
            kinds.setdefault(entry.kind, Counter())[ending(entry.name)] += 1
        return dict(sorted(kinds.items(), key=lambda pair: -pair[1].total()))

    def of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    def read(self) -> list[Entry]:
        """Those that a codec would read."""
        return [entry for entry in self.entries if entry.kind not in (BESIDE, OTHER)]

    def read_by(self, name: str) -> None:
        """Gives the codec of this name every file that it claims, whichever would read it
        otherwise.
        """
        codec = self.codecs.get(name)
        if codec is None:
            return
        self.entries = [
            replace(entry, kind=name, weight=_safely(partial(codec.weight, entry.path), 1))
            if entry.kind not in (BESIDE, name) and codec.claims(Path(entry.name).name)
            else entry
            for entry in self.entries
        ]

    def codec(self) -> str | None:
        """The codec that would read most of the items, of several the first; None when no codec
        reads any.
        """
        weights: Counter[str] = Counter()
        for entry in self.read():
            weights[entry.kind] += entry.weight
        order = [name for name in self.codecs if weights[name]]
        return max(order, key=lambda name: weights[name], default=None)


def take(source: Source, follow_links: bool = False) -> Inventory:
    """Every file of a source: a built-in set, folders, archives, a list, a table or one file.
    Raises DataError when it does not exist.
    """
    place = located(source)
    path = place.file
    if path is None:
        return _folder(place, follow_links)
    named = _named(path)
    inventory = Inventory(path.parent)
    if named is None:
        _enter(inventory, path, path.name, set())
        # a README that is named is meant
        if inventory.entries and inventory.entries[0].kind == BESIDE:
            inventory.entries = [_entry(inventory, path, path.name, _meant(inventory, path))]
        return inventory
    inventory.entries.append(_entry(inventory, path, path.name, BESIDE))
    for line in named:
        if (file := file_names.listed(path.parent, line)) is not None:
            _enter(inventory, file, line.replace("\\", "/"), set())
        else:
            inventory.trouble.append((line, say("a listed file does not exist")))
    return inventory


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
    inventory = Inventory(place.base)

    def tell(path: Path, why: str) -> None:
        if why not in (OUTSIDE, SPECIAL):  # counted as omitted when the files are listed
            (inventory.harmless if why in (LOOP, NOWHERE) else inventory.trouble).append(
                (place.name(path), why)
            )

    files = list(place.walk(tell, follow_links))
    captioned = {
        path.with_suffix("")
        for path, _ in files
        if not array_files.is_container(path) and _may_have_caption(inventory, path)
    }
    for path, name in files:
        _enter(inventory, path, name, captioned)
    return inventory


def _enter(inventory: Inventory, path: Path, name: str, captioned: set[Path]) -> None:
    try:
        inventory.entries.append(_entry(inventory, path, name, _kind(inventory, path, captioned)))
    except OSError as error:
        inventory.trouble.append((name, say("the file cannot be read: {0}", error.strerror)))


def _entry(inventory: Inventory, path: Path, name: str, kind: str) -> Entry:
    codec = inventory.codecs.get(kind)
    weight = 0 if codec is None else _safely(lambda: codec.weight(path), 1)
    return Entry(name, path, path.stat().st_size, kind, weight)


def _kind(inventory: Inventory, path: Path, captioned: set[Path]) -> str:
    if path.name == "classes.txt" or (
        array_files.is_container(path) and _safely(lambda: array_files.is_labels(path), False)
    ):
        return BESIDE
    kind = _claimed(inventory, path)
    if kind is not None:
        return BESIDE if _explains(path, captioned) else kind
    if documents.explains(path.name):
        return BESIDE
    head = file_discovery.beginning(path)
    return next(
        (kind for kind, codec in inventory.codecs.items() if codec.recognises(head)),
        BESIDE if path.name.startswith("README") else OTHER,
    )


def _claimed(inventory: Inventory, path: Path) -> str | None:
    return next(
        (
            kind
            for kind, codec in inventory.codecs.items()
            if codec.claims(path.name) and codec.prefers(path)
        ),
        None,
    )


def _meant(inventory: Inventory, path: Path) -> str:
    """The kind of a file that was named itself, and would explain others in a folder."""
    name = path.name.lower()
    by_ending = (
        kind for kind, codec in inventory.codecs.items() if name.endswith(codec.extensions)
    )
    return _claimed(inventory, path) or next(by_ending, OTHER)


def _may_have_caption(inventory: Inventory, path: Path) -> bool:
    """Whether a codec claims the file, and would not claim the caption as another item."""
    return any(
        codec.claims(path.name) and not codec.claims(path.stem + CAPTION)
        for codec in inventory.codecs.values()
    )


def _explains(path: Path, captioned: set[Path]) -> bool:
    """Whether a file that a codec would read is a caption, or a table about files beside it."""
    ending = path.suffix.lower()
    return (ending == CAPTION and path.with_suffix("") in captioned) or (
        ending in metadata.ENDINGS and _names_files(path)
    )


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
