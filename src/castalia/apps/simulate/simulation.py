"""What a simulation holds: its groups, their comparison and its power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from castalia.apps.simulate.cases import Drawn, Model, Row
from castalia.apps.simulate.effects import Made
from castalia.apps.simulate.experiment import Sheet
from castalia.apps.simulate.power import Found, Power
from castalia.apps.simulate.rules import Rule

LABEL = "simulated"  # the column, and what stands in each of its cells


@dataclass(frozen=True, eq=False)
class Group:
    """An arm: its conditions and rules, the cases as drawn, what was made of them, and the real
    rows that meet the same (None where there is no table).
    """

    name: str
    given: Mapping[str, str]
    rules: Sequence[Rule]
    drawn: Drawn
    made: Made
    real: Sequence[Row] | None


@dataclass(frozen=True, eq=False)
class Simulation:
    """names: columns of the table. groups: the arms. comparison: of the drawn experiment; power: of
    experiments like it. notes: sentences. origin: the run, its model and its data.
    """

    sheet: Sheet
    names: Sequence[str]
    groups: Sequence[Group]
    comparison: Found | None
    power: Power | None
    notes: tuple[str, ...]
    origin: Mapping[str, Any]
    model: Model

    @property
    def header(self) -> list[str]:
        """Columns of simulated.csv."""
        own = [LABEL, "case", "arm"] + (["time"] if self.sheet.experiment.course else [])
        return [*own, *self.names]

    def rows(self) -> list[list[Any]]:
        """The rows of simulated.csv; every one says that it is simulated."""
        course = self.sheet.experiment.course
        times = course.times if course else (None,)
        found, case = [], 0
        for group in self.groups:
            for place, row in enumerate(group.made.rows):
                moment = times[place % len(times)]
                case += place % len(times) == 0
                own = [LABEL, case, group.name] + ([] if moment is None else [moment])
                found.append([*own, *(row.get(name) for name in self.names)])
        return found
