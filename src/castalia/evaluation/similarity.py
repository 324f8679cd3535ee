"""How near a picture is to the one that it should be: PSNR and SSIM.

SSIM: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity",
a Gaussian window of 11 pixels and deviation 1.5; of colours the mean over channels. Pictures are
(B, C, H, W) float in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, DEVIATION = 11, 1.5
STABLE = (0.01**2, 0.03**2)
LEAST_ERROR = 1e-10  # 100 dB: two pictures that are the same


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """(B,) decibels: -10 log10 of the mean squared error; at most 100."""
    error = (x.double() - y.double()).square().flatten(1).mean(1)
    return -10 * error.clamp_min(LEAST_ERROR).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """(B,) in [-1, 1], 1 for equal pictures. The window shrinks for pictures that are smaller."""
    x, y = x.double(), y.double()
    side = min(WINDOW, (min(x.shape[-2:]) - 1) // 2 * 2 + 1)
    line = torch.arange(side, dtype=torch.float64, device=x.device) - (side - 1) / 2
    weights = torch.exp(-line.square() / (2 * DEVIATION**2))
    window = torch.outer(weights, weights) / weights.sum().square()

    def mean(z: Tensor) -> Tensor:
        flat = z.flatten(0, 1)[:, None]
        return F.conv2d(flat, window[None, None]).view(*z.shape[:2], -1)

    a, b = mean(x), mean(y)
    spread_a, spread_b = mean(x * x) - a * a, mean(y * y) - b * b
    shared = mean(x * y) - a * b
    light = (2 * a * b + STABLE[0]) / (a * a + b * b + STABLE[0])
    form = (2 * shared + STABLE[1]) / (spread_a + spread_b + STABLE[1])
    return (light * form).mean((1, 2))
