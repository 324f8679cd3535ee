"""What is looked at before training: how often each face came."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Check, Look
from castalia.language import Voice
from castalia.sentences import Message, plural, say


class DiceLook(Look):
    """See Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.faces: dict[int, Counter[int]] = {}

    def add(self, number: int, item: Any, path: Path, where: str) -> None:
        self.faces[number] = Counter(item)
        self.settle(number, hashlib.sha256(bytes(item)).digest())

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        faces = sum((self.faces[number] for number in own.tolist()), Counter())
        return {"faces": {str(face): count for face, count in sorted(faces.items())}}


class DiceCheck(Check):
    """See Check."""

    look, unit = DiceLook, "series"

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} series", "{0:,} series", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        return [
            (voice(say("faces")), ", ".join(f"{face}: {n}" for face, n in facts["faces"].items()))
        ]
