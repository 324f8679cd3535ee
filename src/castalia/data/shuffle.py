"""Shuffled order of training: an endless stream of epochs, each a permutation drawn from (seed,
epoch), so nothing has to be saved to resume.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from castalia.errors import DataError
from castalia.nn.counter_random import generator
from castalia.sentences import say

KEPT = 2  # epochs that are remembered, because a batch may reach from one into the next


class Epochs:
    """Numbers 0 .. length - 1 in the order of training. name: sets the random numbers of one stream
    apart from another's.
    """

    def __init__(self, length: int, name: str = "epoch") -> None:
        self._length, self._name = length, name
        self._orders: dict[tuple[int, int], Tensor] = {}

    def draw(self, start: int, count: int, seed: int) -> Tensor:
        """(count,) int64: places start .. start + count - 1 of the stream. Raises DataError where
        there is nothing to draw.
        """
        if self._length == 0:
            raise nothing_there()
        parts = []
        while count > 0:
            epoch, offset = divmod(start, self._length)
            if (seed, epoch) not in self._orders:
                make_room(self._orders)
                self._orders[seed, epoch] = torch.randperm(
                    self._length, generator=generator(self._name, seed, epoch)
                )
            part = self._orders[seed, epoch][offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return torch.cat(parts)


def nothing_there() -> DataError:
    return DataError(
        say("this side of the split is empty"),
        "data.validation",
        say("set data.validation above 0"),
    )


def make_room(epochs: dict[tuple[int, int], Any]) -> None:
    """Forgets the oldest, so that with one more there are `KEPT`."""
    while len(epochs) >= KEPT:
        del epochs[next(iter(epochs))]
