"""Build the document of a check: findings, counts and advice."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import castalia
from castalia import registry
from castalia.checks import data_requirements
from castalia.checks.duplicates import Part, Pool, Twins, parts_of
from castalia.checks.item_scan import Advice, Check, Look, Plan, Scan
from castalia.checks.report_schema import (
    Compared,
    Document,
    Finding,
    Kind,
    Step,
    Unreadable,
)
from castalia.data import file_discovery, inventory, locate, manifest, unread_files
from castalia.data.data_report import fingerprint
from castalia.data.inventory import Inventory
from castalia.data.source import Source
from castalia.data.stream import LEAST_ITEMS
from castalia.errors import DataError
from castalia.omissions import Omissions
from castalia.sentences import say, series
from castalia.text_files import documents

UNEVEN = 10.0  # a class this many times another is out of balance


def short_name(source: str | tuple[str, ...]) -> str:
    """A source's own name, without the folders of this machine; of several, the first one's and how
    many more there are.
    """
    if not isinstance(source, str):
        return locate.named((short_name(source[0]), *source[1:]))
    return (
        source
        if source.startswith("builtin/")
        else (Path(source).expanduser().name or Path(source).expanduser().resolve().name)
    )


class Draft:
    """A document in the making."""

    def __init__(self, source: str | tuple[str, ...], listed: Inventory, checking: Check) -> None:
        self.source, self.inventory, self.checking = source, listed, checking
        self.codec = checking.codec or None
        self.findings: list[Finding] = []
        self.unreadable = [Unreadable(file=name, why=why) for name, why in listed.trouble]
        self.licence: str | None = None
        self.values: dict[str, Any] = {
            "items": 0,
            "distinct": 0,
            "fingerprint": None,
            "classes": {},
            "unlabelled": 0,
            "facts": {},
        }
        self.values |= {"duplicates": {}, "leakage": [], "personal": {}, "enough": [], "next": []}
        self.item_hashes: dict[str, list[str]] = {}

    def find(self, code: str, examples: Sequence[str] = (), **values: Any) -> None:
        self.findings.append(self.checking.finding(code, examples, **values))

    def nothing(self) -> None:
        """No codec reads any of it: which sorts of data there are, instead."""
        names = [entry.name for entry in self.inventory.of(inventory.OTHER)]
        sorts = Counter(
            known.name if (known := unread_files.kind(name)) else inventory.ending(name)
            for name in names
        )
        others = Counter(entry.kind for entry in self.inventory.read())
        what = series(
            say("{0} {1}", count, sort)
            for sort, count in [*others.most_common(), *sorts.most_common(6)]
        ) or say("it is empty")
        self.find(
            "nothing",
            [entry.name for entry in self.inventory.entries],
            what=say("[{0}]", what),
            remedy=unread_files.advice(names, ""),
        )

    def omitted(self, omissions: Omissions) -> None:
        """What is left out of the data, each with what to do about it."""
        self.findings += self.checking.left_out(omissions.listed())

    def read(self, pool: Pool, lost: list[tuple[int, DataError]], skip_bad: bool) -> None:
        """Which files could not be read, or hold nothing; hashes of items for the manifest."""
        source = pool.sources[0]
        self.licence = source.licence
        known = {one.file for one in self.unreadable}
        for place, other in enumerate(pool.sources):
            label = "" if place == 0 else f"{pool.names[place]}: "
            for one in other.skipped:
                if label + one["file"] not in known:
                    self.unreadable.append(Unreadable(file=label + one["file"], why=one["why"]))
        first: dict[str, Unreadable] = {}
        for number, error in lost:
            holder, item = pool.locate(number)
            name = pool.where(number)
            if holder.count[holder.file[item]] > 1:
                name = name.rpartition(", item ")[0]
            if name in first:
                first[name].items += 1
            else:
                inside = error.where.rpartition(", item ")[2]
                why = say("{0} (item {1})", error.what, inside) if inside.isdigit() else error.what
                first[name] = Unreadable(file=name, why=why)
        self.unreadable += first.values()
        if self.unreadable:
            self.find(
                "skipped" if skip_bad else "unreadable",
                [f"{one.file}: {one.why}" for one in self.unreadable],
                count=len(self.unreadable),
            )
        if source.bare:
            self.find("empty", source.bare, count=len(source.bare))
        starts = np.cumsum([0, *source.count])
        for name, count, start in zip(source.names, source.count, starts.tolist(), strict=False):
            if count > 1 or self.checking.lists_items:
                self.item_hashes[name] = [
                    row.tobytes().hex() for row in source.digest[start : start + count]
                ]
        rows = dict(zip(source.names, source.count, strict=True))
        for table in self.checking.tables:
            table.rows = rows.get(table.name, 0)

    def twice(self, twins: Twins, own: np.ndarray, pool: Pool, threshold: float | None) -> None:
        """Copies within the data, leakage between their parts and to what they are held against,
        classes that contradict one another.
        """
        source = pool.sources[0]
        copies = twins.copies(own, threshold)
        self.values["duplicates"] = copies
        for way, code in (("bytes", "same_bytes"), ("content", "same_content"), ("near", "near")):
            if copies[way].copies:
                sign = " ~ " if way == "near" else " = "
                self.find(
                    code,
                    [sign.join(group) for group in copies[way].examples],
                    count=copies[way].copies,
                )
        starts = np.cumsum([0, *source.count])
        items = [np.arange(starts[place], starts[place + 1]) for place in range(len(source.count))]
        parts = parts_of(source.names, items, pool.names[0])
        others = [
            Part(name, np.arange(pool.starts[place], pool.starts[place + 1]))
            for place, name in enumerate(pool.names)
            if place
        ]
        if len(parts) > 1:
            self.find("splits", parts=[part.name for part in parts])
        together = [(one, other) for place, one in enumerate(parts) for other in parts[place + 1 :]]
        for one, other in [*together, *((part, other) for part in parts for other in others)]:
            leak = twins.leak(one, other)
            self.values["leakage"].append(leak)
            if leak.items:
                values = {
                    "count": leak.items,
                    "total": leak.total,
                    "share": leak.share,
                    "source": leak.source,
                    "into": leak.into,
                }
                self.find("leak", [" ~ ".join(pair) for pair in leak.examples], **values)
            else:
                self.find("no_leak", source=leak.source, into=leak.into, total=leak.total)
        if source.classes:
            contradicted = twins.conflicts(own, source.label)
            if contradicted:
                self.find(
                    "conflict", [pool.where(item) for item in contradicted], count=len(contradicted)
                )

    def seen(self, plan: Plan, look: Look, own: np.ndarray, source: Source) -> None:
        """What was seen: facts, classes, personal data, damage; whether it is enough, and the
        command that comes next.
        """
        readable = own[look.readable[own]]
        facts = look.facts(readable)
        contents = len(np.unique(look.content[readable], axis=0)) if len(readable) else 0
        counts = Counter(source.label[readable].tolist()) if source.classes else Counter()
        self.values |= {
            "items": len(readable),
            "distinct": contents,
            "fingerprint": fingerprint(source, readable) if len(readable) else None,
            "classes": {name: counts.get(number, 0) for number, name in enumerate(source.classes)},
            "unlabelled": counts.get(len(source.classes), 0) if source.classes else 0,
            "facts": facts,
        }
        self._classes()
        if contents < LEAST_ITEMS and len(readable):
            if contents == 1 and len(readable) > 1:
                self.find("identical", count=len(readable))
            else:
                self.find("few", count=contents, least=LEAST_ITEMS)
        scan = Scan(
            plan=plan,
            source=source,
            look=look,
            items=readable,
            facts=facts,
            distinct=contents,
            near=self.values["duplicates"]["near"].copies,
            classes=self.values["classes"],
            codes={one.code for one in self.findings},
        )
        for one in self.checking.findings(scan):
            self.findings.append(one)
            scan.codes.add(one.code)
        self.values["personal"] = self.checking.personal(scan)
        if not len(readable) and not self.unreadable:
            self.nothing()
        have = self.checking.amount(scan) if len(readable) else 0
        self.values["enough"] = data_requirements.judge(self.checking.codec, have, **facts)
        # the recipes of a modality are for its own codec, not for one of another package
        own_codec = self.checking.codec in registry.known("codec")
        advice = self.checking.advice(scan, self.values["enough"]) if len(readable) else None
        if advice is not None and own_codec:
            self.values["next"] = [Step(command=self._command(advice), why=advice.why)]

    def _classes(self) -> None:
        classes: dict[str, int] = self.values["classes"]
        if classes:
            large, little = (
                max(classes, key=lambda name: classes[name]),
                min(classes, key=lambda name: classes[name]),
            )
            if classes[large] >= UNEVEN * max(1, classes[little]):
                self.find(
                    "imbalance",
                    large=large,
                    most=classes[large],
                    little=little,
                    fewest=classes[little],
                )
            if self.values["unlabelled"]:
                self.find("unlabelled", count=self.values["unlabelled"])

    def _command(self, advice: Advice) -> str:
        """The training, as it is typed: what was given, and what the advice adds or replaces."""
        options = [
            f"{key}={_plain(value)}"
            for key, value in self.checking.given.items()
            if key not in advice.options
        ]
        if any(one.code == "unreadable" for one in self.findings):
            options.append("data.skip_bad=true")
        options += [f"{key}={value}" for key, value in advice.options.items()]
        places = [self.source] if isinstance(self.source, str) else self.source
        return shlex.join(["castalia", "train", advice.recipe, *places, *options])

    def finish(self, older: dict[str, Any] | None) -> tuple[Document, dict[str, Any]]:
        """The document, and the manifest of the files, which is compared with an `older` one."""
        self._surroundings()
        made = manifest.make(self.codec, self._hashes(), self.values["fingerprint"])
        compared = None
        if older is not None:
            compared = manifest.compare(older, made)
            counts = {key: len(compared[key]) for key in ("added", "removed", "changed", "renamed")}
            if any(counts.values()):
                names = [
                    *(f"+ {name}" for name in compared["added"]),
                    *(f"- {name}" for name in compared["removed"]),
                ]
                names += [f"~ {one['name']}" for one in compared["changed"]] + [
                    f"{one['from']} -> {one['to']}" for one in compared["renamed"]
                ]
                self.find("changed", names, **counts, same=compared["same"])
            else:
                self.find("unchanged", same=compared["same"])
        ranks = {"problem": 0, "warning": 1, "note": 2}
        self.findings.sort(key=lambda one: (ranks[one.level], one.code != "omitted"))
        levels = {one.level for one in self.findings}
        kinds = {
            kind: Kind(
                files=endings.total(),
                bytes=sum(entry.bytes for entry in self.inventory.of(kind)),
                endings=dict(endings.most_common()),
            )
            for kind, endings in self.inventory.kinds().items()
        }
        document = Document(
            castalia=castalia.__version__,
            source=short_name(self.source),
            verdict="problems"
            if "problem" in levels
            else "warnings"
            if "warning" in levels
            else "clean",
            codec=self.codec,
            kinds=kinds,
            files=len(self.inventory.entries),
            bytes=sum(entry.bytes for entry in self.inventory.entries),
            licence=self.licence,
            tables=self.checking.tables,
            unreadable=self.unreadable,
            findings=self.findings,
            compared=None if compared is None else Compared.model_validate(compared),
            **self.values,
        )
        return document, made

    def _surroundings(self) -> None:
        """What is beside the data: other kinds of data, files that nothing reads, links, tables
        about the files, the licence.
        """
        if self.codec is not None and not any(one.code == "nothing" for one in self.findings):
            kinds = self.inventory.kinds()
            others = {
                kind: endings.total()
                for kind, endings in kinds.items()
                if kind not in (self.codec, inventory.BESIDE, inventory.OTHER)
            }
            if others:
                names = [entry.name for entry in self.inventory.of(*others)]
                self.find(
                    "mixed",
                    names,
                    codec=self.codec,
                    own=kinds[self.codec].total() if self.codec in kinds else 0,
                    others=others,
                )
            unknown = [
                entry.name
                for entry in self.inventory.of(inventory.OTHER)
                if unread_files.kind(entry.name) is None
            ]
            if unknown:
                self.find(
                    "ignored",
                    unknown,
                    what=dict(Counter(map(inventory.ending, unknown)).most_common(8)),
                )
            for entry in self.inventory.of(inventory.BESIDE):
                if documents.is_table(entry.name):
                    columns = inventory.columns_of(entry.path)
                    if columns:
                        self.find("metadata", name=entry.name, columns=columns)
            if self.licence is None and not (
                isinstance(self.source, str) and self.source.startswith("builtin/")
            ):
                self.licence = file_discovery.licence_beside(self.inventory.folder)
                if self.licence is None:
                    self.find("licence")
        if self.inventory.harmless:
            self.find(
                "links",
                [f"{name}: {why}" for name, why in self.inventory.harmless],
                count=len(self.inventory.harmless),
            )

    def _hashes(self) -> list[dict[str, Any]]:
        files = []
        for entry in self.inventory.entries:
            if entry.kind == inventory.OTHER:
                continue
            try:
                file: dict[str, Any] = {
                    "name": entry.name,
                    "bytes": entry.bytes,
                    "sha256": inventory.digest(entry.path),
                }
            except DataError:
                continue  # it cannot be read, which is reported
            if entry.name in self.item_hashes:
                file["items"] = self.item_hashes[entry.name]
            files.append(file)
        return files


def _plain(value: Any) -> str:
    return (
        {True: "true", False: "false", None: "null"}.get(value, str(value))
        if not isinstance(value, int | float) or isinstance(value, bool)
        else str(value)
    )
