"""Shapes as sets of points on their surface, and sets of points as closed shapes.

A set fills the box as a field does: from -1 to 1 along each axis, +y up. Its shape is the union of
balls around the points, which is closed whatever the points are; so sets are written, drawn, judged
and compared with others as any shape is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from castalia.modalities.shape3d.mesh import Mesh, surface_points
from castalia.modalities.shape3d.voxelise import TRUNCATE
from castalia.nn.counter_random import counter_seed
from castalia.sentences import say
from castalia.spec import Dense

GRID = 24  # voxels of the box in which sets are compared
RADIUS = 1.25  # of a ball, in voxels of a box of GRID
ROWS = 16  # sets whose distances are in memory at once


def points_of(mesh: Mesh, n: int, count: int) -> np.ndarray:
    """mesh in a box of n voxels -> (3, count) float32 in [-1, 1], drawn evenly from its surface; a
    function of its arguments.
    """
    corners = hashlib.sha256(np.ascontiguousarray(mesh.corners, "<f4").tobytes()).hexdigest()
    rng = np.random.default_rng(counter_seed("points", corners))
    middle = (n - 1) / 2
    points: np.ndarray = (surface_points(mesh, count, rng) - middle) / middle
    return np.ascontiguousarray(points.T.clip(-1, 1), np.float32)


def field_of(sets: Tensor, n: int = GRID) -> Tensor:
    """sets (N, 3, P) float in [-1, 1] -> (N, 1, n, n, n) float32 in [-1, 1], as fields of signed
    distance are: below 0 within a ball.
    """
    middle = (n - 1) / 2
    side = torch.arange(n, device=sets.device) / middle - 1
    voxels = torch.stack(torch.meshgrid(side, side, side, indexing="ij"), -1).view(1, -1, 3)
    radius = RADIUS * (n - 1) / (GRID - 1)
    parts = [
        torch.cdist(voxels.expand(len(part), -1, -1), part.float().transpose(1, 2)).amin(2)
        for part in sets.split(ROWS)
    ]
    distance = torch.cat(parts) if parts else sets.new_zeros(0, n**3)
    return ((distance * middle - radius) / TRUNCATE).clamp(-1, 1).view(-1, 1, n, n, n)


class PointFeatures:
    """A FeatureNetwork: the field of a set on a coarse grid, so that order does not matter."""

    default = True
    about = "distances to the points of a set, on a grid of 12"
    needs = say("sets of points in three dimensions")

    def fits(self, spec: Dense) -> bool:
        return spec.layout == "set" and len(spec.shape) == 2 and spec.shape[0] == 3

    def confirms(self, spec: Dense) -> bool:
        return False

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        return lambda x: field_of(x.float().nan_to_num(0.0).clamp(-1, 1), 12).flatten(1)
