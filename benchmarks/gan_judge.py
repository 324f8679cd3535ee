"""The judge of the GAN benchmark: a small Fashion-MNIST classifier, trained once and frozen by its
hash.

    python benchmarks/gan_judge.py            train it anew, write benchmarks/gan_judge.safetensors,
                                              print accuracy and hash

188 thousand weights, no batch norm; the features are the 128 activations before the last layer, so
a Frechet distance in them sees what tells the ten kinds of clothing apart. Test accuracy 91.2%. Two
drafts that fitted the training pictures too closely were replaced before any two recipes were
compared; since then it is frozen, and `load` refuses another hash. Not here: the distances
themselves (castalia.evaluation) and the benchmark (gan_fashion.py).
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "gan_judge.safetensors"
SHA256 = "e9ddb9963202ae221a73d3d8d1ee5b33a51fe41875e2f9c9afb2dadd3d04f9ac"
FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


def fashion(part: str, folder: Path = FASHION) -> tuple[Tensor, Tensor]:
    """Pictures uint8 (N, 1, 28, 28) and labels int64 (N,) of "train" (60,000) or "t10k"
    (10,000).
    """
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        pictures = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(pictures.copy()), torch.from_numpy(labels.astype(np.int64))


class Judge(nn.Module):
    """(B, 1, 28, 28) in [-1, 1] -> (B, 10) logits; `features` gives the (B, 128) activations before
    them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.hidden = nn.Linear(64 * 4 * 4, 128)
        self.head = nn.Linear(128, 10)

    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.hidden(self.convolutions(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.features(x), 0.3, self.training))


def signed(pictures: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1.0


def load() -> Judge:
    """The frozen network. Ends the program when the file is not the one that the results were made
    with.
    """
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{WEIGHTS.name} has SHA-256 {digest}, the benchmark was frozen with {SHA256}")
    judge = Judge()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval()


@torch.no_grad()
def features(judge: Judge, x: Tensor, chunk: int = 500) -> Tensor:
    """(N, 1, 28, 28) in [-1, 1] -> (N, 128) float32."""
    return torch.cat([judge.features(part) for part in x.split(chunk)])


@torch.no_grad()
def classes(judge: Judge, x: Tensor, chunk: int = 500) -> Tensor:
    """(N, 1, 28, 28) in [-1, 1] -> (N,) most probable class."""
    return torch.cat([judge(part).argmax(1) for part in x.split(chunk)])


def moved(x: Tensor) -> Tensor:
    """A batch shifted by up to two pixels and half of the time mirrored, so that the network does
    not learn 60,000 pictures by heart.
    """
    down, right = torch.randint(0, 5, (2,)).tolist()
    x = F.pad(x, (2, 2, 2, 2), value=-1.0)[..., down : down + 28, right : right + 28]
    return x.flip(-1) if torch.rand(()) < 0.5 else x


def train(epochs: int = 10, batch: int = 64) -> float:
    """Train on the 60,000, write the weights, return the accuracy on the 10,000."""
    torch.manual_seed(0)
    judge = Judge().to(memory_format=torch.channels_last)
    pictures, labels = fashion("train")
    steps = epochs * (len(pictures) // batch)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1e-3, total_steps=steps, pct_start=0.1
    )
    for epoch in range(epochs):
        for rows in torch.randperm(len(pictures)).split(batch)[: len(pictures) // batch]:
            x = moved(signed(pictures[rows]))
            loss = F.cross_entropy(
                judge(x.contiguous(memory_format=torch.channels_last)), labels[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)
    judge.eval()
    save_file({name: tensor.contiguous() for name, tensor in judge.state_dict().items()}, WEIGHTS)
    pictures, labels = fashion("t10k")
    return (classes(judge, signed(pictures)) == labels).float().mean().item()


if __name__ == "__main__":
    accuracy = train()
    print(
        f"test accuracy {accuracy:.4f}, SHA-256 "
        f"{hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}, {WEIGHTS.stat().st_size} bytes"
    )
