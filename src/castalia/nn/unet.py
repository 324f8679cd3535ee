"""U-Net over 1, 2 or 3 trailing axes: data in, data of the same sides out, with attention at the
coarsest level, to itself and to a sequence of words.

Ronneberger et al. 2015, arXiv:1505.04597; modulated residual blocks and attention as in Ho et al.
2020, arXiv:2006.11239. Sizes and blocks are those of nn/conv.py: any sides, halved while an axis is
longer than `smallest`, cut to size on the way up. The last layer begins at zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.nn.attention import HEAD, attended
from castalia.nn.conv import (
    CONV,
    TRANSPOSED,
    Norm,
    channels_at,
    fast_layout,
    level_blocks,
    normalisation,
    pads_to,
    rank_of,
    resolutions,
    through_level,
)


class UNet(nn.Module):
    """(B, inputs, *sides), vector (B, context) -> (B, outputs, *sides).

    shape    (channels, *sides) of what comes in.
    width    channels at the finest level; doubled at every level up to 4 times.
    depth    residual blocks at every level, on the way down and on the way up.
    patch    side of the patches that the first layer turns into one position each.
    context  width of the vector that modulates every block; 0 for none.
    words    width of a sequence (B, S, words) that the middle attends to; 0 for none.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: int,
        *,
        width: int = 64,
        depth: int = 1,
        patch: int = 1,
        levels: int | None = None,
        smallest: int = 4,
        context: int = 0,
        words: int = 0,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        rank = rank_of(shape)
        self.rank = rank
        self.sides = tuple(shape[1:])
        self.sizes = resolutions(self.sides, patch=patch, levels=levels, smallest=smallest)
        channels = channels_at(width, len(self.sizes))
        self.pads = pads_to(self.sides, self.sizes[0], patch)
        self.stem = CONV[rank](
            shape[0],
            channels[0],
            3 if patch == 1 else patch,
            stride=patch,
            padding=1 if patch == 1 else 0,
        )
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups, self.joins = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for index, channel in enumerate(channels):
            for blocks in (self.down_blocks, self.up_blocks):
                blocks.append(level_blocks(rank, channel, depth, context, norm))
            if index + 1 == len(channels):
                break
            stride = tuple(
                1 if a == b else 2
                for a, b in zip(self.sizes[index], self.sizes[index + 1], strict=True)
            )
            wider = channels[index + 1]
            self.downs.append(CONV[rank](channel, wider, 3, stride=stride, padding=1))
            kernel = tuple(one + 2 for one in stride)
            self.ups.append(TRANSPOSED[rank](wider, channel, kernel, stride=stride, padding=1))
            self.joins.append(CONV[rank](2 * channel, channel, 1))
        self.middle = Attention(channels[-1], words)
        self.norm = normalisation(norm, rank, channels[0])
        self.head = (
            CONV[rank](channels[0], outputs, 3, padding=1)
            if patch == 1
            else TRANSPOSED[rank](channels[0], outputs, patch, stride=patch)
        )
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        fast_layout(self, rank)

    def forward(
        self,
        x: Tensor,
        vector: Tensor | None = None,
        sequence: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        if any(self.pads):
            x = F.pad(x, self.pads)
        if self.rank == 2:
            x = x.contiguous(memory_format=torch.channels_last)
        h = self.stem(x)
        kept = []
        for index, blocks in enumerate(self.down_blocks):
            if index:
                h = self.downs[index - 1](h)
            h = through_level(blocks, h, vector, last=False)
            kept.append(h)
        h = self.middle(h, sequence, mask)
        for index in reversed(range(len(kept))):
            if index + 1 < len(kept):
                size = (..., *(slice(side) for side in self.sizes[index]))  # 4 -> 8, cut to 7
                h = self.joins[index](torch.cat([self.ups[index](h)[size], kept[index]], 1))
            h = through_level(self.up_blocks[index], h, vector, last=False)
        h = self.head(F.silu(self.norm(h)))
        return h[(..., *(slice(side) for side in self.sides))]  # a patch may reach over the edge


class Attention(nn.Module):
    """Positions (B, C, ...) look at one another, then at a sequence (B, S, words), if there is one;
    the identity at initialisation (Vaswani et al. 2017).
    """

    def __init__(self, channels: int, words: int = 0) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.norm = nn.LayerNorm(channels)
        self.inner = nn.Linear(channels, 3 * channels)
        self.inner_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.inner_out.weight)
        self.asks: nn.Linear | None = None
        if words:
            self.words_norm = nn.LayerNorm(channels)
            self.asks = nn.Linear(channels, channels)
            self.told = nn.Linear(words, 2 * channels)
            # what rows without words look at, and what all may look at instead of them
            self.nothing = nn.Parameter(0.02 * torch.randn(1, 1, words))
            self.words_out = nn.Linear(channels, channels)
            nn.init.zeros_(self.words_out.weight)

    def forward(
        self, x: Tensor, sequence: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        h = x.flatten(2).transpose(1, 2)  # (B, positions, C)
        query, key, value = self.inner(self.norm(h)).chunk(3, -1)
        h = h + self.inner_out(attended(query, key, value, self.heads))
        if self.asks is not None:
            rows = x.shape[0]
            nothing = self.nothing.expand(rows, -1, -1)
            seen = nothing if sequence is None else torch.cat([nothing, sequence], 1)
            key, value = self.told(seen).chunk(2, -1)
            if mask is not None:
                mask = F.pad(mask, (1, 0), value=True)[:, None, None]
            query = self.asks(self.words_norm(h))
            h = h + self.words_out(attended(query, key, value, self.heads, mask))
        return h.transpose(1, 2).unflatten(2, x.shape[2:])
