"""Decoder of short texts: what a sequence of vectors shows, word by word.

Blocks of attention to the words so far, attention to the sequence, and a feed-forward part (Vaswani
et al. 2017, arXiv:1706.03762, pre-norm). Words are numbers from 1; 0 begins a text and ends it. One
matrix embeds words and gives the logits (Press & Wolf 2017, arXiv:1608.05859).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.attention import heads_of, joined, split
from castalia.nn.mlp import sinusoids


class TextDecoder(nn.Module):
    """Words so far (B, S) int64 with 0 first, memory (B, P, width) -> logits (B, S, words + 1) of
    the next word, 0 for the end.
    """

    def __init__(self, words: int, width: int, depth: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.blocks = nn.ModuleList(DecoderBlock(width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, memory: Tensor) -> Tensor:
        width = self.embedding.embedding_dim
        places = torch.arange(ids.shape[1], device=ids.device)
        h = self.dropout(self.embedding(ids) * width**0.5 + sinusoids(places, width))
        for block in self.blocks:
            h = block(h, memory)
        logits: Tensor = self.norm(h) @ self.embedding.weight.T
        return logits


class DecoderBlock(nn.Module):
    """Attention to what stands before, attention to the memory, then each by itself; residual."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.inner_norm, self.memory_norm, self.feed_norm = (nn.LayerNorm(width) for _ in range(3))
        self.inner, self.inner_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.asks, self.told = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.told_out = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, memory: Tensor) -> Tensor:
        query, key, value = self.inner(self.inner_norm(h)).chunk(3, -1)
        h = h + self.dropout(self.inner_out(self._attended(query, key, value, causal=True)))
        query = self.asks(self.memory_norm(h))
        key, value = self.told(memory).chunk(2, -1)
        h = h + self.dropout(self.told_out(self._attended(query, key, value, causal=False)))
        fed: Tensor = h + self.dropout(self.feed(self.feed_norm(h)))
        return fed

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        """(B, S, width) and (B, P, width) twice -> (B, S, width)."""
        parts = (split(part, self.heads) for part in (query, key, value))
        return joined(F.scaled_dot_product_attention(*parts, is_causal=causal))
