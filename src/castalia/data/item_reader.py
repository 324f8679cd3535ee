"""Read items of a source in a wanted order; each file is opened once and read through once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from castalia import bounded
from castalia.codecs.base import Codec
from castalia.data.source import Source
from castalia.errors import DataError


def read_items(
    source: Source, items: np.ndarray, codec: Codec[Any]
) -> Iterator[tuple[bytes, str, Any]]:
    """(digest, name for messages, native item) for each of `items`; where reading failed, a
    DataError takes the item's place.

    items (n,) int: neighbours belong to one file, ascending within it. A file that was hashed whole
    may yield several items.
    """
    for item, content in numbered(source, items, codec):
        yield source.digest[item].tobytes(), source.where(item), content


def readable(source: Source, items: np.ndarray, codec: Codec[Any], skip_bad: bool) -> Iterator[Any]:
    """The native items alone. Raises DataError at the first that cannot be read, unless
    `skip_bad`.
    """
    for item, content in numbered(source, items, codec):
        if not isinstance(content, DataError):
            yield content
        elif not skip_bad:
            raise DataError(content.what, source.where(item), content.fix) from content


def fair_order(source: Source, items: np.ndarray) -> np.ndarray:
    """`items` with whole files in the order of their lowest hash, so that the first ones are a fair
    sample of all folders.
    """
    if len(items) == 0:
        return items
    hashes = np.ascontiguousarray(source.digest[items, 8:]).view(">u8").ravel()
    lowest = np.full(len(source.files), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(lowest, source.file[items], hashes.astype(np.uint64))
    return items[np.lexsort((source.index[items], source.file[items], lowest[source.file[items]]))]


def numbered(source: Source, items: np.ndarray, codec: Codec[Any]) -> Iterator[tuple[int, Any]]:
    """(item, native item or the DataError of reading it) for each of `items`, ordered as for
    `read_items`.
    """
    for place, group in _by_file(source, items):
        path = source.files[place]
        rowwise = codec.is_container(path)
        done = 0  # how many of the group were given
        try:
            for index, content in enumerate(bounded.within(source.limits, codec.read(path))):
                if not rowwise:
                    yield int(group[0]), content
                elif done < len(group) and source.index[group[done]] == index:
                    yield int(group[done]), content
                    done += 1
        except DataError as error:
            for item in group[done:]:
                yield int(item), error


def _by_file(source: Source, items: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(file, its items) in the order given."""
    files = source.file[items]
    cuts = [0, *(np.flatnonzero(files[1:] != files[:-1]) + 1).tolist(), len(items)]
    for start, stop in itertools.pairwise(cuts):
        if stop > start:
            yield int(files[start]), items[start:stop]
