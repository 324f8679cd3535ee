"""Meshes that tests are made of."""

from __future__ import annotations

import numpy as np
import trimesh

from castalia.modalities.shape3d.mesh import Mesh


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(made.vertices, np.float32), np.asarray(made.faces, np.int32))


def ball(radius: float = 1.0, at: float = 0.0) -> Mesh:
    made = trimesh.creation.icosphere(3, radius)
    made.apply_translation([at] * 3)
    return mesh_of(made)


def block(*sides: float, at: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    made = trimesh.creation.box(sides)
    made.apply_translation(at)
    return mesh_of(made)


def table(width: float = 1.0, height: float = 0.7, depth: float = 0.6, leg: float = 0.08) -> Mesh:
    """A top on four legs, five bodies that touch."""
    parts = [trimesh.creation.box((width, leg, depth))]
    parts[0].apply_translation((0, height, 0))
    for x in (-1, 1):
        for z in (-1, 1):
            one = trimesh.creation.box((leg, height, leg))
            one.apply_translation((x * (width - leg) / 2, height / 2, z * (depth - leg) / 2))
            parts.append(one)
    return mesh_of(trimesh.util.concatenate(parts))
