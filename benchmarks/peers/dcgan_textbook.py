"""The textbook DCGAN on Fashion-MNIST, as tutorials write it: the peer that
benchmarks/gan_fashion.py compares with.

    python benchmarks/peers/dcgan_textbook.py 240
        train for 240 seconds, print images per second

Radford et al. 2016 (arXiv:1511.06434): five transposed convolutions, five convolutions, widths 64,
batch norm, weights from N(0, 0.02), binary cross-entropy, Adam 2e-4 with beta1 0.5, batch 64,
pictures padded to 32, fp32, contiguous memory. Our own writing; it must stay as it is, because the
results record the SHA-256 of this file. Pictures come from a tensor in memory, which is faster than
the DataLoader of such scripts. Needs torch only.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def make_generator(code: int = 100, width: int = 64, channels: int = 1) -> nn.Module:
    """(B, code, 1, 1) -> (B, channels, 32, 32) in [-1, 1]."""
    return nn.Sequential(
        nn.ConvTranspose2d(code, 4 * width, 4, 1, 0, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def make_discriminator(width: int = 64, channels: int = 1) -> nn.Module:
    """(B, channels, 32, 32) -> (B, 1, 1, 1) logits."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False),
    )


def textbook_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


class Textbook:
    """Both networks with their optimisers. `pictures` uint8 (N, 1, 28, 28)."""

    code, batch = 100, 64

    def __init__(self, pictures: Tensor, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.pictures = F.pad(pictures, (2, 2, 2, 2))
        self.generator, self.discriminator = make_generator(self.code), make_discriminator()
        self.generator.apply(textbook_weights)
        self.discriminator.apply(textbook_weights)
        self.optimiser_g = torch.optim.Adam(
            self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999)
        )
        self.optimiser_d = torch.optim.Adam(
            self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999)
        )
        self.criterion = nn.BCEWithLogitsLoss()
        self.random = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(len(self.pictures), generator=self.random)
        self.position = 0
        self.step = 0

    def real(self) -> Tensor:
        """The next batch (B, 1, 32, 32) in [-1, 1] of a shuffled epoch."""
        if self.position + self.batch > len(self.order):
            self.order = torch.randperm(len(self.pictures), generator=self.random)
            self.position = 0
        rows = self.order[self.position : self.position + self.batch]
        self.position += self.batch
        return self.pictures[rows].float() / 127.5 - 1.0

    def noise(self, rows: int) -> Tensor:
        return torch.randn(rows, self.code, 1, 1, generator=self.random)

    def train_step(self) -> None:
        ones, zeros = torch.ones(self.batch, 1, 1, 1), torch.zeros(self.batch, 1, 1, 1)
        real, fake = self.real(), self.generator(self.noise(self.batch))
        self.optimiser_d.zero_grad()
        self.criterion(self.discriminator(real), ones).backward()
        self.criterion(self.discriminator(fake.detach()), zeros).backward()
        self.optimiser_d.step()
        self.optimiser_g.zero_grad()
        self.criterion(self.discriminator(fake), ones).backward()
        self.optimiser_g.step()
        self.step += 1

    @torch.no_grad()
    def sample(self, n: int, seed: int, *, statistics: str = "running") -> Tensor:
        """(n, 1, 28, 28) in [-1, 1], the padding cut off. statistics: batch norm by the "running"
        ones or the "batch"'s own.
        """
        random = torch.Generator().manual_seed(seed)
        # without a running average of its own: sampling must not change what training continues
        # with
        kept = {name: tensor.clone() for name, tensor in self.generator.state_dict().items()}
        self.generator.train(statistics == "batch")
        parts = [
            self.generator(torch.randn(min(250, n - first), self.code, 1, 1, generator=random))
            for first in range(0, n, 250)
        ]
        self.generator.train()
        self.generator.load_state_dict(kept)
        return torch.cat(parts)[:, :, 2:30, 2:30]

    def state(self) -> dict[str, object]:
        """Everything that `load` needs to continue."""
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimiser_g": self.optimiser_g,
            "optimiser_d": self.optimiser_d,
        }
        return {
            **{name: part.state_dict() for name, part in parts.items()},
            "random": self.random.get_state(),
            "order": self.order,
            "position": self.position,
            "step": self.step,
        }

    def load(self, state: dict[str, object]) -> None:
        for name in ("generator", "discriminator", "optimiser_g", "optimiser_d"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])  # type: ignore[arg-type]
        self.order, self.position, self.step = state["order"], state["position"], state["step"]  # type: ignore[assignment]


if __name__ == "__main__":
    import gzip
    import sys
    from pathlib import Path

    import numpy as np

    with gzip.open(Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) as file:
        train = torch.from_numpy(
            np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28).copy()
        )
    textbook, begun = Textbook(train), time.perf_counter()
    while time.perf_counter() - begun < float(sys.argv[1]):
        textbook.train_step()
    print(
        f"{textbook.step} steps, "
        f"{textbook.step * textbook.batch / (time.perf_counter() - begun):.0f} images per "
        "second"
    )
