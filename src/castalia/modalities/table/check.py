"""The check of tables: kinds of columns, missing cells, rules, what will not be learned and why.

Reads at most LOOKED rows for kinds and rules, as the codec would fit them; equal rows are found
among all.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Advice, Check, Look, Need, Plan, Scan, five
from castalia.checks.report_schema import Enough, Finding
from castalia.codecs.base import Codec
from castalia.data.inventory import Inventory
from castalia.errors import CastaliaError
from castalia.language import Voice
from castalia.modalities.table import text_detection
from castalia.modalities.table.check_messages import FINDINGS, KINDS, LABELS
from castalia.modalities.table.codec import TableCodec
from castalia.modalities.table.columns.base import ERRORS, is_missing
from castalia.modalities.table.columns.discrete import Derived
from castalia.modalities.table.columns.infer import MOST_VALUES
from castalia.modalities.table.history.check import HistoryLook
from castalia.modalities.table.history.codec import HistoryCodec
from castalia.modalities.table.related.check import RelatedLook, known_of, related_of
from castalia.modalities.table.related.codec import RelatedCodec
from castalia.modalities.table.row import Row
from castalia.sentences import Message, plural, say, series

LOOKED = 50_000
WIDE = 200
NAMED = 6  # columns that a sentence names
_MEASURED = "benchmarks/table_race.py"


class TableLook(Look):
    """Rows one by one; see Look."""

    def __init__(self, count: int, own: int, codec: Codec[Any]) -> None:
        super().__init__(count, own)
        self.codec = codec
        self._rng = random.Random(0)
        self._kept: list[Row] = []
        self._seen = 0
        self.missing: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()

    def add(self, number: int, item: Row, path: Path, where: str) -> None:
        self.settle(number, hashlib.sha256(item.content).digest())
        if number >= self._own:
            return
        self.labels[item.header.label] += 1
        for name, cell in zip(item.header.names, item.cells, strict=True):
            if is_missing(cell):
                self.missing[name] += 1
                if cell and cell.strip().lower() in ERRORS:
                    self.errors[cell.strip()] += 1
        self._seen += 1
        if len(self._kept) < LOOKED:
            self._kept.append(item)
        elif (place := self._rng.randrange(self._seen)) < LOOKED:
            self._kept[place] = item

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        rows = self._seen
        self.fitted: TableCodec | None = None
        if not self._kept:
            return {"columns": [], "rows": 0, "rules": []}
        trial = TableCodec(self.codec.config)
        problem = ""
        try:
            trial.fit(self._kept)
            self.fitted = trial
        except CastaliaError as error:
            problem = str(error.what)
        return {
            "rows": rows,
            "problem": problem,
            "formats": dict(self.labels.most_common(8)),
            "columns": [self._column(trial, place) for place in range(len(trial.columns))],
            "rules": [rule.text for rule in trial.rules]
            + [f"{one.source} → {one.name}" for one in trial.columns if isinstance(one, Derived)],
            "errors": dict(self.errors),
            "tokens": len(trial.learned) if self.fitted else 0,
        }

    def _column(self, trial: TableCodec, place: int) -> dict[str, Any]:
        column = trial.columns[place]
        known: dict[str, Any] = {
            "name": column.name,
            "kind": column.kind,
            "missing": self.missing[column.name],
            "tokens": column.size,
        }
        cells = {row.cells[place] or "" for row in self._kept}
        known["different"] = len(cells)
        known |= known_of(column)
        return known


class TableCheck(Check):
    """Tables: what their columns are."""

    unit = "rows"
    sentences = FINDINGS

    def prepare(self, plan: Plan, files: Inventory) -> tuple[Plan, list[Finding]]:
        """Says why the file was taken for a table, and how to read it otherwise."""
        if plan.codec.name in (RelatedCodec.name, HistoryCodec.name):
            return plan, []
        for entry in files.read()[:1]:
            try:
                seen = text_detection.reading(entry.path)
            except (CastaliaError, OSError, ValueError):
                continue
            why = {
                "table": say("its cells are values")
                if not seen.prose
                else say("most of its characters do not stand in running text"),
                "texts": say("it was asked for, though its cells are running text"),
                "conversations": say("it was asked for, though its columns are conversations"),
            }[seen.kind]
            other = seen.prose[0] if seen.prose else "COLUMN"
            return plan, [
                self.finding(
                    "reading",
                    columns=seen.columns,
                    why=why,
                    others=f"castalia train text/ar {entry.name} codec.field={other}",
                )
            ]
        return plan, []

    def begin(self, count: int, own: int, codec: Codec[Any]) -> Look:
        if isinstance(codec, RelatedCodec):
            return RelatedLook(count, own, codec)
        if isinstance(codec, HistoryCodec):
            return HistoryLook(count, own, codec)
        return TableLook(count, own, codec)

    def findings(self, scan: Scan) -> Iterator[Finding]:
        facts, columns = scan.facts, scan.facts["columns"]
        related = related_of(facts)
        if related is not None:
            yield from self._related(related)
        if not columns:
            if facts.get("problem"):
                yield self.finding("no_relation", what=facts["problem"])
            return
        if facts["problem"]:
            yield self.finding("unvaried")
        names = [one["name"] for one in columns]
        if all(_is_number(name) for name in names):
            yield self.finding("no_names", what=_some(names))
        by_kind: dict[str, list[str]] = {}
        for one in columns:
            by_kind.setdefault(one["kind"], []).append(one["name"])
        yield self.finding(
            "kinds",
            what="; ".join(f"{kind} {_some(names)}" for kind, names in by_kind.items()),
        )
        rows = facts["rows"]
        for code, names in (
            (
                "empty_columns",
                [one["name"] for one in columns if one["missing"] == one.get("rows", rows)],
            ),
            (
                "constant",
                [
                    one["name"]
                    for one in columns
                    if one["kind"] == "constant" and one["missing"] < one.get("rows", rows)
                ],
            ),
            ("identifiers", by_kind.get("identifier", [])),
            ("texts", by_kind.get("text", [])),
            ("mixed_columns", [one["name"] for one in columns if one.get("special")]),
            ("rare", [one["name"] for one in columns if one.get("grouped")]),
            ("forms", [one["name"] for one in columns if len(one.get("forms", ())) > 1]),
        ):
            if names:
                count = len(names)
                if code == "rare":
                    count = sum(one.get("grouped", 0) for one in columns)
                yield self.finding(code, count=count, what=_some(names))
        for one in columns:
            if one["kind"] == "category" and one["different"] > MOST_VALUES:
                yield self.finding(
                    "many", name=one["name"], count=one["different"], most=MOST_VALUES
                )
        if facts["errors"]:
            yield self.finding(
                "errors", count=sum(facts["errors"].values()), what=next(iter(facts["errors"]))
            )
        if len(columns) > WIDE:
            yield self.finding("wide", count=len(columns))
        if facts["rules"]:
            yield self.finding("rules", what="; ".join(facts["rules"][:12]))

    def _related(self, known: Mapping[str, Any]) -> Iterator[Finding]:
        """How the two tables hang together."""
        parent, child = known["names"]
        if parent == child:
            yield self.finding("entities", count=known["parents"], key=known["key"])
        else:
            yield self.finding("joined", key=f"{parent}.{known['key']} = {child}.{known['link']}")
        if known["order"] is None:
            yield self.finding("unordered")
        else:
            yield self.finding("ordered", name=known["order"])
        if known["childless"]:
            yield self.finding("childless", count=known["childless"])

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few", "unvaried", "no_relation"}:
            return None
        if related_of(scan.facts) is not None:
            return Advice(
                "table/children", say("it draws parents with their children, in two tables")
            )
        if "history" in scan.facts:
            return Advice("table/history", say("it says what comes next for each"))
        return Advice(
            "table/ar",
            say("it draws, completes, predicts and scores rows; it measured best of the four"),
        )

    @classmethod
    def needs(cls, facts: Mapping[str, Any]) -> tuple[Need, ...]:
        """Rows of each recipe: enough for every quantile bin to be seen."""
        source = say(
            "so many rows that a column of numbers has twenty quantile bins of twenty-five rows; a "
            "rule of thumb"
        )
        names = ("table/ar", "table/flow", "table/gan", "table/vae")
        if related_of(facts) is not None:
            names = ("table/children",)
        if "history" in facts:
            names = ("table/history",)
        return tuple(Need(name, 40, 500, cls.unit, source) for name in names)

    @classmethod
    def least(cls, recipe: str) -> str:
        return cls.counted(40)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} row", "{0:,} rows", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        columns = facts["columns"]
        counts = Counter(one["kind"] for one in columns)
        cells = max(1, facts["rows"] * len(columns))
        missing = sum(one["missing"] for one in columns)
        known = related_of(facts)
        more = []
        if known is not None:
            cells = max(1, sum(one["rows"] for one in columns))
            more = [
                (voice(LABELS["parents"]), f"{known['parents']:,}"),
                (voice(LABELS["children"]), f"{known['children']:,}"),
                (voice(LABELS["of each"]), five(known["counts"], voice)),
            ]
        return [
            *more,
            (voice(LABELS["columns"]), f"{len(columns):,}"),
            (
                voice(LABELS["kinds"]),
                voice(
                    series(say("{0} ({1:,})", KINDS[kind], count) for kind, count in counts.items())
                ),
            ),
            (voice(LABELS["missing"]), f"{missing:,} ({missing / cells:.1%})"),
            (voice(LABELS["rules"]), f"{len(facts['rules']):,}"),
        ]


def _is_number(name: str) -> bool:
    return name.replace(".", "", 1).replace(",", "").lstrip("+-").isdigit()


def _some(names: Sequence[str]) -> str:
    more = f" … ({len(names)})" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
