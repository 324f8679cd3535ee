"""Captions of data, and how well data and captions agree.

Three parts learn together from data that have captions (Yu et al. 2022, arXiv:2205.01917, CoCa): an
encoder of the data; an encoder of captions, whose vectors are near those of the data that they
belong to (contrastive, Radford et al. 2021, arXiv:2103.00020); and a decoder, which says word by
word what the data show. Unlike CoCa's, the two text networks are apart: the encoder reads a caption
in both directions, which pays for short ones. Networks are in nn/conv.py, nn/text_encoder.py and
nn/text_decoder.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.config import DEEPEST, WIDEST
from castalia.errors import SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import body_kind
from castalia.nn.conv import ConvEncoder, Norm
from castalia.nn.counter_random import noise_rows
from castalia.nn.text_decoder import TextDecoder
from castalia.nn.text_encoder import TextEncoder
from castalia.sentences import say
from castalia.spec import Batch, Condition, Dense, Loss, Spec, Words

SHARPEST = 100.0  # of the contrast's logits, as Radford et al. 2021


class CaptionerConfig(FamilyConfig):
    """Sizes of the three parts, and what each counts in the loss."""

    width: int = Field(32, ge=1, le=WIDEST, description="channels at the finest level")
    depth: int = Field(1, ge=0, le=DEEPEST, description="residual blocks at every level")
    patch: int = Field(1, ge=1, le=WIDEST, description="side of the patches of the first layer")
    levels: int | None = Field(None, ge=0, le=16, description="halvings; null: down to 4")
    norm: Norm = Field("none", description="what residual blocks begin with")
    text_width: int = Field(
        128, ge=8, le=WIDEST, description="numbers that stand for a word, and in the shared space"
    )
    text_depth: int = Field(2, ge=1, le=DEEPEST, description="blocks of the captions' decoder")
    dropout: float = Field(0.1, ge=0, lt=1, description="in the captions' decoder")
    word_dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="share of words that the decoder is not told, so that it looks at the data",
    )
    contrast: float = Field(
        1.0, ge=0, le=100, description="weight of telling a caption's item from others"
    )


class Captioner(Family):
    """Describes, Matches. Needs data with captions: exactly one condition in words."""

    name: ClassVar[str] = "captioner"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = CaptionerConfig

    spec: Dense
    config: CaptionerConfig

    def __init__(
        self, config: CaptionerConfig, spec: Spec, conditions: dict[str, Condition]
    ) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        if body_kind(spec, "auto") != "conv":
            raise SpecError(
                say("a captioner looks at a grid, and these data have none"),
                where=say("shape {0}, layout {1}", spec.shape, spec.layout),
                fix=say("use pictures, sounds, clips or shapes"),
            )
        told = {name: one for name, one in conditions.items() if isinstance(one, Words)}
        if len(told) != 1 or len(conditions) != 1:
            raise SpecError(
                say("a captioner learns from data with captions, and from nothing else"),
                where=say("conditions: {0}", ", ".join(conditions) or "-"),
                fix="data.conditions=[caption]",
            )
        ((self.told, self.words),) = told.items()
        width = config.text_width
        self.items = ItemEncoder(spec, config)
        self.captions = TextEncoder(len(self.words), width)
        self.decoder = TextDecoder(len(self.words), width, config.text_depth, config.dropout)
        # Radford et al. begin at 1 / 0.07
        self.sharpness = Sharpness(1 / 0.07)

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("items", "captions", "decoder", "sharpness")),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Nats per word of the captions, plus the weighted contrast: nats of an item's caption
        among those of the batch and of a caption's item, the mean of both. Items without a caption
        are passed over. Parts: words, contrast.
        """
        self.check(batch)
        ids = self._ids(batch)
        silent = ~ids.any(1)
        memory, seen = self.items(batch.x)
        told = ids
        if self.training and self.config.word_dropout:  # Bowman et al. 2016, section 3.2
            told = ids * (torch.rand(ids.shape) >= self.config.word_dropout).to(ids.device)
        logits = self.decoder(F.pad(told, (1, 0)), memory).float()
        wanted = F.pad(ids, (0, 1))
        # words and one end each; what is behind the end is no part of the caption
        ended = F.pad(ids > 0, (1, 0), value=True) & ~silent[:, None]
        errors = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        words = (errors * ended.flatten()).sum() / ended.sum().clamp_min(1)
        contrast = self._contrast(seen, self._whole(ids), ids, silent)
        parts = {"words": words.detach(), "contrast": contrast.detach()}
        return Loss(words + self.config.contrast * contrast, parts)

    def _contrast(self, seen: Tensor, said: Tensor, ids: Tensor, silent: Tensor) -> Tensor:
        """Equal captions of a batch are all right answers, with equal shares."""
        logits = self.sharpness() * (seen @ said.T)
        logits = logits.masked_fill(silent[None, :], -1e4)
        same = (ids[:, None] == ids[None]).all(-1) & ~silent[None]
        shares = same / same.sum(1, keepdim=True).clamp_min(1)
        both = [
            -(shares * F.log_softmax(one, 1)).sum(1)[~silent].sum()
            for one in (logits, logits.T.masked_fill(silent[None, :], -1e4))
        ]
        return (both[0] + both[1]) / 2 / (~silent).sum().clamp_min(1)

    @torch.no_grad()
    def describe(
        self,
        x: Tensor,
        rngs: Sequence[torch.Generator],
        temperature: float = 0.0,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """(B, *shape) -> (B, words.length) int64 numbers of words, 0 behind a caption's end; a
        caption has at least one word. Drawn by the Gumbel trick, row i from rngs[i] alone.
        """
        self.check(Batch(x))
        length, count = self.words.length, len(self.words)
        barred = torch.zeros(count + 1, dtype=torch.bool, device=x.device)
        if allowed is not None:
            barred[1:] = ~allowed.to(x.device)
        noise = noise_rows("gumbel", rngs, length, count + 1, device=x.device)
        with self.evaluating():
            memory, _ = self.items(x)
            ids = torch.zeros(len(x), 1, dtype=torch.int64, device=x.device)
            for place in range(length):
                logits = self.decoder(ids, memory)[:, -1].float().masked_fill(barred, -torch.inf)
                if not place:
                    logits[:, 0] = -torch.inf
                chosen = (logits + temperature * noise[:, place]).argmax(1)
                if place:  # behind the end nothing comes
                    chosen = chosen * (ids[:, -1] > 0)
                ids = torch.cat([ids, chosen[:, None]], 1)
                if not bool(chosen.any()):
                    break
        return F.pad(ids[:, 1:], (0, length + 1 - ids.shape[1]))

    @torch.no_grad()
    def item_vectors(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, text_width) float32 of length 1."""
        self.check(Batch(x))
        with self.evaluating():
            vectors: Tensor = self.items(x)[1]
        return vectors

    @torch.no_grad()
    def caption_vectors(self, ids: Tensor) -> Tensor:
        """(B, words.length) int64 -> (B, text_width) float32 of length 1."""
        with self.evaluating():
            return self._whole(ids.to(self.device))

    def _whole(self, ids: Tensor) -> Tensor:
        whole: Tensor = self.captions(ids)[2].float()
        return F.normalize(whole, dim=1)

    def _ids(self, batch: Batch) -> Tensor:
        given: Any = batch.cond.get(self.told)
        if given is None:
            return torch.zeros(len(batch.x), self.words.length, dtype=torch.int64).to(self.device)
        ids: Tensor = given.to(self.device)
        return ids


class ItemEncoder(nn.Module):
    """(B, *shape) -> what the decoder looks at (B, positions, text_width), and a vector of the
    whole (B, text_width) float32 of length 1, pooled by one learned query.
    """

    def __init__(self, spec: Dense, config: CaptionerConfig) -> None:
        super().__init__()
        width = config.text_width
        self.body = ConvEncoder(
            spec.shape,
            width=config.width,
            depth=config.depth,
            levels=config.levels,
            patch=config.patch,
            norm=config.norm,
        )
        channels, *sides = self.body.grid
        self.into = nn.Linear(channels, width)
        self.places = nn.Parameter(0.02 * torch.randn(math.prod(sides), width))
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, 1)
        self.whole = nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.into(self.body(x).flatten(2).transpose(1, 2))
        memory = self.norm(h + self.places)
        shares = self.query(memory).softmax(1)
        whole = self.whole((shares * memory).sum(1))
        return memory, F.normalize(whole.float(), dim=1)


class Sharpness(nn.Module):
    """The learned factor of the contrast's logits, at most `SHARPEST`."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self) -> Tensor:
        return self.log.clamp(max=math.log(SHARPEST)).exp()
