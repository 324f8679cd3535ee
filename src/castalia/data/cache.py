"""Encoded items on disk, written once, then mapped into memory.

A cache is a folder $CASTALIA_HOME/cache/<key> (CASTALIA_HOME defaults to ~/.cache/castalia). Its
key is the content of the items and the codec with its settings and its fitted state; labels, file
names and order are not part of it. Equal items are stored once.

    rows.bin     R rows in the storage dtype
    lengths.bin  R x int64, only where rows are token documents, which differ in length
    weights.bin  uint8 loss weight of each token, only where the codec weighs them
    digests.bin  R x 16 bytes: the item a row comes from; rows of one item are neighbours
    facts.bin    R x F x int32, only where the codec knows facts of items (conditions.py): the
                 number of each one's value
    stored.bin   R x 16 bytes: hash of the row itself, to find items that are equal once encoded,
                 and damage
    cache.json   shape, dtype, rows, SHA-256, and what could not be read

A cache is built under another name and renamed, with a lock that a second builder waits for. One
that fails its checks is built anew.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import mmap
import shutil
import time
import uuid
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from castalia import codecs, text_files
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Weighs, weighs
from castalia.data.conditions import FactCollector, Facts
from castalia.data.source import DIGEST_BYTES, DataConfig
from castalia.errors import CastaliaError, DataError, SpecError
from castalia.omissions import Omissions
from castalia.progress import tracked
from castalia.sentences import plural, say
from castalia.spec import Tokens
from castalia.user_dirs import home

FORMAT = 1
# below this, rows are read into memory: indexing a tensor is the fastest loader there is
RESIDENT_BYTES = 128 << 20
_MAPPED_BYTES = 128 << 20  # mapped pages count as the process's memory until they are given back
_PAGE_REACH = 64 << 10  # what the kernel maps around one touched row
_STALE_SECONDS = 86_400.0

# (digest, name for messages, item or the DataError that reading it raised)
Wanted = Iterable[tuple[bytes, str, Any]]


class Rows(Protocol):
    """Encoded rows in the storage dtype."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Tensor: ...


class ResidentRows:
    """Rows in memory."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows
        self.shape = tuple(rows.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, index: Tensor) -> Tensor:
        return self._rows[index]


class MappedRows:
    """Rows of a mapped file; pages are given back to the kernel regularly, so memory does not grow
    with the epoch.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], count: int
    ) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # flat: gathering whole rows is then one copy each
        self._rows = np.frombuffer(self._map, dtype=dtype).reshape(count, -1)
        self._reach = max(self._rows[0].nbytes, 4096) + _PAGE_REACH
        self._mapped = 0.0  # expected bytes of the file that are mapped now
        self.shape = shape

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, index: Tensor) -> Tensor:
        taken = torch.from_numpy(self._rows[index.numpy()]).reshape(len(index), *self.shape)
        # rows that touch new pages
        self._mapped += self._reach * len(index) * (1 - self._mapped / len(self._map))
        if self._mapped > _MAPPED_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            # drops our view of the pages; the file stays in the kernel's cache
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0.0
        return taken


