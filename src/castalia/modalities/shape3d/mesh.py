"""Triangle meshes and what is measured of them: area, volume, bodies, whether they are closed.

Functions take meshes as they are read from files: corners may be listed several times, faces may
have no area, orientation may be mixed. `merged` puts corners of the same place together, which is
what "closed" is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices (V, 3) float32, finite; faces (F, 3) int32 in [0, V), counter-clockwise as seen from
    outside.
    """

    vertices: np.ndarray
    faces: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        """(F, 3, 3): of each face its three corners."""
        return self.vertices[self.faces]


def empty() -> Mesh:
    return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def joined(parts: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    if not parts:
        return empty()
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate(
            [part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]
        ).astype(np.int32),
    )


def normals(corners: np.ndarray) -> np.ndarray:
    """(F, 3, 3) -> (F, 3) float64: across each face, as long as twice its area."""
    edges = corners.astype(np.float64)
    return np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])


def areas(mesh: Mesh) -> np.ndarray:
    """(F,) float64."""
    return 0.5 * np.linalg.norm(normals(mesh.corners), axis=1)


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: that of a closed mesh, negative where its faces look
    inwards.
    """
    corners = mesh.corners.astype(np.float64)
    return (
        float(np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum())
        / 6
    )


def extents(mesh: Mesh) -> np.ndarray:
    """(3,) float64: lengths of the box around the faces; zeros without any."""
    if not len(mesh.faces):
        return np.zeros(3)
    used = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    return used.max(0) - used.min(0)


def merged(mesh: Mesh, step: float | None = None) -> Mesh:
    """Corners of the same place are one corner, and faces without area are left out. step: corners
    in the same cube of this side are one, at their mean; None: equal to the last bit.
    """
    if not len(mesh.vertices):
        return mesh
    if step is None:
        # -0.0 and 0.0 are one place
        keys = np.ascontiguousarray(mesh.vertices + np.float32(0)).view(np.int32)
    else:
        keys = np.floor(mesh.vertices.astype(np.float64) / step).astype(np.int64)
    _, first, places = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    places = places.reshape(-1)
    if step is None:
        vertices = mesh.vertices[first]
    else:
        counts = np.bincount(places)
        vertices = np.stack(
            [np.bincount(places, mesh.vertices[:, axis]) / counts for axis in range(3)], 1
        ).astype(np.float32)
    faces = places[mesh.faces].astype(np.int32)
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (a != c)]
    return Mesh(vertices, faces)


def directed_edges(mesh: Mesh) -> np.ndarray:
    """(3 F, 2) int64: the edges of the faces, each from corner to corner."""
    return np.concatenate(
        [mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]
    ).astype(np.int64)


@dataclass(frozen=True)
class Closure:
    """Of a merged mesh: edges of one face only (a border), edges of more than two (where sheets
    meet), and the share of edges of two faces that both go the same way (turned faces).
    """

    borders: int
    shared: int
    turned: float

    @property
    def closed(self) -> bool:
        """Watertight: every edge has two faces, and they look the same way."""
        return self.borders == 0 and self.shared == 0 and self.turned == 0


def closure(mesh: Mesh) -> Closure:
    """Of a mesh whose corners are merged."""
    if not len(mesh.faces):
        return Closure(1, 0, 0.0)
    edges = directed_edges(mesh)
    count = len(mesh.vertices)
    low, high = edges.min(1), edges.max(1)
    forth = (edges[:, 0] < edges[:, 1]).astype(np.int64)
    _, place, uses = np.unique(low * count + high, return_inverse=True, return_counts=True)
    forths = np.bincount(place.reshape(-1), forth)
    pairs = uses == 2
    turned = float((forths[pairs] != 1).mean()) if pairs.any() else 0.0
    return Closure(int((uses == 1).sum()), int((uses > 2).sum()), turned)


def is_watertight(mesh: Mesh) -> bool:
    """Whether every edge has exactly two faces that look the same way."""
    return closure(merged(mesh)).closed


def bodies(mesh: Mesh) -> np.ndarray:
    """(F,) int64: of each face the number of its body, 0 for the first; faces that share a corner
    are one body. Merge first.
    """
    if not len(mesh.faces):
        return np.zeros(0, np.int64)
    label = np.arange(len(mesh.vertices))
    while True:
        least = label[mesh.faces].min(1)
        new = label.copy()
        for corner in range(3):
            np.minimum.at(new, mesh.faces[:, corner], least)
        new = new[new]  # twice as far at every turn
        if np.array_equal(new, label):
            break
        label = new
    return np.unique(label[mesh.faces[:, 0]], return_inverse=True)[1].reshape(-1)


def surface_points(mesh: Mesh, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) float32: drawn evenly from the surface; zeros for a mesh without area."""
    area = areas(mesh)
    if area.sum() <= 0:
        return np.zeros((count, 3), np.float32)
    # systematic sampling: each face gets its share to the next whole number
    marks = (np.arange(count) + rng.random()) / count
    chosen = np.searchsorted(np.cumsum(area) / area.sum(), marks).clip(0, len(area) - 1)
    a, b, c = (mesh.vertices[mesh.faces[chosen, corner]] for corner in range(3))
    u, v = rng.random((2, count, 1)).astype(np.float32)
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return (a + u * (b - a) + v * (c - a)).astype(np.float32)
