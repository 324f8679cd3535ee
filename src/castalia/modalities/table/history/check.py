"""What a check sees of histories: how many, how long, which items have no token."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Look
from castalia.modalities.table.history.codec import HistoryCodec
from castalia.modalities.table.history.history import History


class HistoryLook(Look):
    """Histories one by one; see Look."""

    def __init__(self, count: int, own: int, codec: HistoryCodec) -> None:
        super().__init__(count, own)
        self.codec = codec
        self._lengths: list[int] = []
        self._holders: Counter[str] = Counter()
        self._names: tuple[str, ...] = ()
        self.labels: Counter[str] = Counter()

    def add(self, number: int, item: History, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(item.content).digest())
        if number >= self._own:
            return
        self._lengths.append(len(item))
        self._holders.update(set(item.items))
        self._names = item.header.names
        self.labels[item.header.label] += 1

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        events = sum(self._lengths)
        kinds = ("identifier", "category")
        different = (len(self._lengths), len(self._holders))
        rare = sum(count < self.codec.config.rare for count in self._holders.values())
        return {
            "rows": events,
            "problem": "",
            "formats": dict(self.labels.most_common(8)),
            "columns": [
                {
                    "name": name,
                    "kind": kind,
                    "missing": 0,
                    "rows": events,
                    "tokens": count,
                    "different": count,
                    "grouped": rare if kind == "category" else 0,
                }
                for name, kind, count in zip(self._names, kinds, different, strict=False)
            ],
            "rules": [],
            "errors": {},
            "tokens": 1,
            "history": {"histories": len(self._lengths), "items": len(self._holders)},
        }
