"""Declared rules of cases, in the words of docs/table.md: ranges, orders and sums.

    18 <= age <= 90        diastolic <= systolic        lean + fat == weight

A row that breaks a range or an order is drawn again; a sum is computed, its last column from the
others. Rules that no row could keep are found before anything is drawn: ranges are carried along
orders until they stand still (bounds propagation), and an empty one is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from castalia.apps.simulate.experiment import Path_, Sheet
from castalia.errors import meant
from castalia.sentences import say

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
ROUNDS = 50  # of bounds along orders
HINT = say('write "18 <= age <= 90", "low <= high" or "a + b == total"')
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """kind: "range" (one name; low, high), "order" (names that rise), "sum" (the last is the
    total). key: where it stands.
    """

    text: str
    kind: str
    names: tuple[str, ...]
    low: float
    high: float
    key: Path_

    def broken(self, row: Row) -> bool:
        """Where a value is missing, or no number, nothing is broken."""
        values = [row.get(name) for name in self.names]
        numbers = [float(value) for value in values if is_number(value)]
        if len(numbers) < len(values):
            return False
        if self.kind == "range":
            return not self.low <= numbers[0] <= self.high
        if self.kind == "order":
            return any(a > b for a, b in pairwise(numbers))
        total = sum(numbers[:-1])
        return abs(total - numbers[-1]) > 1e-6 * max(1.0, abs(total))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def rules_of(sheet: Sheet, arm: str, names: Sequence[str]) -> list[Rule]:
    """The rules of an arm. Raises RecipeError for one that means nothing, for a column that is not
    there, and for rules that contradict each other or a condition.
    """
    found = [_rule(sheet, text, key, names) for text, key in sheet.rules(arm)]
    bounds = {name: [-math.inf, math.inf] for name in names}
    for name, value in sheet.given(arm).items():
        if _NUMBER.fullmatch(value.strip()) and name in bounds:
            bounds[name] = [float(value), float(value)]
    for rule in found:
        if rule.kind == "range":
            _narrow(sheet, rule, rule.names[0], rule.low, rule.high, bounds)
    for _ in range(ROUNDS):
        before = {name: tuple(one) for name, one in bounds.items()}
        for rule in found:
            if rule.kind != "order":
                continue
            for low, high in pairwise(rule.names):
                _narrow(sheet, rule, high, bounds[low][0], math.inf, bounds)
                _narrow(sheet, rule, low, -math.inf, bounds[high][1], bounds)
        if before == {name: tuple(one) for name, one in bounds.items()}:
            break
    return found


def _narrow(
    sheet: Sheet,
    rule: Rule,
    name: str,
    low: float,
    high: float,
    bounds: dict[str, list[float]],
) -> None:
    known = bounds[name]
    known[0], known[1] = max(known[0], low), min(known[1], high)
    if known[0] > known[1]:
        raise sheet.error(
            say(
                "the rule '{0}' contradicts the others: '{1}' would be at least {2:g} and at most "
                "{3:g}",
                rule.text,
                name,
                known[0],
                known[1],
            ),
            rule.key,
            say("change one of the rules, or a condition"),
        )


def _rule(sheet: Sheet, text: str, key: Path_, names: Sequence[str]) -> Rule:
    def named(parts: Sequence[str]) -> tuple[str, ...]:
        for part in parts:
            if part not in names:
                raise sheet.error(
                    say("the rule '{0}' names a column '{1}' that is not there", text, part),
                    key,
                    say("{0}columns: {1}", meant(part, names), ", ".join(names)),
                )
        return tuple(parts)

    if "==" in text:
        left, _, total = text.partition("==")
        parts = [part.strip() for part in (*left.split("+"), total)]
        if len(parts) < 3:
            raise sheet.error(say("a sum adds two columns at least"), key, HINT)
        return Rule(text, "sum", named(parts), -math.inf, math.inf, key)
    parts = [part.strip() for part in text.split("<=")]
    low, high = -math.inf, math.inf
    if len(parts) > 1 and _NUMBER.fullmatch(parts[0]):
        low, parts = float(parts[0]), parts[1:]
    if len(parts) > 1 and _NUMBER.fullmatch(parts[-1]):
        high, parts = float(parts[-1]), parts[:-1]
    bare = low == -math.inf and high == math.inf
    if not all(parts) or (len(parts) == 1 and bare) or (len(parts) > 1 and not bare):
        raise sheet.error(say("this is no rule: {0}", text), key, HINT)
    if low > high:
        raise sheet.error(
            say("no number is at least {0:g} and at most {1:g}", low, high),
            key,
            say("mend the rule"),
        )
    return Rule(text, "range" if len(parts) == 1 else "order", named(parts), low, high, key)
