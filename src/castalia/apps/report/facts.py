"""What a template may ask of a table, and facts: numbers and names that know which cells they come
from.

    rows.where(region="North").sum("units")       a Fact: 1,204, from 34 cells of `units`
    rows.top("product", by="units", n=3)           groups, each with .name, .rows and .value
    percent(part, whole)      change(old, new)     facts of facts
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from castalia.bounded.templates import burn
from castalia.errors import DataError
from castalia.sentences import say, series
from castalia.text_files.columns import Source

BEGIN, END = "\ue000", "\ue001"  # around a fact's number, in a text that is being written
MOST_GROUPS = 1000
MOST_FACTS = 20_000


@dataclass(frozen=True)
class Cells:
    """Cells of one column; "" stands for whole rows."""

    file: str
    column: str
    lines: tuple[int, ...]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The lines as (first, last), in order."""
        found: list[tuple[int, int]] = []
        for line in sorted(set(self.lines)):
            if found and line == found[-1][1] + 1:
                found[-1] = (found[-1][0], line)
            else:
                found.append((line, line))
        return found


class Ledger:
    """The facts that a text shows, in the order in which they were first written."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def number_of(self, fact: Fact) -> int:
        if len(self.facts) >= MOST_FACTS:
            raise DataError(
                say("the report shows too many facts"),
                "report",
                say("{0:,} at most", MOST_FACTS),
            )
        self.facts.append(fact)
        return len(self.facts) - 1


@dataclass(frozen=True, eq=False)
class Fact:
    """A number or a name. formula: how it follows, in words of the template. decimals: that are
    shown; None: as many as it needs, two at most. form: "number", "percent" or "name".
    """

    value: float | str
    formula: str
    cells: tuple[Cells, ...]
    ledger: Ledger
    decimals: int | None = None
    form: str = "number"

    @property
    def shown(self) -> str:
        """As it is written: thousands by commas, the sign of percent behind."""
        if isinstance(self.value, str):
            return self.value
        scaled = 100 * self.value if self.form == "percent" else self.value
        if not math.isfinite(scaled):
            return "–"
        places = self.decimals
        if places is None:
            places = 0 if scaled == round(scaled) else 1 if self.form == "percent" else 2
        return f"{scaled:,.{places}f}" + ("%" if self.form == "percent" else "")

    def __str__(self) -> str:
        return f"{BEGIN}{self.ledger.number_of(self)}{END}"

    def __html__(self) -> str:
        return str(self)

    def __add__(self, other: Any) -> Fact:
        return self._with(other, "+", lambda a, b: a + b)

    def __sub__(self, other: Any) -> Fact:
        return self._with(other, "-", lambda a, b: a - b)

    def __mul__(self, other: Any) -> Fact:
        return self._with(other, "×", lambda a, b: a * b)

    def __truediv__(self, other: Any) -> Fact:
        return self._with(other, "÷", lambda a, b: a / b if b else math.nan)

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < _value(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > _value(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= _value(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= _value(other))

    def __eq__(self, other: object) -> bool:
        return bool(self.value == _value(other))

    __hash__ = None  # type: ignore[assignment]

    def _with(self, other: Any, sign: str, work: Callable[[Any, Any], float]) -> Fact:
        second = other.value if isinstance(other, Fact) else other
        if not all(
            isinstance(one, int | float) and not isinstance(one, bool)
            for one in (self.value, second)
        ):
            raise DataError(say("a name takes no part in a calculation"), f"{self.formula} {sign}")
        formula = other.formula if isinstance(other, Fact) else f"{other:,}"
        cells = (*self.cells, *(other.cells if isinstance(other, Fact) else ()))
        words = say("({0} {1} {2})", self.formula, sign, formula)
        return Fact(work(self.value, second), words, cells, self.ledger)


@dataclass(frozen=True, eq=False)
class Group:
    """The rows that share a value. name: that value; value: what groups were ordered by."""

    name: Fact
    rows: Rows
    value: Fact


class Rows:
    """Some rows of a table, with what may be asked of them. Every question is paid for by the rows
    that it touches.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        places: Sequence[int],
        chosen: tuple[str, ...] = (),
    ) -> None:
        """places: of the rows in the source. chosen: by what they were, in words."""
        self._source, self._ledger, self._places, self._chosen = source, ledger, places, chosen

    @property
    def _words(self) -> str:
        return say("rows where {0}", series(self._chosen)) if self._chosen else say("all rows")

    # Choosing rows

    def where(self, **equal: Any) -> Rows:
        """Rows whose cells are equal to these, as texts, or as numbers where a number is given."""
        rows = self
        for column, wanted in equal.items():
            rows = rows._kept(column, _equals(wanted), say("{0} is {1}", column, _value(wanted)))
        return rows

    def above(self, column: str, least: Any) -> Rows:
        """Rows with a number larger than this, or a text behind it in order (dates as
        YYYY-MM-DD).
        """
        return self._ordered(column, least, lambda a, b: a > b, ">")

    def below(self, column: str, most: Any) -> Rows:
        return self._ordered(column, most, lambda a, b: a < b, "<")

    def filled(self, column: str) -> Rows:
        """Rows that have something in this column."""
        return self._kept(column, bool, say("{0} is filled", column))

    # Numbers

    def count(self) -> Fact:
        return self._fact(
            float(len(self._places)), say("number of {0}", self._words), "", decimals=0
        )

    def distinct(self, column: str) -> Fact:
        """How many different values there are, without empty cells."""
        values = {cell for cell in self._cells(column) if cell}
        return self._fact(
            float(len(values)),
            say("different values of {0} in {1}", column, self._words),
            column,
            decimals=0,
        )

    def empty(self, column: str) -> Fact:
        """How many cells are empty."""
        missing = sum(not cell for cell in self._cells(column))
        return self._fact(
            float(missing),
            say("empty cells of {0} in {1}", column, self._words),
            column,
            decimals=0,
        )

    def sum(self, column: str) -> Fact:
        return self._measure(say("sum"), column, math.fsum, 0, 0.0)

    def mean(self, column: str) -> Fact:
        return self._measure(say("mean"), column, statistics.fmean, 1)

    def median(self, column: str) -> Fact:
        return self._measure(say("median"), column, statistics.median, 1)

    def min(self, column: str) -> Fact:
        return self._measure(say("smallest"), column, min)

    def max(self, column: str) -> Fact:
        return self._measure(say("largest"), column, max)

    # Names

    def first(self, column: str) -> Fact:
        """The first text in order, such as the earliest date."""
        return self._text(say("first in order"), column, min)

    def last(self, column: str) -> Fact:
        return self._text(say("last in order"), column, max)

    def groups(self, column: str) -> list[Group]:
        """One for each value, in the order of the table."""
        return [Group(name, rows, rows.count()) for name, rows in self._by(column)]

    def top(self, column: str, by: str | None = None, n: int = 5, how: str = "sum") -> list[Group]:
        """The groups of `column` with the largest value: number of rows, or sum, mean, ... of the
        column `by`.
        """
        measures = {"sum": Rows.sum, "mean": Rows.mean, "median": Rows.median, "max": Rows.max}
        if how not in measures:
            raise DataError(
                say("groups are not ordered by '{0}'", how[:40]),
                "top",
                say("one of: {0}", ", ".join(measures)),
            )
        found = [
            Group(name, rows, rows.count() if by is None else measures[how](rows, by))
            for name, rows in self._by(column)
        ]
        burn(16 * len(found))
        found.sort(key=lambda one: (-_finite(one.value), str(one.name.value)))
        return found[: max(0, n)]

    # Within

    def _by(self, column: str) -> Iterator[tuple[Fact, Rows]]:
        places: dict[str, list[int]] = {}
        for place, cell in zip(self._places, self._cells(column), strict=True):
            places.setdefault(cell, []).append(place)
        if len(places) > MOST_GROUPS:
            raise DataError(
                say("the column '{0}' has {1:,} different values", column, len(places)),
                self._source.name,
                say("{0:,} groups at most: group by another column", MOST_GROUPS),
            )
        for cell, own in places.items():
            chosen = (*self._chosen, say("{0} is {1}", column, cell or say("empty")))
            rows = Rows(self._source, self._ledger, own, chosen)
            yield (
                rows._fact(
                    cell or "–", say("{0}, of {1}", column, rows._words), column, form="name"
                ),
                rows,
            )

    def _cells(self, column: str) -> list[str]:
        burn(len(self._places))
        cells = self._source.cells(column)
        return [cells[place] for place in self._places]

    def _numbers(self, column: str) -> tuple[list[float], int]:
        burn(2 * len(self._places))
        numbers, decimals = self._source.numbers(column)
        return [numbers[p] for p in self._places if not math.isnan(numbers[p])], decimals

    def _measure(
        self,
        name: str,
        column: str,
        work: Callable[[list[float]], float],
        more: int = 0,
        nothing: float = math.nan,
    ) -> Fact:
        """more: decimals beyond those of the cells. nothing: the value of no cells."""
        numbers, decimals = self._numbers(column)
        value = work(numbers) if numbers else nothing
        formula = say("{0} of {1} in {2}", name, column, self._words)
        if left := len(self._places) - len(numbers):
            formula = say("{0}; empty cells left out: {1:,}", formula, left)
        return self._fact(value, formula, column, decimals=min(6, decimals + more))

    def _text(self, name: str, column: str, work: Callable[[Iterable[str]], str]) -> Fact:
        cells = [cell for cell in self._cells(column) if cell]
        value = work(cells) if cells else "–"
        formula = say("{0} of {1} in {2}", name, column, self._words)
        return self._fact(value, formula, column, form="name")

    def _fact(
        self,
        value: float | str,
        formula: str,
        column: str,
        decimals: int | None = None,
        form: str = "number",
    ) -> Fact:
        burn(len(self._places))
        lines = tuple(self._source.lines[place] for place in self._places)
        cells = (Cells(self._source.name, column, lines),)
        return Fact(value, formula, cells, self._ledger, decimals, form)

    def _kept(self, column: str, good: Callable[[str], bool], words: str) -> Rows:
        cells = self._cells(column)
        places = [place for place, cell in zip(self._places, cells, strict=True) if good(cell)]
        return Rows(self._source, self._ledger, places, (*self._chosen, words))

    def _ordered(
        self, column: str, bound: Any, keep: Callable[[Any, Any], bool], sign: str
    ) -> Rows:
        limit = _value(bound)
        words = f"{column} {sign} {limit}"
        if isinstance(limit, str):
            return self._kept(column, lambda cell: bool(cell) and keep(cell, limit), words)
        numbers, _ = self._source.numbers(column)
        burn(len(self._places))
        places = [place for place in self._places if keep(numbers[place], limit)]
        return Rows(self._source, self._ledger, places, (*self._chosen, words))


def percent(part: Fact, whole: Fact) -> Fact:
    """part of whole, as a percentage."""
    share = part / whole
    return replace(
        share, formula=say("{0}, as a share of {1}", part.formula, whole.formula), form="percent"
    )


def change(old: Fact, new: Fact) -> Fact:
    """From old to new, as a percentage of old."""
    grown = (new - old) / old
    return replace(
        grown, formula=say("change from {0} to {1}", old.formula, new.formula), form="percent"
    )


def decimals(fact: Fact, places: int = 0) -> Fact:
    """The filter `decimals`: the same with so many decimals."""
    return replace(fact, decimals=min(10, max(0, places)))


def _value(given: Any) -> Any:
    return given.value if isinstance(given, Fact) else given


def _equals(wanted: Any) -> Callable[[str], bool]:
    value = _value(wanted)
    if isinstance(value, int | float) and not isinstance(value, bool):

        def same(cell: str) -> bool:
            try:
                return float(cell.replace(",", "")) == value
            except ValueError:
                return False

        return same
    return lambda cell: cell == str(value)


def _finite(fact: Fact) -> float:
    value = fact.value
    return value if isinstance(value, float) and math.isfinite(value) else -math.inf
