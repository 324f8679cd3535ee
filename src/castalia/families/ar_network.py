"""The network of the family `ar`: its config, and tokens to hidden states."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.config import DEEPEST, WIDEST
from castalia.families.base import FamilyConfig
from castalia.nn.condition_embedding import ConditionEmbedding
from castalia.nn.incremental_step import advance
from castalia.nn.transformer import (
    Activation,
    AttentionKind,
    Block,
    Memory,
    Rotary,
    Rotation,
)
from castalia.spec import Condition, Tokens

REACH = 32  # offsets to the predicted position that `order: any` tells apart


class ArConfig(FamilyConfig):
    """The network, and what is put beside it."""

    width: int = Field(
        256, ge=8, le=WIDEST, description="numbers that stand for a token between layers"
    )
    depth: int = Field(4, ge=1, le=DEEPEST, description="blocks of attention and feed-forward")
    heads: int = Field(
        4,
        ge=1,
        le=WIDEST,
        description="attention heads; each has width / heads numbers, an even count",
    )
    kv_heads: int | None = Field(
        None,
        ge=1,
        le=WIDEST,
        description="heads of keys and values that queries share; null: one for each",
    )
    hidden: int | None = Field(
        None,
        ge=1,
        le=8 * WIDEST,
        description="units of the feed-forward part; null: 8/3 of the width (relu2: 4 times)",
    )
    activation: Activation = Field(
        "swiglu", description="swiglu, or relu2 (squared ReLU): a faster step, not exportable"
    )
    theta: float = Field(10_000.0, gt=1, le=1e15, description="base of the rotary positions")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="in the residual branches and the embeddings"
    )
    tie: bool = Field(True, description="one matrix for token embeddings and the output")
    order: Literal["left", "any"] = Field(
        "left", description="any: also learns to fill gaps (edit infill)"
    )
    ngrams: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (), max_length=16, description="sizes of hashed n-gram embeddings, e.g. [2, 3, 4]"
    )
    ngram_rows: int = Field(32_768, ge=2, le=1 << 28, description="rows of each n-gram table")
    ngram_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of n-gram embeddings that training hides"
    )
    counts: int = Field(
        0, ge=0, le=12, description="order of the Kneser-Ney counts that are mixed in; 0: none"
    )
    attention: AttentionKind = Field(
        "auto", description="plain, fused, or what measured faster on the device"
    )


class Network(nn.Module):
    """Tokens to the hidden states that logits are computed from."""

    def __init__(self, config: ArConfig, spec: Tokens, conditions: dict[str, Condition]) -> None:
        super().__init__()
        self.config, self.begin = config, spec.begin
        head_width, kv_heads = config.width // config.heads, config.kv_heads or config.heads
        hidden = config.hidden or (
            4 * config.width if config.activation == "relu2" else 32 * round(config.width / 12)
        )
        self.embedding = nn.Embedding(spec.vocab, config.width)
        self.ngrams = nn.ModuleList(
            nn.Embedding(config.ngram_rows, config.width) for _ in config.ngrams
        )
        self.offsets = nn.Embedding(2 * REACH + 1, config.width) if config.order == "any" else None
        self.slots = nn.Embedding(spec.period, config.width) if spec.period > 1 else None
        self.told = ConditionEmbedding(conditions, config.width)  # the name stands in runs
        self.blocks = nn.ModuleList(
            Block(
                config.width,
                config.heads,
                kv_heads,
                head_width,
                hidden,
                config.activation,
                config.dropout,
                config.attention,
            )
            for _ in range(config.depth)
        )
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.head = None if config.tie else nn.Linear(config.width, spec.vocab, bias=False)
        if self.head is not None:
            self.head.is_head = True  # type: ignore[assignment] - Muon leaves it to AdamW
        self.rotary = Rotary(head_width, spec.length, config.theta, spec.period)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        for block in self.blocks:
            for layer in (block.attention.qkv, block.feed_forward.into):
                nn.init.normal_(layer.weight, std=config.width**-0.5)
        for table in self.ngrams:
            nn.init.zeros_(table.weight)

    def forward(
        self,
        tokens: Tensor,
        ngrams: list[Tensor],
        vector: Tensor | None,
        rotation: Rotation,
        mask: Tensor | None,
        aim: Tensor | None = None,
        memory: Memory | None = None,
    ) -> Tensor:
        """tokens (B, T), ngrams: row numbers (B, T) for each table, aim: from `aim`; (B, T, width)
        after the last norm.
        """
        h = self.embed(tokens, ngrams, vector, aim)
        for index, block in enumerate(self.blocks):
            h = block(h, rotation, mask, None if memory is None else memory.layers[index])
        out: Tensor = self.norm(h)
        return out

    def aim(self, wanted: Tensor, own: Tensor) -> Tensor | None:
        """What is added to the tokens at places `own` (..., T) because those at `wanted` are
        predicted: how far away, and which slot of a step.
        """
        added = None if self.slots is None else self.slots((wanted - 1) % self.slots.num_embeddings)
        if self.offsets is None:
            return added
        far = self.offsets((wanted - own).clamp(-REACH, REACH) + REACH)
        return far if added is None else far + added

    def step(self, tokens: Tensor, ngrams: list[Tensor], memory: Memory) -> Tensor:
        """`forward` for the next token (B,) of each row in order, ngrams (B,) each; (B, width)
        after the last norm.
        """
        h = F.embedding(tokens, self.embedding.weight)
        for table, rows in zip(self.ngrams, ngrams, strict=True):
            h = h + F.embedding(rows, table.weight)
        if memory.condition is not None:
            h = h + memory.condition
        if self.slots is not None:
            h = h + self.slots(memory.lengths % self.slots.num_embeddings)
        return advance(h, self.blocks, self.norm.weight, self.rotary, memory)

    def embed(
        self, tokens: Tensor, ngrams: list[Tensor], vector: Tensor | None, aim: Tensor | None = None
    ) -> Tensor:
        h: Tensor = self.embedding(tokens)
        for table, rows in zip(self.ngrams, ngrams, strict=True):
            extra = table(rows)
            if self.training and self.config.ngram_dropout:
                extra = (
                    extra
                    * (torch.rand(rows.shape, device=rows.device) >= self.config.ngram_dropout)[
                        ..., None
                    ]
                )
            h = h + extra
        if aim is not None:
            h = h + aim
        if vector is not None:
            h = h + vector[:, None]
        return F.dropout(h, self.config.dropout) if self.config.dropout and self.training else h

    def logits(self, h: Tensor) -> Tensor:
        """(..., width) -> (..., V) float32."""
        return F.linear(h, self.embedding.weight if self.head is None else self.head.weight).float()
