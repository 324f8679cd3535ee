"""Check the header of a GGUF file against its size before a library reads it (ggml-org/ggml,
docs/gguf.md, versions 2 and 3).

Lengths and counts are 64-bit numbers; a reader that trusts them may loop or allocate without end.
"""

from __future__ import annotations

import os
import struct
from math import prod
from pathlib import Path
from typing import BinaryIO

from castalia.bounded.files import open_regular
from castalia.bounded.limits import current, exceeded
from castalia.errors import DataError
from castalia.sentences import say

# bytes of a value, by type
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_DEEPEST = 4  # arrays in arrays
_MOST_AXES = 8
_LEAST_BITS = 1  # of a quantised weight


def check_gguf(path: Path) -> None:
    """Raises DataError for a file that is no GGUF, or whose header declares more than the file
    holds or the limits let through.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > current().weights_bytes:
            raise exceeded("weights_bytes", say("the file is too large"), path.name)
        try:
            _Walk(file, size, path.name).all()
        except (struct.error, OverflowError) as error:
            raise _damaged(say("its header ends too early"), path.name) from error


class _Walk:
    """Steps through the header without keeping anything."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self.file, self.size, self.name, self.values = file, size, name, 0

    def all(self) -> None:
        if self.file.read(4) != b"GGUF" or self._number("<I") not in (2, 3):
            raise DataError(
                say("the file is no GGUF of version 2 or 3, whatever its name says"),
                self.name,
                say("download it again"),
            )
        tensors, facts = self._count(24), self._count(13)
        for _ in range(facts):
            self._skip(self._count(1))
            self._value(self._number("<I"), 0)
        for _ in range(tensors):
            self._skip(self._count(1))
            axes = self._number("<I")
            if axes > _MOST_AXES:
                raise _damaged(say("a tensor has {0} axes", axes), self.name)
            values = prod(self._number("<Q") for _ in range(axes))
            _, offset = self._number("<I"), self._number("<Q")
            if offset > self.size or values * _LEAST_BITS > 8 * self.size:
                raise _damaged(say("a tensor is larger than the file"), self.name)

    def _value(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            self._skip(self._count(1))
        elif kind == _ARRAY and depth < _DEEPEST:
            inner = self._number("<I")
            count = self._count(_SIZES.get(inner, 8))
            if inner in _SIZES:
                self._skip(count * _SIZES[inner])
            else:
                for _ in range(count):
                    self._value(inner, depth + 1)
        elif kind in _SIZES:
            self._skip(_SIZES[kind])
        else:
            raise _damaged(say("a value of type {0}", kind), self.name)

    def _count(self, least: int) -> int:
        """A number of things of at least so many bytes each, which must fit in the file."""
        count = self._number("<Q")
        if count * least > self.size:
            raise _damaged(
                say("it declares {0:,} entries in {1:,} bytes", count, self.size), self.name
            )
        return count

    def _number(self, form: str) -> int:
        self.values += 1
        if self.values > current().json_values:
            raise exceeded("json_values", say("the header holds too many values"), self.name)
        number: int = struct.unpack(form, self.file.read(struct.calcsize(form)))[0]
        return number

    def _skip(self, count: int) -> None:
        if self.file.seek(count, os.SEEK_CUR) > self.size:
            raise _damaged(say("a value goes on beyond the end"), self.name)


def _damaged(why: str, name: str) -> DataError:
    return DataError(say("the GGUF file is damaged: {0}", why), name, say("download it again"))
