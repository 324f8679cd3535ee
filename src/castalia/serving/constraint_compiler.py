"""Compile constraints in threads of their own, few at a time, apart from the engine's thread and
those for files.

A compilation ends when it is done, when its budget is used up (constraints/budget.py), when the
request's time is over, when the client has left, and when the server stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from castalia.constraints.budget import Budget, CompileLimits
from castalia.sentences import say
from castalia.serving.http_errors import Busy, Late, Stopping

T = TypeVar("T")
THREADS = 2  # they run Python code, so more would only share the same time
PAUSE = 0.05  # seconds between two checks whether the server stops
QUEUE = 32  # compilations that wait or run; one more is refused


class Compiler:
    """All methods are for the loop's thread."""

    def __init__(
        self,
        limits: CompileLimits | None = None,
        *,
        threads: int = THREADS,
        queue: int = QUEUE,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """stopping: whether the server stops, so that nothing is begun any more and what runs is
        broken off.
        """
        self.limits, self.queue, self.stopping = limits or CompileLimits(), queue, stopping
        self.running = 0  # compilations that wait or run
        self._threads = ThreadPoolExecutor(threads, "castalia-compile")

    async def run(self, work: Callable[[Budget], T], seconds: float) -> T:
        """`work(budget)` in a thread. Raises what it raises; Busy where too many wait already, Late
        after `seconds`, Stopping while the server stops.
        """
        if self.running >= self.queue:
            raise Busy(
                say("too many constraints are being compiled"),
                where=say("{0} wait or run", self.running),
                fix=say("try again later"),
            )
        budget = Budget(self.limits)
        future = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, budget))
        future.add_done_callback(self._ended)
        self.running += 1
        try:
            async with asyncio.timeout(seconds):
                while not future.done():
                    if self.stopping():
                        raise Stopping(say("the server is stopping"), fix=say("try another one"))
                    await asyncio.wait({future}, timeout=PAUSE)
                return future.result()
        except TimeoutError:
            raise Late(
                say("the constraint was not compiled within {0:g} seconds", seconds),
                where="constraint",
                fix=say("make it smaller, or try again later"),
            ) from None
        finally:
            budget.cancel()
            future.cancel()  # if it has not begun

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.running -= 1
        if not future.cancelled():
            future.exception()  # the caller has seen it, or has left
