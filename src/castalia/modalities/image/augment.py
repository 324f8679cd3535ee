"""Augmentations of picture batches: flip, shift, crop, colour.

Each is a function (uint8 batch (B, C, H, W), generator) -> uint8 batch of the same shape,
vectorised over the batch, with all randomness from the generator. New pixels at the border mirror
the picture, so that a white ground stays white and neither black frames nor smeared edges enter the
data, which a generative model would learn to draw.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(x: Tensor, rng: torch.Generator) -> Tensor:
    """Mirrors each picture left to right with probability 1/2."""
    chosen = torch.rand(len(x), generator=rng) < 0.5
    return torch.where(chosen[:, None, None, None], x.flip(-1), x)


def shift(x: Tensor, rng: torch.Generator) -> Tensor:
    """Moves each picture by up to 1/8 of its side (at least one pixel) along both axes."""
    return _moved(_moved(x, -1, rng), -2, rng)


def crop(x: Tensor, rng: torch.Generator) -> Tensor:
    """Cuts a window of 80 to 100% of the side at a random place and scales it back (bilinear)."""
    scale = 0.8 + 0.2 * torch.rand(len(x), generator=rng)
    offset = (2 * torch.rand(len(x), 2, generator=rng) - 1) * (1 - scale)[:, None]
    window = torch.zeros(len(x), 2, 3)
    window[:, 0, 0] = window[:, 1, 1] = scale
    window[:, :, 2] = offset
    places = F.affine_grid(window, list(x.shape), align_corners=False)
    return _stored(
        F.grid_sample(
            x.float(), places, mode="bilinear", padding_mode="border", align_corners=False
        )
    )


def colour(x: Tensor, rng: torch.Generator) -> Tensor:
    """Changes brightness, contrast and (with three channels) saturation of each picture by up to
    20%.
    """
    brightness, contrast, saturation = (
        0.8 + 0.4 * torch.rand(3, len(x), 1, 1, 1, generator=rng)
    ).unbind(0)
    y = x.float() * brightness
    mean = y.mean((1, 2, 3), keepdim=True)
    y = mean + (y - mean) * contrast
    if x.shape[1] == 3:
        # ITU-R BT.601
        luma = (y * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        y = luma + (y - luma) * saturation
    return _stored(y)


def _moved(x: Tensor, axis: int, rng: torch.Generator) -> Tensor:
    side = x.shape[axis]
    reach = max(1, side // 8)
    by = torch.randint(-reach, reach + 1, (len(x), 1), generator=rng)
    source = (torch.arange(side) + by).abs_()  # (B, side), mirrored at 0 ...
    source = ((side - 1) - (side - 1 - source).abs()).clamp_(min=0)  # ... and at side - 1
    index = source[:, None, None, :] if axis == -1 else source[:, None, :, None]
    return x.gather(axis, index.expand(x.shape))


def _stored(y: Tensor) -> Tensor:
    return y.round_().clamp_(0, 255).to(torch.uint8)
