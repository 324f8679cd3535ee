"""Rules that every row of a table keeps: order of two columns, sums, ranges, allowed combinations.

Learned where they hold in every training row and would not by chance, or declared in the recipe.
Samples keep them by construction: what breaks one is mended when a row is decoded (a sum is
computed, two cells change places, a value is moved into its range, the second of two cells becomes
one that goes with the first). Columns that another one decides are in columns/infer.py.

    start <= end              a + b == total              0 <= age <= 120        city, country: seen
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any, Protocol

from castalia.errors import RecipeError
from castalia.modalities.table.columns.base import Column
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.scales import Moments, Numbers
from castalia.modalities.table.row import no_column
from castalia.sentences import say

LEAST_ROWS = 50  # before a rule is believed
CHANCE = 0.05  # share of rows that would break it, were the columns shuffled
MOST_COLUMNS = 40  # that are compared with each other
LOOKED = 5000  # rows that a rule is looked for in
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
NEAR = 1e-9


class Columns(Protocol):
    """What a rule asks a codec for."""

    by_name: dict[str, Column]


@dataclass(frozen=True)
class Rule:
    """kind "order" (names a, b: a <= b), "sum" (names a, b, ..., total), "range" (name; low, high),
    "seen" (names a, b; pairs: what may stand together).
    """

    kind: str
    names: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    pairs: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    learned: bool = field(default=False, compare=False)

    @property
    def text(self) -> str:
        match self.kind:
            case "order":
                return " <= ".join(self.names)
            case "sum":
                return f"{' + '.join(self.names[:-1])} == {self.names[-1]}"
            case "range":
                low = "" if self.low is None else f"{self.low:g} <= "
                high = "" if self.high is None else f" <= {self.high:g}"
                return f"{low}{self.names[0]}{high}"
        return f"{', '.join(self.names)}: seen"

    @classmethod
    def parsed(cls, text: str, known: Sequence[str]) -> Rule:
        """A rule as it is declared. Raises RecipeError for one that means nothing."""
        bare = text.strip()
        if bare.endswith(": seen"):
            return cls("seen", _named(bare.removesuffix(": seen").split(","), known, text, 2))
        if "==" in bare:
            left, _, total = bare.partition("==")
            return cls("sum", _named([*left.split("+"), total], known, text, 3))
        parts = [part.strip() for part in bare.split("<=")]
        numbers = [bool(re.fullmatch(_NUMBER, part)) for part in parts]
        match numbers:
            case [True, False, True]:
                low, name, high = float(parts[0]), parts[1], float(parts[2])
                return cls("range", _named([name], known, text, 1), low, high)
            case [True, False]:
                return cls("range", _named(parts[1:], known, text, 1), float(parts[0]))
            case [False, True]:
                return cls("range", _named(parts[:1], known, text, 1), None, float(parts[1]))
            case [False, False]:
                return cls("order", _named(parts, known, text, 2))
        raise RecipeError(
            say("this is no rule"),
            where=f"codec.rules: {text}",
            fix=say('write "start <= end", "a + b == total", "0 <= age <= 120" or "a, b: seen"'),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "names": list(self.names),
            "low": self.low,
            "high": self.high,
            "pairs": [list(pair) for pair in self.pairs],
            "learned": self.learned,
        }

    def broken(self, known: Mapping[str, str | None], columns: Columns) -> bool:
        """Whether a row (name to cell) breaks it. Where a value is missing, nothing is broken."""
        if self.kind == "seen":
            pair = tuple(known.get(name) or "" for name in self.names)
            return bool(self.pairs) and pair not in _set_of(self)
        values = [_value(columns, name, known.get(name)) for name in self.names]
        if any(value is None for value in values):
            return False
        numbers = [value for value in values if value is not None]
        match self.kind:
            case "order":
                return numbers[0] > numbers[1] + NEAR
            case "sum":
                total = sum(numbers[:-1])
                return abs(total - numbers[-1]) > 1e-6 * max(1.0, abs(total))
        return (self.low is not None and numbers[0] < self.low - NEAR) or (
            self.high is not None and numbers[0] > self.high + NEAR
        )


def of_json(data: Mapping[str, Any]) -> Rule:
    return Rule(
        str(data["kind"]),
        tuple(data["names"]),
        data["low"],
        data["high"],
        tuple((str(one), str(other)) for one, other in data["pairs"]),
        bool(data["learned"]),
    )


def held(rules: Sequence[Rule], known: Mapping[str, str | None], columns: Columns) -> bool:
    """Whether a row keeps all rules."""
    return not any(rule.broken(known, columns) for rule in rules)


def mended(rules: Sequence[Rule], known: dict[str, str], columns: Columns) -> dict[str, str]:
    """The row with the rules kept; the same where they were."""
    for _ in range(2):  # what mends one may break another
        broken = [rule for rule in rules if rule.broken(known, columns)]
        if not broken:
            return known
        known = dict(known)
        for rule in broken:
            _mend(rule, known, columns)
    return known


def _mend(rule: Rule, known: dict[str, str], columns: Columns) -> None:
    match rule.kind:
        case "order":
            one, other = rule.names
            known[one], known[other] = (
                _written(columns, one, known[one], known[other], columns.by_name[other]),
                _written(columns, other, known[other], known[one], columns.by_name[one]),
            )
        case "sum":
            total = rule.names[-1]
            values = [_value(columns, name, known[name]) or 0.0 for name in rule.names[:-1]]
            known[total] = _cell(columns.by_name[total], sum(values), known[total])
        case "range":
            name = rule.names[0]
            value = _value(columns, name, known[name])
            if value is not None:
                moved = value if rule.low is None else max(value, rule.low)
                moved = min(moved, rule.high) if rule.high is not None else moved
                known[name] = _cell(columns.by_name[name], moved, known[name])
        case "seen":
            one, other = rule.names
            with_it = [pair[1] for pair in rule.pairs if pair[0] == known[one]]
            if with_it:
                known[other] = with_it[0]


def _written(columns: Columns, name: str, cell: str, value: str, source: Column) -> str:
    """Another column's value in this one's form."""
    number = source.value(value)
    return cell if number is None else _cell(columns.by_name[name], number, cell)


def _cell(column: Column, value: float, otherwise: str) -> str:
    if not isinstance(column, Binned):
        return otherwise
    scale = column.scale
    factor = 10**scale.decimals if isinstance(scale, Numbers) else 1
    return scale.write(round(value * factor))


def _value(columns: Columns, name: str, cell: str | None) -> float | None:
    return None if not cell else columns.by_name[name].value(cell)


def _set_of(rule: Rule) -> frozenset[tuple[str, ...]]:
    known = _SETS.get(id(rule.pairs))
    if known is None or known[0] is not rule.pairs:
        known = _SETS[id(rule.pairs)] = (rule.pairs, frozenset(rule.pairs))
        if len(_SETS) > 256:
            _SETS.clear()
    return known[1]


_SETS: dict[int, tuple[Any, frozenset[tuple[str, ...]]]] = {}


def with_pairs(rule: Rule, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Rule:
    """A declared rule of combinations with those that the rows have, the most frequent first."""
    if rule.kind != "seen":
        return rule
    one, other = (names.index(name) for name in rule.names)
    counts = Counter((row[one], row[other]) for row in rows)
    return Rule("seen", rule.names, pairs=tuple(pair for pair, _ in counts.most_common(100_000)))


def learned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[Rule]:
    """Orders and sums that all rows keep, and would not if the columns were shuffled."""
    if len(rows) < LEAST_ROWS:
        return []
    numeric = [
        (place, column) for place, column in enumerate(columns) if isinstance(column, Binned)
    ][:MOST_COLUMNS]
    looked = rows if len(rows) <= LOOKED else random.Random(1).sample(list(rows), LOOKED)
    values = {place: [column.value(row[place]) for row in looked] for place, column in numeric}
    found = [
        Rule("order", (columns[one].name, columns[other].name), learned=True)
        for (one, first), (other, second) in permutations(numeric, 2)
        if _alike(first, second) and _ordered(values[one], values[other])
    ]
    found = _without_implied(found)
    numbers = [place for place, column in numeric if isinstance(column.scale, Numbers)]
    for total in numbers:
        for one, other in combinations([place for place in numbers if place != total], 2):
            if _adds_up(values[one], values[other], values[total]):
                names = (columns[one].name, columns[other].name, columns[total].name)
                found.append(Rule("sum", names, learned=True))
    if len(looked) < len(rows):
        known = [column.name for column in columns]
        holder = _Names({column.name: column for column in columns})
        found = [
            rule
            for rule in found
            if not any(rule.broken(dict(zip(known, row, strict=True)), holder) for row in rows)
        ]
    return found


class _Names:
    def __init__(self, by_name: dict[str, Column]) -> None:
        self.by_name = by_name


def _alike(one: Binned, other: Binned) -> bool:
    """Whether two columns can be compared: both moments of a kind, or both numbers."""
    first, second = one.scale, other.scale
    if isinstance(first, Moments) and isinstance(second, Moments):
        return first.kind == second.kind
    return isinstance(first, Numbers) and isinstance(second, Numbers)


def _ordered(one: Sequence[float | None], other: Sequence[float | None]) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if len(pairs) < LEAST_ROWS or any(a > b for a, b in pairs):
        return False
    shuffled = [b for _, b in pairs]
    random.Random(0).shuffle(shuffled)
    against = sum(a > b for (a, _), b in zip(pairs, shuffled, strict=True))
    return against > CHANCE * len(pairs)


def _without_implied(found: list[Rule]) -> list[Rule]:
    """Without a <= c where a <= b and b <= c are there."""
    pairs = {rule.names for rule in found}
    middle = {name for pair in pairs for name in pair}
    return [
        rule
        for rule in found
        if not any(
            (rule.names[0], name) in pairs and (name, rule.names[1]) in pairs for name in middle
        )
    ]


def _adds_up(
    one: Sequence[float | None], other: Sequence[float | None], total: Sequence[float | None]
) -> bool:
    seen = moving = 0
    for a, b, c in zip(one, other, total, strict=True):
        if a is None or b is None or c is None:
            continue
        if abs(a + b - c) > 1e-6 * max(1.0, abs(c)):
            return False
        seen += 1
        moving += bool(a) and bool(b)
    return seen >= LEAST_ROWS and moving >= LEAST_ROWS // 2


def _named(parts: Sequence[str], known: Sequence[str], text: str, least: int) -> tuple[str, ...]:
    names = tuple(part.strip() for part in parts)
    if len(names) < least:
        raise RecipeError(
            say("the rule names too few columns"),
            where=f"codec.rules: {text}",
            fix=say('write "start <= end", "a + b == total", "0 <= age <= 120" or "a, b: seen"'),
        )
    for name in names:
        if name not in known:
            raise no_column(name, known, f"codec.rules: {text}")
    return names
