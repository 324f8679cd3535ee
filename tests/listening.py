"""A listener that keeps every stage it was told of, in the order in which they began."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from castalia import progress
from castalia.progress import Stage


class Recorder:
    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.ended: list[Stage] = []
        self.notes: list[str] = []

    def begin(self, stage: Stage) -> None:
        self.stages.append(stage)

    def end(self, stage: Stage) -> None:
        self.ended.append(stage)

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def note(self, line: str) -> None:
        self.notes.append(line)

    @property
    def names(self) -> list[str]:
        return [stage.name for stage in self.stages]


@contextmanager
def recorded() -> Iterator[Recorder]:
    recorder = Recorder()
    with progress.listening(recorder):
        yield recorder
