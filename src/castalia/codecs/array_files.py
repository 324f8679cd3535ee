"""Read and write files that hold many arrays: IDX (the MNIST layout, also gzipped), `.npy` and
`.npz`.

Everything is streamed in blocks of rows, so a file of 200,000 items never sits in memory as a
whole, and nothing is ever unpickled. IDX: two zero bytes, a type code, the number of axes, each
axis as a big-endian uint32, then the values (LeCun, Cortes and Burges, "The MNIST database"). NPY:
NumPy Enhancement Proposal 1.

Labels live beside the items: `train-labels-idx1-ubyte.gz` beside `train-images-idx3-ubyte.gz`,
`y_train.npy` beside `x_train.npy`, the key `y` or `labels` inside an `.npz`. What a row means
(picture, vector) is the codecs' business.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from castalia import bounded
from castalia.bounded import packed
from castalia.errors import DataError
from castalia.language import say
from castalia.omissions import omit
from castalia.sentences import plural

EXTENSIONS = (".npy", ".npz", ".idx", ".idx.gz")
MNIST_ENDINGS = ("-ubyte", "-ubyte.gz")  # the original files have no extension of their own
IDX_ENDINGS = (".idx", ".idx.gz", *MNIST_ENDINGS)
ENDINGS = (*EXTENSIONS, *MNIST_ENDINGS)
ITEM_KEYS = ("x", "images", "data")
LABEL_KEYS = ("y", "labels", "label")

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_CODES = {np.dtype(name).newbyteorder("="): code for code, name in _IDX_TYPES.items()}
_BLOCK_BYTES = 1 << 26
_LONGEST_HEADER = 10_000  # characters, as numpy has it
# Whatever a damaged gzip, zip or numpy header makes the standard readers raise.
_DAMAGE = (
    *packed.DAMAGE,
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    struct.error,
    MemoryError,
    RecursionError,
)


@dataclass(frozen=True)
class Header:
    """What a container declares before its values: shape (N, ...), dtype as stored, bytes before
    the values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        return self.row_bytes * self.shape[0]


def is_container(path: Path) -> bool:
    """Whether the name ends like a container's."""
    return path.name.lower().endswith(ENDINGS)


def header(path: Path) -> Header:
    """Shape and dtype of the items, without reading them. Raises DataError naming a
    damaged file.
    """
    with _opened(path) as (_, head):
        return head


