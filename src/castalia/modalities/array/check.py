"""What `check` learns from looking at each array once: shapes, ranges, entries that never vary.
Near duplicates are not looked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Look
from castalia.checks.near_pairs import Near


class ArrayLook(Look):
    """Arrays one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self._shapes: Counter[tuple[int, ...]] = Counter()
        self._low: np.ndarray | None = None
        self._high: np.ndarray | None = None

    def add(self, number: int, item: np.ndarray, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(f"{item.shape} ".encode() + item.tobytes()).digest())
        if number >= self._own:
            return
        self._shapes[item.shape] += 1
        if self._low is None or self._high is None:
            self._low, self._high = item.copy(), item.copy()
        elif item.shape == self._low.shape:
            np.minimum(self._low, item, out=self._low)
            np.maximum(self._high, item, out=self._high)

    def near(self, chosen: np.ndarray) -> Near:
        return Near(np.zeros((0, 2), np.int64), np.zeros(0))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        shapes = {"x".join(map(str, shape)): count for shape, count in self._shapes.most_common(12)}
        if self._low is None or self._high is None:
            return {
                "shapes": shapes,
                "least": None,
                "most": None,
                "entries": 0,
                "constant_entries": 0,
            }
        return {
            "shapes": shapes,
            "least": float(self._low.min()),
            "most": float(self._high.max()),
            "entries": int(self._low.size),
            "constant_entries": int(np.equal(self._low, self._high).sum()),
        }
