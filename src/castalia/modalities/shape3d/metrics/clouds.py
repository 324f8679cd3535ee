"""Distances between shapes as clouds of points: Chamfer distance and earth mover's distance, of all
pairs of two sets (Yang et al. 2019, arXiv:1906.12320, PointFlow, section 6.1).

Points are drawn evenly from surfaces, in units of the box that the shape fills. The earth mover's
distance is the mean length of the best one-to-one assignment; here of its entropic relaxation
(Cuturi 2013, Sinkhorn), sharpened until it lies within a few percent of it (Schmitzer 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from castalia.modalities.shape3d.mesh import surface_points
from castalia.modalities.shape3d.point_clouds import field_of
from castalia.modalities.shape3d.shape import Shape
from castalia.modalities.shape3d.surface import surface
from castalia.modalities.shape3d.voxelise import placed
from castalia.nn.counter_random import counter_seed

POINTS, FEWER = 256, 48  # of a cloud, for the Chamfer and for the earth mover's distance
BOX = 32  # voxels of the box of a mesh that brings no field
PAIRS = 4_000_000  # distances between points that are in memory at once
SHARPNESS, TURNS = (0.1, 0.05, 0.025), 15  # of the relaxation, in mean distances


def cloud(item: Shape, number: int) -> Tensor:
    """(POINTS, 3) float32 in units of the box; a function of its arguments."""
    rng = np.random.default_rng(counter_seed("cloud", number))
    if item.field is not None:
        mesh, side = surface(item.field.astype(np.float32) - 127.5), len(item.field)
    else:
        mesh, side = placed(item.mesh, BOX, longest=None, floor=True), BOX
    return torch.from_numpy(surface_points(mesh, POINTS, rng)) / (side - 1)


def cloud_of(values: Tensor, number: int) -> Tensor:
    """The same of a field (1, n, n, n) or a set of points (3, P), float in [-1, 1]."""
    if values.ndim == 2:
        values = field_of(values[None])[0]
    levels = ((values[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    rng = np.random.default_rng(counter_seed("cloud", number))
    mesh = surface(levels.astype(np.float32) - 127.5)
    return torch.from_numpy(surface_points(mesh, POINTS, rng)) / (len(levels) - 1)


def clouds(items: Sequence[Shape]) -> Tensor:
    """(N, POINTS, 3)."""
    return torch.stack([cloud(item, number) for number, item in enumerate(items)])


@torch.inference_mode()
def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """(N, P, 3), (M, P, 3) -> (N, M) float64: mean squared distance to the nearest point of the
    other cloud, both ways added.
    """
    return _by_blocks(a, b, lambda d: d.square().amin(3).mean(2) + d.square().amin(2).mean(2))


@torch.inference_mode()
def earth_mover(a: Tensor, b: Tensor) -> Tensor:
    """(N, P, 3), (M, P, 3) -> (N, M) float64: mean length of the ways of an assignment."""
    return _by_blocks(a[:, :FEWER], b[:, :FEWER], assigned)


def assigned(distance: Tensor) -> Tensor:
    """(..., P, P) distances between the points of two clouds -> (...) float: the mean length of the
    ways of the relaxed assignment, in the log domain.
    """
    size = distance.shape[-1]
    u = distance.new_zeros(distance.shape[:-1])
    v = distance.new_zeros(distance.shape[:-1])
    scale = distance.mean((-2, -1))[..., None].clamp_min(1e-12)
    for sharp in SHARPNESS:
        width = sharp * scale
        for _ in range(TURNS):
            u = -width * torch.logsumexp((v[..., None, :] - distance) / width[..., None], -1)
            v = -width * torch.logsumexp((u[..., :, None] - distance) / width[..., None], -2)
    plan = ((u[..., :, None] + v[..., None, :] - distance) / width[..., None]).exp()
    # u's sums are off by what the last half turn changed: rows are brought back to 1
    plan = plan / plan.sum(-1, keepdim=True).clamp_min(1e-30)
    return (plan * distance).sum((-2, -1)) / size


def _by_blocks(a: Tensor, b: Tensor, measure: object) -> Tensor:
    rows = max(1, PAIRS // max(1, len(b) * a.shape[1] * b.shape[1]))
    parts = []
    for block in a.split(rows):
        distance = torch.cdist(block[:, None].float(), b[None].float())
        parts.append(measure(distance).double())  # type: ignore[operator]
    return torch.cat(parts) if parts else torch.zeros(0, len(b), dtype=torch.float64)
