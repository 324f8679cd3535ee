"""The contract of every codec: files of one kind to tensors and back. What only some can do is in
protocols.py.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import PIL.Image
import torch
from torch import Tensor

from castalia import bounded
from castalia.codecs import array_files
from castalia.config import Config
from castalia.errors import DataError
from castalia.omissions import Omission
from castalia.sentences import say
from castalia.spec import Spec

Item = TypeVar("Item")
Augmentation = Callable[[Tensor, torch.Generator], Tensor]


class CodecConfig(Config):
    """`name` chooses the class, so it is not a field here."""


class Codec(ABC, Generic[Item]):
    """Immutable after `fit`. An item has no batch axis; its storage dtype is compact (uint8
    pictures, uint16 tokens).

    The life of a codec: `Codec(config)`, `fit(training items)`, then `spec` is known and
    `encode`/`decode` work. `state()` and `restore()` carry it through a run directory without
    pickle.
    """

    name: ClassVar[str]
    # the modality whose items it makes, where that has another name: how they are shown and judged
    modality: ClassVar[str] = ""
    extensions: ClassVar[tuple[str, ...]]  # lower case, with the dot; ".gz" variants are listed too
    Config: ClassVar[type[CodecConfig]]
    # what makes more items of the same files, for the message that there are too few
    few: ClassVar[str] = ""
    adjustable: ClassVar[frozenset[str]] = (
        frozenset()
        # config keys that leave what `fit` learned alone: a run that starts from another's may set
        # them
    )
    # what people may type instead of naming a file, to an item
    typed: Callable[[str], Any] | None = None
    # of its items: what judges ask for (`Metric.judges`, matchers of copies), never a codec by name
    native: ClassVar[type] = object
    fact_names: ClassVar[tuple[str, ...]] = ()  # names of what `facts` gives
    # augmentation -> the facts that are no longer true after it
    disturbs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    # endings that `write` knows beside `suffix`, whether or not `read` does
    formats: ClassVar[tuple[str, ...]] = ()
    audible: ClassVar[str] = ""  # the one of them that a page can play
    # suffix of the file beside that holds the manifest, where the format has no room for it
    sidecar: ClassVar[str] = ""
    # whether what `write` makes says to programs that do not know Castalia that a machine made it
    labels_files: ClassVar[bool] = False

    def __init__(self, config: CodecConfig) -> None:
        self.config: Any = config

    @abstractmethod
    def read(self, path: Path) -> Iterator[Item]:
        """Native items of one file, in a fixed order. A file that cannot be read raises DataError
        naming it.
        """

    def given(self, what: str | os.PathLike[str]) -> Iterator[Item]:
        """The items of a file, or of what was typed in its place where the codec takes that. Raises
        DataError where it is neither.
        """
        if is_file(what):
            return self.read(Path(what))
        if self.typed is None or isinstance(what, os.PathLike):
            raise DataError(
                say("there is no such file"), where=what, fix=say("name files that the codec reads")
            )
        return iter([self.typed(what)])

    @abstractmethod
    def fit(self, items: Iterable[Item]) -> None:
        """Learn sizes, vocabulary or ranges from *training* items only. Reads no more of them than
        it needs.
        """

    @property
    @abstractmethod
    def spec(self) -> Spec: ...

    @abstractmethod
    def encode(self, item: Item) -> Tensor:
        """One item in the storage dtype, without a batch axis. Pure.

        Dense: (*shape). Tokens: (n,) of any length, `begin` first and `end` last where the spec has
        one; data/windows.py cuts and packs.
        """

    def opening(self, prompt: Item) -> Tensor:
        """(n,) int64: `begin` and the prompt's tokens, open at the end, for codecs of Tokens."""
        ids = self.encode(prompt).long()
        end = getattr(self.spec, "end", None)
        return ids[:-1] if end is not None and ids[-1] == end else ids

    def extend(self, items: Iterable[Item]) -> None:
        """Learn what other data ask for beside what was restored: a run that starts from another's
        calls it, with its training items.
        """
        return

    @abstractmethod
    def decode(self, x: Tensor) -> Item:
        """Inverse of `encode` up to a stated loss, from a tensor as models see it: float in
        `spec.unit` for Dense.

        Accepts any values, NaN included: it clips, it never raises on values. Tokens: (n,) with or
        without `begin`, which is skipped; what follows `end` is ignored.
        """

    @abstractmethod
    def write(self, item: Item, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """One item to one file, the manifest inside it, or in `path.with_suffix(sidecar)` where the
        codec has a sidecar.
        """

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        """The manifest that `write` put into a file; None if there is none. A codec without a
        sidecar overrides this.

        Raises DataError for a file that cannot be read.
        """
        beside = path.with_suffix(cls.sidecar) if cls.sidecar else path
        if beside == path or not beside.is_file():
            return None
        text = bounded.read_bytes(beside, "json_bytes")
        try:
            content = bounded.parse_json(text)
        except DataError:
            return None  # another program's file of that name
        return content if isinstance(content, dict) else None

    @classmethod
    def content(cls, path: Path) -> str:
        """SHA-256 of a written file's content without its manifest: pixels, numbers, text.
        Default: of its bytes, which is right where the manifest lies beside. Raises DataError for a
        file that cannot be read.
        """
        with bounded.open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        """Whether the label that `write` adds for programs that do not know Castalia is there and
        fits the manifest. Default: there is none to miss.
        """
        return True

    @abstractmethod
    def preview(self, items: list[Item]) -> PIL.Image.Image:
        """A picture of several items, for pages and contact sheets."""

    @property
    @abstractmethod
    def suffix(self) -> str:
        """Extension of files that `write` makes, e.g. ".png"."""

    def units(self, item: Item) -> dict[str, int]:
        """What one item is made of (dimension, byte, character, step ...): scores per unit need no
        modality code.
        """
        return {}

    def facts(self, item: Item) -> dict[str, str]:
        """Facts of an item that may be conditions of a model (`data.conditions`): a value for some
        of `fact_names`, few different ones over all items. A missing name is unknown of this item.
        """
        return {}

    def labels(self, ids: Tensor) -> list[str]:
        """A short word for each token (n,), for pages. Default: its number."""
        return [str(number) for number in ids.tolist()]

    @classmethod
    def claims(cls, name: str) -> bool:
        """Whether a file of this name is the codec's to read; a file that is claimed and cannot be
        read is a bad file.
        """
        return name.lower().endswith(cls.extensions)

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        """Whether a file that begins so (64 bytes) is the codec's to read, whatever its name.
        Default: names alone decide.
        """
        return False

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Whether a file that the codec claims is more likely its own than another codec's, by what
        is in it. The first codec that claims and prefers a file decides what kind of data it is.
        Default: always.
        """
        return True

    @classmethod
    def weight(cls, path: Path) -> int:
        """About how many items a file holds, from its header or its size. Default: the rows of a
        file of arrays, else 1. Raises DataError for a file that cannot be read.
        """
        return array_files.header(path).shape[0] if array_files.is_container(path) else 1

    def is_container(self, path: Path) -> bool:
        """Whether each row of the file is an item of its own, hashed and labelled by itself (IDX,
        .npy, JSONL); else the file is hashed whole.
        """
        return False

    def belongs(self, path: Path) -> list[str] | None:
        """Of each item of a container, in the order of `read`, what it is a part of: parts of one
        thing stay on one side of the split. Default: None.
        """
        return None

    def contents(self, path: Path) -> Iterator[bytes]:
        """What is hashed of each item of a container, in the order of `read` and as many. Default:
        rows of arrays, with dtype and shape.
        """
        return array_files.contents(path)

    def describe(self, item: Item) -> str:
        """How the file stored the item, in a few words ("JPEG CMYK"); the data report
        counts these.
        """
        return ""

    def omitted(self, item: Item) -> Iterable[Omission]:
        """What the file held of this item and the codec does not keep. An empty `example` is filled
        with the item's name. Default: nothing.
        """
        return ()

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        """Named functions (stored batch (B, ...), generator) -> batch; the stream applies the
        chosen ones in training.
        """
        return {}

    @property
    def default_augmentations(self) -> tuple[str, ...]:
        return ()

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """(JSON, tensors) that `restore` needs beside the config."""
        return {}, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        return self


def is_file(what: str | os.PathLike[str]) -> bool:
    """Whether it names a file; False for texts that no file system would take as a name."""
    try:
        return Path(what).is_file()
    except OSError:  # longer than a name can be
        return False
