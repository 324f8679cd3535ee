"""Network over sets: members in, as many out, and none of them has a place in an order.

Induced set attention (Lee et al. 2019, arXiv:1810.00825, section 3.1): a few learned vectors look
at all members, then every member looks at these, so the cost grows with the members and not with
their pairs. A permutation of the input permutes the output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.attention import attended, heads_of
from castalia.nn.mlp import Modulation


class SetNetwork(nn.Module):
    """(B, inputs, N), vector (B, context) -> (B, outputs, N). The last layer begins at zero.

    width     numbers of a member between layers.
    depth     blocks.
    induced   vectors that gather what a block knows of the whole set.
    context   width of the vector that modulates every block; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 128,
        depth: int = 4,
        induced: int = 32,
        context: int = 0,
    ) -> None:
        super().__init__()
        # two layers: the first normalisation would make a member's length hard to see
        self.stem = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(SetBlock(width, induced, context) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        h = self.stem(x.transpose(1, 2))
        for block in self.blocks:
            h = block(h, vector)
        out: Tensor = self.head(self.norm(h))
        return out.transpose(1, 2)


class SetBlock(nn.Module):
    """Members (B, N, width) learn of the whole, then each goes on by itself; residual."""

    def __init__(self, width: int, induced: int, context: int) -> None:
        super().__init__()
        self.gatherers = nn.Parameter(torch.randn(1, induced, width) * width**-0.5)
        self.norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.gather, self.spread = Looking(width), Looking(width)
        self.modulation = Modulation(width, context) if context else None
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, h: Tensor, vector: Tensor | None) -> Tensor:
        members = self.norm(h)
        whole = self.gather(self.gatherers.expand(len(h), -1, -1), members)
        h = h + self.spread(members, whole)
        fed = self.feed_norm(h)
        if self.modulation is not None and vector is not None:
            fed = self.modulation(fed.transpose(1, 2), vector).transpose(1, 2)
        added: Tensor = h + self.down(F.silu(self.up(fed)))
        return added


class Looking(nn.Module):
    """(B, N, width) at (B, M, width) -> (B, N, width): multi-head attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.asks, self.told = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, who: Tensor, what: Tensor) -> Tensor:
        key, value = self.told(what).chunk(2, -1)
        # likelihoods and average velocities need its forward derivative
        out: Tensor = self.out(attended(self.asks(who), key, value, self.heads))
        return out
