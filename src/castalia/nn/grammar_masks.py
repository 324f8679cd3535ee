"""Masks of a grammar, as rows that are added to logits; only what can still be completed in time is
allowed.

A grammar may know how far it is from complete: `distance(state)` is the fewest tokens, `end` not
counted, after which the row may end, or more, as long as some token always leads to a smaller one.
`costs(state)`, optional too, gives it for all tokens at once: (V,) integers, 1 + the distance
behind each token, 1 for `end`, at least FORBIDDEN where nothing is allowed. `exact = False` means
that distances are bounds. Where `costs` may take long, `prepare(state, until)` does a part of its
work, until `time.monotonic()` is `until`, and returns whether all of it is done; both may raise
CastaliaError where it would be too much.

A grammar that only knows some way to an end has `timely(state, left)` in place of `costs`: (V,)
bool, what may come where `left` tokens are left; None where that is all that is allowed. And
`masks_kept`, where its states do not come twice: how many masks to remember.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from castalia.spec import Grammar

FORBIDDEN = 1 << 30
KEPT = 1 << 25  # bytes of masks that are remembered for one grammar


class Masks:
    """What a grammar allows, as rows that are added to logits: 0 where a token may come, -inf
    elsewhere. One row per state, remembered.
    """

    def __init__(self, grammar: Grammar, barrier: Tensor, end: int | None) -> None:
        """barrier: (V,) of a row without a grammar."""
        self.grammar, self.barrier, self.end = grammar, barrier, end
        self.known: dict[Any, tuple[Tensor | None, Tensor | None, int]] = {}
        self.open = (barrier == 0).cpu()
        self.bounded = hasattr(grammar, "distance")
        self.timely = getattr(grammar, "timely", None)
        self.kept = getattr(grammar, "masks_kept", KEPT // (12 * barrier.numel()))

    def ready(self, state: Any, until: float = math.inf) -> bool:
        """Work on the mask of a state, at least a little, and until `time.monotonic()` is `until`;
        whether `row` will be quick.
        """
        if state not in self.known:
            prepare = getattr(self.grammar, "prepare", None)
            if prepare is not None and not prepare(state, until):
                return False
            self._remember(state)
        return True

    def row(self, state: Any, left: int) -> Tensor | None:
        """(V,) for a row that may take `left` more tokens; None where nothing may follow. Where the
        time is too short to be complete (a prompt that breaks off inside a character), all that is
        allowed.
        """
        if state not in self.known:
            self._remember(state)
        mask, costs, worst = self.known[state]
        if self.timely is not None and mask is not None:
            held = self.timely(state, left)
            return mask if held is None else self._row(held)
        if costs is None or left >= worst:
            return mask
        timely = costs <= left
        return self._row(timely) if bool(timely.any()) else mask

    def complete(self, state: Any) -> bool:
        """Whether the row may end here."""
        grammar: Any = self.grammar
        return self.bounded and grammar.distance(state) == 0

    def _remember(self, state: Any) -> None:
        if len(self.known) > self.kept:
            self.known.clear()
        self.known[state] = self._compute(state)

    def _row(self, allowed: Tensor) -> Tensor:
        return self.barrier.masked_fill(~allowed.to(self.barrier.device), -math.inf)

    def _compute(self, state: Any) -> tuple[Tensor | None, Tensor | None, int]:
        open_ = self.open
        costs = self._costs(state, open_) if self.bounded and self.timely is None else None
        allowed = open_ & (self.grammar.allowed(state) if costs is None else costs < FORBIDDEN)
        if not bool(allowed.any()):
            return None, None, 0
        return self._row(allowed), costs, 0 if costs is None else int(costs[allowed].max())

    def _costs(self, state: Any, open_: Tensor) -> Tensor:
        grammar: Any = self.grammar
        if hasattr(grammar, "costs"):
            known: Tensor = grammar.costs(state)
            return known.masked_fill(~open_, FORBIDDEN)
        costs = torch.full(open_.shape, FORBIDDEN)
        for token in (grammar.allowed(state) & open_).nonzero().flatten().tolist():
            costs[token] = (
                1
                if token == self.end
                else min(FORBIDDEN, 1 + grammar.distance(grammar.advance(state, token)))
            )
        return costs
