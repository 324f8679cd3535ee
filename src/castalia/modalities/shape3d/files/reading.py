"""Read a mesh from a file of any known format, and refuse what is none.

What all readers share is here: limits of bytes and faces, numbers that have to be finite, indices
that have to exist, polygons cut into triangles. Each format is in a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from castalia import bounded
from castalia.bounded import current, exceeded
from castalia.errors import DataError
from castalia.modalities.shape3d.mesh import Mesh
from castalia.sentences import Message, say

SAVE = say("save it again from the program that made it")
Parser = Callable[[bytes, str], Mesh]


def content(path: Path) -> bytes:
    """The bytes of a file of a mesh, at most `mesh_bytes`. Raises DataError, also for an empty
    file.
    """
    data = bounded.read_bytes(path, "mesh_bytes")
    if not data:
        raise DataError(say("the file is empty"), path.name, say("copy it again"))
    return data


def damaged(what: Message | str, name: str) -> DataError:
    return DataError(say("the mesh cannot be read: {0}", what), name, SAVE)


def check_count(count: int, name: str) -> None:
    """Raises DataError where a file holds, or promises, more faces or corners than are read."""
    if count > current().mesh_faces:
        raise exceeded("mesh_faces", say("the mesh has too many faces"), name)


def checked(vertices: np.ndarray, faces: np.ndarray, name: str) -> Mesh:
    """vertices (V, 3) numbers, faces (F, 3) whole numbers -> a Mesh. Raises DataError for points
    without faces, NaN, infinity, and faces with corners that are not there.
    """
    if not len(vertices):
        raise DataError(
            say("the file holds no shape: it has no corners and no faces"),
            name,
            say("save it with the model in it"),
        )
    if not len(faces):
        raise DataError(
            say(
                "the file holds {0:,} points and no faces: a point cloud, not a mesh", len(vertices)
            ),
            name,
            say("reconstruct its surface first, for example with MeshLab or Open3D"),
        )
    check_count(len(faces), name)
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.asarray(vertices).astype(np.float32)
    bad = ~np.isfinite(places).all(1)
    if bad.any():
        raise DataError(
            say("a corner of the mesh is at NaN, infinity or beyond float32"),
            say("{0}, corner {1}", name, int(np.argmax(bad)) + 1),
            say("mend the mesh in the program that made it"),
        )
    corners = np.asarray(faces).astype(np.int64)
    outside = (corners < 0) | (corners >= len(places))
    if outside.any():
        raise damaged(
            say("a face has corner {0}, and there are {1}", int(corners[outside][0]), len(places)),
            name,
        )
    mesh = Mesh(places, corners.astype(np.int32))
    size = np.ptp(places[np.unique(corners)].astype(np.float64), axis=0)
    if not float(size.max()) > 0:
        raise DataError(say("the mesh has no size: all its corners are in one place"), name, SAVE)
    return mesh


def triangles(polygons: Sequence[Sequence[int]], name: str) -> np.ndarray:
    """(F, 3) int64: each polygon as a fan from its first corner. Lists of fewer than three corners
    are lines and points, which are left out.
    """
    found: list[tuple[int, int, int]] = []
    most = current().mesh_faces
    for polygon in polygons:
        first = polygon[0] if polygon else 0
        found += [(first, polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1)]
        if len(found) > most:
            check_count(len(found), name)
    return np.array(found, np.int64).reshape(-1, 3)


def whole(word: str | bytes, name: str) -> int:
    """A whole number of at most 12 digits."""
    try:
        if len(word) > 12:
            raise ValueError
        return int(word)
    except ValueError:
        shown = word.decode("latin-1") if isinstance(word, bytes) else word
        raise damaged(say("{0!r} is no whole number", shown[:40]), name) from None


def floats(words: Sequence[str | bytes], name: str) -> np.ndarray:
    """(N,) float64. Raises DataError for a word that is no number."""
    try:
        return np.array([float(word) for word in words])
    except (ValueError, OverflowError):
        raise damaged(say("a coordinate is no number"), name) from None
