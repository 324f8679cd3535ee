"""The table codec: rows of CSV, Excel, Parquet, JSON lines and SQLite as tokens, or as numbers.

An item is a `Row`; a file of samples is one `Table`. `fit` finds the kind of each column
(columns/infer.py) and which columns others decide. Tokens: one for each learned column, in the
file's order, so a row has as many tokens as learned columns and no end; a number's token is its
quantile bin, and the value is drawn from the bin by a number made of the whole row, so that equal
rows are equal. Dense (codec.form=dense): numbers as normal scores, categories one-hot, as spans.
Nothing of identifiers and texts is learned: they are made anew when a table is put together.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia import atomic
from castalia.codecs.base import Codec, CodecConfig
from castalia.codecs.protocols import Question
from castalia.errors import CastaliaError, DataError, RecipeError, SpecError, meant
from castalia.modalities.table import files, prediction, text_detection
from castalia.modalities.table.columns import infer
from castalia.modalities.table.columns.base import Column, is_missing
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.discrete import Category, Constant, Derived
from castalia.modalities.table.columns.identifier import Identifier
from castalia.modalities.table.dense import DenseForm
from castalia.modalities.table.drawing import page
from castalia.modalities.table.grammar import Slots
from castalia.modalities.table.row import Cell, Dialect, Header, Row, Table, fair_draw, no_column
from castalia.modalities.table.rules import Rule, held, learned, mended, of_json, with_pairs
from castalia.sentences import say
from castalia.spec import Spec, Tokens

FIT_ROWS = 200_000  # rows that columns are fitted on: a fair draw of all
BYTES_A_PIECE = 16 << 10  # what counts as one item when kinds of data are compared
_UINT16 = 1 << 16


class TableConfig(CodecConfig):
    """Settings of `TableCodec`.

    form      "tokens": a token a column. "dense": a vector of numbers, for vae, gan and flow.
    bins      quantile bins of a column of numbers at most; fewer where rows are few.
    rare      values of a category in fewer training rows are grouped as "(rare)".
    columns   the kind of columns that is not to be inferred: {zip: category, customer: identifier}.
    rules     rules that every row keeps, beside those that are learned: "start <= end", "a + b ==
              c", "0 <= age <= 120", "a, b: seen" (only combinations of the data).
    learn_rules  look for such rules in the data, and keep those that hold in every row.
    target    the column that judges predict from the others; None: the last category.
    table     of a database file, which table.
    encoding  of text files, by Python's name. None: found by itself.
    """

    form: Literal["tokens", "dense"] = "tokens"
    bins: int = Field(default=100, ge=2, le=4096)
    rare: int = Field(default=2, ge=1, le=1_000_000)
    columns: dict[str, str] = Field(default_factory=dict)
    rules: tuple[Annotated[str, Field(max_length=400)], ...] = ()
    learn_rules: bool = True
    target: str | None = None
    table: str | None = None
    encoding: str | None = None


class TableCodec(Codec[Row]):
    """Rows to token ids (n,), uint16 up to 65,536 of them, else int32, or to float32 vectors."""

    name = "table"
    native = Row
    extensions: ClassVar[tuple[str, ...]] = files.EXTENSIONS
    formats: ClassVar[tuple[str, ...]] = tuple(one for one in files.WRITTEN if one != ".csv")
    adjustable: ClassVar[frozenset[str]] = frozenset({"encoding", "table", "target"})
    few: ClassVar[str] = say("give more rows")
    sidecar: ClassVar[str] = ".json"
    # whether a table of which nothing varies will do
    may_be_empty: ClassVar[bool] = False
    suffix = ".csv"
    Config = TableConfig

    def __init__(self, config: TableConfig | None = None) -> None:
        super().__init__(config or TableConfig())
        self.columns: list[Column] = []
        self.rules: list[Rule] = []
        self.rows = 0  # training rows that columns were fitted on
        self._header = Header(())
        self._spec: Spec | None = None
        self._dense: DenseForm | None = None

    # Files to items -------------------------------------------------------------------------------

    @classmethod
    def claims(cls, name: str) -> bool:
        return text_detection.claims(name)

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Whether the rows are a table, not texts or conversations."""
        return text_detection.is_table(path)

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // BYTES_A_PIECE)

    def is_container(self, path: Path) -> bool:
        return True

    def read(self, path: Path) -> Iterator[Row]:
        return files.read(path, self.config.encoding, self.config.table)

    def contents(self, path: Path) -> Iterator[bytes]:
        return (row.content for row in self.read(path))

    def describe(self, item: Row) -> str:
        return item.header.label

    # Fitting --------------------------------------------------------------------------------------

    def fit(self, items: Iterable[Row]) -> None:
        """Kinds, bins and rules from a fair draw of at most FIT_ROWS rows. Raises DataError without
        rows, and where rows have other columns than the first.
        """
        rows, header, count = _drawn(items)
        if header is None:
            raise DataError(
                say("there is no row to learn the columns from"), "codec", say("add rows")
            )
        self._check_names(header)
        self.rows = count
        columns = [
            infer.column_of(
                name,
                Counter(row[place] for row in rows),
                self.config.columns.get(name),
                bins=self.config.bins,
                rare=min(self.config.rare, max(1, len(rows) // 50)),
            )
            for place, name in enumerate(header.names)
        ]
        rules = infer.decided(columns, rows)
        columns = [rules.get(column.name, column) for column in columns]
        self._adopt(columns, header)
        declared = [
            with_pairs(Rule.parsed(text, self.names), self.names, rows)
            for text in self.config.rules
        ]
        found = learned(self.columns, rows) if self.config.learn_rules else []
        self._know([*declared, *(rule for rule in found if rule not in declared)])
        for rule in declared:
            broken = sum(
                not held([rule], dict(zip(self.names, row, strict=True)), self)
                for row in rows[:2000]
            )
            if broken > len(rows[:2000]) // 2:
                raise RecipeError(
                    say("most rows of the data break the rule '{0}'", rule.text),
                    where="codec.rules",
                    fix=say("mend the rule, or leave it out"),
                )

    def _know(self, rules: list[Rule]) -> None:
        """Rows that are decoded from now on know what their cells mean."""
        self.rules = rules
        target = self.target
        self._header = replace(
            self._header,
            columns=tuple(self.columns),
            target=None if target is None else target.name,
            rules=tuple(rules),
        )

    def _check_names(self, header: Header) -> None:
        wanted = {"codec.columns": list(self.config.columns)}
        if self.config.target is not None:
            wanted["codec.target"] = [self.config.target]
        for where, names in wanted.items():
            for name in names:
                if name not in header.places:
                    raise no_column(name, header.names, where)

    def _adopt(self, columns: list[Column], header: Header) -> None:
        self.columns = columns
        self._header = Header(header.names, header.dialect, header.label)
        self.by_name = {column.name: column for column in columns}
        self.learned = [column for column in columns if column.size > 1]
        self._order = {column.name: place for place, column in enumerate(self.learned)}
        self._salts = [
            zlib.crc32(f"{place} {column.name}".encode()) for place, column in enumerate(columns)
        ]
        if not self.learned and not self.may_be_empty:
            raise DataError(
                say("no column of the table varies, so there is nothing to learn"),
                ", ".join(f"{column.name}: {column.kind}" for column in columns[:6]),
                say("codec.columns.NAME=category says otherwise of a column"),
            )
        # of each column: which learned cell it is (or is decided by), and what else it is made of
        self._layout: list[tuple[int, Column | None, int]] = [
            (self._order[column.name], None, 0)
            if column.name in self._order
            else (self._order[column.source], column, salt)
            if isinstance(column, Derived) and column.source in self._order
            else (0, column, salt)
            for column, salt in zip(columns, self._salts, strict=True)
        ]
        if self.config.form == "dense":
            self._dense = DenseForm(self.learned)
            self._spec = self._dense.spec
            return
        self._slots = Slots([column.size for column in self.learned])
        self._limits = list(pairwise(self._slots.starts))
        self._packed = struct.Struct(f"<{len(self.learned)}i")
        self._values = [
            column.values if isinstance(column, Category) else None for column in self.learned
        ]
        width = len(self.learned)
        if not width:
            return
        self._spec = Tokens(width, self._slots.slots.shape[1], 0, None, self._slots, width)

    # Names and columns ----------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        return self._header.names

    @property
    def header(self) -> Header:
        """The training data's columns and dialect."""
        return self._header

    @property
    def spec(self) -> Spec:
        if self._spec is None:
            raise SpecError(
                say("the table codec does not know its columns yet"),
                "codec",
                say("call fit(items) first"),
            )
        return self._spec

    @property
    def target(self) -> Column | None:
        """The column that judges predict: the recipe's, else the last category of few values."""
        if self.config.target is not None:
            return self.by_name.get(self.config.target)
        few = [
            column
            for column in self.learned
            if isinstance(column, Category) and 2 <= column.size <= 20
        ]
        return few[-1] if few else None

    def column(self, name: str, where: str) -> Column:
        """A column by name. Raises RecipeError where there is none."""
        if name not in self.by_name:
            raise no_column(name, self.names, where)
        return self.by_name[name]

    def slot(self, name: str) -> int | None:
        """The slot of a learned column; None of one that is not learned."""
        return self._order.get(name)

    def token_range(self, slot: int) -> tuple[int, int]:
        """First and one past the last token of a slot."""
        return self._slots.starts[slot], self._slots.starts[slot + 1]

    def missing_tokens(self) -> Tensor:
        """(V,) bool: tokens that say that there is no value, of columns that have values, too."""
        barred = torch.zeros(self._slots.starts[-1], dtype=torch.bool)
        for (start, stop), column in zip(self._limits, self.learned, strict=True):
            empty = [is_missing(column.decode(token, 0.5)) for token in range(stop - start)]
            if not all(empty):
                barred[start:stop] = torch.tensor(empty)
        return barred

    def cells_of(self, item: Row, *, whole: bool = True) -> list[Cell]:
        """The cells in the order of the training data's columns. Raises DataError where a column is
        missing and `whole`.
        """
        if item.header.names == self.names:
            return list(item.cells)
        missing = [name for name in self.names if name not in item.header.places]
        if missing and whole:
            raise DataError(
                say("the row has no column '{0}'", missing[0]),
                ", ".join(item.header.names[:8]),
                say(
                    "give the columns that the run was trained on: {0}", ", ".join(self.names[:12])
                ),
            )
        return [item.get(name) for name in self.names]

    # Items to tensors -----------------------------------------------------------------------------

    def encode(self, item: Row) -> Tensor:
        """Tokens (1 + learned columns,), or a vector. Raises DataError for a row without one of the
        columns.
        """
        spec = self.spec
        cells = self.cells_of(item)
        texts = ["" if cell is None else cell for cell in cells]
        if self._dense is not None:
            return self._dense.encode(
                [text for text, column in zip(texts, self.columns, strict=True) if column.size > 1]
            )
        return torch.from_numpy(
            np.array(
                [0, *self._tokens_of(texts)],
                dtype=np.uint16 if getattr(spec, "vocab", 0) <= _UINT16 else np.int32,
            )
        )

    def _tokens_of(self, texts: Sequence[str]) -> list[int]:
        tokens, start = [], 1
        for text, column in zip(texts, self.columns, strict=True):
            if column.size > 1:
                tokens.append(start + column.encode(text))
                start += column.size
        return tokens

    def decode(self, x: Tensor) -> Row:
        """A row of the training data's columns and dialect, from tokens (n,) with or without
        `begin`, or a vector; what is no token of its slot becomes the nearest that is.
        """
        if self._dense is not None:
            texts = self._dense.decode(x)
            return self._completed(texts, zlib.crc32("\x1f".join(texts).encode()))
        given = x.detach().cpu().flatten()
        if given.is_floating_point():
            given = torch.nan_to_num(given, 0.0, posinf=2**31, neginf=-(2**31))
        ids: list[int] = given.tolist() if given.dtype == torch.int64 else given.long().tolist()
        if ids and ids[0] == 0:
            ids = ids[1:]
        if len(ids) < len(self._limits):
            ids += [0] * (len(self._limits) - len(ids))
        return self.row_of(
            [
                token - start if start <= token < stop else 0 if token < start else stop - start - 1
                for token, (start, stop) in zip(ids, self._limits, strict=False)
            ]
        )

    def row_of(self, tokens: Sequence[int], before: int = 0) -> Row:
        """The row of one token for each learned column, each counted from its slot's first. before:
        a hash of what the row stands behind, where equal rows may differ.
        """
        mixed = zlib.crc32(self._packed.pack(*tokens), before)
        texts = [
            column.decode(token, _chance(mixed, place)) if values is None else values[token]
            for place, (token, column, values) in enumerate(
                zip(tokens, self.learned, self._values, strict=True)
            )
        ]
        return self._completed(texts, mixed)

    def _completed(self, texts: Sequence[str], mixed: int) -> Row:
        """The row whose learned cells are `texts`, with the columns that are not learned."""
        if not self.rules:
            return Row(
                self._header,
                tuple(
                    [
                        texts[place]
                        if column is None
                        else column.of(texts[place])
                        if isinstance(column, Derived)
                        else column.decode(0, _chance(mixed, salt))
                        for place, column, salt in self._layout
                    ]
                ),
            )
        known = {
            name: texts[place]
            if column is None
            else column.of(texts[place])
            if isinstance(column, Derived)
            else column.decode(0, _chance(mixed, salt))
            for name, (place, column, salt) in zip(self.names, self._layout, strict=True)
        }
        known = mended(self.rules, known, self)
        for column in self.columns:  # what others decide follows what was mended
            if isinstance(column, Derived):
                known[column.name] = column.of(known[column.source])
        return Row(self._header, tuple(known[name] for name in self.names))

    def partial(self, given: Mapping[str, str]) -> tuple[Tensor, Tensor]:
        """(x (T,) int64, keep (T,) bool): a row of which only the given cells are known. What a
        column that others decide is given is looked up in the column that decides. Raises
        RecipeError for a column that there is not, and for a value that it never has.
        """
        spec = self.spec
        if not isinstance(spec, Tokens):
            raise SpecError(
                say("only tokens can be given in part"),
                "codec.form=dense",
                say("train table/ar"),
            )
        known = self._deciding(given)
        x, keep = torch.zeros(spec.length + 1, dtype=torch.int64), [True]
        start = 1
        for place, column in enumerate(self.learned, 1):
            keep.append(column.name in known)
            cell = known.get(column.name)
            x[place] = start + (0 if cell is None else column.encode(cell))
            start += column.size
        return x, torch.tensor(keep)

    def _deciding(self, given: Mapping[str, str]) -> dict[str, str]:
        known: dict[str, str] = {}
        for name, cell in given.items():
            column = self.column(name, "--given")
            if isinstance(column, Derived):
                sources = [one for one, other in column.table.items() if other == cell]
                if len(sources) != 1:
                    raise RecipeError(
                        say("'{0}' follows from '{1}', so it cannot be given", name, column.source),
                        where=f"{name}={cell}",
                        fix=say("give {0}", column.source),
                    )
                known[column.source] = sources[0]
            elif isinstance(column, Category) and not column.knows(cell):
                raise RecipeError(
                    say("the column '{0}' has no value '{1}'", name, cell[:60]),
                    where=f"--given {name}={cell[:60]}",
                    fix=say(
                        "{0}one of: {1}",
                        meant(cell, column.values),
                        ", ".join(column.values[:20]),
                    ),
                )
            elif (
                isinstance(column, Binned)
                and cell not in column.specials
                and (column.value(cell) is None)
            ):
                raise RecipeError(
                    say("the column '{0}' holds numbers or moments, and this is none", name),
                    where=f"--given {name}={cell[:60]}",
                    fix=say("write it as the data do: {0}", column.at_quantile(0.5)),
                )
            elif column.size > 1:
                known[name] = cell
            elif isinstance(column, Constant) and cell != column.constant:
                raise RecipeError(
                    say("the column '{0}' is always '{1}'", name, column.constant),
                    where=f"--given {name}={cell[:60]}",
                    fix=say("leave it out"),
                )
            elif not isinstance(column, Constant):
                raise RecipeError(
                    say("nothing of the column '{0}' is learned ({1})", name, column.kind),
                    where=f"--given {name}={cell[:60]}",
                    fix=say("leave it out; codec.columns.{0}=category would learn it", name),
                )
        return known

    def with_given(self, item: Row, given: Mapping[str, str]) -> Row:
        """The row with the given cells written as they were given."""
        return Row(
            item.header,
            tuple(
                given.get(name, cell)
                for name, cell in zip(item.header.names, item.cells, strict=True)
            ),
        )

    # Predictions ----------------------------------------------------------------------------------

    def question(self, items: Sequence[Row], name: str) -> Question:
        return prediction.question(self, items, name)

    def answer(
        self, items: Sequence[Row], name: str, probabilities: Tensor
    ) -> tuple[list[Row], dict[str, float]]:
        return prediction.answer(self, items, name, probabilities)

    def rated(self, items: Sequence[Row], nats: Tensor) -> list[Row]:
        return prediction.rated(items, nats)

    # Items to files -------------------------------------------------------------------------------

    def collected(self, items: Sequence[Row]) -> Table:
        """Rows as one table: identifiers are numbered through it, and columns whose values never
        repeat in the data do not repeat here.
        """
        made: list[Row] = []
        fresh = [
            (place, column)
            for place, column in enumerate(self.columns)
            if isinstance(column, Identifier)
        ]
        for number, item in enumerate(items):
            cells = list(item.cells)
            for place, column in fresh:
                cells[place] = column.made(number)
            made.append(Row(item.header, tuple(cells)))
        return Table(made)

    def members(self, item: Row | Table) -> Sequence[Row]:
        return item.rows if isinstance(item, Table) else [item]

    def write(self, item: Row | Table, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """A row, or a whole table, as CSV in the data's dialect, or what the ending says; the
        manifest in a JSON file of the same name beside it.
        """
        rows = [item] if isinstance(item, Row) else item.rows
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        header = rows[0].header
        typed: list[Callable[[str], Any]] = [
            self.by_name[name].typed() if self.columns and name in self.by_name else str
            for name in header.names
        ]
        files.write(path, header, (row.cells for row in rows), typed)

    def preview(self, items: list[Row]) -> PIL.Image.Image:
        """The first rows as a page."""
        rows = [row for item in items for row in (item if isinstance(item, Table) else [item])]
        return page(rows)

    def units(self, item: Row) -> dict[str, int]:
        return {"cell": len(item.cells), "row": 1}

    def labels(self, ids: Tensor) -> list[str]:
        """column=value for each token."""
        words = []
        for token in ids.tolist():
            slot = int(np.searchsorted(self._slots.starts, token, side="right")) - 1
            if 0 <= slot < len(self.learned):
                column = self.learned[slot]
                words.append(f"{column.name}={column.label(token - self._slots.starts[slot])}")
            else:
                words.append("⟨begin⟩")
        return words

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if not self.columns:
            return {}, {}
        return {
            "rows": self.rows,
            "label": self._header.label,
            "dialect": self._header.dialect.to_json(),
            "columns": [
                {
                    "name": column.name,
                    "kind": column.kind,
                    "sort": column.sort,
                    "state": column.state(),
                }
                for column in self.columns
            ],
            "rules": [rule.to_json() for rule in self.rules],
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        if not state:
            return self
        try:
            columns = infer.restored(state["columns"])
            header = Header(
                tuple(column.name for column in columns), Dialect(*state["dialect"]), state["label"]
            )
            self.rows = int(state["rows"])
            self._adopt(columns, header)
            self._know([of_json(one) for one in state["rules"]])
        except CastaliaError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                say("the columns of the run are damaged"), "codec.json", say("restore the file")
            ) from error
        return self


def _drawn(items: Iterable[Row]) -> tuple[list[list[str]], Header | None, int]:
    """(cells of at most FIT_ROWS rows, every row as likely (Vitter 1985, algorithm R); the header
    of the first; how many there were).
    """
    kept, count = fair_draw(_alike(items), FIT_ROWS)
    texts = [["" if cell is None else cell for cell in row.cells] for row in kept]
    return texts, kept[0].header if kept else None, count


def _alike(items: Iterable[Row]) -> Iterator[Row]:
    """Rows under the header of the first."""
    header: Header | None = None
    for item in items:
        header = header or item.header
        if item.header.names != header.names:
            item = _aligned(item, header)
        yield item if item.header is header else Row(header, item.cells)


def _aligned(item: Row, header: Header) -> Row:
    """A row of another file with the first one's columns. Raises DataError where one is missing."""
    for name in header.names:
        if name not in item.header.places:
            raise DataError(
                say("the files have different columns: one has no '{0}'", name),
                ", ".join(item.header.names[:8]),
                say("give files of one table, or name one file"),
            )
    return Row(header, tuple(item[name] for name in header.names))


def _chance(mixed: int, salt: int) -> float:
    """A number in [0, 1) made of a row and a column."""
    return zlib.crc32(salt.to_bytes(4, "little"), mixed) / 2**32
