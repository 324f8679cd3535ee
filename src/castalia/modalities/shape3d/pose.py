"""Shapes brought to one place and size, so that they can be compared whatever box they came in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 16  # voxels
ROOM = 2.0  # half a side of the cube around a shape, in its radius
SOFT = 1.5  # of the field's unit: how sharp the border between inside and outside is


def posed(fields: Tensor) -> Tensor:
    """fields (N, 1, n, n, n) float in [-1, 1], below 0 inside -> (N, SIDE, SIDE, SIDE) float in [0,
    1]: how full each part of the cube around each shape is. The cube is about the centre of its
    volume, and as large as its radius (root of the mean squared distance from there) asks: both
    hardly move where a surface is rough or a foot is lost.
    """
    n = fields.shape[-1]
    values = fields.float().nan_to_num(1.0).clamp(-1, 1)
    full = (0.5 - SOFT * values[:, 0]).clamp(0, 1)
    mass = full.flatten(1).sum(1).clamp_min(1e-6)
    place = torch.arange(n, device=fields.device, dtype=torch.float32)
    layers = [full.sum([1 + other for other in range(3) if other != axis]) for axis in range(3)]
    centre = torch.stack([layer @ place for layer in layers], 1) / mass[:, None]
    squares = torch.stack([layer @ place.square() for layer in layers], 1) / mass[:, None]
    radius = (squares - centre.square()).sum(1).clamp_min(0.25).sqrt()
    half = ROOM * radius
    matrix = torch.zeros(len(fields), 3, 4, device=fields.device)
    for axis in range(3):  # grid_sample names the last axis first
        matrix[:, 2 - axis, 2 - axis] = 2 * half / (n - 1)
        matrix[:, 2 - axis, 3] = 2 * centre[:, axis] / (n - 1) - 1
    grid = F.affine_grid(matrix, [len(fields), 1, SIDE, SIDE, SIDE], align_corners=False)
    sampled = F.grid_sample(
        values, grid, mode="bilinear", padding_mode="border", align_corners=True
    )[:, 0]
    return (0.5 - SOFT * sampled).clamp(0, 1)


def poses(solid: Tensor) -> list[Tensor]:
    """(N, s, s, s) -> the same as it stands, turned by 90, 180 and 270 degrees about y, and the
    mirror images of these four.
    """
    turned = [torch.rot90(solid, quarter, (1, 3)) for quarter in range(4)]
    return turned + [one.flip(1) for one in turned]


def unlike(asked: Tensor, known: Tensor) -> Tensor:
    """(M, D), (N, D) in [0, 1] -> (M, N) in [0, 1]: sum of squared differences over the sum of
    squares; of full and empty parts, 1 minus Dice's coefficient.
    """
    own, other = asked.square().sum(1)[:, None], known.square().sum(1)[None]
    both = asked @ known.T
    return ((own + other - 2 * both) / (own + other).clamp_min(1e-9)).clamp(0, 1)
