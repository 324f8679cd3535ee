"""Tournament sampling: draw tokens so that a key finds them again, without changing their law.

Dathathri et al. 2024 (SynthID-Text, doi:10.1038/s41586-024-08025-4), two candidates, in its closed
form: in each of `LAYERS` rounds a keyed coin falls for every token of the vocabulary, and of two
tokens that the law proposes the one with 1 wins. A token's weight becomes
p(v) (1 + g(v) - sum of p over g = 1). Averaged over keys, the law is the model's own: a mark of one
text costs nothing in likelihood. What has no weight gets none, so grammars and top-k hold.

The coins depend on the key and on the last tokens, the context. A context counts once in a text:
where it comes again, the token is drawn from the model as it is, and the reader skips it. So the
coins that are read are independent, and the bound of governance/watermark/carrier.py holds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

LAYERS = 30
CONTEXT_BITS = 24  # a context is as many tokens as name so many bits
# of the layers in the score: the first rounds decide more (Dathathri et al., "weighted mean")
WEIGHTS = torch.linspace(10, 1, LAYERS, dtype=torch.float64)
_STEP = -0x61C8864680B583EB  # 2^64 / golden ratio, as a signed number (Steele et al. 2014)
_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


@dataclass(frozen=True)
class Tournament:
    """The coins of one key over one vocabulary. number: the mark that manifests name."""

    name: str
    number: str
    key: bytes = field(repr=False)
    vocab: int

    @property
    def context(self) -> int:
        """Tokens that a coin depends on beside its own."""
        return math.ceil(CONTEXT_BITS / math.log2(max(2, self.vocab)))

    def seed(self, context: Sequence[int]) -> int:
        """A signed number of 64 bits for the tokens of a context."""
        words = b"".join(int(token).to_bytes(8, "little") for token in context)
        return int.from_bytes(hashlib.sha256(self.key + words).digest()[:8], "little", signed=True)


def coins(seeds: Tensor, tokens: Tensor) -> Tensor:
    """int64 whose lowest `LAYERS` bits are fair coins, for int64 seeds and tokens of shapes that
    broadcast (SplitMix64, Steele et al. 2014, doi:10.1145/2660193.2660195).
    """
    mixed = seeds + (tokens + 1) * _STEP
    mixed = (mixed ^ _right(mixed, 30)) * _FIRST
    mixed = (mixed ^ _right(mixed, 27)) * _SECOND
    return mixed ^ _right(mixed, 31)


def _right(values: Tensor, places: int) -> Tensor:
    """Shifted as a number without a sign."""
    return (values >> places) & ((1 << (64 - places)) - 1)


def won(weights: Tensor, seeds: Tensor) -> Tensor:
    """(B, V) probabilities after the tournament, from weights (B, V) >= 0 and seeds (B,) int64."""
    law = weights / weights.sum(1, keepdim=True)
    bits = coins(seeds[:, None], torch.arange(weights.shape[1], device=weights.device))
    for layer in range(LAYERS):
        heads = ((bits >> layer) & 1).to(law.dtype)
        law = law * (1 + heads - (law * heads).sum(1, keepdim=True)).clamp_(min=0)
    return law


def score(mark: Tournament, tokens: Sequence[int]) -> tuple[float, int]:
    """(z, n): the correlation of tokens with their coins, in standard deviations of what tokens
    without the mark give, and how many of them count. (0, 0) where none does.
    """
    seeds, drawn = [], []
    for context, token in _fresh(tokens, mark.context):
        seeds.append(mark.seed(context))
        drawn.append(token)
    if not drawn:
        return 0.0, 0
    bits = coins(torch.tensor(seeds), torch.tensor(drawn))
    heads = (bits[:, None] >> torch.arange(LAYERS)) & 1
    total = float(((2 * heads - 1).double() @ WEIGHTS).sum())
    return total / math.sqrt(len(drawn) * float((WEIGHTS**2).sum())), len(drawn)


def _fresh(tokens: Sequence[int], size: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Contexts that come for the first time, each with the token behind it."""
    seen: set[tuple[int, ...]] = set()
    for place in range(size, len(tokens)):
        context = tuple(tokens[place - size : place])
        if context not in seen:
            seen.add(context)
            yield context, tokens[place]
