"""The check of series: steps, season, gaps, and what is odd about values."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Advice, Check, Look, Need, Plan, Scan, five, spread
from castalia.checks.report_schema import Enough, Finding
from castalia.codecs.base import Codec
from castalia.data.inventory import Inventory
from castalia.errors import CastaliaError
from castalia.language import Voice
from castalia.modalities.series.check_messages import FINDINGS, LABELS
from castalia.modalities.series.codec import SeriesCodec
from castalia.modalities.series.frequency import spoken
from castalia.modalities.series.series import Series
from castalia.sentences import Message, plural, say

KEPT = 500  # series on which the season is found
NAMED = 6  # series that a sentence names
FEW = 0.02  # share of values below zero that looks like errors


class SeriesLook(Look):
    """Series one by one; see Look."""

    def __init__(self, count: int, own: int, codec: Codec[Any]) -> None:
        super().__init__(count, own)
        self.codec = codec
        self._kept: list[Series] = []
        self._lengths: list[int] = []
        self.gaps = self.values = 0
        self.steps: Counter[tuple[int, str]] = Counter()
        self.odd: dict[str, list[str]] = {name: [] for name in ("flat", "zeros", "negative")}

    def add(self, number: int, item: Series, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(item.content).digest())
        if number >= self._own:
            return
        known = item.values[np.isfinite(item.values)]
        self.gaps += len(item) - len(known)
        self.values += len(item)
        self._lengths.append(len(item))
        self.steps[item.frequency.parts] += 1
        title = f"{item.name or path.name} ({item.stamp(0)})"
        if known.min() == known.max():
            self.odd["flat"].append(title)
        elif (known == 0).mean() >= 0.5:
            self.odd["zeros"].append(title)
        elif 0 < (known < 0).mean() <= FEW:
            self.odd["negative"].append(title)
        if len(self._kept) < KEPT:
            self._kept.append(item)

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        season, problem = 1, ""
        trial = SeriesCodec(self.codec.config)
        if self._kept:
            try:
                trial.fit(self._kept)
                season = trial.fitted.season
            except CastaliaError as error:
                problem = str(error.what)
        short = [one.name or str(one.stamp(0)) for one in self._kept if len(one) < 2 * season]
        return {
            "series": len(self._lengths),
            "values": self.values,
            "gaps": self.gaps,
            "frequency": list(self.steps.most_common(1)[0][0]) if self.steps else [1, "step"],
            "season": season,
            "problem": problem,
            "lengths": spread(np.array(self._lengths)),
            "odd": {**self.odd, "short": short},
        }


class SeriesCheck(Check):
    """Series: what their steps are, and what is odd about them."""

    unit = "series"
    sentences = FINDINGS

    def prepare(self, plan: Plan, files: Inventory) -> tuple[Plan, list[Finding]]:
        """Says why the file was taken for series, and how to read it otherwise."""
        for entry in files.read()[:1]:
            sure = SeriesCodec.prefers(entry.path)
            why = (
                say("one column holds stamps at equal steps and others numbers, or rows are long")
                if sure
                else say("it was asked for, though its rows do not look like steps of time")
            )
            others = f"castalia train table/ar {entry.name}"
            return plan, [self.finding("reading", why=why, others=others)]
        return plan, []

    def begin(self, count: int, own: int, codec: Codec[Any]) -> Look:
        return SeriesLook(count, own, codec)

    def findings(self, scan: Scan) -> Iterator[Finding]:
        facts = scan.facts
        if not facts["series"]:
            return
        if facts["problem"]:
            yield self.finding("still")
        yield self.finding("steps", what=spoken(facts["frequency"]), season=facts["season"])
        if facts["gaps"]:
            share = f"{facts['gaps'] / max(1, facts['values']):.1%}"
            yield self.finding("gaps", count=facts["gaps"], share=share)
        for code, names in facts["odd"].items():
            if names:
                yield self.finding(code, count=len(names), what=_some(names))

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few", "still"}:
            return None
        return Advice("series/ar", say("it forecasts, draws, fills and scores series"))

    @classmethod
    def needs(cls, facts: Mapping[str, Any]) -> tuple[Need, ...]:
        source = say(
            "as many stretches as can be divided for training and judging; a rule of thumb"
        )
        return (Need("series/ar", 8, 100, cls.unit, source),)

    @classmethod
    def least(cls, recipe: str) -> str:
        return cls.counted(8)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} stretch of series", "{0:,} stretches of series", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        return [
            (voice(LABELS["values"]), f"{facts['values']:,}"),
            (voice(LABELS["frequency"]), voice(spoken(facts["frequency"]))),
            (voice(LABELS["season"]), str(facts["season"])),
            (
                voice(LABELS["gaps"]),
                f"{facts['gaps']:,} ({facts['gaps'] / max(1, facts['values']):.1%})",
            ),
            (voice(LABELS["lengths"]), five(facts["lengths"], voice)),
        ]


def _some(names: Sequence[str]) -> str:
    more = f" … ({len(names)})" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
