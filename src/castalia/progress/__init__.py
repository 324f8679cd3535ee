"""Progress reporting: the library reports stages of its work, and listeners show them.

    with stage("reading", total=len(files), unit="files") as work:      in the library
        for file in files:
            read(file)
            work.advance()

    note("...")                      a line that stays on the screen
    with listening(listener):
        at the edge: the command line, a notebook
        castalia.train(...)

A stage is a few numbers that its owner changes in place; a listener reads them whenever it likes,
from a thread of its own, so a step of a minute still shows that time passes. Without a listener a
stage costs next to nothing. Nothing here prints: views.py does.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

REFRESH = 0.5  # seconds between two computations of numbers that cost time
Item = TypeVar("Item")


@dataclass
class Stage:
    """A piece of work that is under way.

    name    what is being done: "reading", "training". unit: of `done` and `total`: "files",
            "steps"; may be empty.
    total   units in all; None where it is not known. done: so far. first: where it began, of a
            training that was resumed.
    values  what else to show, by name, e.g. losses. rate: items per second; left: seconds to the
            end; None: from `done` and the clock.
    lasting whether its last state stays on the screen when it is over.
    """

    name: str
    total: int | None = None
    unit: str = ""
    lasting: bool = False
    done: int = 0
    first: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    rate: float | None = None
    left: float | None = None
    heard: bool = False
    begun: float = field(default_factory=time.monotonic)
    refreshed: float = 0.0

    def advance(self, units: int = 1) -> None:
        self.done += units

    def at(self, done: int, total: int | None = None) -> None:
        """`done` of `total` units. Has the signature of libraries' callbacks."""
        self.done, self.total = done, self.total if total is None else total

    def due(self) -> bool:
        """Whether to compute expensive numbers again: there is a listener, and the last ones are
        half a second old.
        """
        now = time.monotonic()
        if not self.heard or now - self.refreshed < REFRESH:
            return False
        self.refreshed = now
        return True

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the end; None while nothing is known."""
        if self.left is not None or not self.total or self.done <= self.first:
            return self.left
        return (self.total - self.done) * self.seconds / (self.done - self.first)


class Listener(Protocol):
    """What shows stages; called by the thread that works. paused: nothing is shown inside, so that
    other output has room.
    """

    def begin(self, stage: Stage) -> None: ...

    def end(self, stage: Stage) -> None: ...

    def paused(self) -> AbstractContextManager[None]: ...

    def note(self, line: str) -> None:
        """A line that stays on the screen."""
        ...


_listener: ContextVar[Listener | None] = ContextVar("castalia_progress", default=None)


def listener() -> Listener | None:
    """The listener, or None."""
    return _listener.get()


def heard() -> bool:
    """Whether there is a listener."""
    return _listener.get() is not None


def paused() -> AbstractContextManager[None]:
    """Nothing is shown inside the block, so that other output has room."""
    current = _listener.get()
    return nullcontext() if current is None else current.paused()


def note(*lines: str) -> None:
    """Lines for whoever listens, which stay on the screen."""
    current = _listener.get()
    if current is not None:
        with current.paused():
            for line in lines:
                current.note(line)


@contextmanager
def listening(to: Listener | None) -> Iterator[None]:
    """Stages inside are reported to a listener; None: to none. Other threads are not included."""
    token = _listener.set(to)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def stage(
    name: str, total: int | None = None, unit: str = "", *, done: int = 0, lasting: bool = False
) -> Iterator[Stage]:
    """A stage, from here to the end of the block. Stages may be nested; the innermost is shown."""
    current = _listener.get()
    made = Stage(name, total, unit, lasting, done, done, heard=current is not None)
    if current is not None:
        current.begin(made)
    try:
        yield made
    finally:
        if current is not None:
            current.end(made)


def tracked(
    items: Iterable[Item], name: str, total: int | None = None, unit: str = ""
) -> Iterator[Item]:
    """`items`, counted while they are taken."""
    with stage(name, total, unit) as work:
        for item in items:
            yield item
            work.advance()
