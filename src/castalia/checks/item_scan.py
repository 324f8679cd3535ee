"""A look at every item of some data, once and in order: what all kinds share. PictureLook, TextLook
and ArrayLook say what is seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.near_pairs import Near
from castalia.data.source import DIGEST_BYTES

QUANTILES = {"least": 0.0, "tenth": 0.1, "median": 0.5, "nine_tenths": 0.9, "most": 1.0}


class Look(ABC):
    """content (N, 16) uint8: hash of what an item says, whatever its file format; readable (N,)
    bool: whether it was added.

    The first `own` of the N items are the data; the others are what they are held against, and only
    compared.
    """

    def __init__(self, count: int, own: int) -> None:
        self._own = own
        self.content = np.zeros((count, DIGEST_BYTES), np.uint8)
        self.readable = np.zeros(count, bool)

    @abstractmethod
    def add(self, number: int, item: Any, path: Path, where: str) -> None:
        """Item `number`, from the file `path`, called `where` in messages."""

    @abstractmethod
    def near(self, chosen: np.ndarray) -> Near:
        """Pairs of `chosen` (n,) item numbers, all different in content, that are
        nearly the same.
        """

    @abstractmethod
    def facts(self, own: np.ndarray) -> dict[str, Any]:
        """JSON about the items `own` (n,)."""

    def settle(self, number: int, digest: bytes) -> None:
        self.content[number] = np.frombuffer(digest[:DIGEST_BYTES], np.uint8)
        self.readable[number] = True


def spread(values: np.ndarray) -> dict[str, float] | None:
    """Five quantiles of (n,) numbers; None when there are none."""
    if not len(values):
        return None
    found = np.quantile(values, list(QUANTILES.values()), method="nearest")
    return {name: value.item() for name, value in zip(QUANTILES, found, strict=True)}
