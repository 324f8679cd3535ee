"""The check of levels: sizes, tiles, whether they can be solved, and which are the same mirrored or
turned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Check, Look, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Finding
from castalia.codecs.base import Codec
from castalia.language import Voice
from castalia.modalities.level.check_messages import FINDINGS, LABELS
from castalia.modalities.level.level import Level, symmetries
from castalia.sentences import Message, plural

SOLVED = 100  # levels that are solved, the first of the data


class LevelLook(Look):
    """Levels one by one; see Look."""

    def __init__(self, count: int, own: int, codec: Codec[Any]) -> None:
        super().__init__(count, own)
        self.player = codec.player  # type: ignore[attr-defined]
        self.sizes: Counter[str] = Counter()
        self.tiles: Counter[str] = Counter()
        self.steps: list[int] = []
        self.looked = 0
        self.forms: dict[int, bytes] = {}

    def add(self, number: int, item: Level, path: Path, where: str) -> None:
        self.settle(number, sha256(item.content).digest())
        rules = self.player.rules
        made = symmetries(item, turns=rules.turns, mirror=rules.mirror)
        self.forms[number] = min(one.content for one in made.values())
        if number >= self._own:
            return
        self.sizes[f"{item.height}x{item.width}"] += 1
        self.tiles.update("".join(item.rows))
        if self.looked < SOLVED and self.player.rules.play != "none":
            found = self.player.solve(item)
            self.looked += 1
            self.steps += [found.steps] if found.solved else []

    def near(self, chosen: np.ndarray) -> Near:
        """Levels that are the same mirrored or turned."""
        first: dict[bytes, int] = {}
        pairs = [
            (first[self.forms[number]], number)
            for number in chosen.tolist()
            if first.setdefault(self.forms[number], number) != number
        ]
        return Near(np.array(pairs, np.int64).reshape(-1, 2), np.zeros(len(pairs)))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        return {
            "sizes": dict(self.sizes.most_common(12)),
            "different_sizes": len(self.sizes),
            "tiles": {tile.replace(" ", "␣"): count for tile, count in self.tiles.most_common(40)},
            "play": self.player.rules.play,
            "looked": self.looked,
            "solved": len(self.steps),
            "steps": spread(np.array(self.steps)),
        }


class LevelCheck(Check):
    """Levels: whether they are of one size and can be solved."""

    unit = "levels"
    sentences = FINDINGS

    def begin(self, count: int, own: int, codec: Codec[Any]) -> Look:
        self.rules: str = codec.config.rules
        return LevelLook(count, own, codec)

    def findings(self, scan: Scan) -> Iterator[Finding]:
        facts = scan.facts
        if facts["different_sizes"] > 1:
            yield self.finding("sizes", count=facts["different_sizes"], what=facts["sizes"])
        if facts["play"] == "none":
            yield self.finding("no_rules")
        elif facts["looked"] and not facts["solved"]:
            yield self.finding("wrong_rules", rules=self.rules)
        elif facts["solved"] < facts["looked"]:
            missed = facts["looked"] - facts["solved"]
            yield self.finding("unsolved", count=missed, total=facts["looked"], rules=self.rules)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} level", "{0:,} levels", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        rows = [
            (voice(LABELS["sizes"]), counts(facts["sizes"], voice)),
            (voice(LABELS["tiles"]), counts(facts["tiles"], voice)),
        ]
        if facts["looked"]:
            rows.append((voice(LABELS["solved"]), f"{facts['solved']:,} / {facts['looked']:,}"))
            rows.append((voice(LABELS["steps"]), five(facts["steps"], voice)))
        return rows
