"""The codec of related rows: a parent with its children as one document of tokens.

    begin, the parent's columns, how many children, the first child's columns, ..., end

From two files (codec.children) or from one whose rows are about entities (codec.entity). Each side
is a table of its own (table/codec.py), with its kinds of columns, its bins and its rules; moments
of children are differences (timeline.py). The number of children stands before them, so it is
learned as one choice, and the grammar (table/grammar.py) holds the document to it. Keys are made
anew and join the two tables. Not here: reading and writing two tables (files.py), joining them
(linking.py).
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia import atomic
from castalia.codecs.base import Codec, CodecConfig
from castalia.errors import CastaliaError, DataError, RecipeError, SpecError
from castalia.modalities.table.codec import BYTES_A_PIECE, FIT_ROWS, TableCodec, TableConfig
from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.discrete import RARE
from castalia.modalities.table.columns.identifier import Identifier
from castalia.modalities.table.columns.infer import kind_of
from castalia.modalities.table.drawing import page
from castalia.modalities.table.grammar import Nested
from castalia.modalities.table.related import files, linking
from castalia.modalities.table.related.flat import wide_header
from castalia.modalities.table.related.record import Record, Records, Relation
from castalia.modalities.table.related.timeline import WHOLE, Timeline, whole
from castalia.modalities.table.row import Dialect, Header, Row, fair_draw, no_column
from castalia.modalities.table.rules import Rule
from castalia.omissions import Omission
from castalia.sentences import say
from castalia.spec import Tokens

FIT_RECORDS = 50_000  # a fair draw of all
_UINT16 = 1 << 16


class RelatedConfig(CodecConfig):
    """Settings of `RelatedCodec`.

    children  the file of the children's table (beside the parent's, too); of a database, the name
              of its table.
    entity    in place of it: the column of the one file that says whom a row is about.
    key       the column by which the two files hang together: "customer_id", or
              "id=customer_id" where the children call it otherwise. None: found by content.
    order     the column that orders the children. None: their first column of dates.
    most_children  children that are learned of one parent; what is beyond them is counted and said.
    bins, rare, columns, rules, learn_rules, table, encoding  as of a single table (table/codec.py),
              for both; a value of the children's is rare where few parents have it.
    """

    children: str | None = None
    entity: str | None = None
    key: str | None = None
    order: str | None = None
    most_children: int = Field(default=50, ge=1, le=10_000)
    bins: int = Field(default=100, ge=2, le=4096)
    rare: int = Field(default=2, ge=1, le=1_000_000)
    columns: dict[str, str] = Field(default_factory=dict)
    rules: tuple[Annotated[str, Field(max_length=400)], ...] = ()
    learn_rules: bool = True
    table: str | None = None
    encoding: str | None = None


class Side(TableCodec):
    """One of the two tables, of which nothing may vary but the key."""

    may_be_empty: ClassVar[bool] = True

    def tokens(self, cells: Sequence[str]) -> list[int]:
        """One token for each learned column, each counted from its slot's first."""
        return [
            column.encode(text)
            for text, column in zip(cells, self.columns, strict=True)
            if column.size > 1
        ]

    def hashed(self, tokens: Sequence[int], before: int = 0) -> int:
        """A hash of a row's tokens and of what it stands behind."""
        return zlib.crc32(self._packed.pack(*tokens), before)

    def without_rules_of(self, names: Collection[str]) -> None:
        """Forgets rules about columns that are differences here and moments elsewhere."""
        self._know([rule for rule in self.rules if not set(names) & set(rule.names)])

    @property
    def sizes(self) -> list[int]:
        return [column.size for column in self.learned]


