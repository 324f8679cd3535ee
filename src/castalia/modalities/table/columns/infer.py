"""What kind each column is, by its cells, and the columns that another one decides.

The order of the questions: is anything in it; is it the same everywhere; numbers; dates; codes that
are all different; few values; texts. What the recipe says goes before (codec.columns). Nothing is
decided by a name alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from castalia.errors import RecipeError
from castalia.modalities.table.columns.base import KINDS, Cells, Column, is_missing
from castalia.modalities.table.columns.binned import MOST_SPECIAL, Binned
from castalia.modalities.table.columns.discrete import TRUTH, Category, Constant, Derived
from castalia.modalities.table.columns.identifier import Identifier, Text, looks_like_identifier
from castalia.modalities.table.columns.scales import Moments, Numbers, Scale, moments_of, numbers_of
from castalia.sentences import say

MOST_VALUES = 1000  # of a category
MIXED = 0.4  # share of numbers from which a column of many values is one of numbers
LEAST_ROWS = 10  # a value of the deciding column, on average, before a rule is believed
DECIDING = 1000  # different values of it at most
COMPARED = 100  # columns that are compared with each other


def kind_of(name: str, cells: Cells) -> tuple[str, Scale | None]:
    """(one of KINDS, and how numbers or moments are written)."""
    rows = sum(cells.values())
    known = {cell: count for cell, count in cells.items() if not is_missing(cell)}
    if len(cells) < 2:
        return "constant", None
    if len(known) < 2:
        return "category", None
    lower = {cell.strip().lower() for cell in known}
    if len(known) == 2 and any(lower == pair for pair in TRUTH):
        return "boolean", None
    numbers = numbers_of(cells)
    measured = numbers is not None and bool(numbers.decimals or numbers.thousands)
    if not measured and looks_like_identifier(name, cells, rows):
        return "identifier", None
    if numbers is not None:
        return ("number" if numbers.decimals else "integer"), numbers
    if (moments := moments_of(cells)) is not None:
        return moments.kind, moments
    filled = sum(known.values())
    if len(known) > 0.5 * filled and len(known) > 20:
        mixed = numbers_of(cells, MIXED)
        if mixed is not None and _others(cells, mixed) <= MOST_SPECIAL:
            return ("number" if mixed.decimals else "integer"), mixed
        return "text", None
    return "category", None


def _others(cells: Cells, scale: Numbers) -> int:
    """Different cells that hold a value and no number."""
    return sum(scale.parse(cell) is None for cell in cells if not is_missing(cell))


def column_of(name: str, cells: Cells, wanted: str | None, *, bins: int, rare: int) -> Column:
    """A column fitted to its cells, of the `wanted` kind where one is asked for. Raises RecipeError
    for a kind that the cells cannot be.
    """
    found, scale = kind_of(name, cells)
    kind = wanted or found
    if kind not in KINDS:
        raise RecipeError(
            say("'{0}' is no kind of column", kind),
            where=f"codec.columns.{name}",
            fix=say("one of: {0}", ", ".join(KINDS)),
        )
    match kind:
        case "number" | "integer":
            scale = scale if scale is not None and not isinstance(scale, Moments) else None
            return _binned(name, kind, cells, scale or numbers_of(cells, MIXED), bins)
        case "date" | "datetime" | "time":
            return _binned(name, kind, cells, moments_of(cells), bins)
        case "identifier":
            return Identifier.of(name, cells)
        case "text":
            return Text.of(name, cells)
        case "constant":
            return Constant(name, kind, next(iter(cells), ""))
    return Category.of(name, kind, cells, rare, MOST_VALUES)


def _binned(name: str, kind: str, cells: Cells, scale: Scale | None, bins: int) -> Column:
    if scale is None:
        example = next((cell for cell in cells if not is_missing(cell)), "")
        raise RecipeError(
            say("the column cannot be of the kind '{0}'", kind),
            where=f"codec.columns.{name}: {example[:40]}",
            fix=say("leave it out, or say category or text"),
        )
    return Binned.of(name, kind, cells, scale, bins)


def decided(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> dict[str, Derived]:
    """Columns that another one decides in every one of the rows (cells in the order of `columns`),
    by name. The deciding column stays learned; of two that decide each other, the first.
    """
    found: dict[str, Derived] = {}
    few = [
        place
        for place, column in enumerate(columns)
        if column.size > 1 and len({row[place] for row in rows}) <= DECIDING
    ][:COMPARED]
    values = {place: [row[place] for row in rows] for place in few}
    distinct = {place: len(set(values[place])) for place in few}
    for one in few:
        for other in few:
            source, target = columns[one], columns[other]
            if (
                one == other
                or source.name in found
                or target.name in found
                or distinct[other] > distinct[one]
                or len(rows) < LEAST_ROWS * distinct[one]
                or any(rule.source == target.name for rule in found.values())
                or (isinstance(source, Category) and source.grouped)
                or (isinstance(source, Binned) and source.size != distinct[one])
            ):
                continue
            table = _table(values[one], values[other])
            if table is not None:
                common = Counter(values[other]).most_common(1)[0][0]
                found[target.name] = Derived(target.name, target.kind, source.name, table, common)
    return found


def _table(source: Sequence[str], target: Sequence[str]) -> dict[str, str] | None:
    """What each cell of the source decides; None where one of them goes with two."""
    table: dict[str, str] = {}
    for one, other in zip(source, target, strict=True):
        if table.setdefault(one, other) != other:
            return None
    return table


def restored(states: Sequence[Mapping[str, object]]) -> list[Column]:
    """Columns from what `state` gave of each, with name, kind and sort beside it."""
    made: list[Column] = []
    for state in states:
        name, kind = str(state["name"]), str(state["kind"])
        inner = dict(state["state"])  # type: ignore[call-overload]
        match state["sort"]:
            case "binned":
                made.append(Binned.restored(name, kind, inner))
            case "category":
                made.append(Category(name, kind, **inner))
            case "derived":
                made.append(Derived(name, kind, **inner))
            case "identifier":
                made.append(Identifier(name, kind, **inner))
            case "text":
                made.append(Text(name, kind, **inner))
            case _:
                made.append(Constant(name, kind, **inner))
    return made
