"""Imputation: the empty cells of rows drawn given all others, as often as asked for.

Each draw is a whole table, as multiple imputation asks for (Rubin 1987): what is uncertain differs
from draw to draw. What is given comes back as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from castalia.abilities import Infills
from castalia.errors import RecipeError
from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.columns.discrete import Derived
from castalia.modalities.table.row import Row, Table
from castalia.nn.counter_random import generators
from castalia.registry import require
from castalia.sampling.edit import FillTemperature, Infill, Metavar, Served, Tempered
from castalia.sentences import N_, say
from castalia.spec import Tokens

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.families.base import Family
    from castalia.modalities.table.codec import TableCodec

ROWS = 1024  # that are drawn together


class Impute(Infill):
    """See above; its name is "infill"."""

    class Options(Tempered):
        draws: Annotated[int, Metavar("N"), Served(16)] = Field(
            1, ge=1, le=1000, description=N_("infill: how many tables are drawn")
        )
        temperature: FillTemperature = 1.0
        fill: Annotated[tuple[str, ...], Metavar("COLUMN")] = Field(
            (),
            max_length=1000,
            description=N_("infill: of a table, only the gaps of this column"),
        )
        replace: Annotated[tuple[str, ...], Metavar("COLUMN")] = Field(
            (),
            max_length=1000,
            description=N_("infill: of a table, all cells of this column"),
        )

    title = say("infill")

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        return (
            issubclass(codec.native, Row)
            and isinstance(codec.spec, Tokens)
            and isinstance(model, Infills)
        )

    def results(self, inputs: int, options: Any) -> int:
        return int(options.draws)

    def work(self, codec: Codec[Any], items: Sequence[Any], options: Any) -> int:
        return len(items) * int(options.draws) * getattr(codec.spec, "length", 0)

    def run(
        self,
        model: Family,
        codec: Any,
        items: Sequence[Row],
        options: Any,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        """One table for each draw: all rows, gaps filled. Raises RecipeError where there is no
        gap.
        """
        if not issubclass(codec.native, Row):
            raise RecipeError(
                say("gaps are filled in rows of one table only"),
                where="edit infill",
                fix=say("train table/ar on that table"),
            )
        infiller = require(model, Infills, "infill")
        for name in (*options.fill, *options.replace):
            codec.column(name, "--fill, --replace")
        gaps = [_gaps(codec, item, options) for item in items]
        if not any(gaps):
            raise RecipeError(
                say("no cell is empty"),
                where="edit infill",
                fix=say("leave cells empty, or draw a column anew: --replace COLUMN"),
            )
        missing = codec.missing_tokens()
        tables = []
        for draw in range(options.draws):
            rows = list(items)
            places = [place for place, names in enumerate(gaps) if names]
            for start in range(0, len(places), ROWS):
                part = places[start : start + ROWS]
                pairs = [known(codec, items[place], gaps[place]) for place in part]
                x = torch.stack([one for one, _ in pairs])
                keep = torch.stack([one for _, one in pairs])
                rngs = generators(seed, draw * len(items) + part[0], part[-1] - part[0] + 1)
                chosen = [rngs[place - part[0]] for place in part]
                filled = infiller.infill(  # type: ignore[call-arg]
                    x.to(model.device),
                    keep.to(model.device),
                    chosen,
                    cond,
                    options.temperature,
                    barred=missing,
                ).cpu()
                for place, tokens in zip(part, filled, strict=True):
                    rows[place] = merged(codec, items[place], codec.decode(tokens), gaps[place])
            tables.append(Table(rows))
        return tables


def _gaps(codec: TableCodec, item: Row, options: Any) -> frozenset[str]:
    """Names of the columns that are to be drawn in a row. A column that is missing in every row of
    the training data has nothing to be filled with.
    """
    empty = {
        column.name
        for column in codec.columns
        if is_missing(item.get(column.name)) and (column.size > 1 or isinstance(column, Derived))
    }
    return frozenset(({*options.fill} & empty if options.fill else empty) | {*options.replace})


def known(codec: TableCodec, item: Row, gaps: frozenset[str]) -> tuple[Tensor, Tensor]:
    """(x, keep) of a row in which the columns of `gaps` are open. A column that others decide says
    what they are, where it is given and they are not.
    """
    cells = dict(zip(codec.names, codec.cells_of(item, whole=False), strict=True))
    for column in codec.columns:
        if isinstance(column, Derived) and column.name not in gaps and column.source in gaps:
            sources = [one for one, other in column.table.items() if other == cells[column.name]]
            if len(sources) == 1:
                cells[column.source] = sources[0]
                gaps = gaps - {column.source}
    row = Row(codec.header, tuple(cells[name] for name in codec.names))
    x = codec.encode(row).long()
    keep = torch.tensor([True, *(column.name not in gaps for column in codec.learned)])
    return x, keep


def merged(codec: TableCodec, item: Row, drawn: Row, gaps: frozenset[str]) -> Row:
    """The row with the drawn cells in its gaps, all others as they were; a drawn gap is never
    empty where the column has values.
    """
    return Row(
        item.header,
        tuple(
            drawn.get(name) if name in gaps else cell
            for name, cell in zip(item.header.names, item.cells, strict=True)
        ),
    )
