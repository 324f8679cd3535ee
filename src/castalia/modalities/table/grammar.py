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
