"""What `check` learns from looking at each array once: shapes, ranges, entries that never vary. Near duplicates are not looked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from castalia.advice.looks import Look
from castalia.evaluation.lookalikes import Near


class ArrayLook(Look):
    """Arrays one by one; see Look."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._shapes: Counter[tuple[int, ...]] = Counter()
        self._low: np.ndarray | None = None
        self._high: np.ndarray | None = None

    def add(self, number: int, item: np.ndarray, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(f"{item.shape} ".encode() + item.tobytes()).digest())
        self._shapes[item.shape] += 1
        if self._low is None or self._high is None:
            self._low, self._high = item.copy(), item.copy()
        elif item.shape == self._low.shape:
            np.minimum(self._low, item, out=self._low)
            np.maximum(self._high, item, out=self._high)

    def near(self, chosen: np.ndarray) -> Near:
        return Near(np.zeros((0, 2), np.int64), np.zeros(0))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        some = self._low is not None and self._high is not None
        return {
            "shapes": {"x".join(map(str, shape)): count for shape, count in self._shapes.most_common(12)},
            "least": float(self._low.min()) if self._low is not None else None,
            "most": float(self._high.max()) if self._high is not None else None,
            "entries": int(self._low.size) if self._low is not None else 0,
            "constant_entries": int((self._low == self._high).sum()) if some else 0,
        }
