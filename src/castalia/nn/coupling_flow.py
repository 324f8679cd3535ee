"""A normalising flow over vectors, made of affine couplings: an invertible map to standard normal
noise, so the density of its samples is exact.

RealNVP (Dinh, Sohl-Dickstein & Bengio 2017, arXiv:1605.08803, section 3); as the prior of a
variational autoencoder: Chen et al. 2017, arXiv:1611.02731. Losses are not here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from castalia.nn.gaussian_latent import log_prior
from castalia.nn.mlp import Mlp

# A layer multiplies an entry by at most e^2 and at least e^-2: without a bound, one outlier
# overflows.
BOUND = 2.0


class Coupling(nn.Module):
    """(B, size) -> (B, size): half of the entries are held, the others scaled and shifted by what a
    network makes of the held ones. The identity at initialisation.

    Layers 2k and 2k + 1 split by the k-th binary digit of an entry's index and take turns in what
    they hold, so within 2 * log2(size) layers every two entries have been on opposite sides.
    """

    held: Tensor

    def __init__(self, size: int, layer: int, *, width: int, depth: int, context: int) -> None:
        super().__init__()
        digit = layer // 2 % max(1, (size - 1).bit_length())
        side = torch.arange(size) // 2**digit % 2
        self.register_buffer("held", (side == layer % 2).float(), persistent=False)
        self.network = Mlp(size, 2 * size, width=width, depth=depth, context=context)
        nn.init.zeros_(self.network.out.weight)
        nn.init.zeros_(self.network.out.bias)

    def forward(self, z: Tensor, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Towards the noise: the new entries, and the logarithm of the determinant of the Jacobian
        (B,).
        """
        log_scale, shift = self._change(z, vector)
        return z * log_scale.exp() + shift, log_scale.sum(1)

    def inverse(self, noise: Tensor, vector: Tensor | None = None) -> Tensor:
        log_scale, shift = self._change(noise, vector)
        return (noise - shift) * torch.exp(-log_scale)

    def _change(self, x: Tensor, vector: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log-scales and shifts, zero where entries are held: the same before and after
        the layer.
        """
        raw, shift = self.network(x * self.held, vector).chunk(2, dim=1)
        moved = 1 - self.held
        return BOUND * torch.tanh(raw / BOUND) * moved, shift * moved


class CouplingFlow(nn.Module):
    """A density over vectors (B, size), given a condition vector (B, context) or None; the standard
    normal at initialisation.

    layers  couplings. width, depth: hidden units and hidden layers of each one's network.

    Works in the precision of its input; under autocast to bfloat16 the inverse would be only nearly
    one.
    """

    def __init__(
        self, size: int, *, layers: int = 6, width: int = 128, depth: int = 1, context: int = 0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Coupling(size, layer, width=width, depth=depth, context=context)
            for layer in range(layers)
        )

    def couplings(self) -> list[Coupling]:
        """The layers, first to last on the way to the noise."""
        return list(self.layers)  # type: ignore[arg-type]

    def forward(self, z: Tensor, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, size) -> the noise that gives z (B, size), and log |d noise / d z| (B,)."""
        stretch = z.new_zeros(z.shape[0])
        for layer in self.couplings():
            z, part = layer(z, vector)
            stretch = stretch + part
        return z, stretch

    def inverse(self, noise: Tensor, vector: Tensor | None = None) -> Tensor:
        """Standard normal noise (B, size) -> a draw from the density (B, size)."""
        for layer in reversed(self.couplings()):
            noise = layer.inverse(noise, vector)
        return noise

    def log_density(self, z: Tensor, vector: Tensor | None = None) -> Tensor:
        """(B, size) -> (B,) log-density in nats."""
        noise, stretch = self(z, vector)
        return log_prior(noise).sum(1) + stretch
