"""Join two tables to records: which column names a parent, and what is left without a partner.

The key is found by what stands in the columns, and by their names where several would do: a column
of the parent's table that is different in every row, and one of the child's whose values are among
these. What has no partner is counted and said: children whose key no parent has, parents of a key
that stands already, rows without a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from castalia.errors import DataError
from castalia.modalities.table.columns.base import is_missing
from castalia.modalities.table.row import Cell, Header, Row, no_column
from castalia.omissions import omit
from castalia.sentences import say

UNIQUE = 0.9  # different values among a key's cells, at least
KNOWN = 0.5  # share of a child's keys that parents have
SAME_NAME = 1.0  # what a name in common counts beside the share of known keys
Cells = Sequence[tuple[Cell, ...]]


class Part(NamedTuple):
    """One table: its name without ending, its columns, its rows."""

    name: str
    header: Header
    rows: Cells

    def column(self, name: str) -> list[str]:
        place = self.header.places[name]
        return [key_of(row[place]) for row in self.rows]


def key_of(cell: Cell) -> str:
    """A key as it is compared; "" for none."""
    return "" if is_missing(cell) else (cell or "").strip()


def link_of(parent: Part, child: Part, wanted: str | None) -> tuple[str, str]:
    """(column of the parent's table, column of the child's) by which they hang together. wanted:
    "NAME", or "PARENT'S=CHILD'S". Raises RecipeError for names that are not there, DataError where
    nothing fits.
    """
    if wanted is not None:
        one, _, other = (part.strip() for part in wanted.partition("="))
        names = (one, other or one)
        for name, part in zip(names, (parent, child), strict=True):
            if name not in part.header.places:
                raise no_column(name, part.header.names, f"codec.key: {part.name}")
        return names
    best: tuple[float, str, str] | None = None
    theirs = {name: set(child.column(name)) - {""} for name in child.header.names}
    for one in parent.header.names:
        keys = [key for key in parent.column(one) if key]
        known = set(keys)
        if not known or len(known) < UNIQUE * len(keys):
            continue
        for other, values in theirs.items():
            share = len(values & known) / max(1, len(values))
            if share < KNOWN:
                continue
            score = share + SAME_NAME * _alike(one, other, parent.name)
            if best is None or score > best[0]:
                best = (score, one, other)
    if best is None:
        raise DataError(
            say("no column of '{0}' holds keys of '{1}'", child.name, parent.name),
            f"{', '.join(parent.header.names[:8])} | {', '.join(child.header.names[:8])}",
            say(
                "name the columns: codec.key=NAME, or codec.key=PARENT_COLUMN=CHILD_COLUMN; "
                "each row of the first table needs a key of its own"
            ),
        )
    return best[1], best[2]


def _alike(one: str, other: str, table: str) -> float:
    """1 for the same name, or "id" beside "customer_id"; else 0."""
    first, second = (name.lower().replace("_", "").replace(" ", "") for name in (one, other))
    bare = table.lower().rstrip("s").replace("_", "")
    return float(first == second or second == bare + first or second == first + bare)


def grouped(parent: Part, child: Part, key: str, link: str) -> Iterator[tuple[Row, list[Row]]]:
    """(row of the parent's table, its children in the order of their file). Counts what is left
    out.
    """
    children: dict[str, list[Row]] = {}
    keys = child.column(link)
    for row, own in zip(child.rows, keys, strict=True):
        children.setdefault(own, []).append(Row(child.header, row))
    nobody = children.pop("", [])
    if nobody:
        omit(
            say("rows of the children's table without a key"),
            len(nobody),
            example=child.name,
            remedy=say("fill the column '{0}'", link),
        )
    parents = parent.column(key)
    seen: set[str] = set()
    counts = Counter(parents)
    for row, own in zip(parent.rows, parents, strict=True):
        if not own:
            omit(
                say("parents without a key"),
                example=parent.name,
                remedy=say("fill the column '{0}'", key),
            )
        elif own in seen:
            omit(
                say("parents whose key another one has already; the first has the children"),
                example=f"{parent.name}: {key}={own} ({counts[own]})",
                remedy=say("give each parent a key of its own"),
            )
        else:
            seen.add(own)
            yield Row(parent.header, row), children.pop(own, [])
    if children:
        lost = sum(map(len, children.values()))
        omit(
            say("children whose key no parent has"),
            lost,
            example=f"{child.name}: {link}={next(iter(children))}",
            remedy=say("add their parents, or take the children out"),
        )


def by_entity(table: Part, entity: str) -> tuple[Header, Header, list[tuple[Row, list[Row]]]]:
    """(columns of the entities, columns of their rows, both as `grouped` gives them): the rows of
    one table by the entity that they are about. What is the same in all rows of every entity is the
    entity's own. Raises RecipeError for a column that is not there.
    """
    if entity not in table.header.places:
        raise no_column(entity, table.header.names, "codec.entity")
    groups: dict[str, list[tuple[Cell, ...]]] = {}
    for row, key in zip(table.rows, table.column(entity), strict=True):
        groups.setdefault(key, []).append(row)
    nobody = groups.pop("", [])
    if nobody:
        omit(
            say("rows of nobody"),
            len(nobody),
            example=table.name,
            remedy=say("fill the column '{0}'", entity),
        )
    names = table.header.names
    repeated = [rows for rows in groups.values() if len(rows) > 1]
    own = [
        place
        for place, name in enumerate(names)
        if name == entity
        or (
            repeated
            and all(len({row[place] or "" for row in rows}) == 1 for rows in repeated)
            and len({rows[0][place] or "" for rows in groups.values()}) > 1
        )
    ]
    rest = [place for place, name in enumerate(names) if place not in own or name == entity]
    parent, child = (
        Header(tuple(names[place] for place in places), table.header.dialect, table.header.label)
        for places in (own, rest)
    )
    made = [
        (
            Row(parent, tuple(rows[0][place] for place in own)),
            [Row(child, tuple(row[place] for place in rest)) for row in rows],
        )
        for rows in groups.values()
    ]
    return parent, child, made
