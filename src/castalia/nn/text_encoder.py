"""Encoder of short texts: numbers of words to vectors that know their neighbours.

Two blocks of attention in both directions and a feed-forward part (Vaswani et al. 2017,
arXiv:1706.03762, pre-norm), learned along with the model that is told the texts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from castalia.nn.attention import attended, heads_of
from castalia.nn.mlp import sinusoids

BLOCKS = 2


class TextEncoder(nn.Module):
    """(B, S) int64, 0 for no word -> a vector of each word (B, S, width), where there is one (B, S)
    bool, and one vector of the whole (B, width), 0 where there is no word at all.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(words + 1, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(width)
        self.whole = nn.Linear(width, width)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = ids > 0
        places = torch.arange(ids.shape[1], device=ids.device)
        h = self.embedding(ids) + sinusoids(places, self.width)
        for block in self.blocks:
            h = block(h, mask)
        h = self.norm(h)
        counts = mask.sum(1, keepdim=True)
        mean = (h * mask[:, :, None]).sum(1) / counts.clamp_min(1)
        return h, mask, self.whole(mean) * (counts > 0)


class Block(nn.Module):
    """Attention among words, then each by itself; residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        query, key, value = self.attention(self.attention_norm(h)).chunk(3, -1)
        # a row without words attends to all places, and nobody looks
        mixed = attended(query, key, value, self.heads, mask[:, None, None])
        h = h + self.attention_out(mixed)
        fed: Tensor = h + self.feed(self.feed_norm(h))
        return fed