def blocks(path: Path, rows: int = 1024) -> Iterator[np.ndarray]:
    """The items in order, as arrays (<= rows, ...) in native byte order. Raises DataError when the
    file ends early or late.
    """
    with _opened(path) as (stream, head):
        if head.fortran:  # columns first on disk: rows cannot be streamed
            whole = np.frombuffer(_exactly(stream, head.bytes, path, head), head.dtype).reshape(
                head.shape, order="F"
            )
            yield from (
                np.ascontiguousarray(whole[start : start + rows])
                for start in range(0, len(whole), rows)
            )
            return
        native = head.dtype.newbyteorder("=")
        rows = max(1, min(rows, _BLOCK_BYTES // head.row_bytes))
        for start in range(0, head.shape[0], rows):
            count = min(rows, head.shape[0] - start)
            raw = _exactly(stream, count * head.row_bytes, path, head)
            yield (
                np.frombuffer(raw, head.dtype)
                .reshape(count, *head.shape[1:])
                .astype(native, copy=False)
            )
        try:
            surplus = stream.read(1)
        except _DAMAGE as error:
            raise _damaged(path, str(error)) from error
        if surplus:
            raise _damaged(
                path,
                say(
                    "it goes on after the {0} that its header declares",
                    plural("{0} item", "{0} items", head.shape[0]),
                ),
            )


def contents(path: Path) -> Iterator[bytes]:
    """Each row's bytes after its dtype and shape: what identifies an item of an array file."""
    head = header(path)
    if path.name.lower().endswith(".npz"):
        unread = [
            name
            for name in _members(path)
            if name not in (_member(path, ITEM_KEYS), _member(path, LABEL_KEYS), "manifest")
        ]
        if unread:
            remedy = say("save each as a file of its own, its items under the key x")
            omit(
                say("further arrays in .npz files"),
                len(unread),
                example=f"{path.name}: {unread[0]}",
                remedy=remedy,
            )
    start = f"{head.dtype.newbyteorder('=').str} {head.shape[1:]} ".encode()
    for block in blocks(path):
        for row in block:
            yield start + row.tobytes()


def read_array(path: Path) -> np.ndarray:
    """All items of a container at once. For small files: labels, tests. Raises DataError beyond the
    limit array_bytes.
    """
    _fits_in_memory(header(path), path)
    parts = list(blocks(path, 1 << 16))
    return (
        np.concatenate(parts)
        if parts
        else np.zeros(header(path).shape, header(path).dtype.newbyteorder("="))
    )


def write_idx(path: Path, array: np.ndarray) -> None:
    """`array` as an IDX file; gzipped (without a time stamp, so that equal arrays give equal files)
    when the name ends in .gz.
    """
    code = _IDX_CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        raise DataError(
            say("IDX files cannot hold {0} values", array.dtype),
            path.name,
            say("use uint8, int8, int16, int32, float32 or float64"),
        )
    head = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    body = array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
    if path.name.endswith(".gz"):
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
            packed.write(head + body)
    else:
        path.write_bytes(head + body)


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """`arrays` as an `.npz` whose bytes depend on the arrays alone (numpy's own writer puts nothing
    else in either).
    """
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def text(path: Path, key: str) -> str | None:
    """A string stored in an `.npz` under `key`; None if there is none."""
    name = _member(path, (key,))
    value = None if name is None else _npz_array(path, name)
    return None if value is None or value.dtype.kind != "U" or value.ndim else str(value)


def labels(path: Path) -> np.ndarray | None:
    """The label of each item, (N,) integers or strings: from inside an `.npz` or from the file
    beside; None if there are none.

    Raises DataError when there are more or fewer labels than items.
    """
    if path.name.lower().endswith(".npz"):
        name = _member(path, LABEL_KEYS)
        values = None if name is None else _npz_array(path, name)
    else:
        beside = label_file(path)
        values = None if beside is None else read_array(beside)
    if values is None:
        return None
    items = header(path).shape[0]
    if values.ndim != 1 or len(values) != items or values.dtype.kind not in "iubU":
        raise DataError(
            say(
                "the labels do not fit the items: {0}, labels of shape {1} and type {2}",
                plural("{0} item", "{0} items", items),
                values.shape,
                values.dtype,
            ),
            path.name,
            say("give one integer or string per item"),
        )
    return values


def label_file(path: Path) -> Path | None:
    """The file that holds the labels of the items in `path`, if it exists."""
    for pattern, replacement in (
        (r"images", "labels"),
        (r"data", "labels"),
        (r"(?<![a-z])x(?![a-z])", "y"),
    ):
        name = re.sub(pattern, replacement, path.name, flags=re.IGNORECASE)
        candidate = path.with_name(
            name.replace("idx4", "idx1").replace("idx3", "idx1").replace("idx2", "idx1")
        )
        if candidate.name != path.name and candidate.is_file():
            return candidate
    return None


def is_labels(path: Path) -> bool:
    """Whether a container holds labels, not items: IDX with one axis, or the partner of another
    container in the folder.
    """
    name = path.name.lower()
    if name.endswith(IDX_ENDINGS):
        try:
            return len(header(path).shape) == 1
        except DataError:
            return False  # damaged: let it be read and named as an item file
    if not name.endswith(".npy") or re.search(r"label|(?<![a-z])y(?![a-z])", name) is None:
        return False
    return any(
        label_file(other) == path
        for other in path.parent.iterdir()
        if other != path and is_container(other)
    )


def class_names(path: Path) -> tuple[str, ...] | None:
    """Names from `classes.txt` beside a container: one a line, or number, tab, name. None if there
    is no such file.
    """
    file = path.with_name("classes.txt")
    if not file.is_file():
        return None
    lines = [
        line.strip()
        for line in bounded.read_text(file, "settings_bytes").splitlines()
        if line.strip()
    ]
    return tuple(re.sub(rf"^{number}\t+", "", line) for number, line in enumerate(lines))


# Opening ------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Header]]:
    """A stream that stands at the first value, and the header before it, whose declared size is
    possible.
    """
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            raise DataError(
                say("the file is empty (zero bytes)"),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            )
        if name.endswith(".npz"):
            key = _member(path, ITEM_KEYS)
            if key is None:
                raise DataError(
                    say("the .npz holds no items"),
                    path.name,
                    say("store the items under one of the keys {0}", ", ".join(ITEM_KEYS)),
                )
            with bounded.open_zip(path) as archive, archive.open(f"{key}.npy") as stream:
                yield stream, _checked(_npy_header(stream), path)
        elif name.endswith(".npy"):
            with bounded.open_regular(path) as stream:
                yield stream, _plain(_npy_header(stream), stream, path)
        elif _is_gzip(path):
            with bounded.open_gzip(path) as stream:
                yield stream, _checked(_idx_header(stream), path)
        else:
            with bounded.open_regular(path) as stream:
                yield stream, _plain(_idx_header(stream), stream, path)
    except _DAMAGE as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _is_gzip(path: Path) -> bool:
    """By content: a .gz that a browser unpacked keeps its name."""
    with bounded.open_regular(path) as stream:
        return stream.read(2) == b"\x1f\x8b"


def _idx_header(stream: IO[bytes]) -> Header:
    zero, code, axes = struct.unpack(">HBB", stream.read(4))
    if zero != 0 or code not in _IDX_TYPES or not 1 <= axes <= 8:
        raise ValueError(say("this is not an IDX file"))
    return Header(struct.unpack(f">{axes}I", stream.read(4 * axes)), np.dtype(_IDX_TYPES[code]))


def _npy_header(stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    size = stream.read(2 if first else 4)
    if int.from_bytes(size, "little") > _LONGEST_HEADER:
        raise ValueError(say("its header is too long"))
    shape, fortran, dtype = read(io.BytesIO(size + stream.read(int.from_bytes(size, "little"))))
    return Header(shape, dtype, fortran and len(shape) > 1)


def _checked(head: Header, path: Path) -> Header:
    if head.dtype.hasobject:
        raise DataError(
            say(
                "the file holds Python objects, which would have to be unpickled; that is "
                "never done"
            ),
            path.name,
            say("save plain numbers: np.save(path, array.astype('float32'))"),
        )
    if not head.shape:
        raise DataError(
            say("the file holds a single number, not a list of items"),
            path.name,
            say("save an array whose first axis counts the items"),
        )
    if any(side < 1 for side in head.shape[1:]) or head.dtype.itemsize == 0 or head.shape[0] < 0:
        raise DataError(
            say("the items are empty: shape {0}", head.shape),
            path.name,
            say("save arrays with at least one value per item"),
        )
    limits = bounded.current()
    if head.shape[0] > limits.rows:
        raise bounded.exceeded(
            "rows",
            say("the file declares {0}", plural("{0:,} item", "{0:,} items", head.shape[0])),
            path.name,
        )
    if head.row_bytes > limits.row_bytes:
        raise bounded.exceeded(
            "row_bytes", say("the items are too large: shape {0}", head.shape), path.name
        )
    if head.fortran:
        _fits_in_memory(head, path)
    return head


def _plain(head: Header, stream: BinaryIO, path: Path) -> Header:
    """Of a file that is not compressed: its size shows at once whether the values can be there."""
    _checked(head, path)
    start = stream.tell()
    if stream.seek(0, io.SEEK_END) - start < head.bytes:
        raise _damaged(
            path,
            say(
                "it ends before the {0} that its header declares",
                plural("{0} item", "{0} items", head.shape[0]),
            ),
        )
    stream.seek(start)
    return head


def _fits_in_memory(head: Header, path: Path) -> None:
    if head.bytes > bounded.current().array_bytes:
        raise bounded.exceeded(
            "array_bytes", say("the array is too large: shape {0}", head.shape), path.name
        )


def _member(path: Path, keys: tuple[str, ...]) -> str | None:
    """The first of `keys` that the `.npz` has; for items, any single array counts too."""
    members = _members(path)
    for key in keys:
        if key in members:
            return key
    return members[0] if keys is ITEM_KEYS and len(members) == 1 else None


def _members(path: Path) -> list[str]:
    """The names of the arrays of an `.npz`."""
    try:
        with bounded.open_zip(path) as archive:
            return [name.removesuffix(".npy") for name in archive.names() if name.endswith(".npy")]
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error


def _npz_array(path: Path, key: str) -> np.ndarray:
    try:
        with bounded.open_zip(path) as archive, archive.open(f"{key}.npy") as stream:
            head = _npy_header(stream)
            if head.dtype.hasobject:
                raise ValueError(say("it holds Python objects"))
            size = math.prod(head.shape) * head.dtype.itemsize
            if size > bounded.current().array_bytes:
                raise bounded.exceeded(
                    "array_bytes", say("the array is too large: shape {0}", head.shape), path.name
                )
            values = (
                np.frombuffer(bounded.read_exactly(stream, size), head.dtype)
                if size
                else np.zeros(0, head.dtype)
            )
            return values.reshape(head.shape, order="F" if head.fortran else "C")
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error


def _exactly(stream: IO[bytes], count: int, path: Path, head: Header) -> bytes:
    try:
        raw = bounded.read_exactly(stream, count)
    except _DAMAGE as error:
        raise _damaged(path, str(error)) from error
    if len(raw) != count:
        raise _damaged(
            path,
            say(
                "it ends before the {0} that its header declares",
                plural("{0} item", "{0} items", head.shape[0]),
            ),
        )
    return raw


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        say("the file is damaged or not what its name says: {0}", why),
        path.name,
        say("copy it again, or set data.skip_bad=true"),
    )
