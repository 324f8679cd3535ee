"""A mesh to a signed distance on a grid, whether or not it is closed.

Distance: exact to the nearest triangle (Ericson 2005, section 5.1.5), cut off at TRUNCATE voxels.
Sign: rays through the voxels' middles along both directions of three axes; each says "inside" where
the faces crossed so far do not cancel out (winding), or where their number is odd if the faces of
the mesh are turned at random; four of six decide (after Nooruddin & Turk 2003, ray stabbing). A
hole misleads the rays through it only. Inside a closed mesh this is where the winding number
(Jacobson et al. 2013) is not 0.
Thin parts: a wall or rod between the middles of voxels would be lost, so every surface is moved
outwards by a part of a voxel, which keeps them all and rounds edges.

Coordinates are voxels: the middle of voxel (i, j, k) is at (i, j, k). +y is up.
"""

from __future__ import annotations

import numpy as np

from castalia.modalities.shape3d.mesh import Mesh, closure, merged

TRUNCATE = 3.0  # voxels at which distances end
MARGIN = 1.5  # voxels between a shape and the sides of its box
PAIRS = 1_500_000  # of voxel and triangle that are measured at once
FINE = 0.25  # voxels: of a mesh of many faces, corners this near become one
MANY = 60_000  # faces
ASIDE = np.array([1.3e-3, 2.1e-3, 1.7e-3])  # rays pass beside edges that lie on a voxel's middle
MOST_TURNED = 0.02  # share of turned edges up to which faces are trusted to look outwards


def placed(mesh: Mesh, n: int, *, longest: float | None, floor: bool) -> Mesh:
    """The mesh in a box of n voxels, +y up. longest: length in the mesh's units that fills the box;
    None: its own longest side. floor: it stands on the floor of the box instead of hanging in its
    middle.
    """
    vertices = mesh.vertices.astype(np.float64)
    used = vertices[np.unique(mesh.faces)]
    low, high = used.min(0), used.max(0)
    own = float((high - low).max())
    scale = (n - 1 - 2 * MARGIN) / max(own, longest or 0.0, 1e-30)
    moved = (vertices - (low + high) / 2) * scale + (n - 1) / 2
    if floor:
        moved[:, 1] += MARGIN - ((low[1] - high[1]) / 2 * scale + (n - 1) / 2)
    return Mesh(moved.astype(np.float32), mesh.faces)


def signed_distance(mesh: Mesh, n: int, thicken: float = 0.0) -> np.ndarray:
    """(n, n, n) float32, in voxels, from -TRUNCATE inside to TRUNCATE outside. thicken: voxels that
    the surface is moved outwards.
    """
    mesh = merged(mesh, FINE) if len(mesh.faces) > MANY else merged(mesh)
    corners = mesh.corners.astype(np.float64)
    distance = nearest_distance(corners, n, TRUNCATE + thicken)
    by_parity = closure(mesh).turned > MOST_TURNED
    inside = votes(corners, n, by_parity=by_parity) >= 4
    field = np.where(inside, -distance, distance) - thicken
    return field.clip(-TRUNCATE, TRUNCATE).astype(np.float32)


def nearest_distance(corners: np.ndarray, n: int, reach: float) -> np.ndarray:
    """corners (F, 3, 3) -> (n, n, n) float64: distance of each middle to the nearest triangle, at
    most `reach`.
    """
    squares = np.full(n**3, reach**2)
    low = np.ceil(corners.min(1) - reach).clip(0, n).astype(np.int64)
    high = np.floor(corners.max(1) + reach).clip(-1, n - 1).astype(np.int64)
    sides = (high - low + 1).clip(0)
    counts = sides.prod(1)
    kept = np.flatnonzero(counts)
    if not len(kept):
        return np.sqrt(squares).reshape(n, n, n)
    blocks = np.cumsum(counts[kept]) // PAIRS
    for block in np.unique(blocks):
        face, offset = _enumerated(kept[blocks == block], counts)
        _, second, third = sides[face].T
        i = low[face, 0] + offset // (second * third)
        j = low[face, 1] + offset // third % second
        k = low[face, 2] + offset % third
        found = point_triangle(np.stack([i, j, k], 1).astype(np.float64), face, corners, reach)
        place = (i * n + j) * n + k
        near = found < reach**2
        np.minimum.at(squares, place[near], found[near])
    return np.sqrt(squares).reshape(n, n, n)


