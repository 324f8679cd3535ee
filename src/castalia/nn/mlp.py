"""Multilayer perceptrons for vectors, and for anything flattened; optionally modulated by a
condition vector.

Modulation is feature-wise (FiLM, Perez et al. 2018, arXiv:1709.07871) and starts as the identity,
so that a conditional network begins as the unconditional one. Losses are not here.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class Modulation(nn.Module):
    """(B, C, ...) features scaled and shifted per channel by a vector (B, D); the identity at
    initialisation.
    """

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.project = nn.Linear(context, 2 * channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, h: Tensor, vector: Tensor) -> Tensor:
        scale, shift = self.project(vector).unflatten(-1, (2, -1) + (1,) * (h.dim() - 2)).unbind(1)
        return torch.addcmul(shift, h, 1 + scale)


class Mlp(nn.Module):
    """Flattens its input: (B, ...) with `inputs` numbers a row -> (B, outputs).

    width    hidden units of each of the `depth` hidden layers (depth 0 is a linear map).
    context  width of the condition vector that modulates each hidden layer; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 512,
        depth: int = 2,
        context: int = 0,
        activation: type[nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        sizes = [inputs, *([width] * depth)]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.modulations = (
            nn.ModuleList(Modulation(width, context) for _ in range(depth)) if context else None
        )
        self.activation = activation()
        self.out = nn.Linear(sizes[-1], outputs)

    def features(self, x: Tensor, vector: Tensor | None = None) -> list[Tensor]:
        """Activations of every hidden layer, each (B, width), first to last."""
        h = x.flatten(1)
        activations = []
        for index, layer in enumerate(self.hidden):
            h = layer(h)
            if self.modulations is not None and vector is not None:
                h = self.modulations[index](h, vector)
            h = self.activation(h)
            activations.append(h)
        return activations

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        activations = self.features(x, vector)
        return self.out(activations[-1] if activations else x.flatten(1))


def sinusoids(positions: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """(...) positions -> (..., width) sines and cosines of geometrically spaced periods (Vaswani et
    al. 2017). Of an odd width the last cosine is left out.
    """
    half = -(-width // 2)
    rates = torch.exp(-math.log(longest) * torch.arange(half, device=positions.device) / half)
    angles = positions[..., None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :width]
