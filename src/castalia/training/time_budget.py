"""Train within a time budget: how many steps the schedule has, decided from measured speed while it
runs. And when sheets of samples are due by the clock.

A decision is a pair (step, steps): from that step on, the schedule has so many steps. Learning rate
and annealing at a step are functions of the decisions up to it, and the run keeps them
(plan.jsonl), so resuming replays them and ends with the same bits. When training is over they stand
in the recipe (training.steps, training.plan), which trains the same model again without a clock.

The speed is the mean over the later half of the training so far, sheets and checkpoints between
steps included. The speed of the last seconds would follow the clock closer, but one pause of the
machine then ends the schedule on the spot.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from castalia.config import MOST_STEPS
from castalia.errors import RecipeError
from castalia.recipe_sections import ScheduleConfig, TrainConfig
from castalia.sentences import say

FAR = 1_000_000  # steps of a schedule before anything is known
LEAST = 10  # steps that are a training
SAFETY = 0.985  # share of the time that is planned, because no step can be shortened
FIRST_PLAN, SHARE = 0.3, 0.02  # seconds until the first plan; between two plans, of the time in all
WARM = 1  # first steps, which are slower and are not counted
ASIDE = 0.1  # share of the time for checkpoints, and for sheets, before the last ones
DEAD_BAND = 0.01  # of the steps ahead: a smaller change is no decision
SHEETS = 0.03  # share of the time for sheets by the clock, beside the first and the last one
THINNING = 0.02  # of the time so far, the least between two sheets: a week has some 450


@dataclass
class Plan:
    """The decisions of a training, in order; the first is of step 0."""

    decisions: list[tuple[int, int]]

    @classmethod
    def of(cls, config: TrainConfig) -> Plan:
        """The plan of a recipe: the decisions of an earlier training, or its steps."""
        return cls([*config.plan] or [(0, config.steps or FAR)])

    def steps(self, step: int) -> int:
        """Steps of the schedule as it stands at `step` (0-based)."""
        return self.decisions[self._index(step)][1]

    def schedule(self, step: int, schedule: ScheduleConfig) -> ScheduleConfig:
        """The schedule at `step`. Where its length was decided by the clock, warming up takes a
        tenth of it at most.
        """
        place = self._index(step)
        most = max(1, self.decisions[place][1] // 10)
        return (
            schedule
            if place == 0 or schedule.warmup <= most
            else schedule.model_copy(update={"warmup": most})
        )

    def decide(self, step: int, steps: int) -> bool:
        """From `step` on it has so many steps. False where that changes nothing."""
        if steps == self.decisions[-1][1]:
            return False
        self.decisions = [one for one in self.decisions if one[0] < step or one[0] == 0] + [
            (step, steps)
        ]
        return True

    def _index(self, step: int) -> int:
        return max(
            place for place, (first, _) in enumerate(self.decisions) if first <= step or place == 0
        )

    @property
    def last(self) -> int:
        """The step of the last decision."""
        return self.decisions[-1][0]


@dataclass(frozen=True)
class Due:
    """What is to be done after a step: so many steps in all; a checkpoint, a sheet now."""

    steps: int
    save: bool = False
    sheet: bool = False

    def text(self) -> str:
        return f"{self.steps} {self.save:d} {self.sheet:d}"

    @classmethod
    def of(cls, text: str) -> Due:
        steps, save, sheet = map(int, text.split())
        return cls(steps, bool(save), bool(sheet))


class SheetTimes:
    """When a sheet of samples is due: at steps where the recipe names them, else by the clock."""

    def __init__(self, config: TrainConfig) -> None:
        self.config, self.begun = config, time.perf_counter()
        self.last: float | None = None
        self.cost = 0.0  # seconds of the last one

    def made(self, seconds: float) -> None:
        """A sheet has just been made, in so many seconds."""
        self.last, self.cost = time.perf_counter(), seconds

    def due(self, step: int) -> bool:
        """Whether one is, after step number `step` (from 1). By the clock, the first is at once: it
        shows what training began with.
        """
        every = self.config.sample_every
        if every is not None:
            return every > 0 and step % every == 0
        if self.last is None:
            return True
        now = time.perf_counter()
        pause = max(self.config.sample_seconds, self.cost / SHEETS, THINNING * (now - self.begun))
        return now - self.last >= pause


class Budget:
    """Plans the steps of a training that has `seconds`, counted from `since` (of
    time.perf_counter).

    closing: seconds that are needed after the last step, beside its checkpoint and its sheet. Costs
    of both are those of the last ones.
    """

    def __init__(self, config: TrainConfig, since: float, closing: float = 0.0) -> None:
        self.config, self.since, self.closing = config, since, closing
        self.seconds = (config.minutes or 0.0) * 60
        self.cost = {"save": 0.0, "sheet": 0.0}
        self.spent = {"save": 0.0, "sheet": 0.0}
        self.at = {"save": self.elapsed, "sheet": self.elapsed}
        # (seconds without the opening, step) after the first steps and at each plan
        self.marks: list[tuple[float, int]] = []
        self.first: int | None = None  # the step after which the first mark is made
        self.opening = 0.0  # seconds of the first checkpoint and sheet
        self.sheets = SheetTimes(config)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.since

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.seconds - self.elapsed)

    def aside(self, kind: str, seconds: float) -> None:
        """A checkpoint ("save") or a sheet ("sheet") took so long."""
        self.cost[kind] = seconds
        self.spent[kind] += seconds
        self.at[kind] = self.elapsed
        if kind == "sheet":
            self.sheets.made(seconds)
        if len(self.marks) == 1:
            self.opening += seconds

    def after(self, step: int, steps: int) -> Due:
        """What is to be done after step number `step` (from 1), of `steps` as it was decided last.
        Raises RecipeError where the time is too short.
        """
        elapsed = self.elapsed
        if self.first is None:
            self.first = step + WARM - 1
        if step < self.first:
            return Due(steps)
        # a first checkpoint and sheet at once: then it is known what the last ones cost
        if not self.marks:
            self.marks.append((elapsed, step))
            return Due(steps, True, self.config.sheets)
        if elapsed - self.opening - self.marks[-1][0] >= self._pause(elapsed):
            self.marks.append((elapsed - self.opening, step))
            steps = self._planned(elapsed, step, steps)
        if step >= steps:
            return Due(steps)
        return Due(
            steps,
            self._due("save", step, self.config.save_every, 60.0),
            self._sheet_due(step),
        )

    def _sheet_due(self, step: int) -> bool:
        """None shortly before the last one."""
        if self.config.sample_every is not None:
            return self._due("sheet", step, self.config.sample_every, math.inf)
        return self.sheets.due(step) and 10 * self.cost["sheet"] <= self.left

    def _pause(self, elapsed: float) -> float:
        """Seconds between two plans: short at first, and towards the end."""
        return min(
            self.seconds * SHARE,
            max(FIRST_PLAN, 0.2 * min(elapsed - self.opening - self.marks[0][0], self.left)),
        )

    def _planned(self, elapsed: float, step: int, steps: int) -> int:
        now, half = elapsed - self.opening, (elapsed - self.opening + self.marks[0][0]) / 2
        begun, first = next(
            (mark for mark in reversed(self.marks[:-1]) if mark[0] <= half), self.marks[0]
        )
        pace = (now - begun) / (step - first)
        ending = self.closing + sum(self.cost.values())
        ahead = round((self.seconds * SAFETY - elapsed - ending) / pace)
        if step + ahead < min(LEAST, self.config.steps or LEAST):
            self._too_short(step, max(0, step + ahead), elapsed - step * pace + ending, pace)
        planned = min(step + max(0, ahead), self.config.steps or MOST_STEPS)
        return (
            steps
            if abs(planned - steps) <= DEAD_BAND * max(0, ahead) and planned > step
            else planned
        )

    def _due(self, kind: str, step: int, every: int, most: float) -> bool:
        """By steps or by time, unless it would take too much of the time, or of what is
        left of it.
        """
        if not every:
            return False
        elapsed, cost = self.elapsed, self.cost[kind]
        wanted = step % every == 0 or elapsed - self.at[kind] >= min(most, self.seconds / 5)
        return wanted and self.spent[kind] + cost <= ASIDE * elapsed and 10 * cost <= self.left

    def _too_short(self, done: int, steps: int, around: float, pace: float) -> None:
        needed = math.ceil((around + LEAST * pace) / SAFETY / 6) / 10
        raise RecipeError(
            say(
                "{0:g} minutes are too short: a step takes {1:.2g} s and what is around "
                "the steps {2:.2g} "
                "s, so there is time for {3} steps",
                self.config.minutes,
                pace,
                around,
                steps,
            ),
            where="training.minutes",
            fix=say(
                "training.minutes={0:g} or more; smaller sizes are faster, see --dry-run",
                max(0.1, needed),
            ),
        )


def replayed(decisions: Sequence[tuple[int, int]], config: TrainConfig) -> Plan:
    """The plan of a run that was stopped: what it had decided, beyond its last checkpoint, too."""
    return Plan([*decisions]) if decisions else Plan.of(config)
