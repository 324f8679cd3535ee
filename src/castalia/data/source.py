"""Open a data source: built-in sets, folders, archives, patterns, file lists, metadata tables,
container files.

`open_source` finds the items and what is known about each (class, caption, group) and hashes its
content; it decodes nothing. Files whose ending the codec does not claim are ignored and counted.
Classes are the first-level sub-folders, a column (`data.label`), or a container's label file.
Splitting is in data/split.py, encoding and batches in data/stream.py.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from castalia import bounded
from castalia.captions import Unit
from castalia.codecs import array_files
from castalia.codecs.base import Codec
from castalia.config import MOST_STEPS, Config
from castalia.data import archives, locate, metadata
from castalia.data import file_names as names
from castalia.data.conditions import (
    CAPTION,
    LABEL,
    Column,
    column,
    encoded,
    from_table,
    unknown_condition,
    with_several_values,
)
from castalia.data.file_discovery import Listing, caption, list_files
from castalia.errors import DataError
from castalia.omissions import Omissions, collected
from castalia.progress import tracked
from castalia.sentences import plural, say

_PLACE = re.compile(r"(.+), (item|row) ([0-9]+)")
DIGEST_BYTES = 16
USUAL_CAPTIONS = ("text", "caption")  # what columns of captions are called
_SPLIT_FOLDERS = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
)


class DataConfig(Config):
    """What to train on.

    source       `builtin/NAME`, a folder, an archive (.zip, .tar, .tar.gz ...), a pattern
                 (photos/*.png), a file list (.txt, one path a line), a table (.csv, .jsonl), one
                 container file, or several places as a list (data/locate.py).
    validation   share of the items that is kept from training, by content hash.
    metadata     the table with the columns below; found by itself when it is metadata.csv or the
                 only table in the folder.
    label        column that holds the class; None: sub-folders or label files.
    caption      columns that hold captions, or one of them: a model that is told captions learns
                 one of an item's at a time, in whatever language; None: `name.txt` beside the file,
                 else a column "text" or "caption".
    caption_unit  what of a caption a model is told, one after another: "word", or "letter" for
                 texts that are said aloud (captions.py).
    consent      whose voices these are and that they agreed to a model of them, in a sentence of
                 yours: recipes of speech ask for it, and the model's card shows it.
    group        column whose equal values (one person's pictures) stay on one side of the split.
    skip_bad     list unreadable files in the report instead of stopping at the first.
    limit        use only so many items, chosen by content hash.
    augment      names of the codec's augmentations, for the training side only; None: the codec's
                 default.
    conditional  give the classes to the model; false: ignore them. `conditions` says more.
    conditions   what the model is told, each under its own name: "label" (the class), facts that
                 the codec knows ("key"), "caption", columns of the table. None: the captions,
                 where `caption` names a column and `label` none, else the class, if
                 `conditional`.
    development  share of the items, taken from the training side, that a family may choose its
                 settings by (mixture weights).
    pack         documents of tokens share rows in training; false: each piece of a document has a
                 row of its own.
    segments     packed documents of tokens do not attend to one another; false: they are one
                 stream.
    follow_links  read folders that links in the data lead to, wherever they are; false: only links
                  that stay in the data.
    limits       how much a file may ask for: `limits.pixels=200000000`; SECURITY.md lists them.
                 Only what is not the default is written in a recipe.
    """

    source: str | tuple[str, ...] = ""
    validation: float = Field(default=0.1, ge=0, le=0.9)
    metadata: str | None = None
    label: str | None = None
    caption: str | tuple[str, ...] | None = None
    caption_unit: Unit = "word"
    consent: str = Field(default="", max_length=2_000)
    group: str | None = None
    skip_bad: bool = False
    limit: int | None = Field(default=None, ge=1, le=MOST_STEPS)
    augment: tuple[str, ...] | None = None
    conditional: bool = True
    conditions: tuple[str, ...] | None = None
    development: float = Field(default=0.0, ge=0, le=0.5)
    segments: bool = True
    pack: bool = True
    follow_links: bool = False
    limits: bounded.ReadLimits = bounded.ReadLimits()

    @field_validator("source")
    @classmethod
    def _one_is_no_list(cls, source: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return source[0] if isinstance(source, tuple) and len(source) == 1 else source or ""

    @model_serializer(mode="wrap")
    def _as_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Options of how files are read are written only where they were set, so that recipes
        without them stay the same as before these options existed.
        """
        data: dict[str, Any] = dump(self)
        given = {
            "caption_unit": None if self.caption_unit == "word" else self.caption_unit,
            "consent": self.consent or None,
            "follow_links": self.follow_links or None,
            "limits": self.limits.changed() or None,
        }
        return {
            key: given.get(key, value)
            for key, value in data.items()
            if given.get(key, value) is not None or key not in given
        }

    @property
    def named(self) -> str:
        """The source in a few words, for messages."""
        return locate.named(self.source)

    @property
    def tells_captions(self) -> bool:
        """Whether the model is told captions."""
        return CAPTION in self.condition_names

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the conditions, each once."""
        if self.conditions is None:
            own = CAPTION if self.caption and self.label is None else LABEL
            return (own,) if self.conditional else ()
        return tuple(dict.fromkeys(self.conditions))


@dataclass
class Source:
    """Items as columns, one entry per item (N of them), so that 200,000 take a few megabytes.

    files, names  the files, and their names relative to the source.
    count         items per file.
    file, index   (N,) int32: which file, and which item inside it.
    digest        (N, 16) uint8: hash of a file's bytes, or of one item's bytes in a container.
    label         (N,) int64 into `classes`; len(classes) where the item has none.
    group         (N,) int32 into `groups`; -1 where the item has none.
    captions      those of each item, or None when there are none at all.
    columns       other columns of the table, by name (see conditions.py); facts of the
                  codec are in the cache.
    limits        how the files were read, and are read later (data/item_reader.py).
    omitted       what is not read: files of known kinds, and parts of containers.
    """

    name: str
    files: list[Path]
    names: list[str]
    count: list[int]
    file: np.ndarray
    index: np.ndarray
    digest: np.ndarray
    label: np.ndarray
    classes: tuple[str, ...]
    group: np.ndarray
    groups: list[str]
    captions: list[tuple[str, ...]] | None
    licence: str | None
    ignored: Counter[str]
    skipped: list[dict[str, str]]
    notes: list[str]
    columns: dict[str, Column] = field(default_factory=dict)
    limits: bounded.ReadLimits = field(default_factory=bounded.ReadLimits)
    omitted: Omissions = field(default_factory=Omissions)

    def __len__(self) -> int:
        return len(self.digest)

    def order(self, items: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sort keys of items (n,), the last one first: what is known about them, for a lexsort that
        file names have no part in.
        """
        return (
            *(self.columns[name].value[items] for name in sorted(self.columns, reverse=True)),
            self.label[items],
        )

    @property
    def bare(self) -> list[str]:
        """The files that were read and hold no item: texts without a visible character, for one."""
        skipped = {one["file"] for one in self.skipped}
        return [
            name
            for name, count in zip(self.names, self.count, strict=True)
            if not count and name not in skipped
        ]

    def where(self, item: int) -> str:
        """How to name an item in a message: its file, and its place in a container."""
        name = self.names[self.file[item]]
        if self.count[self.file[item]] < 2:
            return name
        return say("{0}, item {1}", name, self.index[item])


def recognised_place(text: str) -> str:
    """A name that `where` gave, or one of a row of a table, as the sentence that it was before JSON
    held it; any other text as it is.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        return text
    name, kind, number = match.groups()
    return (
        say("{0}, item {1}", name, number) if kind == "item" else say("{0}, row {1}", name, number)
    )


def open_source(config: DataConfig, codec: Codec[Any]) -> Source:
    """Finds, hashes and labels the items. Raises DataError when there are none, or at the first
    unreadable container or list entry.
    """
    with bounded.using(config.limits):
        return _opened(config, codec)


def _opened(config: DataConfig, codec: Codec[Any]) -> Source:
    listing = list_files(config.source, codec, config.skip_bad, config.follow_links)
    extra = from_table(config.condition_names, codec)
    caption_columns = _caption_columns(config, listing)
    with collected(listing.omitted):
        rows = _table_rows(config, listing, codec, extra, caption_columns)
    folder_labels, note = _folder_classes(listing.names)
    with collected(listing.omitted):
        hashed = _hash_all(listing, codec, config.skip_bad)
    values: list[str | None] = []
    captions: list[tuple[str, ...]] = []
    groups: list[str | None] = []
    columns: dict[str, list[str | None]] = {name: [] for name in extra}
    for place, count in enumerate(hashed.count):
        path = listing.files[place]
        row: metadata.Row = rows[place] or {} if rows is not None else {}
        if config.label is not None:
            values += [row.get(config.label)] * count
        elif place in hashed.labels:
            values += hashed.labels[place]
        else:
            values += [folder_labels[place]] * count
        beside = listing.captions.get(path)
        if caption_columns:
            texts = [row.get(name) for name in caption_columns]
        else:
            texts = [caption(beside)] if beside else []
        captions += [tuple(text for text in texts if text)] * count
        together = codec.belongs(path) if config.group is None and count else None
        groups += together or [row.get(config.group) if config.group else None] * count
        for name, known in columns.items():
            known += [row.get(name)] * count
    notes = listing.notes + ([note] if note and config.label is None else [])
    if config.label is not None:
        notes += _disagreement(
            values,
            [
                folder_labels[place]
                for place, count in enumerate(hashed.count)
                for _ in range(count)
            ],
        )
    label = _classes(values, config, hashed.names, notes)
    conditions = {
        name: with_several_values(name, column("data.conditions", known, name), notes)
        for name, known in columns.items()
    }
    group_names = sorted({name for name in groups if name is not None})
    place_of = {name: place for place, name in enumerate(group_names)}
    group = np.array([-1 if name is None else place_of[name] for name in groups], dtype=np.int32)
    return Source(
        name=config.named,
        files=listing.files,
        names=listing.names,
        count=hashed.count,
        file=hashed.file,
        index=hashed.index,
        digest=hashed.digest,
        label=label.value,
        classes=label.names,
        group=group,
        groups=group_names,
        captions=captions if any(captions) else None,
        licence=listing.licence,
        ignored=listing.ignored,
        skipped=hashed.skipped,
        notes=notes,
        columns={name: known for name, known in conditions.items() if known.names},
        limits=config.limits,
        omitted=listing.omitted,
    )


# What is known about the files --------------------------------------------------------------------


def _caption_columns(config: DataConfig, listing: Listing) -> list[str]:
    """The columns that hold captions: those of the recipe; else, where the model is told captions
    and no file has one beside it, the usual one. Raises DataError where there is none.
    """
    if config.caption:
        return [config.caption] if isinstance(config.caption, str) else [*config.caption]
    if CAPTION not in config.condition_names or listing.captions:
        return []
    known = metadata.columns(
        listing.folder, config.metadata if listing.table is None else str(listing.table)
    )
    usual = [name for name in USUAL_CAPTIONS if name in known]
    if not usual:
        more = say("; the table has: {0}", ", ".join(known)) if known else ""
        raise DataError(
            say("no item has a caption"),
            config.named,
            say(
                "write NAME.txt beside NAME.png, or set data.caption to a column of a table{0}",
                more,
            ),
        )
    return usual[:1]


def _table_rows(
    config: DataConfig,
    listing: Listing,
    codec: Codec[Any],
    extra: list[str],
    caption_columns: list[str],
) -> list[metadata.Row | None] | None:
    columns = [name for name in (config.label, config.group) if name is not None]
    columns += caption_columns
    for name in extra:
        known = metadata.columns(
            listing.folder, config.metadata if listing.table is None else str(listing.table)
        )
        if name not in known:
            raise unknown_condition(name, codec, known)
    columns += extra
    if not columns:
        return None
    table = (
        listing.table
        if listing.table is not None and config.metadata is None
        else metadata.find(listing.folder, config.metadata)
    )
    known_rows = metadata.load(table, columns)
    match = names.matched(listing.names, list(known_rows))
    all_rows = list(known_rows.values())
    rows = [None if place is None else all_rows[place] for place in match.row]
    if not any(row is not None for row in rows):
        raise DataError(
            say(
                "none of the {0} has a row in the table", plural("{0} file", "{0} files", len(rows))
            ),
            table.name,
            say("its file column must hold paths relative to the data folder"),
        )
    listing.omitted.extend(match.omissions(listing.names, list(known_rows)))
    if match.by_case:
        example = listing.names[min(match.by_case)]
        listing.notes.append(
            say(
                "{0} names in {1} differ from their files' in capital letters, e.g. {2}",
                len(match.by_case),
                table.name,
                example,
            )
        )
    if table.name not in metadata.AUTOMATIC and listing.ignored[table.suffix.lower()] > 0:
        listing.ignored[table.suffix.lower()] -= 1  # in use, so not ignored
        listing.ignored += Counter()  # drops endings that nothing is left of
    return rows


def _folder_classes(names: list[str]) -> tuple[list[str | None], str | None]:
    """The first-level sub-folder of each file, once folders that all files share are taken away;
    and a note if one is due.
    """
    folders = [tuple(map(archives.bare, PurePosixPath(name).parts[:-1])) for name in names]
    note = None
    folders = _without_shared(folders)
    first = {parts[0] if parts else "" for parts in folders}
    if len(first) > 1 and first <= _SPLIT_FOLDERS:
        note = say(
            "the folders {0} are read together and split anew; point data.source at one of them "
            "to use it alone",
            ", ".join(sorted(first)),
        )
        folders = _without_shared([parts[1:] for parts in folders])
    labels = [parts[0] if parts else None for parts in folders]
    distinct = len(set(labels) - {None})
    if distinct > 1 and distinct > len(names) // 2:
        note = say(
            "sub-folders are not used as classes: {0:,} folders for {1:,} files",
            distinct,
            len(names),
        )
        return [None] * len(names), note
    return labels, note


def _disagreement(labels: list[str | None], folders: list[str | None]) -> list[str]:
    """A note where sub-folders are called like classes, and items lie in one of another class than
    their label.
    """
    classes = {label for label in labels if label is not None}
    wrong = [
        (label, folder)
        for label, folder in zip(labels, folders, strict=True)
        if label and folder in classes and folder != label
    ]
    if not wrong:
        return []
    label, folder = wrong[0]
    return [
        plural(
            "{0:,} item has another label than the sub-folder that it is in: '{1}' in '{2}'; the "
            "label counts",
            "{0:,} items have another label than the sub-folder that they are in, e.g. '{1}' in "
            "'{2}'; the label counts",
            len(wrong),
            label,
            folder,
        )
    ]


def _without_shared(folders: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    while folders and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    return folders


def _classes(
    values: list[str | None], config: DataConfig, given: tuple[str, ...] | None, notes: list[str]
) -> Column:
    """The classes of all items, in the order of a container's class file or in natural order; none
    where the model gets no classes.
    """
    if LABEL not in config.condition_names:
        return Column(np.zeros(len(values), dtype=np.int64), ())
    same = names.alike(value for value in values if value is not None)
    if same:
        values = [None if value is None else same.get(value, value) for value in values]
        notes.append(
            say(
                "classes whose names look the same are one: {0}",
                ", ".join(sorted(set(same.values()))),
            )
        )
    for group in names.differing_in_case({value for value in values if value is not None}):
        notes.append(say("classes differ in capital letters alone: {0}", ", ".join(group)))
    if given is not None and {value for value in values if value is not None} <= set(given):
        return with_several_values(LABEL, encoded(values, given), notes)
    return with_several_values(LABEL, column("data.label", values, config.label or ""), notes)


# Hashing ------------------------------------------------------------------------------------------


@dataclass
class _Hashed:
    """Columns file, index, digest as in Source; items per file; labels of containers (file ->
    values), with class names.
    """

    file: np.ndarray
    index: np.ndarray
    digest: np.ndarray
    count: list[int]
    labels: dict[int, list[str | None]]
    names: tuple[str, ...] | None
    skipped: list[dict[str, str]]


def _hash_all(listing: Listing, codec: Codec[Any], skip_bad: bool) -> _Hashed:
    digests = bytearray()
    counts: list[int] = []
    skipped = [*listing.skipped]
    labels: dict[int, list[str | None]] = {}
    names: tuple[str, ...] | None = None
    for place, path in enumerate(
        tracked(listing.files, "reading the files", len(listing.files), "files")
    ):
        try:
            if codec.is_container(path):
                hashes = _hash_rows(path, codec)
                values, file_names = _container_labels(path)
                if values is not None:
                    labels[place], names = values, file_names or names
            else:
                hashes = _hash_file(path)
        except DataError as error:
            if not skip_bad:
                raise DataError(error.what, listing.names[place], error.fix) from error
            skipped.append({"file": listing.names[place], "why": error.what + _place(error)})
            hashes = b""
        digests += hashes
        counts.append(len(hashes) // DIGEST_BYTES)
    file = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    start = np.cumsum(counts) - counts
    index = (np.arange(len(file)) - np.repeat(start, counts)).astype(np.int32)
    digest = np.frombuffer(bytes(digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES)
    return _Hashed(file, index, digest, counts, labels, names, skipped)


def _place(error: DataError) -> str:
    """ " (line 7)" where the error has more than the file's name."""
    inside = error.where.partition(", ")[2]
    return f" ({inside})" if re.fullmatch(r"(line|row|item) \d+", inside) else ""


def _hash_file(path: Path) -> bytes:
    with bounded.open_regular(path) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").digest()[:DIGEST_BYTES]
        except OSError as error:
            raise DataError(
                say("the file cannot be read: {0}", error.strerror),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            ) from error


def _hash_rows(path: Path, codec: Codec[Any]) -> bytes:
    """Digests of the items of a container, one after another."""
    digests = bytearray()
    for content in codec.contents(path):
        digests += hashlib.sha256(content).digest()[:DIGEST_BYTES]
    return bytes(digests)


def _container_labels(path: Path) -> tuple[list[str | None] | None, tuple[str, ...] | None]:
    """(label of each row as text, class names in the order of their numbers), each None when there
    are none.
    """
    values = array_files.labels(path) if array_files.is_container(path) else None
    if values is None:
        return None, None
    names = array_files.class_names(path)
    if names is None or values.dtype.kind == "U":
        return [str(value) for value in values], names
    if values.min(initial=0) < 0 or values.max(initial=0) >= len(names):
        worst = values.min() if values.min() < 0 else values.max()
        raise DataError(
            say(
                "classes.txt names {0}, but a label is {1}",
                plural("{0} class", "{0} classes", len(names)),
                worst,
            ),
            path.name,
            say("give one line per class, from 0"),
        )
    return [names[value] for value in values], names