class Documents:
    """Token documents one after another. offsets (R + 1,) int64: where each begins in the file;
    lengths (R,) int64; weights: uint8 loss weights of all tokens, mapped or in memory, None where
    all count.
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype[Any],
        lengths: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> None:
        self.weights = weights
        self.lengths = lengths
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.resident: np.ndarray | None = None  # all tokens, where they are in memory
        self._map: mmap.mmap | None = None
        self._touched = 0
        size = int(self.offsets[-1]) * dtype.itemsize
        if size <= RESIDENT_BYTES:
            self.resident = self._flat = np.fromfile(path, dtype=dtype)
        else:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._flat = np.frombuffer(self._map, dtype=dtype)

    def __len__(self) -> int:
        return len(self.lengths)

    def read(self, row: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Tokens start .. stop - 1 of a document, in the storage dtype."""
        first = int(self.offsets[row])
        last = int(self.offsets[row + 1]) if stop is None else first + stop
        self._release(_PAGE_REACH + (last - first) * self._flat.itemsize)
        return self._flat[first + start : last]

    def weigh(self, row: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Loss weights (uint8) of what `read` gives; ones where all count."""
        first = int(self.offsets[row])
        last = int(self.offsets[row + 1]) if stop is None else first + stop
        return (
            np.ones(last - first - start, dtype=np.uint8)
            if self.weights is None
            else self.weights[first + start : last]
        )

    def gather(self, places: np.ndarray) -> np.ndarray:
        """int64 tokens at places (n, T) of the file, counted in tokens."""
        self._release(_PAGE_REACH * len(places))
        return self._flat[places].astype(np.int64)

    def _release(self, nbytes: int) -> None:
        self._touched += nbytes
        if (
            self._map is not None
            and self._touched > _MAPPED_BYTES
            and hasattr(mmap, "MADV_DONTNEED")
        ):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0


@dataclass
class Cache:
    """An opened cache. digest and stored are (R, 16) uint8; bad maps the hex digest of an
    unreadable item to the reason.
    """

    rows: Rows | Documents
    digest: np.ndarray
    stored: np.ndarray
    bad: dict[str, str]
    encodings: dict[str, int]
    facts: Facts
    omitted: Omissions  # parts of items


def key(codec: Codec[Any], digests: np.ndarray, *, fitted: bool) -> str:
    """32 hex digits from a codec's name, code and config, the items' digests (n, 16), and the
    codec's state when it is fitted.
    """
    digest = hashlib.sha256(f"{FORMAT} {codec.name} {codec.config.model_dump_json()}".encode())
    source = inspect.getsourcefile(type(codec))
    if source is not None and Path(source).is_file():
        for part in _code(Path(source)):
            digest.update(part.read_bytes())
    if fitted:
        state, tensors = codec.state()
        digest.update(json.dumps(state, sort_keys=True).encode())
        for name in sorted(tensors):
            digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    digest.update(np.unique(np.ascontiguousarray(digests).view("V16")).tobytes())
    return digest.hexdigest()[:32]


def _code(path: Path) -> list[Path]:
    """The files that decide what the codec in `path` makes of items: its package and what codecs
    share; of a file that is no part of a package, the file.
    """
    if not (path.parent / "__init__.py").is_file():
        return [path]
    shared = [Path(package.__file__).parent for package in (codecs, text_files)]
    return [part for folder in (path.parent, *shared) for part in sorted(folder.rglob("*.py"))]


def fitted(root: Path, name: str, codec: Codec[Any], fit: Callable[[], None]) -> None:
    """Restores the codec's state from an earlier `fit` on the same items, or fits and keeps the
    state.
    """
    path = root / "fits" / f"{name}.safetensors"
    try:
        with safetensors.safe_open(path, "pt") as file:
            codec.restore(
                json.loads(file.metadata()["state"]),
                {part: file.get_tensor(part) for part in file.keys()},  # noqa: SIM118
            )
        return
    except (OSError, KeyError, ValueError, TypeError, safetensors.SafetensorError, CastaliaError):
        pass  # not there yet, or damaged: fit again
    fit()
    state, tensors = codec.state()
    with _writing(root):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        safetensors.torch.save_file(tensors, temporary, metadata={"state": json.dumps(state)})
        temporary.replace(path)


def load(
    root: Path,
    key: str,
    codec: Codec[Any],
    wanted: Callable[[], Wanted],
    count: int,
    config: DataConfig,
) -> Cache:
    """The cache `key`, built if it is missing or damaged. `wanted()` yields `count` items, each
    digest once.

    Raises DataError naming the first unreadable item unless config.skip_bad, and when
    $CASTALIA_HOME cannot be written.
    """
    folder = root / "cache" / key
    cache = _open(folder)
    if cache is None:
        with _writing(root):
            folder.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(folder.parent)
            with _lock(folder.with_suffix(".lock")):
                cache = _open(folder)  # another process may have built it while we waited
                if cache is None:
                    shutil.rmtree(folder, ignore_errors=True)
                    _build(
                        folder, codec, tracked(wanted(), "encoding", count, "items"), count, config
                    )
                    cache = _open(folder)
    if cache is None:
        raise DataError(
            say("the cache was damaged while it was written"),
            root / "cache",
            say("check the disk, or set CASTALIA_HOME to another one"),
        )
    return cache


def _build(folder: Path, codec: Codec[Any], wanted: Wanted, count: int, config: DataConfig) -> None:
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    temporary.mkdir()
    try:
        bad: dict[str, str] = {}
        encodings: Counter[str] = Counter()
        whole = hashlib.sha256()
        rows, shape, dtype = 0, None, None
        ragged, lengths = isinstance(codec.spec, Tokens), array("q")
        noted, omitted = FactCollector(codec), Omissions()
        weighted, heavy = ragged and weighs(codec), hashlib.sha256()
        with (
            (temporary / "rows.bin").open("wb") as data,
            (temporary / "digests.bin").open("wb") as digests,
            (temporary / "stored.bin").open("wb") as stored,
            (temporary / "weights.bin").open("wb") if weighted else nullcontext() as weights,
        ):
            for digest, name, item in wanted:
                if isinstance(item, DataError):
                    if not config.skip_bad:
                        raise DataError(item.what, name, item.fix) from item
                    bad[digest.hex()] = item.what
                    continue
                row = codec.encode(item).contiguous().numpy()
                if shape is None or (ragged and row.dtype == dtype):
                    shape, dtype = row.shape, row.dtype
                lengths.append(len(row) if ragged else 0)
                if (row.shape, row.dtype) != (shape, dtype):
                    raise DataError(
                        say(
                            "items differ once encoded: {0} {1} against {2} {3}",
                            row.shape,
                            row.dtype,
                            shape,
                            dtype,
                        ),
                        name,
                        say("give all items one shape"),
                    )
                raw = row.tobytes()
                whole.update(raw)
                data.write(raw)
                digests.write(digest)
                if weights is not None:
                    weight = _weights(codec, item, len(row), name)
                    heavy.update(weight)
                    weights.write(weight)
                stored.write(hashlib.sha256(raw).digest()[:DIGEST_BYTES])
                encodings[codec.describe(item)] += 1
                noted.add(item)
                omitted.extend(
                    one if one.example else one._replace(example=name)
                    for one in codec.omitted(item)
                )
                rows += 1
        if shape is None or dtype is None:
            why = say("; the first: {0}", next(iter(bad.values()))) if bad else ""
            raise DataError(
                say("none of the {0} can be read{1}", plural("{0} item", "{0} items", count), why),
                config.named,
                say("check the files"),
            )
        summary = {
            "format": FORMAT,
            "source": config.named,
            "codec": codec.name,
            "rows": rows,
            "shape": None if ragged else list(shape),
            "dtype": dtype.str,
            "sha256": whole.hexdigest(),
            "weights": heavy.hexdigest() if weighted else None,
            "bad": bad,
            "encodings": dict(encodings.most_common(32)),
            "facts": noted.facts().values,
            "omitted": omitted.plain(),
        }
        if summary["facts"]:
            (temporary / "facts.bin").write_bytes(noted.facts().codes.tobytes())
        if ragged:
            (temporary / "lengths.bin").write_bytes(lengths.tobytes())
        (temporary / "cache.json").write_text(json.dumps(summary), encoding="utf-8")
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _weights(codec: Codec[Any], item: Any, length: int, name: str) -> bytes:
    """The loss weights of an item, one a token."""
    weight = codec.weigh(item) if isinstance(codec, Weighs) else None
    if weight is None:
        return b"\x01" * length
    if len(weight) != length or weight.dtype != torch.uint8:
        raise SpecError(
            say("{0} weights ({1}) for {2} tokens", len(weight), weight.dtype, length),
            name,
            say("one uint8 weight a token"),
        )
    return weight.contiguous().numpy().tobytes()


def _open(folder: Path) -> Cache | None:
    """The cache in `folder`, or None when there is none or it is damaged."""
    try:
        summary = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
        if summary["format"] != FORMAT:
            return None
        count, dtype = int(summary["rows"]), np.dtype(summary["dtype"])
        digest, stored = (
            np.fromfile(folder / name, dtype=np.uint8).reshape(count, DIGEST_BYTES)
            for name in ("digests.bin", "stored.bin")
        )
        values = {name: tuple(own) for name, own in summary.get("facts", {}).items()}
        codes = (
            np.fromfile(folder / "facts.bin", dtype=np.int32) if values else np.zeros(0, np.int32)
        )
        facts = Facts(values, codes.reshape(count, len(values)))
        omitted = Omissions.of(summary.get("omitted", []))
        about = (digest, stored, dict(summary["bad"]), dict(summary["encodings"]), facts, omitted)
        if summary["shape"] is None:
            documents = _open_documents(folder, summary, stored, dtype)
            return None if documents is None else Cache(documents, *about)
        shape = tuple(summary["shape"])
        size = count * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if (folder / "rows.bin").stat().st_size != size:
            return None
        rows: Rows
        if size <= RESIDENT_BYTES:
            array = np.fromfile(folder / "rows.bin", dtype=dtype)
            if hashlib.sha256(array.data).hexdigest() != summary["sha256"]:
                return None
            rows = ResidentRows(torch.from_numpy(array.reshape(count, *shape)))
        else:  # reading it all would cost seconds at every start: 256 rows spread over the file
            rows = MappedRows(folder / "rows.bin", shape, dtype, count)
            for place in np.linspace(0, count - 1, 256).astype(np.int64):
                row = rows.take(torch.tensor([place])).numpy()
                if hashlib.sha256(row.tobytes()).digest()[:DIGEST_BYTES] != stored[place].tobytes():
                    return None
        return Cache(rows, *about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _open_documents(
    folder: Path, summary: dict[str, Any], stored: np.ndarray, dtype: np.dtype[Any]
) -> Documents | None:
    lengths = np.fromfile(folder / "lengths.bin", dtype=np.int64)
    size = int(lengths.sum()) * dtype.itemsize
    if len(lengths) != int(summary["rows"]) or (folder / "rows.bin").stat().st_size != size:
        return None
    weights = None
    if summary.get("weights"):
        if (folder / "weights.bin").stat().st_size != int(lengths.sum()):
            return None
        weights = np.memmap(folder / "weights.bin", dtype=np.uint8, mode="r")
        if size <= RESIDENT_BYTES:
            weights = np.array(weights)
            if hashlib.sha256(weights.data).hexdigest() != summary["weights"]:
                return None
    documents = Documents(folder / "rows.bin", dtype, lengths, weights)
    if documents.resident is not None:
        return (
            documents
            if hashlib.sha256(documents.resident.data).hexdigest() == summary["sha256"]
            else None
        )
    for row in np.linspace(0, len(lengths) - 1, min(256, len(lengths))).astype(np.int64):
        if (
            hashlib.sha256(documents.read(int(row)).tobytes()).digest()[:DIGEST_BYTES]
            != stored[row].tobytes()
        ):
            return None
    return documents


# Housekeeping -------------------------------------------------------------------------------------


def list_caches(given: Path | None = None) -> list[dict[str, Any]]:
    """The caches below home(given), largest first: key, bytes, rows, codec, source (as given when
    it was built), used (Unix time).

    Leftovers of interrupted builds are listed too, with no rows.
    """
    folder = home(given) / "cache"
    caches = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_dir():
            continue
        try:
            summary = json.loads((path / "cache.json").read_text(encoding="utf-8"))
            about = {
                "rows": int(summary["rows"]),
                "codec": str(summary["codec"]),
                "source": str(summary["source"]),
            }
        except (OSError, ValueError, KeyError, TypeError):
            about = {"rows": 0, "codec": "", "source": "(unfinished)"}
        caches.append(
            {
                "key": path.name,
                "bytes": sum(file.stat().st_size for file in path.iterdir()),
                **about,
                "used": path.stat().st_mtime,
            }
        )
    return sorted(caches, key=lambda cache: -cache["bytes"])


def remove_cache(key: str, given: Path | None = None) -> None:
    """Removes one cache and the kept fits; whatever is needed again is built again. Raises
    DataError when there is no such cache.
    """
    folder = home(given) / "cache" / key
    if key not in {entry["key"] for entry in list_caches(given)}:  # never a path like ".."
        raise DataError(say("there is no such cache"), key, "castalia clean lists them")
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)
    shutil.rmtree(home(given) / "fits", ignore_errors=True)


def _remove_stale(folder: Path) -> None:
    """Leftovers of builds that were killed."""
    for path in folder.glob("*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One builder at a time where the system has file locks; elsewhere two build, and the later
    one's rename fails harmlessly.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            say("the cache cannot be written: {0}", error.strerror or error),
            root,
            say("free some space, or set CASTALIA_HOME to a folder that can be written"),
        ) from error
