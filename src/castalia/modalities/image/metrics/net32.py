"""castalia-net32-v1: the small frozen colour network that gives the features of picture scores.

A plain convolutional network on 32 x 32 RGB, trained by `benchmarks/feature_network.py` on six
small openly licensed picture sets at once (digits, clothing, hand-drawn characters, blood cells,
emoji, portraits) to name the class within a set, the set, the rotation and the kind of damage, and
to keep noise away from real pictures. So its 128 features describe content, layout, colour and
quality. It never saw an identity label. Batch norms are folded into the weights; the file is
float16, computation is float32.

The network is frozen: `SHA256` is checked whenever the file is read, and a changed network must
take a new name. A distance in these features compares models on the same data; it is not the
published FID (Heusel et al. 2017).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.modalities.image.metrics.frozen_network import load_weights

NAME = "castalia-net32-v1"
SHA256 = "b263a8d6196c5d72c707891d3dd94fe19c976590d55463041a28085e90dce80a"
SIDE = 32
DIMENSION = 128
# in, out, stride of each 3x3
WIDTHS = ((3, 32, 1), (32, 48, 2), (48, 64, 1), (64, 96, 2), (96, 128, 1), (128, 128, 2))
NECK = 48


class Net32(nn.Module):
    """(B, 3, 32, 32) float32 in [-1, 1] -> (B, 128) float32."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, stride, 1) for i, o, stride in WIDTHS)
        self.neck = nn.Conv2d(WIDTHS[-1][1], NECK, 1)
        self.out = nn.Linear(NECK * 16, DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.out(self.last_input(x)))

    def last_input(self, x: Tensor) -> Tensor:
        """(B, 768): what the last layer reads."""
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        # (B, 48, 4, 4): the layout survives, so that moved or mirrored content is seen, unlike
        # after average pooling
        return F.relu(self.neck(x)).flatten(1)


@lru_cache(maxsize=1)
def net32() -> Net32:
    """The frozen network, on the CPU, in evaluation mode."""
    network = Net32()
    load_weights(network, NAME, SHA256)
    return network.to(memory_format=torch.channels_last)  # a third faster on a CPU
