"""Augmentations of fields of signed distance: rotation about the upward axis, mirror images, and
stretching along each axis, so that a hundred shapes give more than a hundred.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

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
    rows = len(stored)
    factor = LEAST + (MOST - LEAST) * torch.rand(rows, 3, generator=rng)
    side = stored.shape[-1]
    # the matrix takes places of the result to places of the source; its first row is the last axis
    matrix = torch.zeros(rows, 3, 4)
    for axis, column in ((0, 2), (1, 1), (2, 0)):
        matrix[:, column, column] = 1 / factor[:, axis]
    # y: the floor, two voxels above the lower side, stays; places run from -1 to 1
    floor = -1 + 2 * 2.0 / (side - 1)
    matrix[:, 1, 3] = floor * (1 - 1 / factor[:, 1])
    grid = F.affine_grid(matrix, [rows, 1, side, side, side], align_corners=True)
    values = F.grid_sample(
        stored.float(), grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    return values.round().clamp(0, 255).to(stored.dtype)
