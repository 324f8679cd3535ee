"""Choose the next token of all rows at once: penalties, temperature, top-k, top-p, min-p, draw.

Penalties (Keskar et al. 2019, arXiv:1909.05858, section 4.1; frequency), top-k (Fan et al. 2018,
arXiv:1805.04833), top-p (Holtzman et al. 2020, arXiv:1904.09751), min-p (Nguyen et al. 2024,
arXiv:2407.01082), and a draw through the inverse distribution function. Tokens of equal weight
stay or go together: a token's number never decides. Rows, contexts and grammars are in decode.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from castalia.abilities import SampleOptions


def penalised(
    logits: Tensor, seen: Tensor, made: Tensor, repetition: Tensor, frequency: Tensor
) -> Tensor:
    """Logits (B, V) after both penalties. seen: 1 where a token is in the prompt or was generated;
    made: how often it was generated, both (B, V); repetition, frequency: (B, 1).
    """
    harder = torch.where(logits > 0, logits / repetition, logits * repetition)
    return torch.where(seen > 0, harder, logits) - frequency * made


def top_k(weights: Tensor, k: Tensor) -> Tensor:
    """Weights (B, V) >= 0 with zeros outside each row's k (B, 1) largest; k >= V is off."""
    limited = k < weights.shape[1]
    k = torch.where(limited, k, 1)
    least = torch.where(limited, weights.topk(int(k.max())).values.gather(1, k - 1), 0)
    return weights.masked_fill(weights < least, 0)


def top_p(weights: Tensor, share: Tensor) -> Tensor:
    """Weights (B, V) with zeros outside the smallest set that holds `share` (B, 1) of a
    row's sum.
    """
    wanted = share * weights.sum(1, keepdim=True)
    falling = weights.topk(min(128, weights.shape[1])).values
    if falling.shape[1] < weights.shape[1] and bool((falling.sum(1, keepdim=True) < wanted).any()):
        falling = weights.sort(descending=True).values
    before = falling.cumsum(1) - falling
    kept = (before < wanted).sum(1, keepdim=True).clamp(min=1)
    least = torch.where(share < 1, falling.gather(1, kept - 1), 0)
    return weights.masked_fill(weights < least, 0)


def min_p(weights: Tensor, share: Tensor) -> Tensor:
    """Weights (B, V) with zeros below `share` (B, 1) of a row's largest."""
    return weights.masked_fill(weights < share * weights.amax(1, keepdim=True), 0)


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Tokens (B, 1) in proportion to weights (B, V) >= 0, from uniform numbers (B, 1) float32 in
    [0, 1). A weight of zero is never drawn: the largest float32 below 1 times the sum stays below
    the sum.
    """
    mass = weights.cumsum(1)
    return torch.searchsorted(mass, uniform * mass[:, -1:], right=True)


class Knobs:
    """The options of several rows as columns (B, 1), None where no row uses one, and the counts
    that penalties need.

    prompts, tokens: what each row was given and what it has generated so far.
    """

    def __init__(
        self,
        options: Sequence[SampleOptions],
        prompts: Sequence[Sequence[int]],
        tokens: Sequence[Sequence[int]],
        vocab: int,
        device: torch.device,
    ) -> None:
        def column(name: str, neutral: float, dtype: torch.dtype = torch.float32) -> Tensor | None:
            values = [
                neutral if (value := getattr(row, name)) is None else value for row in options
            ]
            return (
                None
                if all(value == neutral for value in values)
                else torch.tensor(values, dtype=dtype, device=device)[:, None]
            )

        self.temperature = column("temperature", 1.0)
        self.greedy = None
        if self.temperature is not None and bool((self.temperature == 0).any()):
            self.greedy = self.temperature == 0
            self.temperature = self.temperature.masked_fill(self.greedy, 1.0)
        self.top_k = column("top_k", vocab, torch.int64)
        self.top_p = column("top_p", 1.0)
        self.min_p = column("min_p", 0.0)
        self.repetition, self.frequency = column("repetition", 1.0), column("frequency", 0.0)
        self.seen = self.made = None
        if self.repetition is not None or self.frequency is not None:
            ones = torch.ones(len(options), 1, device=device)
            self.repetition = ones if self.repetition is None else self.repetition
            self.frequency = 0 * ones if self.frequency is None else self.frequency
            self.made, given = (_counts(ids, vocab).to(device) for ids in (tokens, prompts))
            self.seen = given + self.made
        self.plain = self.temperature is None and self.greedy is None and self.seen is None
        self.filters = self.top_k is not None or self.top_p is not None or self.min_p is not None

    def adjusted(self, logits: Tensor) -> Tensor:
        """Logits after penalties and temperature."""
        if self.seen is not None:
            logits = penalised(logits, self.seen, self.made, self.repetition, self.frequency)  # type: ignore[arg-type]
        return logits if self.temperature is None else logits / self.temperature

    def filtered(self, weights: Tensor) -> Tensor:
        weights = weights if self.top_k is None else top_k(weights, self.top_k)
        weights = weights if self.top_p is None else top_p(weights, self.top_p)
        return weights if self.min_p is None else min_p(weights, self.min_p)

    def note(self, tokens: Tensor) -> None:
        """Count the tokens (B, 1) that were chosen."""
        if self.seen is not None and self.made is not None:
            self.seen.scatter_(1, tokens, 1.0)
            self.made.scatter_add_(1, tokens, torch.ones_like(tokens, dtype=torch.float32))


def _counts(rows: Sequence[Sequence[int]], vocab: int) -> Tensor:
    return torch.stack(
        [torch.bincount(torch.tensor(row, dtype=torch.int64), minlength=vocab) for row in rows]
    ).float()
