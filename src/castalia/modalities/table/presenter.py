"""Rows on pages: as tables, numbers to the right; what differs is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from castalia.language import Voice
from castalia.modalities.table.related.record import Record, Records
from castalia.modalities.table.row import Cell, Table
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn

MOST_ROWS, MOST_COLUMNS, LONGEST = 20, 24, 40


class RowPresenter(Drawn):
    """See Presenter."""

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        rows = [
            row for item in items for row in (item if isinstance(item, Table | Records) else [item])
        ]
        if not rows:
            return Html("")
        if isinstance(rows[0], Record):
            return _records(rows)
        return _table(rows[0].header.names, [row.cells for row in rows[:MOST_ROWS]], len(rows))

    def item(self, item: Any, voice: Voice) -> Html | None:
        return self.items([item], voice)

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        if isinstance(one, Record):
            return _records([one]), _records([other])
        return (
            _upright(one.header.names, one.cells, other.cells),
            _upright(other.header.names, other.cells, one.cells),
        )

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        if "names" not in evidence:  # histories are compared token by token
            return super().evidence(evidence, names, voice)
        columns = evidence["names"]
        sides = [
            _upright(columns, evidence[side], evidence[other])
            for side, other in (("sample", "train"), ("train", "sample"))
        ]
        words = voice.say("{0} of {1} columns differ", evidence["differ"], len(columns))
        return html.block("pair", sides) + html.measure(words)


def _records(records: Sequence[Record]) -> Html:
    """Parents, and below them their children."""
    children = [row for record in records for row in record.children]
    made = [(records[0].relation.parent.names, [record.parent for record in records])]
    made += [(records[0].relation.child.names, children)] if children else []
    return Html().join(
        _table(names, [row.cells for row in rows[:MOST_ROWS]], len(rows)) for names, rows in made
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[Cell]], total: int) -> Html:
    head = Html().join(Html("<th>{}</th>").format(_cut(name)) for name in names[:MOST_COLUMNS])
    more = Html("<th>…</th>") if len(names) > MOST_COLUMNS else Html("")
    body = Html().join(
        Html("<tr>{}</tr>").format(Html().join(map(_cell, cells[:MOST_COLUMNS]))) for cells in rows
    )
    rest = Html('<p class="measure">… {}</p>').format(f"{total:,}") if total > len(rows) else ""
    return Html('<div class="scroll"><table class="plain"><tr>{}{}</tr>{}</table></div>{}').format(
        head, more, body, rest
    )


def _upright(names: Sequence[str], cells: Sequence[Cell], other: Sequence[Cell]) -> Html:
    """A row as a list of names and cells, those that differ from the other row's marked."""
    lines = [
        Html("<tr><th>{}</th>{}</tr>").format(
            _cut(name), _cell(cell) if cell == theirs else _cell(cell, marked=True)
        )
        for name, cell, theirs in zip(names, cells, other, strict=False)
    ]
    return Html('<div class="scroll"><table class="plain">{}</table></div>').format(
        Html().join(lines)
    )


def _cell(cell: Cell, marked: bool = False) -> Html:
    text = _cut(cell or "")
    shown = Html("<mark>{}</mark>").format(text) if marked else text
    numeric = text.replace(".", "").replace(",", "").replace("-", "").isdigit()
    return Html('<td class="number">{}</td>' if numeric else "<td>{}</td>").format(shown)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
