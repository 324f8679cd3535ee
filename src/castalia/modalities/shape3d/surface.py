"""A field to its surface: marching cubes (Lorensen & Cline 1987) with a table that is worked out
here, so that every surface is closed.

A cell has eight corners. On each of its faces the border of the inside is drawn by a rule that sees
only the four corners of that face: inside corners across from one another belong together. The two
cells of a face so draw the same lines, each edge that crosses the surface gets exactly one line in
from one face and one out to another, and the lines close to loops. A loop is filled by triangles
whose inner edges lie on no face of the cell, so no other cell
has them, and every edge of the surface has two triangles. What lies beyond the grid is outside, so
nothing is cut open there.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from castalia.modalities.shape3d.mesh import Mesh

# corner number 4 x + 2 y + z; an edge joins two corners that differ along one axis
CORNERS = [(number >> 2 & 1, number >> 1 & 1, number & 1) for number in range(8)]
EDGES = [
    (low, low | step) for step in (4, 2, 1) for low in range(8) if not low & step
]  # four along x, four along y, four along z
AXES = [0] * 4 + [1] * 4 + [2] * 4
# corners of each face, counter-clockwise as seen from outside the cell
FACES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
_NUMBER = {pair: number for number, pair in enumerate(EDGES)}
NEAREST = 0.02  # of an edge: no corner of the surface comes nearer to a voxel's middle


def _edge(a: int, b: int) -> int:
    return _NUMBER[min(a, b), max(a, b)]


def loops(inside: int) -> list[list[int]]:
    """The loops of edges around the inside corners, whose numbers are the bits of `inside`; the
    inside lies to the left as one goes along, seen from outside.
    """
    after: dict[int, int] = {}
    for face in FACES:
        there = [bool(inside >> corner & 1) for corner in face]
        ways = [_edge(face[k], face[(k + 1) % 4]) for k in range(4)]
        leaves = [k for k in range(4) if there[k] and not there[(k + 1) % 4]]
        for k in leaves:
            # to where the outside run that begins here ends: runs of outside corners are cut off
            stop = (k + 1) % 4
            while not there[(stop + 1) % 4]:
                stop = (stop + 1) % 4
            after[ways[stop]] = ways[k]
    found, left = [], dict(after)
    while left:
        loop = [next(iter(left))]
        while (following := left.pop(loop[-1])) != loop[0]:
            loop.append(following)
        found.append(loop)
    return found


def _beside(a: int, b: int) -> bool:
    """Whether two edges of the cell lie on one face."""
    return any({*EDGES[a], *EDGES[b]} <= set(face) for face in FACES)


@cache
def table() -> tuple[np.ndarray, ...]:
    """Of each of the 256 cases, by their inside corners: triangles (T, 3) of numbers of edges."""
    return tuple(
        np.array([one for loop in loops(inside) for one in _fan(loop)], np.int64).reshape(-1, 3)
        for inside in range(256)
    )


def _fan(loop: list[int]) -> list[tuple[int, int, int]]:
    """Triangles from one edge of the loop to all others, with no inner edge on a face of the cell;
    each loop of the table has such an edge.
    """
    turns = [loop[first:] + loop[:first] for first in range(len(loop))]
    best = next(
        turned for turned in turns if not any(_beside(turned[0], other) for other in turned[2:-1])
    )
    return [(best[0], best[k], best[k + 1]) for k in range(1, len(best) - 1)]


def surface(field: np.ndarray) -> Mesh:
    """field (x, y, z) float, below 0 inside, nowhere exactly 0 -> its closed surface, in voxels:
    the middle of voxel (0, 0, 0) is the origin. Empty where nothing is inside.
    """
    outside = max(1.0, float(np.abs(field).max(initial=0)))
    field = np.pad(field.astype(np.float32), 1, constant_values=outside)
    inside = field < 0
    number = np.zeros([side - 1 for side in field.shape], np.int64)
    for corner, (x, y, z) in enumerate(CORNERS):
        number |= (
            inside[
                x : x + number.shape[0], y : y + number.shape[1], z : z + number.shape[2]
            ].astype(np.int64)
            << corner
        )
    vertices: list[np.ndarray] = []
    numbers: list[np.ndarray] = []  # along each axis, of each edge of the grid
    count = 0
    for axis in range(3):
        first, second = _ends(field, axis)
        crossed = (first < 0) != (second < 0)
        numbering = np.full(crossed.shape, -1, np.int64)
        numbering[crossed] = count + np.arange(crossed.sum())
        count += int(crossed.sum())
        numbers.append(numbering)
        place = np.argwhere(crossed).astype(np.float32)
        a, b = first[crossed], second[crossed]
        place[:, axis] += (a / (a - b)).clip(NEAREST, 1 - NEAREST)
        vertices.append(place)
    cells = np.flatnonzero((number > 0).ravel() & (number < 255).ravel())
    kinds = number.ravel()[cells]
    x, y, z = np.unravel_index(cells, number.shape)
    edges = np.stack(
        [
            numbers[axis][x + CORNERS[low][0], y + CORNERS[low][1], z + CORNERS[low][2]]
            for axis, (low, _) in zip(AXES, EDGES, strict=True)
        ],
        1,
    )
    triangles = [np.zeros((0, 3), np.int64)]
    for kind in np.unique(kinds):
        triangles.append(edges[kinds == kind][:, table()[kind]].reshape(-1, 3))
    made = np.concatenate(vertices) - np.float32(1)  # the padding
    return Mesh(made.astype(np.float32), np.concatenate(triangles).astype(np.int32))


def _ends(field: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Values at both ends of the edges of the grid along an axis."""
    low = [slice(None)] * 3
    high = [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    return field[tuple(low)], field[tuple(high)]