def point_triangle(
    points: np.ndarray, face: np.ndarray, corners: np.ndarray, reach: float
) -> np.ndarray:
    """(M,) squared distance of each point (M, 3) to the triangle `corners[face]`; infinite where
    its plane is further than `reach`.
    """
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(across, axis=1)
    unit = across / np.maximum(length, 1e-30)[:, None]
    above = np.einsum("mi,mi->m", points - corners[face, 0], unit[face])
    result = np.full(len(points), np.inf)
    near = np.flatnonzero(np.abs(above) < reach)
    points, face, above = points[near], face[near], above[near]
    best = np.full(len(points), np.inf)
    within = length[face] > 0
    for corner in range(3):
        start, way = corners[:, corner], corners[:, (corner + 1) % 3] - corners[:, corner]
        squared = np.maximum(np.einsum("fi,fi->f", way, way), 1e-30)
        inward = np.cross(unit, way)
        step, edge = points - start[face], way[face]
        t = (np.einsum("mi,mi->m", step, edge) / squared[face]).clip(0, 1)
        rest = step - t[:, None] * edge
        best = np.minimum(best, np.einsum("mi,mi->m", rest, rest))
        within &= np.einsum("mi,mi->m", step, inward[face]) >= 0
    result[near] = np.where(within, above**2, best)
    return result


def votes(corners: np.ndarray, n: int, *, by_parity: bool = False) -> np.ndarray:
    """(n, n, n) int: how many of six rays from outside to each voxel's middle find it inside."""
    total = np.zeros((n, n, n), np.int8)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        crossed = _crossings(corners[:, :, [u, v, axis]], n, ASIDE[[u, v]], by_parity)
        below = np.cumsum(crossed, axis=2)
        above = below[:, :, -1:] - below
        for count in (below[:, :, :-1], above[:, :, :-1]):
            there = count % 2 == 1 if by_parity else count != 0
            total += np.moveaxis(there, (0, 1, 2), (u, v, axis)).astype(np.int8)
    return total


def _crossings(corners: np.ndarray, n: int, aside: np.ndarray, by_parity: bool) -> np.ndarray:
    """(n, n, n + 1) int: of faces with corners (F, 3, 3) along (u, v, w), how often the ray of (u,
    v) crosses between w - 1 and w; upwards counts 1, downwards -1.
    """
    crossed = np.zeros((n, n, n + 1), np.int64)
    flat = corners[:, :, :2] - aside
    doubled = _turn(flat[:, 0], flat[:, 1], flat[:, 2])
    low = np.ceil(flat.min(1)).clip(0, n).astype(np.int64)
    high = np.floor(flat.max(1)).clip(-1, n - 1).astype(np.int64)
    sides = (high - low + 1).clip(0)
    counts = sides.prod(1) * (np.abs(doubled) > 1e-12)
    kept = np.flatnonzero(counts)
    if not len(kept):
        return crossed
    blocks = np.cumsum(counts[kept]) // PAIRS
    for block in np.unique(blocks):
        face, offset = _enumerated(kept[blocks == block], counts)
        u = low[face, 0] + offset // sides[face, 1]
        v = low[face, 1] + offset % sides[face, 1]
        point = np.stack([u, v], 1).astype(np.float64)
        sign = np.sign(doubled[face])
        a, b, c = (flat[face, corner] for corner in range(3))
        weights = np.stack([_turn(b, c, point), _turn(c, a, point), _turn(a, b, point)], 1)
        hit = (weights * sign[:, None] >= 0).all(1)
        face, u, v = face[hit], u[hit], v[hit]
        weights = weights[hit] / doubled[face][:, None]
        depth = np.einsum("mc,mc->m", weights, corners[face, :, 2])
        place = np.ceil(depth).clip(0, n).astype(np.int64)
        count = 1 if by_parity else np.sign(doubled[face]).astype(np.int64)
        np.add.at(crossed, (u, v, place), count)
    return crossed


def _enumerated(rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each of `rows` as often as `counts` says, and which of its turns it is."""
    times = counts[rows]
    starts = np.cumsum(times) - times
    return np.repeat(rows, times), np.arange(times.sum()) - np.repeat(starts, times)


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(M,) twice the signed area of flat triangles with corners (M, 2)."""
    result: np.ndarray = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (
        c[:, 0] - a[:, 0]
    )
    return result
