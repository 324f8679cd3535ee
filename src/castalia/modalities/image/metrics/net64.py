"""castalia-net64-v1: the frozen colour network that judges pictures from 48 pixels a side on.

A plain convolutional network on 64 x 64 RGB, trained by `benchmarks/picture_network.py` on
pictures of free software alone (photographs, drawings, textures: NOTICE). It never saw one of the
data sets that Castalia ships or is measured on. Its 160 features are of two sorts:

content  128: which two crops come from the same picture. They keep a coarse layout.
quality  32: which of 17 kinds of damage a picture has, none included, and how much. They are read
         from the mean and the deviation of every stage, fine details first, and know no places;
         of 96 units, the 32 directions in which damage moves a picture most, measured in what
         undamaged pictures vary (Rao 1948, linear discriminants), and compressed: what is ten
         deviations off counts three times as much as what is one off, not a thousand times in a
         cubic kernel.

Both are trained together on the same layers (Chen et al. 2020, SimCLR, for the content; naming
damages as in quality assessment without a reference). Batch norms are folded into the weights; the
file is float16, computation is float32.

A distance in these features compares models on the same data; it is not the published FID
(Heusel et al. 2017).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.modalities.image.metrics.frozen_network import load_weights

NAME = "castalia-net64-v1"
SHA256 = "15c4973a6455bdeebb952aaf6ec67126d5f31f401fa98bf58d25c341725a46bd"
SIDE = 64
CONTENT, UNITS, QUALITY = 128, 96, 32
DIMENSION = CONTENT + QUALITY
# in, out, stride of each 3x3; layers that keep the shape add what they read
WIDTHS = (
    (3, 16, 1),
    (16, 40, 2),
    (40, 40, 1),
    (40, 80, 2),
    (80, 80, 1),
    (80, 80, 1),
    (80, 144, 2),
    (144, 144, 1),
    (144, 224, 2),
)
STAGES = (0, 2, 5, 7)  # layers whose means and deviations are read for quality
NECK = 48
BEND, WEIGHT = 0.5, 2.0  # deviations of undamaged pictures; of a direction beside the content


class Net64(nn.Module):
    """(B, 3, 64, 64) float32 in [-1, 1] -> (B, 160) float32."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, stride, 1) for i, o, stride in WIDTHS)
        self.neck = nn.Conv2d(WIDTHS[-1][1], NECK, 1)
        self.content = nn.Linear(NECK * 16, CONTENT)
        self.quality = nn.Linear(2 * sum(WIDTHS[stage][1] for stage in STAGES), UNITS)
        self.directions = nn.Linear(UNITS, QUALITY)

    def forward(self, x: Tensor) -> Tensor:
        moments = []
        for number, convolution in enumerate(self.convolutions):
            y = F.relu(convolution(x))
            x = x + y if x.shape == y.shape else y
            if number in STAGES:
                moments.append(mean_and_deviation(x))
        content = F.relu(self.content(F.relu(self.neck(x)).flatten(1)))
        quality = self.directions(F.relu(self.quality(torch.cat(moments, 1))))
        return torch.cat([content, WEIGHT * compressed(quality)], 1)


def compressed(x: Tensor) -> Tensor:
    """Linear near 0, logarithmic beyond `BEND`."""
    return BEND * x.sign() * torch.log1p(x.abs() / BEND)


def mean_and_deviation(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 2C) float32."""
    x = x.float()
    return torch.cat([x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-4).sqrt()], 1)


def look(x: Tensor) -> Tensor:
    """(B, 3, 64, 64) or (B, 3, 128, 128) in [-1, 1] -> (B, 160) or (B, 192).

    A larger picture is looked at as a whole, and its quality in each quarter as well: the mean of
    the quarters stands beside the quality of the whole. Together they weigh as much as one.
    """
    network = net64()
    if x.shape[-1] == SIDE:
        return network(x.contiguous(memory_format=torch.channels_last))
    whole = network(F.avg_pool2d(x, 2).contiguous(memory_format=torch.channels_last))
    quarters = x.unflatten(2, (2, SIDE)).unflatten(4, (2, SIDE)).permute(0, 2, 4, 1, 3, 5)
    parts = network(quarters.flatten(0, 2).contiguous(memory_format=torch.channels_last))
    quality = parts[:, CONTENT:].view(len(x), 4, QUALITY).mean(1)
    half = 0.5**0.5
    return torch.cat([whole[:, :CONTENT], half * whole[:, CONTENT:], half * quality], 1)


@lru_cache(maxsize=1)
def net64() -> Net64:
    """The frozen network, on the CPU, in evaluation mode."""
    network = Net64()
    load_weights(network, NAME, SHA256)
    return network.to(memory_format=torch.channels_last)
