"""The document of a check in the making: findings, counts and advice, from what was listed, read,
looked at and compared.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import castalia
from castalia import registry
from castalia.checks import data_requirements, messages
from castalia.checks.duplicates import EXAMPLES, Part, Pool, Twins, parts_of
from castalia.checks.item_scan import Look
from castalia.checks.report_schema import (
    Compared,
    Document,
    Finding,
    Kind,
    Masked,
    Personal,
    Step,
    Table,
    Unreadable,
)
from castalia.codecs.base import Codec
from castalia.data import file_discovery, inventory, item_reader, locate, manifest, unread_files
from castalia.data.data_report import fingerprint
from castalia.data.inventory import Inventory
from castalia.data.source import Source
from castalia.data.stream import LEAST_ITEMS
from castalia.errors import DataError
from castalia.language import say
from castalia.modalities.array.check import ArrayLook
from castalia.modalities.image.check import PictureLook
from castalia.modalities.music.check import ScoreLook
from castalia.modalities.text import check_tables as tables
from castalia.modalities.text.check import SHORT, TextLook, by_kind
from castalia.omissions import Omissions
from castalia.recipe import Part as CodecPart
from castalia.recipe import Recipe
from castalia.text_files import documents

UNEVEN = 10.0  # a class this many times another is out of balance
REPEATED = 0.1  # share of characters in lines that return from which it is told


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

    def __init__(self, source: str | tuple[str, ...], found: Inventory, codec: str | None) -> None:
        self.source, self.found, self.codec = source, found, codec
        self.findings: list[Finding] = []
        self.unreadable = [Unreadable(file=name, why=why) for name, why in found.trouble]
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
        self.table_list: list[Table] = []
        self.item_hashes: dict[str, list[str]] = {}
        self.proposed: str | None = None
        # tokens that conversations need, where the recipe's are too few
        self.context: int | None = None
        self.records = False  # nothing but rows of numbers and categories

    def find(self, code: str, examples: Sequence[str] = (), **values: Any) -> None:
        self.findings.append(
            Finding(
                code=code,
                level=messages.FINDINGS[code].level,
                words=messages.finding(code, "en", values),
                values=values,
                examples=list(examples)[:EXAMPLES],
            )
        )

    def nothing(self) -> None:
        """No codec reads any of it: which sorts of data there are, instead."""
        names = [entry.name for entry in self.found.of("other")]
        sorts = Counter(
            known.name if (known := unread_files.kind(name)) else inventory.ending(name)
            for name in names
        )
        others = {
            kind: endings.total()
            for kind, endings in self.found.kinds().items()
            if kind in inventory.READ
        }
        what = (
            ", ".join(f"{count} {sort}" for sort, count in [*others.items(), *sorts.most_common(6)])
            or "it is empty"
        )
        self.find(
            "nothing",
            [entry.name for entry in self.found.entries],
            what=f"[{what}]",
            remedy=unread_files.advice(names, ""),
        )

    def omitted(self, omissions: Omissions) -> None:
        """What is left out of the data, each with what to do about it."""
        for one in omissions.listed():
            self.find(
                "omitted",
                [one.example] if one.example else [],
                count=one.count,
                what=one.what,
                remedy=one.remedy,
            )

    def tables(self, plan: Recipe) -> Recipe:
        """Looks at the columns of tables of texts; where none is called text, the plan reads what
        `tables.proposal` says.
        """
        if self.codec != "text":
            return plan
        config: Any = plan.codec.config
        undecided = []
        records = 0
        for entry in self.found.of("text"):
            if not documents.is_table(entry.name):
                continue
            columns, decided = tables.columns(entry.path, config.encoding)
            self.table_list.append(Table(name=entry.name, rows=0, columns=columns))
            if (
                columns
                and not any(column.kind in ("text", "parts") for column in columns)
                and len(columns) > 1
            ):
                self.find("numbers", name=entry.name)
                records += 1
            if not decided:
                undecided.append(tables.proposal(columns))
        self.records = records == len(self.found.of("text")) > 0
        if undecided and config.field is None:
            self.proposed = undecided[0]
            self.find(
                "columns",
                field=shlex.quote(f'"{self.proposed}"' if "{" in self.proposed else self.proposed),
            )
            codec = config.model_copy(update={"field": self.proposed.replace("\\n", "\n")})
            plan = replace(plan, codec=CodecPart(plan.codec.name, codec))
        return plan

    def read(
        self, pool: Pool, look: Look, lost: list[tuple[int, DataError]], skip_bad: bool
    ) -> None:
        """What was found, and what could not be read."""
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
                inside = error.where.rpartition(", ")[2]
                first[name] = Unreadable(
                    file=name,
                    why=error.what + (f" ({inside})" if inside.startswith("item ") else ""),
                )
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
            if count > 1 or self.codec == "text":
                self.item_hashes[name] = [
                    row.tobytes().hex() for row in source.digest[start : start + count]
                ]
        rows = dict(zip(source.names, source.count, strict=True))
        for table in self.table_list:
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
                told = {
                    "count": leak.items,
                    "total": leak.total,
                    "share": leak.share,
                    "source": leak.source,
                    "into": leak.into,
                }
                self.find("leak", [" ~ ".join(pair) for pair in leak.examples], **told)
            else:
                self.find("no_leak", source=leak.source, into=leak.into, total=leak.total)
        if source.classes:
            contradicted = twins.conflicts(own, source.label)
            if contradicted:
                self.find(
                    "conflict", [pool.where(item) for item in contradicted], count=len(contradicted)
                )

    def seen(self, plan: Recipe, look: Look, own: np.ndarray, source: Source) -> None:
        """What looking told: facts, classes, personal data, damage."""
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
        match look:
            case PictureLook():
                self._pictures(plan, look, readable, source, facts)
            case TextLook():
                self._texts(look, facts)
            case ScoreLook():
                if look.silent:
                    self.find("silent", look.silent, count=len(look.silent))
            case ArrayLook():
                if len(facts["shapes"]) > 1:
                    self.find("shapes", count=len(facts["shapes"]), what=facts["shapes"])
                if facts["constant_entries"]:
                    self.find(
                        "constant_entries", count=facts["constant_entries"], total=facts["entries"]
                    )
                self.find("no_near")
        if not len(readable) and not self.unreadable:
            self.nothing()

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

    def _pictures(
        self,
        plan: Recipe,
        look: PictureLook,
        readable: np.ndarray,
        source: Source,
        facts: dict[str, Any],
    ) -> None:
        codec: Codec[Any] = registry.resolve("codec", plan.codec.name)(plan.codec.config)
        try:
            codec.fit(
                item_reader.readable(source, item_reader.fair_order(source, readable), codec, True)
            )
            channels, height, width = codec.spec.shape  # type: ignore[union-attr]
        except DataError:
            return  # nothing can be read, which is told
        facts["trained"] = {"width": width, "height": height, "channels": channels}
        small = readable[(2 * look.size[readable] < np.array([width, height])).any(1)]
        if len(small):
            self.find(
                "small",
                [source.where(int(item)) for item in small[:EXAMPLES]],
                count=len(small),
                width=width,
                height=height,
            )
        for code in ("constant", "gps", "generated", "misnamed", "animated"):
            if look.marks[code]:
                self.find(code, look.marks[code], count=len(look.marks[code]))
        if look.marks["named"]:
            self.find(
                "named",
                look.marks["named"],
                count=len(look.marks["named"]),
                what=dict(look.named.most_common()),
            )

    def _texts(self, look: TextLook, facts: dict[str, Any]) -> None:
        found = by_kind(look.personal)
        self.values["personal"] = {
            kind: Personal(
                count=entry["count"],
                items=entry["items"],
                examples=[Masked(**one) for one in entry["examples"]],
            )
            for kind, entry in found.items()
        }
        if found:
            shown = [
                f"{one['where']}: {one['masked']}"
                for entry in found.values()
                for one in entry["examples"][:2]
            ]
            self.find(
                "personal",
                shown,
                items=look.with_personal,
                what={kind: entry["count"] for kind, entry in found.items()},
            )
        for code in ("mangled", "controls"):
            if getattr(look, code):
                self.find(code, getattr(look, code), count=len(getattr(look, code)))
        if facts["short"]:
            self.find("short", count=facts["short"], least=SHORT)
        if facts["repeated_lines"]["share"] >= REPEATED:
            examples = [
                f"{one['count']} x {one['line']}" for one in facts["repeated_lines"]["examples"]
            ]
            self.find("repeated_lines", examples, share=facts["repeated_lines"]["share"])
        encodings = {name: count for name, count in facts["encodings"].items() if name}
        if len(encodings) > 1:
            self.find("encodings", count=len(encodings), what=encodings)

    def advise(self, given: Mapping[str, Any], look: Look, own: np.ndarray) -> None:
        """Whether it is enough, copies not counted, and the command that comes next."""
        readable = own[look.readable[own]]
        have = self.values["distinct"] - self.values["duplicates"]["near"].copies
        if isinstance(look, ScoreLook) and len(readable):
            have = int(
                look.notes[
                    readable[np.unique(look.content[readable], axis=0, return_index=True)[1]]
                ].sum()
            )
        if isinstance(look, TextLook) and len(readable):
            have = int(
                look.length[
                    readable[np.unique(look.content[readable], axis=0, return_index=True)[1]]
                ].sum()
            )
        self.values["enough"] = data_requirements.judge(
            str(self.codec), have, self.values["facts"].get("entries", 0)
        )
        if isinstance(look, ScoreLook):
            self.omitted(look.omitted["" if "" in look.forms else self._recipe()[0]])
        self.values["next"] = (
            [Step(command=command, why=why) for command, why in self._steps(given)]
            if len(readable)
            else []
        )

    def _recipe(self) -> tuple[str, str]:
        """The recipe to begin with, and why."""
        facts = self.values["facts"]
        voiced = 2 * facts.get("in_voices", 0) >= sum(facts.get("parts", {}).values())
        return data_requirements.recipe(str(self.codec), self.values["enough"], voiced)

    def answers(self, look: Look, config: Any) -> None:
        """Whether the answers of conversations fit the context of the recipe that learns them:
        config is that of its codec.
        """
        if (
            not isinstance(look, TextLook)
            or not look.before_answer
            or config.tokenizer not in ("char", "byte")
        ):
            return
        length = 1 << (max(look.in_conversation) - 1).bit_length()
        late = sum(count > config.length for count in look.before_answer)
        if late == len(look.before_answer):
            self.context = length
            self.find(
                "stops",
                what=f"no answer fits the context of {config.length:,} tokens; "
                f"codec.length={self.context} holds all of them",
            )
        elif late:
            what = say(
                "conversations whose first answer lies beyond the context of {0:,} tokens",
                config.length,
            )
            self.find(
                "omitted",
                count=late,
                what=what,
                remedy=say("codec.length={0} holds all of them", length),
            )

    def _steps(self, given: Mapping[str, Any]) -> list[tuple[str, str]]:
        recipe, why = self._recipe()
        if self.records:
            recipe, why = (
                "text/ar-mixed",
                "row by row, as text, until there is a family that models columns",
            )
        if 2 * self.values["facts"].get("conversations", 0) > self.values["items"]:
            recipe, why = (
                "text/chat",
                "conversations, of which it learns what the assistant says; a run of "
                "texts to begin with (start_from=RUN) makes it better",
            )
        options = [f"{key}={_plain(value)}" for key, value in given.items()]
        if any(one.code == "unreadable" for one in self.findings):
            options.append("data.skip_bad=true")
        if self.context is not None:
            options = [option for option in options if not option.startswith("codec.length=")] + [
                f"codec.length={self.context}"
            ]
        if self.proposed is not None:
            options.append(
                "codec.field=" + (f'"{self.proposed}"' if "{" in self.proposed else self.proposed)
            )
        if (
            self.codec == "text"
            and any(one.code == "few" for one in self.findings)
            and "codec.document" not in given
        ):
            options.append("codec.document=line")
            why += "; each line is a document, so that there are enough of them"
        classes = sorted(self.values["classes"].values())
        if (
            classes
            and classes[len(classes) // 2] < data_requirements.FEW_IN_A_CLASS
            and recipe == "image/gan"
            and "data.conditional" not in given
        ):
            options.append("data.conditional=false")
            why += "; classes this small make a GAN vary less"
        if any(one.code in ("identical", "shapes") for one in self.findings) or (
            self.codec != "text" and any(one.code == "few" for one in self.findings)
        ):
            return []
        places = [self.source] if isinstance(self.source, str) else self.source
        return [(shlex.join(["castalia", "train", recipe, *places, *options]), why)]

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
                bytes=sum(entry.bytes for entry in self.found.of(kind)),
                endings=dict(endings.most_common()),
            )
            for kind, endings in self.found.kinds().items()
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
            files=len(self.found.entries),
            bytes=sum(entry.bytes for entry in self.found.entries),
            licence=self.licence,
            tables=self.table_list,
            unreadable=self.unreadable,
            findings=self.findings,
            compared=None if compared is None else Compared.model_validate(compared),
            **self.values,
        )
        return document, made

    def _surroundings(self) -> None:
        """What lies beside: other kinds of data, files that nothing reads, links, tables about the
        files, the licence.
        """
        if self.codec is not None and not any(one.code == "nothing" for one in self.findings):
            kinds = self.found.kinds()
            others = {
                kind: kinds[kind].total()
                for kind in kinds
                if kind in inventory.READ and kind != self.codec
            }
            if others:
                names = [entry.name for entry in self.found.of(*others)]
                self.find(
                    "mixed",
                    names,
                    codec=self.codec,
                    own=kinds[self.codec].total() if self.codec in kinds else 0,
                    others=others,
                )
            unknown = [
                entry.name
                for entry in self.found.of("other")
                if unread_files.kind(entry.name) is None
            ]
            if unknown:
                self.find(
                    "ignored",
                    unknown,
                    what=dict(Counter(map(inventory.ending, unknown)).most_common(8)),
                )
            for entry in self.found.of("beside"):
                if documents.is_table(entry.name):
                    columns = inventory.columns_of(entry.path)
                    if columns:
                        self.find("metadata", name=entry.name, columns=columns)
            if self.licence is None and not (
                isinstance(self.source, str) and self.source.startswith("builtin/")
            ):
                self.licence = file_discovery.licence_beside(self.found.folder)
                if self.licence is None:
                    self.find("licence")
        if self.found.harmless:
            self.find(
                "links",
                [f"{name}: {why}" for name, why in self.found.harmless],
                count=len(self.found.harmless),
            )

    def _hashes(self) -> list[dict[str, Any]]:
        files = []
        for entry in self.found.of(*inventory.READ, "beside"):
            try:
                file: dict[str, Any] = {
                    "name": entry.name,
                    "bytes": entry.bytes,
                    "sha256": inventory.digest(entry.path),
                }
            except DataError:
                continue  # it cannot be read, which is told
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
