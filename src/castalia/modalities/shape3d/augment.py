"""Augmentations of fields of signed distance, and of sets of points: rotation about the upward
axis, mirror images, and stretching along each axis, so that a hundred shapes give more than a
hundred.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1.5  # voxels: where shapes stand, see voxelise.MARGIN
LEAST, MOST = 0.8, 1.05  # times as long along an axis


def turn(stored: Tensor, rng: torch.Generator) -> Tensor:
    """(B, 1, n, n, n), axes x, y, z: each row by 0, 90, 180 or 270 degrees about y."""
    turns = torch.randint(0, 4, (len(stored),), generator=rng)
    result = stored.clone()
    for quarter in (1, 2, 3):
        rows = turns == quarter
        if rows.any():
            result[rows] = torch.rot90(stored[rows], quarter, (2, 4))
    return result


def mirror(stored: Tensor, rng: torch.Generator) -> Tensor:
    """Each row as it is, or left and right exchanged (x)."""
    rows = torch.rand(len(stored), generator=rng) < 0.5
    return torch.where(rows.view(-1, 1, 1, 1, 1), stored.flip(2), stored)


def stretch(stored: Tensor, rng: torch.Generator) -> Tensor:
    """Each row LEAST to MOST times as long along each axis, about the middle of x and z and the
    floor. Distances are those of before, which is off by the stretching where they are not 0.
    """
    factor = LEAST + (MOST - LEAST) * torch.rand(len(stored), 3, generator=rng)
    side = stored.shape[-1]
    place = torch.arange(side, dtype=torch.float32)
    values = stored[:, 0].float()
    for axis in range(3):
        still = FLOOR if axis == 1 else (side - 1) / 2  # what does not move
        source = (still + (place - still) / factor[:, axis, None]).clamp(0, side - 1)
        # each layer is a mixture of the two layers of the source that it lies between
        weights = (1 - (source[:, :, None] - place).abs()).clamp_min(0)  # (B, result, source)
        moved = values.movedim(1 + axis, 1)
        shape = moved.shape
        values = torch.bmm(weights, moved.reshape(len(stored), side, -1)).view(shape)
        values = values.movedim(1, 1 + axis)
    return values[:, None].round().clamp(0, 255).to(stored.dtype)


def turn_points(stored: Tensor, rng: torch.Generator) -> Tensor:
    """(B, 3, P) in [-1, 1]: each row by any angle about y, and back into the box where it would
    leave it.
    """
    angle = 2 * torch.pi * torch.rand(len(stored), generator=rng)
    x, y, z = stored.unbind(1)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return _inside(torch.stack([cos * x + sin * z, y, cos * z - sin * x], 1))


def mirror_points(stored: Tensor, rng: torch.Generator) -> Tensor:
    """Each row as it is, or left and right exchanged (x)."""
    rows = torch.rand(len(stored), generator=rng) < 0.5
    sign = torch.where(rows, -1.0, 1.0)[:, None]
    return torch.stack([stored[:, 0] * sign, stored[:, 1], stored[:, 2]], 1)


def stretch_points(stored: Tensor, rng: torch.Generator) -> Tensor:
    """Each row LEAST to MOST times as long along each axis, about the middle of x and z and the
    lowest point.
    """
    factor = LEAST + (MOST - LEAST) * torch.rand(len(stored), 3, 1, generator=rng)
    still = torch.zeros(len(stored), 3, 1)
    still[:, 1, 0] = stored[:, 1].amin(1)
    return _inside(still + factor * (stored - still))


def _inside(points: Tensor) -> Tensor:
    """Rows that leave the box are made smaller about the middle of the floor."""
    most = points[:, ::2].abs().amax((1, 2)).clamp_min(1.0)
    floor = points[:, 1].amin(1)
    high = (points[:, 1].amax(1) - floor) / (1 - floor).clamp_min(1e-6)
    shrink = torch.maximum(most, high)[:, None]
    x, y, z = points.unbind(1)
    return torch.stack([x / shrink, floor[:, None] + (y - floor[:, None]) / shrink, z / shrink], 1)
