"""Read untrusted safetensors files: the header is checked against the file's size, and against what
is wanted, before the tensors are read.

The layout (https://huggingface.co/docs/safetensors): 8 bytes, the length n of the header,
little-endian; n bytes of JSON, name -> {dtype, shape, data_offsets}; the numbers, one tensor after
the other, without gaps. Importing this file does not import torch.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, RootModel

from castalia import bounded
from castalia.config import State, hold
from castalia.errors import CastaliaError, RunError
from castalia.sentences import say

if TYPE_CHECKING:
    from torch import Tensor

_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
_MOST_HEADER = 100_000_000  # the library's own limit
_FIX = say("restore the file, or use an older checkpoint")

Place = Annotated[int, Field(ge=0, le=1 << 50)]


class _Declared(State):
    dtype: str
    shape: Annotated[list[Place], Field(max_length=16)]
    data_offsets: Annotated[list[Place], Field(min_length=2, max_length=2)]


class _Header(RootModel[dict[str, _Declared]]):
    """Name -> where its numbers are."""


class Shape(NamedTuple):
    """dtype: safetensors' name, "F32"."""

    dtype: str
    shape: tuple[int, ...]


def declared(path: Path, error: type[CastaliaError] = RunError) -> dict[str, Shape]:
    """Name -> dtype and shape of every tensor, from the header alone. Raises `error` for a file
    that is damaged or holds less than it declares.
    """
    with bounded.open_regular(path, error) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length > min(_MOST_HEADER, size - 8):
            raise error(
                say("{0} is damaged: it is no safetensors file, or cut off", path.name),
                where=path,
                fix=_FIX,
            )
        raw = bounded.parse_json(file.read(length), path, _FIX, error)
    if isinstance(raw, dict):
        raw.pop("__metadata__", None)
    header = hold(
        _Header, raw, say("the header of {0} is damaged", path.name), path, _FIX, error
    ).root
    end = 0
    for one in sorted(header.values(), key=lambda one: one.data_offsets):
        width = _BYTES.get(one.dtype)
        start, stop = one.data_offsets
        if width is None or start != end or stop - start != width * math.prod(one.shape):
            raise error(
                say("the header of {0} is damaged: a tensor does not fit its place", path.name),
                where=path,
                fix=_FIX,
            )
        end = stop
    if 8 + length + end != size:
        raise error(
            say("{0} does not have the size that it declares", path.name), where=path, fix=_FIX
        )
    return {name: Shape(one.dtype, tuple(one.shape)) for name, one in header.items()}


def read(path: Path, error: type[CastaliaError] = RunError) -> dict[str, Tensor]:
    """All tensors of a file. Raises `error` for one that is damaged, or larger than this machine's
    memory.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    declared(path, error)
    if path.stat().st_size > memory():
        raise error(
            say("{0} is larger than the memory of this machine", path.name),
            where=path,
            fix=say("use a machine with more memory"),
        )
    try:
        return load(bounded.read_bytes(path, "weights_bytes", error))
    except (SafetensorError, ValueError, RuntimeError) as failure:
        raise error(
            say("cannot read {0}: {1}", path.name, failure), where=path, fix=_FIX
        ) from failure


def require_finite(
    tensors: Mapping[str, Tensor], path: Path, error: type[CastaliaError] = RunError
) -> None:
    """Raises `error` naming the first tensor that holds NaN or an infinity."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise error(
                say("{0} is damaged: '{1}' holds NaN or infinity", path.name, name),
                where=path,
                fix=_FIX,
            )


def memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
