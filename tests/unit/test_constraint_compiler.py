"""Constraints compiled for a server: in threads of their own, a few at a time, and not for longer
than somebody waits.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from castalia.constraints.budget import Budget, Cancelled, CompileLimits, OverBudget, spend
from castalia.constraints.parse import constraint
from castalia.serving.constraint_compiler import Compiler
from castalia.serving.http_errors import Busy, Late, Stopping


class Endless:
    """Work that ends when its budget says so. Its threads are counted."""

    def __init__(self) -> None:
        self.live, self.ended = 0, list[BaseException]()
        self.begun = threading.Event()

    def __call__(self, budget: Budget) -> None:
        self.live += 1
        self.begun.set()
        try:
            with budget:
                while True:
                    spend(100)
        except BaseException as error:
            self.ended.append(error)
            raise
        finally:
            self.live -= 1

    async def over(self) -> None:
        for _ in range(200):
            if not self.live:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the thread goes on")


@pytest.fixture
def work() -> Iterator[Endless]:
    made = Endless()
    yield made
    assert not made.live


def test_what_is_compiled_comes_back_and_what_it_raises_too() -> None:
    async def main() -> None:
        compiler = Compiler()
        automaton = await compiler.run(lambda budget: constraint("regex:a{2}", budget), 5)
        assert automaton.distance(automaton.start(), lambda ranges: 1) == 2
        with pytest.raises(OverBudget):
            await Compiler(CompileLimits(nodes=3)).run(
                lambda budget: constraint("regex:abcdefgh", budget), 5
            )
        with pytest.raises(ZeroDivisionError):
            await compiler.run(lambda budget: 1 // 0, 5)
        assert compiler.running == 0

    asyncio.run(main())


def test_it_ends_with_the_requests_time(work: Endless) -> None:
    async def main() -> None:
        with pytest.raises(Late) as raised:
            await Compiler(CompileLimits(seconds=60)).run(work, 0.1)
        assert raised.value.http_status == 408
        await work.over()

    asyncio.run(main())
    assert isinstance(work.ended[0], Cancelled)


def test_it_ends_when_whoever_asked_has_left(work: Endless) -> None:
    async def main() -> None:
        task = asyncio.create_task(Compiler(CompileLimits(seconds=60)).run(work, 60))
        await asyncio.to_thread(work.begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await work.over()

    asyncio.run(main())


def test_it_ends_when_the_server_stops(work: Endless) -> None:
    async def main() -> None:
        stopping = False
        compiler = Compiler(CompileLimits(seconds=60), stopping=lambda: stopping)
        task = asyncio.create_task(compiler.run(work, 60))
        await asyncio.to_thread(work.begun.wait, 5)
        stopping = True
        begun = time.monotonic()
        with pytest.raises(Stopping):
            await task
        with pytest.raises(Stopping):
            await compiler.run(work, 60)
        await work.over()
        assert time.monotonic() - begun < 2

    asyncio.run(main())


def test_many_are_refused_and_take_no_other_thread(work: Endless) -> None:
    async def main() -> None:
        compiler = Compiler(CompileLimits(seconds=60), threads=2, queue=6)
        tasks = [asyncio.create_task(compiler.run(work, 60)) for _ in range(6)]
        await asyncio.to_thread(work.begun.wait, 5)
        with pytest.raises(Busy) as raised:
            await compiler.run(work, 60)
        assert raised.value.http_status == 429 and work.live <= 2
        assert await asyncio.to_thread(lambda: 3) == 3  # threads that others work in are free
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await work.over()
        assert compiler.running == 0
        quick: Callable[[Budget], int] = lambda budget: 4  # noqa: E731
        assert await compiler.run(quick, 5) == 4

    asyncio.run(main())
