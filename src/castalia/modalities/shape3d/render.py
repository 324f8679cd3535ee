"""Pictures of meshes without a screen: triangles filled into a z-buffer, lit from the camera's
upper left. Parallel projection, seen from a little above; +y is up.
"""

from __future__ import annotations

import math

import numpy as np
import PIL.Image

from castalia.modalities.shape3d.mesh import Mesh, normals

PAIRS = 2_000_000  # of pixel and triangle that are computed at once
ELEVATION = 22.0  # degrees
LIGHT = np.array([-0.45, 0.65, 0.62]) / np.linalg.norm([-0.45, 0.65, 0.62])
DARK, BRIGHT = np.array([38.0, 56.0, 84.0]), np.array([206.0, 222.0, 240.0])
SIZE = 128  # pixels
FINER = 2  # samples of a pixel along each side


def render(mesh: Mesh, azimuth: float = 35.0, size: int = SIZE) -> PIL.Image.Image:
    """An RGB picture of `size` pixels, white around the shape. azimuth: degrees that the shape is
    turned about its upward axis.
    """
    side = size * FINER
    bright = shades(mesh, azimuth, side)
    there = ~np.isnan(bright)
    colour = np.full((side, side, 3), 255.0)
    colour[there] = DARK + (BRIGHT - DARK) * bright[there][:, None]
    mean = colour.reshape(size, FINER, size, FINER, 3).mean((1, 3))
    return PIL.Image.fromarray(mean.round().astype(np.uint8))


def shades(mesh: Mesh, azimuth: float, side: int) -> np.ndarray:
    """(side, side) float: how bright each sample is, 0 to 1; NaN where there is nothing."""
    bright = np.full(side * side, np.nan)
    if not len(mesh.faces):
        return bright.reshape(side, side)
    seen = _turned(mesh, azimuth)
    corners = seen[mesh.faces]
    across = normals(corners)
    length = np.linalg.norm(across, axis=1)
    # the mean of the faces around a corner, so that small steps do not show
    smooth = np.zeros_like(seen)
    for corner in range(3):
        np.add.at(smooth, mesh.faces[:, corner], across)
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-30)
    lit = np.abs(smooth @ LIGHT) * 0.8 + 0.2 * np.abs(smooth[:, 2])
    light = lit[mesh.faces]
    flat = (corners[:, :, :2] * (1, -1) * 0.94 + 1) * (side / 2) - 0.5
    low = np.ceil(flat.min(1)).clip(0, side).astype(np.int64)
    high = np.floor(flat.max(1)).clip(-1, side - 1).astype(np.int64)
    box = (high - low + 1).clip(0)
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]
    doubled = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    counts = box.prod(1) * (np.abs(doubled) > 1e-9) * (length > 0)
    kept = np.flatnonzero(counts)
    depth = np.full(side * side, -np.inf)
    blocks = np.cumsum(counts[kept]) // PAIRS
    for block in np.unique(blocks):
        rows = kept[blocks == block]
        times = counts[rows]
        face = np.repeat(rows, times)
        turn = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        x, y = low[face, 0] + turn // box[face, 1], low[face, 1] + turn % box[face, 1]
        away = np.stack([x, y], 1)[:, None] - flat[face]  # (M, 3, 2)
        weights = (
            np.stack(
                [
                    away[:, one, 0] * away[:, other, 1] - away[:, one, 1] * away[:, other, 0]
                    for one, other in ((1, 2), (2, 0), (0, 1))
                ],
                1,
            )
            / doubled[face][:, None]
        )
        hit = (weights >= 0).all(1)
        face, weights, place = face[hit], weights[hit], (y * side + x)[hit]
        near = (weights * corners[face][:, :, 2]).sum(1)
        np.maximum.at(depth, place, near)
        first = near >= depth[place]
        bright[place[first]] = (weights[first] * light[face[first]]).sum(1).clip(0, 1)
    return bright.reshape(side, side)


def _turned(mesh: Mesh, azimuth: float) -> np.ndarray:
    """(V, 3) float64: corners as the camera sees them, the shape within the unit sphere; z comes
    towards the camera.
    """
    used = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    low, high = used.min(0), used.max(0)
    radius = max(float(np.linalg.norm(used - (low + high) / 2, axis=1).max()), 1e-30)
    x, y, z = ((mesh.vertices.astype(np.float64) - (low + high) / 2) / radius).T
    turn, tilt = math.radians(azimuth), math.radians(ELEVATION)
    x, z = math.cos(turn) * x + math.sin(turn) * z, -math.sin(turn) * x + math.cos(turn) * z
    y, z = math.cos(tilt) * y - math.sin(tilt) * z, math.sin(tilt) * y + math.cos(tilt) * z
    return np.stack([x, y, z], 1)
