"""State of one row while tokens are decoded (decode.py), and what a step and a finished
row report.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from castalia.abilities import DecodeState, SampleOptions
from castalia.nn.tournament import Tournament
from castalia.spec import Grammar

# uniform numbers per call of a generator; the stream of a row does not depend on it
DRAWN_AT_ONCE = 64

Reason = Literal["end", "stop", "length", "constraint"]
Stop = Callable[[list[int]], int | None]


class Completion(NamedTuple):
    """The result of a finished row.

    tokens            the new ones, without `end` and without what a stop function cut off.
    reason            "end": `end` was drawn. "stop": the stop function said so. "length": as long
                      as allowed. "constraint": nothing may follow.
    nats              of the tokens (and of a drawn `end`) under the model as it is: before
                      penalties, temperature and masks.
    constraint_nats   of these, what `begin`, `banned`, grammar and deadline cost: -log of the mass
                      that they left, summed. The difference of the two is what the model
                      renormalised over the allowed tokens would have counted.
    """

    tokens: list[int]
    reason: Reason
    nats: float
    constraint_nats: float


class TokenLogprobs(NamedTuple):
    """Log-probabilities of one place under the model as it is, before penalties, temperature and
    masks: of the token that came, and of the likeliest ones, best first.
    """

    token: int
    logprob: float
    likeliest: list[tuple[int, float]]


class Step(NamedTuple):
    """One step of all live rows, which are numbered in the order they were added. A row that ends
    with `end` has no token in this step.

    logprobs  of the rows that asked for them.
    failed    rows that cannot go on, each for a reason of its own (its grammar or its stop function
              raised, its logits are not finite); they have left, and the others are not concerned.
    """

    tokens: dict[int, int]
    finished: dict[int, Completion]
    # never mutated: a step that has some carries a dictionary of its own
    logprobs: dict[int, TokenLogprobs] = {}  # noqa: RUF012
    failed: dict[int, Exception] = {}  # noqa: RUF012

    def checked(self) -> Step:
        """The step itself. Raises what the first failed row raised."""
        for error in self.failed.values():
            raise error
        return self


@dataclass
class Row:
    number: int
    prompt: list[int]
    rng: torch.Generator
    options: SampleOptions
    length: int
    cond: dict[str, Any]
    grammar: Grammar | None
    state: Any
    stop: Stop | None
    top_logprobs: int | None
    mark: Tournament | None = None
    contexts: set[tuple[int, ...]] = field(default_factory=set)  # of tokens that the mark chose
    taken: int = 0  # tokens that the model has taken in since the last prefill
    tokens: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)  # nats of the constraint
    # all that were drawn from `rng`
    uniforms: Tensor = field(default_factory=lambda: torch.empty(0))
    barrier: Tensor | None = None  # (V,) of the state now

    def upcoming(self) -> Tensor:
        """The row's next DRAWN_AT_ONCE uniform numbers."""
        first = len(self.nats)
        while len(self.uniforms) < first + DRAWN_AT_ONCE:
            self.uniforms = torch.cat(
                [self.uniforms, torch.rand(DRAWN_AT_ONCE, generator=self.rng)]
            )
        return self.uniforms[first : first + DRAWN_AT_ONCE]

    def fresh_context(self, begin: int) -> tuple[int, ...] | None:
        """The tokens that the mark's coins for the next one depend on, noted; None where it has no
        mark, too few tokens yet, or where they came before.
        """
        if self.mark is None:
            return None
        size = self.mark.context
        context = tuple((self.prompt[-size:] + self.tokens)[-size:])
        if len(context) < size or begin in context or context in self.contexts:
            return None
        self.contexts.add(context)
        return context

    def completion(self, reason: Reason, kept: int | None = None) -> Completion:
        counted = len(self.nats) if kept is None else kept
        return Completion(
            self.tokens[:kept],
            reason,
            math.fsum(self.nats[:counted]),
            math.fsum(self.spent[:counted]),
        )


class Late(NamedTuple):
    """A row whose mask takes longer than a step may, outside of the batch: the model's state and
    logits of this row alone.
    """

    row: Row
    state: DecodeState
    logits: Tensor
