"""Simple methods for the edits of pictures, which a model has to beat: non-local means, biharmonic
filling, bicubic and Lanczos enlarging, mean colours.

Pictures are (C, H, W) float in [0, 1]. Not here: learned methods (restoration.py).
"""

from __future__ import annotations

import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

SEARCH, PATCH = 7, 2  # radii of non-local means, in pixels
SMOOTHNESS = 0.6  # of non-local means: what a distance is measured in, in deviations of the noise


def non_local_means(x: Tensor, deviation: float) -> Tensor:
    """Each pixel becomes a mean of the pixels around it, by how alike their patches are (Buades et
    al. 2005, "A non-local algorithm for image denoising"). deviation: of the noise.
    """
    if deviation <= 0:
        return x
    padded = F.pad(
        x[None], (SEARCH,) * 4, mode="reflect" if min(x.shape[1:]) > SEARCH else "replicate"
    )
    height, width = x.shape[1:]
    total, weights = torch.zeros_like(x), torch.zeros(1, height, width)
    for row in range(2 * SEARCH + 1):
        for column in range(2 * SEARCH + 1):
            shifted = padded[0, :, row : row + height, column : column + width]
            unlike = (shifted - x).square().mean(0, keepdim=True)
            unlike = F.avg_pool2d(
                F.pad(unlike[None], (PATCH,) * 4, mode="replicate"), 2 * PATCH + 1, stride=1
            )[0]
            # two noisy patches of the same are apart by twice the variance
            excess = (unlike - 2 * deviation**2).clamp_min(0)
            weight = torch.exp(-excess / (SMOOTHNESS * deviation) ** 2)
            total += weight * shifted
            weights += weight
    return total / weights


def biharmonic(x: Tensor, keep: Tensor) -> Tensor:
    """x with what is not kept, (H, W) bool, filled by the surface that bends least: the sum of
    squares of its Laplacian is smallest (Damelin & Hoang 2018, "On surface completion and image
    inpainting by biharmonic functions").
    """
    unknown = (~keep).flatten().nonzero()[:, 0]
    if not len(unknown):
        return x
    height, width = keep.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    # Laplacian of the pixels within reach of the gap, with mirrored borders
    near = F.max_pool2d((~keep).float()[None], 3, stride=1, padding=1)[0].flatten().nonzero()[:, 0]
    place = {int(pixel): index for index, pixel in enumerate(near.tolist())}
    laplacian = torch.zeros(len(near), height * width, dtype=torch.float64)
    for pixel, index in place.items():
        row, column = int(rows.flatten()[pixel]), int(columns.flatten()[pixel])
        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            r = min(max(row + down, 0), height - 1)
            c = min(max(column + right, 0), width - 1)
            laplacian[index, r * width + c] += 1
            laplacian[index, pixel] -= 1
    inner = laplacian[:, unknown]
    values = x.flatten(1).double()
    known = laplacian @ (values * keep.flatten()).T
    solved = torch.linalg.lstsq(inner, -known).solution
    filled = values.clone()
    filled[:, unknown] = solved.T
    return filled.view_as(x).clamp(0, 1).to(x.dtype)


def resized(x: Tensor, factor: int, resample: PIL.Image.Resampling) -> Tensor:
    """`factor` times as many pixels a side, channel by channel, as Pillow does it in float."""
    height, width = x.shape[1:]
    size = (width * factor, height * factor)
    channels = [
        PIL.Image.fromarray(channel.float().numpy(), mode="F").resize(size, resample)
        for channel in x
    ]
    planes = [torch.frombuffer(bytearray(one.tobytes()), dtype=torch.float32) for one in channels]
    return torch.stack(planes).view(len(x), size[1], size[0]).clamp(0, 1)


def mean_colours(grey: Tensor, colours: Tensor, weights: Tensor) -> Tensor:
    """(3, H, W) as light as grey (1, H, W), everywhere of the mean colour (3,) of other pictures.
    weights (3,): of the channels in a pixel's lightness.
    """
    tint = colours - (colours * weights).sum()
    return (grey + tint.view(3, 1, 1)).clamp(0, 1)
