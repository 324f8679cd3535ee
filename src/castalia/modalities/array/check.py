"""The check of arrays: shapes, ranges, entries that never vary. Near duplicates are not
looked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts
from castalia.checks.report_schema import Enough, Finding
from castalia.data.stream import LEAST_ITEMS
from castalia.language import Voice
from castalia.modalities.array.check_messages import FINDINGS, LABELS
from castalia.sentences import Message, plural, say

# Peduzzi et al. 1996 ask for ten events per variable of a regression; a model of the whole
# distribution needs no fewer
ROWS_PER_ENTRY = 10


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


class ArrayCheck(Check):
    """Arrays: whether they are of one shape, and vary."""

    look = ArrayLook
    unit = "rows"
    sentences = FINDINGS

    def findings(self, scan: Scan) -> Iterator[Finding]:
        facts = scan.facts
        if len(facts["shapes"]) > 1:
            yield self.finding("shapes", count=len(facts["shapes"]), what=facts["shapes"])
        constant = facts["constant_entries"]
        if constant:
            yield self.finding("constant_entries", count=constant, total=facts["entries"])
        yield self.finding("no_near")

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few", "shapes"}:
            return None
        return Advice("array/vae", say("it scores and encodes; array/gan takes the same data"))

    @classmethod
    def needs(cls, facts: Mapping[str, Any]) -> tuple[Need, ...]:
        """Ten rows for each number in one, whatever the recipe."""
        entries = facts.get("entries", 0)
        wants = max(ROWS_PER_ENTRY * entries, 100)
        source = say(
            "ten items for each number in one, a rule of thumb (Peduzzi et al. 1996), and at least "
            "100"
        )
        return tuple(
            Need(name, max(LEAST_ITEMS, entries), wants, cls.unit, source)
            for name in ("array/vae", "array/gan")
        )

    @classmethod
    def least(cls, recipe: str) -> str:
        return say("{0} rows a number", ROWS_PER_ENTRY)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} row", "{0:,} rows", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        low, high = facts["least"], facts["most"]
        return [
            (voice(LABELS["shapes"]), counts(facts["shapes"], voice)),
            (
                voice(LABELS["range"]),
                "" if low is None else f"{low:.4g} … {high:.4g}",
            ),
        ]
