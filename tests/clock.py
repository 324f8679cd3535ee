"""A clock for tests of what happens by the time."""

from __future__ import annotations


class Clock:
    """Seconds that pass only when somebody says so; stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now
