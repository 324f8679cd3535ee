"""What may stand in a row of tokens: in each slot the tokens of its column, whatever stands
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Slots:
    """A Grammar (castalia/spec.py). State: how many slots are filled. slots (S, V) bool: what may
    stand in each.
    """

    exact = True

    def __init__(self, sizes: Sequence[int], first: int = 1) -> None:
        """sizes: tokens of each slot; those of the first begin at `first`, the others behind."""
        self.starts = [first]
        for size in sizes:
            self.starts.append(self.starts[-1] + size)
        self.slots = torch.zeros(len(sizes), self.starts[-1], dtype=torch.bool)
        for place, start in enumerate(self.starts[:-1]):
            self.slots[place, start : self.starts[place + 1]] = True
        self._none = torch.zeros(self.starts[-1], dtype=torch.bool)

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> Tensor:
        return self.slots[state] if state < len(self.slots) else self._none

    def advance(self, state: int, token: int) -> int:
        return min(state + 1, len(self.slots))

    def distance(self, state: int) -> int:
        """Tokens until the row is complete."""
        return len(self.slots) - state

    def along(self, x: Tensor) -> Tensor:
        """(B, T - 1, V) bool for rows x (B, T)."""
        steps = x.shape[1] - 1
        return self.slots[:steps].to(x.device).expand(len(x), -1, -1)


class Nested:
    """A Grammar of documents in which a row is followed by rows of another table: the slots of the
    parent, how many children there are, the slots of the first child, those of each later one, the
    end. State: (slot, children that come behind this one).
    """

    def __init__(
        self, masks: Tensor, parents: int, first: int, later: int, counts: tuple[int, int]
    ) -> None:
        """masks (parents + 1 + first + later + 1, V) bool: what may stand in each slot. counts:
        token of "no child", and most children.
        """
        self.masks, self.parents, self.first, self.later = masks, parents, first, later
        self.zero, self.most = counts
        self.end = parents + 1 + first + later

    def start(self) -> tuple[int, int]:
        return 0, 0

    def allowed(self, state: tuple[int, int]) -> Tensor:
        return self.masks[state[0]]

    def advance(self, state: tuple[int, int], token: int) -> tuple[int, int]:
        slot, left = state
        if slot < self.parents:
            return slot + 1, 0
        behind = self.parents + 1 + self.first  # the first slot of a later child
        if slot == self.parents:
            left = min(max(token - self.zero, 0), self.most)
            return (slot + 1, left - 1) if left and self.first else (self.end, 0)
        if slot + 1 not in (behind, self.end) and slot < self.end:
            return slot + 1, left
        return (behind, left - 1) if left and self.later else (self.end, 0)

    def along(self, x: Tensor) -> Tensor:
        """(B, T - 1, V) bool for rows x (B, T), each document behind a `begin` (token 0). Of a row
        that begins inside a document nothing is known until the next one.
        """
        places = torch.arange(x.shape[1], device=x.device).expand_as(x)
        begins = torch.where(x == 0, places, -1).cummax(1).values[:, :-1]
        step = places[:, :-1] - begins  # tokens of the document so far
        at = (begins + self.parents + 1).clamp(0, x.shape[1] - 1)
        count = (x.gather(1, at) - self.zero).clamp(0, self.most)
        inside = step - self.parents - 1  # of the children's tokens
        total = torch.where(
            (count > 0) & (self.first > 0), self.first + (count - 1) * self.later, 0
        )
        child = torch.where(
            inside < self.first, inside, self.first + (inside - self.first) % max(1, self.later)
        )
        slot = torch.where(inside < 0, step, self.parents + 1 + child)
        slot = torch.where((inside >= 0) & (inside >= total), self.end, slot)
        allowed = self.masks.to(x.device)[slot]
        allowed[begins < 0] = True
        return allowed
