"""What is declared of cases, laid over what was drawn: effects of arms, and courses in time.

    value at a time = drawn value + (change + spread * e1) * time passed + effect + sd * e2

e1 and e2 are standard normal, e1 one a case, e2 one a measurement. Every declared number is applied
here and nowhere else, and each row keeps what was drawn beside what became of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from castalia.apps.simulate.cases import Row
from castalia.apps.simulate.experiment import Arm, Course, Sheet
from castalia.apps.simulate.rules import Rule, is_number
from castalia.errors import meant
from castalia.sentences import say

ROUNDS = 3  # of mending


@dataclass
class Made:
    """rows: one a case and time. key: beside each, {column: (drawn, course, effect)}. moved: rows
    in which a rule moved a cell, by its text; broken: those that break it all the same; empty:
    cells without a value that a declaration left alone, by column.
    """

    rows: list[Row]
    key: list[dict[str, tuple[float, float, float]]]
    moved: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)


def declared_columns(sheet: Sheet, arm: str) -> list[str]:
    """The columns that an arm or the course says something about."""
    course = sheet.experiment.course
    own = sheet.experiment.arms[arm].effects
    return list(dict.fromkeys([*(course.columns if course else ()), *own]))


def check(sheet: Sheet, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Raises RecipeError where a declaration names a column that is not there or holds no numbers,
    or a time at which nothing is measured.
    """
    experiment, course = sheet.experiment, sheet.experiment.course
    wanted: list[tuple[str, tuple[str | int, ...]]] = [
        (name, ("course", "columns", name)) for name in (course.columns if course else ())
    ]
    for arm, one in experiment.arms.items():
        wanted += [(name, ("arms", arm, "effects", name)) for name in one.effects]
        for name, effect in one.effects.items():
            if effect.since is not None and (course is None or effect.since > course.times[-1]):
                raise sheet.error(
                    say("the effect begins at {0:g}, when nothing is measured", effect.since),
                    ("arms", arm, "effects", name, "since"),
                    say("leave it out, or give times: course: {{times: [0, 4, 12]}}"),
                )
    compare = experiment.compare
    if compare is not None:
        wanted.append((compare.column, ("compare", "column")))
        for place, arm in enumerate(compare.between):
            if arm not in experiment.arms:
                raise sheet.error(
                    say("there is no arm '{0}'", arm),
                    ("compare", "between", place),
                    say("{0}arms: {1}", meant(arm, experiment.arms), ", ".join(experiment.arms)),
                )
        if compare.between[0] == compare.between[1]:
            raise sheet.error(
                say("an arm is not compared with itself"),
                ("compare", "between"),
                say("name two arms"),
            )
    for name, key in wanted:
        if name not in names:
            raise sheet.error(
                say("the table has no column '{0}'", name[:80]),
                key,
                say("{0}columns: {1}", meant(name, names), ", ".join(names[:20])),
            )
        values = [row[name] for row in rows if row.get(name) not in (None, "")]
        if sum(map(is_number, values)) < 0.9 * len(values) or not values:
            numeric = [one for one in names if any(is_number(row.get(one)) for row in rows)]
            raise sheet.error(
                say("the column '{0}' holds no numbers", name),
                key,
                say("columns of numbers: {0}", ", ".join(numeric[:20])),
            )


def made(
    cases: Sequence[Row],
    arm: Arm,
    course: Course | None,
    rules: Sequence[Rule],
    rng: np.random.Generator,
) -> Made:
    """Each case at each time, declarations applied."""
    times = course.times if course is not None else (0.0,)
    measured = course.columns if course is not None else {}
    columns = list(dict.fromkeys([*measured, *arm.effects]))
    found = Made([], [])
    places = {name: decimals(cases, name, arm, course) for name in columns}
    # drawn for all cases at once, so that a case's draws do not hang on what others lack
    slopes = {name: rng.standard_normal(len(cases)) for name in columns}
    noise = {name: rng.standard_normal((len(cases), len(times))) for name in columns}
    chance = {name: rng.standard_normal(len(cases)) for name in columns}
    for number, case in enumerate(cases):
        for place, time in enumerate(times):
            row, key = dict(case), dict[str, tuple[float, float, float]]()
            for name in columns:
                drawn = case.get(name)
                if not is_number(drawn):
                    found.empty[name] += 1
                    continue
                value, passed = float(drawn), time - times[0]
                one = measured.get(name)
                if one is not None:
                    value += (one.change + one.spread * slopes[name][number]) * passed
                    value += one.sd * noise[name][number, place] if place else 0.0
                before = value
                effect = arm.effects.get(name)
                if effect is not None and _holds(effect.since, time, times):
                    value = value * effect.multiply + effect.add
                    value += effect.sd * chance[name][number]
                row[name] = round(value, places[name])
                key[name] = (float(drawn), before - float(drawn), value - before)
            _keep(rules, row, columns, found)
            found.rows.append(row)
            found.key.append(key)
    return found


def _holds(since: float | None, time: float, times: Sequence[float]) -> bool:
    if since is not None:
        return time >= since
    return len(times) == 1 or time > times[0]


def _keep(rules: Sequence[Rule], row: Row, changed: Sequence[str], found: Made) -> None:
    """Moves what a declaration pushed over a rule back to its edge; what mends one rule may break
    another.
    """
    touched = set()
    for turn in range(ROUNDS):
        for rule in rules:
            if rule.broken(row):
                touched.add(rule.text)
                # the changed one gives way first, and the other where that broke another rule
                _mend(rule, row, changed if not turn else ())
    found.moved.update(touched)
    found.broken.update(rule.text for rule in rules if rule.broken(row))


def _mend(rule: Rule, row: Row, changed: Sequence[str]) -> None:
    match rule.kind:
        case "range":
            name = rule.names[0]
            row[name] = min(max(row[name], rule.low), rule.high)
        case "sum":
            *parts, total = rule.names
            row[total] = round(math.fsum(row[name] for name in parts), 9)
        case _:
            for low, high in pairwise(rule.names):
                if row[low] > row[high]:
                    if low in changed:
                        row[low] = row[high]
                    else:
                        row[high] = row[low]


def decimals(rows: Sequence[Row], name: str, arm: Arm, course: Course | None) -> int:
    """Digits behind the point of a column that changes, at most 6: those of the drawn numbers; and
    those of what is declared, where no chance is added, so that rounding cannot swallow it.
    """
    effect, one = arm.effects.get(name), course.columns.get(name) if course is not None else None
    numbers = [row.get(name) for row in rows]
    if not (effect is not None and effect.sd) and not (one is not None and one.sd):
        numbers += [effect.add] if effect is not None else []
        numbers += [one.change] if one is not None else []
        numbers += [0.01] if effect is not None and effect.multiply != 1 else []
    return max((_digits(value) for value in numbers), default=0)


def _digits(value: Any) -> int:
    if not isinstance(value, float) or not math.isfinite(value):
        return 0
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])