class RelatedCodec(Codec[Record]):
    """Records to token ids (n,), uint16 up to 65,536 of them, else int32."""

    name = "related"
    modality: ClassVar[str] = "table"
    native = Record
    extensions: ClassVar[tuple[str, ...]] = TableCodec.extensions
    formats: ClassVar[tuple[str, ...]] = files.WRITTEN
    adjustable: ClassVar[frozenset[str]] = frozenset({"encoding", "table", "children"})
    few: ClassVar[str] = say("give more parents")
    sidecar: ClassVar[str] = ".json"
    Config = RelatedConfig

    def __init__(self, config: RelatedConfig | None = None) -> None:
        super().__init__(config or RelatedConfig())
        if self.config.children and self.config.entity:
            raise RecipeError(
                say("children have a file of their own, or stand in one with their entity"),
                where="codec.children, codec.entity",
                fix=say("leave one out"),
            )
        self.records = 0  # training records that columns were fitted on
        self.least, self.most = 0, self.config.most_children  # children of one parent
        self._spec: Tokens | None = None

    # Files to items -------------------------------------------------------------------------------

    @classmethod
    def claims(cls, name: str) -> bool:
        return TableCodec.claims(name)

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Only a recipe says that rows are related."""
        return False

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // BYTES_A_PIECE)

    @property
    def suffix(self) -> str:
        return ".csv" if self.config.entity else ".zip"

    def is_container(self, path: Path) -> bool:
        return True

    def read(self, path: Path) -> Iterator[Record]:
        """The records of a file: parents in their order, children in that of theirs."""
        if self.config.entity:
            table = files.part_of(path, self.config.encoding, self.config.table)
            parent, child, groups = linking.by_entity(table, self.config.entity)
            own = self.config.entity
            relation = Relation(parent, child, own, own, (table.name, table.name), table.header)
        else:
            config = self.config
            parents, children = files.pair_of(path, config.children, config.table, config.encoding)
            key, link = linking.link_of(parents, children, self.config.key)
            relation = Relation(
                parents.header, children.header, key, link, (parents.name, children.name)
            )
            groups = linking.grouped(parents, children, key, link)  # type: ignore[assignment]
        for row, rows in groups:
            yield Record(relation, row, rows)

    def contents(self, path: Path) -> Iterator[bytes]:
        return (record.content for record in self.read(path))

    def describe(self, item: Record) -> str:
        return item.relation.parent.label

    def omitted(self, item: Record) -> Iterable[Omission]:
        beyond = len(item.children) - self.most
        if beyond > 0:
            yield Omission(
                say("children beyond the first {0} of their parent", self.most),
                beyond,
                "",
                say("codec.most_children=N learns more of each"),
            )

    # Fitting --------------------------------------------------------------------------------------

    def fit(self, items: Iterable[Record]) -> None:
        """Kinds, bins and rules of both tables, from a fair draw of FIT_RECORDS records at most.
        Raises DataError without records, and where nothing varies.
        """
        records, _ = fair_draw(items, FIT_RECORDS)
        if not records:
            raise DataError(
                say("there is no row to learn the columns from"), "codec", say("add rows")
            )
        relation = records[0].relation
        self.records = len(records)
        names = [name for name in relation.child.names if name != relation.link]
        order = self.config.order
        known = {*relation.parent.names, *names}
        for where, wanted in (
            ("codec.order", [order] if order is not None else []),
            ("codec.columns", list(self.config.columns)),
        ):
            for name in wanted:
                if name not in (names if where == "codec.order" else known):
                    raise no_column(name, names, where)
        self.timeline = Timeline.found(names, records, order, self.config.columns)
        cut = [Record(record.relation, record.parent, self._kept(record)) for record in records]
        self.most = max(len(record.children) for record in cut)
        self.least = min(len(record.children) for record in cut)
        self.parents = Side(self._settings(relation.parent.names, {relation.key: "identifier"}))
        self.parents.fit(record.parent for record in records)
        inner = [self.timeline.inner(record) for record in cut]
        self._fit_children(relation, names, [rows for _, rows in inner])
        starts = Counter(start for (start, rows) in inner if rows)
        self.start = (
            Binned.of("start", "integer", starts, WHOLE, self.config.bins)
            if self.timeline.place is not None and starts
            else None
        )
        self._timed = not self._gap_is_empty(inner)
        self._adopt(relation)

    def _kept(self, record: Record) -> Sequence[Row]:
        """The children that are learned: the first in time."""
        return [row for _, row in self.timeline.in_order(record)][: self.config.most_children]

    def _settings(self, names: Iterable[str], forced: dict[str, str]) -> TableConfig:
        known = set(names)
        rules = []
        for text in self.config.rules:
            try:
                Rule.parsed(text, sorted(known))
            except RecipeError:
                continue
            rules.append(text)
        return TableConfig(
            bins=self.config.bins,
            rare=self.config.rare,
            columns={
                **{name: kind for name, kind in self.config.columns.items() if name in known},
                **forced,
            },
            rules=tuple(rules),
            learn_rules=self.config.learn_rules,
        )

    def _fit_children(
        self, relation: Relation, names: Sequence[str], groups: Sequence[Sequence[list[str]]]
    ) -> None:
        """The children's table, of differences. A category's value that few parents have is
        grouped, however many rows it stands in.
        """
        header = Header(tuple(names), relation.child.dialect, relation.child.label)
        rows = [(number, cells) for number, group in enumerate(groups) for cells in group]
        if len(rows) > FIT_ROWS:
            rows = random.Random(0).sample(rows, FIT_ROWS)
        moved = {*self.timeline.offsets}
        moved |= set() if self.timeline.place is None else {self.timeline.place}
        forced = {
            names[place]: "integer"
            for place in moved
            if any(whole(cells[place]) is not None for _, cells in rows)
        }
        rare = min(self.config.rare, max(1, len(groups) // 50))
        masked = [list(cells) for _, cells in rows]
        for place, name in enumerate(names):
            cells_of = Counter(cells[place] for cells in masked)
            kind = forced.get(name) or self.config.columns.get(name)
            if (kind or kind_of(name, cells_of)[0]) not in ("category", "boolean"):
                continue
            owners: dict[str, set[int]] = {}
            for number, cells in rows:
                own = owners.setdefault(cells[place], set())
                if len(own) < rare:
                    own.add(number)
            hidden = {cell for cell, own in owners.items() if len(own) < rare}
            if len(hidden) < len(owners):
                for cells in masked:
                    cells[place] = RARE if cells[place] in hidden else cells[place]
        self.children = Side(self._settings(names, forced))
        if not masked:  # nobody has any
            masked = [[""] * len(names)]
        self.children.fit(Row(header, tuple(cells)) for cells in masked)
        self.children.without_rules_of({names[place] for place in moved})

    def _gap_is_empty(self, inner: Sequence[tuple[str, list[list[str]]]]) -> bool:
        """Whether a later child may have no moment."""
        place = self.timeline.place
        return place is not None and any(
            is_missing(row[place]) for _, rows in inner for row in rows[1:]
        )

    def _adopt(self, relation: Relation) -> None:
        """Slots, masks and grammar from what was fitted."""
        parents, children = self.parents.sizes, self.children.sizes
        self._relation = replace(relation, codec=self)
        self._gap = (
            None
            if self.timeline.place is None
            else self.children.slot(self.timeline.names[self.timeline.place])
        )
        begins = [1]  # of the slots' tokens, one after another
        for size in [*parents, self.most + 1, self.start.size if self.start else 0, *children]:
            begins.append(begins[-1] + size)
        ends = begins[1:]
        own, count, start = len(parents), len(parents), len(parents) + 1
        shared = [start + 1 + place for place in range(len(children))]
        # the first child has no row before it; where its moment is not learned, it is followed from
        self._first = [start] * (self.start is not None) + [
            shared[place] for place in range(len(children)) if place != self._gap
        ]
        self._later = shared
        order = [*range(own), count, *self._first, *self._later]
        self._slots = [(begins[slot], ends[slot]) for slot in order]
        self._end = begins[-1]
        masks = torch.zeros(len(order) + 1, self._end + 1, dtype=torch.bool)
        for place, (low, high) in enumerate(self._slots):
            masks[place, low:high] = True
        masks[own, begins[own] : begins[own] + self.least] = False
        if self._gap is not None and self._timed:
            column = self.children.learned[self._gap]
            none = [is_missing(column.decode(token, 0.5)) for token in range(column.size)]
            at = own + 1 + len(self._first) + self._gap
            low, high = self._slots[at]
            masks[at, low:high] = ~torch.tensor(none)
        masks[-1, self._end] = True
        self._least = masks[:-1].int().argmax(1).tolist()  # the first lawful token of each slot
        if self.most == 0 and not own:
            raise DataError(
                say("no column of the table varies, so there is nothing to learn"),
                relation.names[0],
                say("codec.columns.NAME=category says otherwise of a column"),
            )
        grammar = Nested(masks, own, len(self._first), len(self._later), (begins[count], self.most))
        length = own + 2 + (len(self._first) + (self.most - 1) * len(self._later)) * (self.most > 0)
        self._spec = Tokens(length, self._end + 1, 0, self._end, grammar)
        self._wide = wide_header(self)

    @property
    def spec(self) -> Tokens:
        if self._spec is None:
            raise SpecError(
                say("the table codec does not know its columns yet"),
                "codec",
                say("call fit(items) first"),
            )
        return self._spec

    @property
    def header(self) -> Header:
        """The columns of wide rows, by which records are compared (flat.py)."""
        return self._wide

    @property
    def relation(self) -> Relation:
        """That of the training data, with this codec."""
        return self._relation

    # Items to tensors -----------------------------------------------------------------------------

    def known(self, item: Record) -> Record:
        """The record with its columns in the order of the training data's. Raises DataError where
        one is missing.
        """
        own = self._relation
        if item.relation is own:
            return item
        link = item.relation.link
        return Record(
            own,
            Row(own.parent, tuple(self.parents.cells_of(item.parent))),
            [
                Row(
                    own.child,
                    tuple(
                        row.get(link) if name == own.link else _cell(row, name)
                        for name in own.child.names
                    ),
                )
                for row in item.children
            ],
        )

    def inner(self, item: Record) -> tuple[list[str], str, list[list[str]]]:
        """(the parent's cells; the first child's moment as a difference; cells of each child, with
        moments as differences).
        """
        record = self.known(item)
        start, rows = self.timeline.inner(record)
        return [cell or "" for cell in record.parent.cells], start, rows[: self.most]

    def encode(self, item: Record) -> Tensor:
        """Tokens (n,). Raises DataError for a record without one of the columns."""
        vocab = self.spec.vocab
        parent, start, rows = self.inner(item)
        ids = [0, *self._at(0, self.parents.tokens(parent))]
        count = len(self.parents.learned)
        ids += self._at(count, [len(rows)])
        for number, row in enumerate(rows):
            tokens = self.children.tokens(row)
            if number:
                ids += self._at(count + 1 + len(self._first), tokens)
                continue
            if self._gap is not None:
                del tokens[self._gap]
            if self.start is not None:
                tokens.insert(0, self.start.encode(start))
            ids += self._at(count + 1, tokens)
        ids.append(self._end)
        return torch.from_numpy(np.array(ids, np.uint16 if vocab <= _UINT16 else np.int32))

    @property
    def weighs(self) -> bool:
        """True, though every token counts: documents with weights are packed whole into rows
        (data/windows.py), and a history that is cut knows nothing of its parent.
        """
        return True

    def weigh(self, item: Record) -> Tensor | None:
        return None

    def _at(self, slot: int, tokens: Sequence[int]) -> list[int]:
        """Tokens of slots from `slot` on, as the vocabulary numbers them."""
        return [self._slots[slot + place][0] + token for place, token in enumerate(tokens)]

    def opening(self, prompt: Record) -> Tensor:
        """The parent's columns: what is drawn are its children."""
        parent, _, _ = self.inner(prompt)
        return torch.tensor([0, *self._at(0, self.parents.tokens(parent))])

    def decode(self, x: Tensor) -> Record:
        """A record of the training data's columns, from tokens (n,) with or without `begin`; what
        is no token of its slot becomes the nearest that is.
        """
        given = x.detach().cpu().flatten()
        if given.is_floating_point():
            given = torch.nan_to_num(given, 0.0, posinf=2**31, neginf=-(2**31))
        ids: list[int] = given.long().tolist()
        stream = iter(ids[1:] if ids and ids[0] == 0 else ids)
        count = len(self.parents.learned)
        tokens = self._taken(stream, 0, count)
        parent = self.parents.row_of(tokens)
        mixed = self.parents.hashed(tokens)
        children = self._taken(stream, count, 1)[0]
        start, rows = "", []
        least: list[str] = []  # of each child, the smallest difference that its token stands for
        for number in range(children):
            first = count + 1 if not number else count + 1 + len(self._first)
            own = self._taken(stream, first, len(self._later if number else self._first))
            if not number:
                if self.start is not None:
                    token = own.pop(0)
                    start = self.start.decode(token, _chance(mixed))
                    least.append(self.start.decode(token, 0.0))
                if self._gap is not None:
                    own.insert(self._gap, self.children.learned[self._gap].encode(""))
            elif self._gap is not None:
                least.append(self.children.learned[self._gap].decode(own[self._gap], 0.0))
            rows.append([cell or "" for cell in self.children.row_of(own, mixed).cells])
            mixed = self.children.hashed(own, mixed)
        return self._whole(parent, self.timeline.outer(parent, start, rows, least))

    def _taken(self, stream: Iterator[int], slot: int, count: int) -> list[int]:
        """The next tokens, each counted from its slot's first."""
        made = []
        for place in range(slot, slot + count):
            low, high = self._slots[place]
            token = max(next(stream, 0), self._least[place])
            made.append(min(token, high - 1) - low)
        return made

    def _whole(self, parent: Row, rows: Sequence[Sequence[str]]) -> Record:
        """The record with its key in every row."""
        own = self._relation
        key = parent.get(own.key)
        place = own.child.places[own.link]
        return Record(
            own,
            Row(own.parent, parent.cells),
            [Row(own.child, (*row[:place], key, *row[place:])) for row in rows],
        )

    # Items to files -------------------------------------------------------------------------------

    def collected(self, items: Sequence[Record]) -> Records:
        """Records as two tables: identifiers are numbered through each of them, the key in both."""
        own, number, made = self._relation, 0, []
        ours, theirs = (
            [column for column in side.columns if isinstance(column, Identifier)]
            for side in (self.parents, self.children)
        )
        for place, item in enumerate(items):
            cells = dict(zip(own.parent.names, item.parent.cells, strict=True))
            cells |= {column.name: column.made(place) for column in ours}
            children = []
            for row in item.children:
                known = dict(zip(own.child.names, row.cells, strict=True))
                known |= {column.name: column.made(number) for column in theirs}
                known[own.link] = cells[own.key]
                children.append(Row(own.child, tuple(known.values())))
                number += 1
            made.append(Record(own, Row(own.parent, tuple(cells.values())), children))
        return Records(made)

    def members(self, item: Record | Records) -> Sequence[Record]:
        return item.records if isinstance(item, Records) else [item]

    def write(
        self, item: Record | Records, path: Path, manifest: dict[str, Any] | None = None
    ) -> None:
        """One table of entities, by the ending; or two tables as one file, which belong together: a
        .zip of two files in the data's dialects, or a SQLite database. The manifest in a JSON file
        of the same name beside it.
        """
        records = self.members(item)
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        relation = records[0].relation
        files.write(path, relation, records, self._typed)

    def _typed(self, name: str) -> Callable[[str], Any]:
        """What makes of a cell the value that formats with types hold."""
        timed = self.timeline
        if name in timed.names:
            place = timed.names.index(name)
            scale = timed.scale if place == timed.place else timed.offsets.get(place)
            if scale is not None:
                return scale.typed()
        for side in (self.parents, self.children):
            if name in side.by_name:
                return side.by_name[name].typed()
        return str

    def preview(self, items: list[Record]) -> PIL.Image.Image:
        """The first children as a page; parents where there are none."""
        records = [record for item in items for record in self.members(item)]
        rows = [row for record in records for row in record.children]
        return page(rows or [record.parent for record in records])

    def units(self, item: Record) -> dict[str, int]:
        cells = sum(len(row.cells) for row in (item.parent, *item.children))
        return {"cell": cells, "row": 1 + len(item.children)}

    def labels(self, ids: Tensor) -> list[str]:
        """column=value for each token."""
        count = len(self.parents.learned)
        named = {}
        columns = [*self.parents.learned, None, *([self.start] if self.start else [])]
        columns += [one for place, one in enumerate(self.children.learned) if place != self._gap]
        columns += self.children.learned
        for place, (low, high) in enumerate(self._slots):
            column = columns[place]
            for token in range(low, high):
                named[token] = (
                    f"children={token - low}"
                    if place == count or column is None
                    else f"{column.name}={column.label(token - low)}"
                )
        named |= {0: "⟨begin⟩", self._end: "⟨end⟩"}
        return [named.get(token, str(token)) for token in ids.tolist()]

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._spec is None:
            return {}, {}
        own = self._relation
        return {
            "records": self.records,
            "key": own.key,
            "link": own.link,
            "names": list(own.names),
            "whole": None if own.whole is None else list(own.whole.names),
            "child": list(own.child.names),
            "parents": self.parents.state()[0],
            "children": self.children.state()[0],
            "start": None if self.start is None else self.start.state(),
            "timeline": self.timeline.state(),
            "counts": [self.least, self.most],
            "timed": self._timed,
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        if not state:
            return self
        try:
            self.records = int(state["records"])
            self.parents = Side().restore(state["parents"], {})
            self.children = Side().restore(state["children"], {})
            self.timeline = Timeline.restored(state["timeline"])
            start = state["start"]
            self.start = None if start is None else Binned.restored("start", "integer", start)
            self.least, self.most = (int(one) for one in state["counts"])
            self._timed = bool(state["timed"])
            parent, child = (
                Header(tuple(names), Dialect(*side["dialect"]), side["label"])
                for names, side in (
                    (self.parents.names, state["parents"]),
                    (state["child"], state["children"]),
                )
            )
            joined = state["whole"]
            relation = Relation(
                parent,
                child,
                state["key"],
                state["link"],
                (str(state["names"][0]), str(state["names"][1])),
                None if joined is None else replace(parent, names=tuple(joined)),
            )
            self._adopt(relation)
        except CastaliaError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                say("the columns of the run are damaged"), "codec.json", say("restore the file")
            ) from error
        return self


def _cell(row: Row, name: str) -> str | None:
    if name not in row.header.places:
        raise DataError(
            say("the row has no column '{0}'", name),
            ", ".join(row.header.names[:8]),
            say("give the columns that the run was trained on: {0}", name),
        )
    return row[name]


def _chance(mixed: int) -> float:
    """A number in [0, 1) for the first child's moment."""
    return zlib.crc32(b"start", mixed) / 2**32
