"""The codec of histories: what one customer, reader or machine did, item after item.

    begin, item, item, ..., end

From one table with a row for each event. A token is an item, so a model of tokens that reads from
left to right says what comes next. The moments order the events and are not learned. Items that few
histories hold have no token: they are left out, counted and said. Not here: other columns of the
rows (related/codec.py learns all of them), what is suggested to whom (apps/recommend).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia import atomic
from castalia.codecs.base import Codec, CodecConfig
from castalia.errors import DataError, RecipeError, SpecError
from castalia.modalities.table import files
from castalia.modalities.table.codec import BYTES_A_PIECE, TableCodec
from castalia.modalities.table.drawing import page
from castalia.modalities.table.history.history import Histories, History
from castalia.modalities.table.row import Dialect, Header, Row, fair_draw, no_column
from castalia.omissions import Omission, omit
from castalia.sentences import say
from castalia.spec import Tokens
from castalia.text_files import cells as reading

FIT_HISTORIES = 200_000  # a fair draw of all
_UINT16 = 1 << 16


class HistoryConfig(CodecConfig):
    """Settings of `HistoryCodec`.

    entity  the column that says whom a row is about. item: the column of what is learned. order:
            the column of moments, or of numbers that grow; None: the order of the file.
    rare    items that fewer histories hold have no token. most_items: tokens, the commonest items.
    length  items that the model sees at once.
    table, encoding  as of a single table (table/codec.py).
    """

    entity: str | None = None
    item: str | None = None
    order: str | None = None
    rare: int = Field(default=5, ge=1, le=1_000_000)
    most_items: int = Field(default=20_000, ge=1, le=1_000_000)
    length: int = Field(default=100, ge=2, le=10_000)
    table: str | None = None
    encoding: str | None = None


class HistoryCodec(Codec[History]):
    """Histories to token ids (n,), uint16 up to 65,536 of them, else int32."""

    name = "history"
    modality: ClassVar[str] = "table"
    native = History
    extensions: ClassVar[tuple[str, ...]] = TableCodec.extensions
    formats: ClassVar[tuple[str, ...]] = files.WRITTEN
    adjustable: ClassVar[frozenset[str]] = frozenset({"encoding", "table"})
    few: ClassVar[str] = say("give more histories")
    sidecar: ClassVar[str] = ".json"
    Config = HistoryConfig

    def __init__(self, config: HistoryConfig | None = None) -> None:
        super().__init__(config or HistoryConfig())
        self.items: list[str] = []  # token t stands for items[t - 1]
        self._tokens: dict[str, int] = {}
        self._header: Header | None = None

    # Files to items -------------------------------------------------------------------------------

    @classmethod
    def claims(cls, name: str) -> bool:
        return TableCodec.claims(name)

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Only a recipe says that rows are histories."""
        return False

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // BYTES_A_PIECE)

    @property
    def suffix(self) -> str:
        return ".csv"

    def is_container(self, path: Path) -> bool:
        return True

    def read(self, path: Path) -> Iterator[History]:
        """The histories of a file, in the order of their first rows."""
        config = self.config
        if config.entity is None or config.item is None:
            raise RecipeError(
                say("nothing says what the histories are"),
                "codec.entity, codec.item",
                say("codec.entity=COLUMN, whom a row is about; codec.item=COLUMN, what is learned"),
            )
        header: Header | None = None
        events: list[tuple[str, str, str]] = []
        empty = 0
        for row in files.read(path, config.encoding, config.table):
            if header is None:
                for name in (config.entity, config.item, *([config.order] if config.order else [])):
                    if name not in row.header.places:
                        raise no_column(name, row.header.names, "codec")
                header = Header((config.entity, config.item), row.header.dialect, row.header.label)
            who, what = (row.get(config.entity) or "").strip(), (row.get(config.item) or "").strip()
            if not who or not what:
                empty += 1
                continue
            events.append((who, what, (row.get(config.order) or "") if config.order else ""))
        if empty:
            omit(
                say("rows of nobody, or without an item"),
                empty,
                example=path.name,
                remedy=say("fill the columns '{0}' and '{1}'", config.entity, config.item),
            )
        if header is None or not events:
            raise DataError(say("the table is empty"), path.name, say("add rows"))
        if config.order:
            moments = _moments([moment for _, _, moment in events], path, config.order)
            events = [events[place] for place in np.argsort(moments, kind="stable")]
        groups: dict[str, list[Row]] = {}
        for who, what, _ in events:
            groups.setdefault(who, []).append(Row(header, (who, what)))
        for rows in groups.values():
            yield History(rows)

    def contents(self, path: Path) -> Iterator[bytes]:
        return (history.content for history in self.read(path))

    def describe(self, item: History) -> str:
        return item.header.label

    def omitted(self, item: History) -> Iterable[Omission]:
        rare = sum(cell not in self._tokens for cell in item.items) if self.items else 0
        if rare:
            yield Omission(
                say("events with items that fewer than {0} histories hold", self.config.rare),
                rare,
                "",
                say("codec.rare=N learns rarer ones"),
            )

    # Fitting --------------------------------------------------------------------------------------

    def fit(self, items: Iterable[History]) -> None:
        """The items that have a token: commonest first, from a fair draw of FIT_HISTORIES. Raises
        DataError where there is none.
        """
        holders: Counter[str] = Counter()
        header: Header | None = None
        for history in fair_draw(items, FIT_HISTORIES)[0]:
            header = header or history.header
            holders.update(set(history.items))
        known = sorted(
            (name for name, count in holders.items() if count >= self.config.rare),
            key=lambda name: (-holders[name], name),
        )[: self.config.most_items]
        if header is None or len(known) < 2:
            raise DataError(
                say("fewer than two items stand in {0} histories or more", self.config.rare),
                "codec",
                say("give more events, or codec.rare=1"),
            )
        self._adopt(known, header)

    def _adopt(self, known: Sequence[str], header: Header) -> None:
        self.items, self._header = list(known), header
        self._tokens = {name: place + 1 for place, name in enumerate(self.items)}

    @property
    def spec(self) -> Tokens:
        if self._header is None:
            raise SpecError(
                say("the table codec does not know its columns yet"),
                "codec",
                say("call fit(items) first"),
            )
        end = len(self.items) + 1
        return Tokens(self.config.length, end + 1, 0, end)

    # Items to tensors -----------------------------------------------------------------------------

    def tokens(self, items: Iterable[str]) -> list[int]:
        """The tokens of those items that have one."""
        return [self._tokens[name] for name in items if name in self._tokens]

    def encode(self, item: History) -> Tensor:
        spec = self.spec
        ids = [spec.begin, *self.tokens(item.items), spec.end]
        return torch.from_numpy(np.array(ids, np.uint16 if spec.vocab <= _UINT16 else np.int32))

    def decode(self, x: Tensor) -> History:
        """A history of nobody yet (`collected` numbers them); what is no item is skipped."""
        spec, header = self.spec, self._header
        assert header is not None  # `spec` has looked
        given = x.detach().cpu().flatten()
        if given.is_floating_point():
            given = torch.nan_to_num(given, 0.0, posinf=2**31, neginf=-(2**31))
        rows = []
        for token in given.long().tolist():
            if token == spec.end:
                break
            if 0 < token < spec.vocab - 1:
                rows.append(Row(header, ("", self.items[token - 1])))
        return History(rows, header)

    # Items to files -------------------------------------------------------------------------------

    def collected(self, items: Sequence[History]) -> Histories:
        """Histories as one table: whoever has no name is numbered."""
        return Histories([one.of(str(place + 1)) for place, one in enumerate(items)])

    def members(self, item: History | Histories) -> Sequence[History]:
        return item.histories if isinstance(item, Histories) else [item]

    def write(
        self, item: History | Histories, path: Path, manifest: dict[str, Any] | None = None
    ) -> None:
        """One table of events in their order, by the ending; the manifest in a JSON file of the
        same name beside it.
        """
        made = self.collected(self.members(item))
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        header = self._header or made.header
        rows = [row.cells for one in made.histories for row in one]
        files.write(path, header, rows, [str] * len(header.names))

    def preview(self, items: list[History]) -> PIL.Image.Image:
        return page([row for item in items for one in self.members(item) for row in one])

    def units(self, item: History) -> dict[str, int]:
        return {"row": len(item)}

    def labels(self, ids: Tensor) -> list[str]:
        marks = {self.spec.begin: "⟨begin⟩", self.spec.end: "⟨end⟩"}
        return [
            marks.get(one, self.items[one - 1] if 0 < one <= len(self.items) else str(one))
            for one in ids.tolist()
        ]

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._header is None:
            return {}, {}
        return {
            "items": self.items,
            "names": list(self._header.names),
            "label": self._header.label,
            "dialect": self._header.dialect.to_json(),
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        if not state:
            return self
        try:
            header = Header(tuple(state["names"]), Dialect(*state["dialect"]), state["label"])
            self._adopt([str(name) for name in state["items"]], header)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                say("the columns of the run are damaged"), "codec.json", say("restore the file")
            ) from error
        return self


def _moments(cells: Sequence[str], path: Path, column: str) -> np.ndarray:
    """(n,) what orders the events: numbers, else dates. Raises DataError for a cell that is
    neither.
    """
    numbers = reading.numbers(cells)
    if numbers.wrong is None and not np.isnan(numbers.values).any():
        return np.array(numbers.values)
    found, _ = reading.moments(cells)
    if None in found:
        raise DataError(
            say("a cell of the column '{0}' is no date", column),
            f"{path.name}: {cells[found.index(None)][:40]}",
            say("write dates such as 2024-03-31"),
        )
    return np.array(found, dtype="datetime64[us]")
