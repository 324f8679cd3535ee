"""The compute engine: one thread computes for any number of clients, lane by lane.

Work waits in lanes, one for each thing that can be computed together (batching.py: the texts of a
run, its pictures, anything else). The thread gives a turn to the lane that has had the least time
so far, so a long picture does not keep texts waiting for longer than its own turn, and the other
way round. A turn is short: one token of every live row, or one batch of pictures.

The HTTP side is asyncio and lives in another thread. It hands in work and gets a Ticket; results
come through the ticket, and a client that leaves cancels it. A turn that raises ends the requests
that took part, not the thread; a lane that failed is tried again every second with its smallest
computation while it is idle, so `ready` stays correct. Not here: HTTP, text, what a model does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch

from castalia.errors import CastaliaError
from castalia.sentences import say
from castalia.serving.http_errors import Busy, Late, Stopping

LOG = logging.getLogger("castalia.serving")
AGAIN = 1.0  # seconds after which an idle lane that failed is tried again
STALLED = 30.0  # seconds of one turn after which the engine is no longer ready


class Ticket:
    """A piece of work as its owner sees it, in the loop's thread; `put` and `finish` are the
    engine's, from the computing thread.

    work     what a lane was asked for.
    started  whether any of it has been computed; taken from the queue.
    gone     cancelled, or past its deadline: nothing of it is wanted any more.
    used     tokens taken in and written for it so far.
    """

    def __init__(self, work: Any, lane: Lane, engine: Engine, seconds: float) -> None:
        self.work, self.lane, self.seconds = work, lane, seconds
        self.started = self.gone = self.finished = False
        self.used = 0
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._results: deque[Any] = deque()
        self._error: BaseException | None = None
        self._wake = asyncio.Event()
        self._notified = False
        self._alarm = self._loop.call_later(seconds, self._overdue)

    # the loop's side

    async def take(self) -> list[Any]:
        """All that came since the last time, at least one result; [] when all is done. Raises what
        the computation raised; Busy when the deadline came before a turn did, else Late.
        """
        while not self._results:
            if self._error is not None:
                raise self._error
            if self.finished:
                return []
            await self._wake.wait()
            self._wake.clear()
            self._notified = False
        results = []
        while self._results:
            results.append(self._results.popleft())
        return results

    async def all(self) -> list[Any]:
        """Everything, once it is done."""
        results: list[Any] = []
        while more := await self.take():
            results += more
        return results

    def cancel(self) -> None:
        """Forget the work: it leaves the queue at once, or the running batch before the next token.
        Harmless when it is done.
        """
        self._alarm.cancel()
        if not (self.finished or self.gone):
            self.gone = True
            self._engine.forget(self)

    def _overdue(self) -> None:
        if self.finished or self.gone:
            return
        if self.started:
            error: CastaliaError = Late(
                say("the result did not come within {0:g} seconds", self.seconds),
                fix=say("ask for less, e.g. a smaller max_tokens or n"),
            )
        else:
            error = Busy(
                say("no turn came within {0:g} seconds", self.seconds),
                fix=say("try again later"),
                seconds=self.seconds,
            )
        self.cancel()
        self._error = error
        self._wake.set()

    # the engine's side

    def put(self, result: Any) -> None:
        self._results.append(result)
        self._notify()

    def finish(self, error: BaseException | None = None) -> None:
        if error is not None:
            self._error = error
        self.finished = True
        self._notify()

    def _notify(self) -> None:
        if self._notified:
            return
        self._notified = True
        try:
            self._loop.call_soon_threadsafe(self._awake)
        except RuntimeError:  # the loop is closed: nothing waits any more
            self.gone = True

    def _awake(self) -> None:
        if self.finished:
            self._alarm.cancel()
        self._wake.set()


class Lane(ABC):
    """Work of one kind that can be computed together. Only the computing thread calls `turn`;
    `waiting` is changed under the engine's lock.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Ticket] = deque()
        self.lock: threading.Condition = threading.Condition()
        self.spent = 0.0  # seconds of turns, on the engine's common clock
        self.computed = 0.0  # seconds of turns in all
        # the last unexpected error, where nothing has been computed since
        self.fault: str | None = None

    @property
    def live(self) -> int:
        """Rows that are in the middle of being computed."""
        return 0

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    @abstractmethod
    def turn(self) -> None:
        """Compute a little."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """A turn raised: everything that took part gets the error, the lane is fresh again."""

    def probe(self) -> None:  # noqa: B027 - nothing by default
        """Compute the least there is to compute; raises where that is not possible."""

    def note(self, error: Exception) -> None:
        """Remember and log an error that no request should be able to cause."""
        if isinstance(error, CastaliaError) and error.http_status < 500:
            return
        self.fault = type(error).__name__
        LOG.error("a computation failed", exc_info=error, extra={"lane": self.name})

    def next(self) -> Ticket | None:
        """The ticket at the head of the queue, started."""
        with self.lock:
            if not self.waiting:
                return None
            ticket = self.waiting.popleft()
            ticket.started = True
            return ticket


class Engine:
    """Starts its thread when made; `stop` ends it. All other methods are for the loop's thread."""

    def __init__(
        self, lanes: Mapping[str, Lane], *, queue: int = 256, threads: int | None = None
    ) -> None:
        self.lanes, self.queue = dict(lanes), queue
        self.draining = False
        self.refused = self.cancelled = 0
        self._changed = threading.Condition()
        for lane in self.lanes.values():
            lane.lock = self._changed
        self._threads, self._ended, self._working = threads, False, False
        self._began: float | None = None  # when the current turn began
        self._thread = threading.Thread(target=self._work, name="castalia-engine", daemon=True)
        self._thread.start()

    def submit(self, lane: str, work: Any, *, seconds: float = 120.0) -> Ticket:
        """Put work in a lane's queue. Raises Busy when `queue` pieces wait already, Stopping while
        draining.
        """
        if self.draining:
            raise Stopping(say("the server is stopping"), fix=say("try another one"))
        chosen = self.lanes[lane]
        with self._changed:
            waiting = self.waiting
            if waiting >= self.queue:
                self.refused += 1
                raise Busy(
                    say("the server has as much to do as it takes"),
                    where=say("{0} requests wait", waiting),
                    fix=say("try again later"),
                    seconds=self.pause,
                )
            if not chosen.busy:  # time that it did not ask for is not owed to it
                others = [other.spent for other in self.lanes.values() if other.busy]
                chosen.spent = max(chosen.spent, min(others, default=chosen.spent))
            ticket = Ticket(work, chosen, self, seconds)
            chosen.waiting.append(ticket)
            self._changed.notify()
        return ticket

    def forget(self, ticket: Ticket) -> None:
        with self._changed:
            self.cancelled += 1
            if ticket in ticket.lane.waiting:
                ticket.lane.waiting.remove(ticket)

    @property
    def waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self.lanes.values())

    @property
    def idle(self) -> bool:
        return not self._working and not any(lane.busy for lane in self.lanes.values())

    @property
    def pause(self) -> float:
        """Seconds after which trying again makes sense: a rough guess, for Retry-After."""
        return 1.0 + 0.02 * self.waiting

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def failing(self) -> tuple[str, ...]:
        """Names of the lanes that cannot work: the last computation failed, or the current turn
        does not end.
        """
        began = self._began
        if not self.alive or (began is not None and time.monotonic() - began > STALLED):
            return tuple(self.lanes)
        return tuple(name for name, lane in self.lanes.items() if lane.fault is not None)

    def stop(self, seconds: float = 5.0) -> None:
        """End the thread after the turn it is in; what waits gets nothing."""
        self.draining = True
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(seconds)

    def _work(self) -> None:
        if self._threads is not None:
            torch.set_num_threads(self._threads)  # a setting of the thread that computes
        while True:
            with self._changed:
                self._working = False
                while not (
                    self._ended
                    or (busy := [lane for lane in self.lanes.values() if lane.busy])
                    or self._failed_idle()
                ):
                    self._changed.wait()
                if self._ended:
                    return
                if not busy:
                    self._changed.wait(AGAIN)
                    busy = [lane for lane in self.lanes.values() if lane.busy]
                if self._ended:
                    return
                self._working = bool(busy)
            if busy:
                self._turn(min(busy, key=lambda lane: lane.spent))
            else:
                for lane in self._failed_idle():
                    self._try_again(lane)

    def _failed_idle(self) -> list[Lane]:
        return [lane for lane in self.lanes.values() if lane.fault is not None and not lane.busy]

    def _turn(self, lane: Lane) -> None:
        begun = time.perf_counter()
        self._began = time.monotonic()
        try:
            lane.turn()
        # a bug, or a model that gives NaN: its requests get the error, all others go on
        except Exception as error:
            lane.note(error)
            lane.fail(error)
        finally:
            self._began = None
        took = time.perf_counter() - begun
        lane.spent += took
        lane.computed += took

    def _try_again(self, lane: Lane) -> None:
        try:
            lane.probe()
        except Exception as error:
            lane.fault = type(error).__name__
        else:
            lane.fault = None
