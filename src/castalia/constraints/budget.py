"""Work budgets of constraints: limits on compiling one, and on finding the tokens that it allows at
one place.

A constraint comes from a user or a client, and a short one can ask for hours of work (nested
counters, `$ref`s that double at each level). So the loops that build languages and walk automata
call `spend`, which counts against the budget of the block that runs:

    with Budget(CompileLimits(seconds=1)) as budget:    # another thread may call budget.cancel()
        language = regex.language(pattern)

The budget is a context variable, as each of these loops lies several calls below the caller that
sets it. Outside of such a block nothing is counted.
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, fields, replace

from castalia.errors import CastaliaError, RecipeError, meant
from castalia.sentences import say

TOO_MUCH = say("this constraint is too much work")
ANYWHERE = say("the constraint")  # where work is too much that has no place in the text
CLOCK_EVERY = 1000  # steps between two checks of the clock and of `cancelled`


@dataclass(frozen=True)
class CompileLimits:
    """Of one constraint. Counts of work do not depend on the machine, so a text that can be written
    here can be written anywhere.

    bytes        of its text, or of the file that json:@ names.
    depth        groups of an expression, or values of a schema, inside one another.
    nodes        parts of the language that it describes; what a $ref names is counted once.
    seconds      of processor time to compile it.
    states       of its automaton that are kept in memory; when there are more, all are dropped
                 and computed again as they are needed.
    state_steps  work to find the ways out of one state, about a microsecond each.
    mask_steps   work to find the tokens that may come at one place, about a microsecond each.
    """

    bytes: int = 1 << 20
    depth: int = 64
    nodes: int = 200_000
    seconds: float = 10.0
    states: int = 5_000
    state_steps: int = 30_000
    mask_steps: int = 2_000_000

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0 < getattr(self, one.name) < 1 << 40:
                raise RecipeError(
                    say("a limit of constraints is out of range"),
                    where=f"{one.name}={getattr(self, one.name)}",
                    fix=say("a positive number"),
                )


def limits_from(words: str, start: CompileLimits | None = None) -> CompileLimits:
    """`nodes=1000000,seconds=60`: `start` with these changed. Raises RecipeError."""
    start = start or CompileLimits()
    known = {one.name: type(getattr(start, one.name)) for one in fields(start)}
    changed = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        name, _, value = word.partition("=")
        if name not in known:
            raise RecipeError(
                say("constraints have no such limit"),
                where=word,
                fix=say("{0}use one of {1}", meant(name, known), ", ".join(known)),
            )
        try:
            changed[name] = known[name](value)
        except ValueError:
            raise RecipeError(
                say("this is no limit of constraints"),
                where=word,
                fix=f"{name}={getattr(start, name)}",
            ) from None
    return replace(start, **changed)


class OverBudget(RecipeError):
    """A constraint needs more work than `limit` allows."""

    def __init__(
        self, what: str, limit: str, limits: CompileLimits, where: object = ANYWHERE
    ) -> None:
        super().__init__(
            what,
            where,
            say(
                "make it smaller; on a machine of your own, raise the limit: "
                "--constraint-limits {0}={1}",
                limit,
                getattr(limits, limit),
            ),
        )
        self.limit = limit


class Cancelled(CastaliaError):
    """The request for this constraint was cancelled."""

    exit_code, http_status = 1, 408


_CURRENT: ContextVar[Meter | None] = ContextVar("castalia_constraint_budget", default=None)


def spend(steps: int = 1) -> None:
    """Count work, about a microsecond a step. Raises OverBudget or Cancelled, where a budget is
    set.
    """
    meter = _CURRENT.get()
    if meter is not None:
        meter.spend(steps)


def spend_node() -> None:
    """Count a part of a language that was built."""
    meter = _CURRENT.get()
    if meter is not None:
        meter.spend_node()


def current_limits() -> CompileLimits:
    """Those of the block that runs, else the defaults."""
    meter = _CURRENT.get()
    return CompileLimits() if meter is None else meter.limits


class Meter:
    """At most `most` steps inside of `with`, which count in the blocks around it, too."""

    def __init__(
        self,
        most: int,
        limit: str,
        limits: CompileLimits,
        what: str = TOO_MUCH,
    ) -> None:
        self.most, self.limit, self.limits, self.what = most, limit, limits, what
        self.spent = 0
        self._outer: Meter | None = None
        self._token: Token[Meter | None] | None = None

    def __enter__(self) -> Meter:
        self._outer = _CURRENT.get()
        self._token = _CURRENT.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        assert self._token is not None
        _CURRENT.reset(self._token)

    def spend(self, steps: int) -> None:
        self.spent += steps
        if self.spent > self.most:
            raise OverBudget(self.what, self.limit, self.limits)
        if self._outer is not None:
            self._outer.spend(steps)

    def spend_node(self) -> None:
        """What states are made of is work, but no part of the constraint."""
        self.spend(1)


class Budget(Meter):
    """Of compiling: nodes, processor time of the thread that compiles, and whether it was
    cancelled.
    """

    def __init__(self, limits: CompileLimits | None = None) -> None:
        self.limits = limits or CompileLimits()
        super().__init__(1 << 62, "seconds", self.limits)
        self.nodes = 0
        self.cancelled = False  # set by any thread
        self._unseen = 0
        self._started: float | None = None

    def cancel(self) -> None:
        """Let the thread that compiles raise Cancelled, within a few milliseconds."""
        self.cancelled = True

    def __enter__(self) -> Budget:
        super().__enter__()
        if self._started is None:
            self._started = time.thread_time()
        return self

    def spend(self, steps: int) -> None:
        self.spent += steps
        self._unseen += steps
        if self._unseen >= CLOCK_EVERY:
            self._unseen = 0
            self.check()

    def spend_node(self) -> None:
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise OverBudget(
                say("this constraint has more than {0:,} parts", self.limits.nodes),
                "nodes",
                self.limits,
            )
        self.spend(1)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled(say("the constraint was cancelled while it was compiled"))
        if self._started is not None and time.thread_time() - self._started > self.limits.seconds:
            raise OverBudget(
                say(
                    "this constraint takes more than {0:g} seconds to compile", self.limits.seconds
                ),
                "seconds",
                self.limits,
            )
