"""The native item of the modality: a mesh, and the field that it was taken from if a model made
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from castalia.modalities.shape3d.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Shape:
    """mesh   as read, in the file's units and axes, or as made: +y is up.
    field  (n, n, n) uint8, axes x, y, z: the signed distance that the mesh is the surface of, in
           254 steps from inside (0) to outside (255), see voxelise.py; None for a mesh from
           elsewhere. Files that Castalia writes keep it, so that they can be edited again without
           loss.
    points (3, P) float32 in [-1, 1]: the set of points that the mesh is the surface of, where a
           model of points made it (point_clouds.py); else None.
    stored what the file was, in a few words.
    """

    mesh: Mesh
    field: np.ndarray | None = None
    stored: str = ""
    points: np.ndarray | None = None
