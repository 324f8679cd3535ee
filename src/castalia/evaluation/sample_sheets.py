"""Sheets of samples while a model trains: drawn from the averaged weights with the same noise each
time, beside as many real items, measured, written to RUN/samples, and shown on RUN/training.html.

A hook of the training loop, so it changes no weight: samples have generators of their own. When
sheets are due is in training/time_budget.py, and what they cost is counted there.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from castalia import progress
from castalia.escapes import printable
from castalia.evaluation.sheet_distance import Distance, SheetDistance
from castalia.evaluation.training_page import TrainingPage
from castalia.language import current, translate
from castalia.sampling import previews
from castalia.sentences import say
from castalia.training.hooks import Progress

if TYPE_CHECKING:
    from castalia.data.stream import Dataset
    from castalia.run import Run

PAGE_SECONDS = 10.0  # between two versions of the page, beside those with a new sheet


class SampleSheets:
    """The hook; made before the first step of a process, which is the one after `step`. What a
    process that was killed made beyond that goes, as it does from the log.
    """

    def __init__(self, run: Run, dataset: Dataset, step: int = 0) -> None:
        self.run, self.dataset = run, dataset
        self.folder = run.folder / "samples"
        for made, file in previews.files(self.folder).items():
            if made > step:
                file.unlink()
        with progress.stage("preparing sample sheets"):
            real = previews.real(dataset)
            self.cond, self.distance = real.cond, SheetDistance(dataset, real)
            previews.write(self.folder / "real", real.items, dataset.codec)
            self.page = TrainingPage(run, dataset.codec, real.items, current())
        self.last = Progress("log", step, run.total_steps or 0, {})
        self.page.write(self.last)
        self.written = time.monotonic()  # when the page was

    def stop(self) -> None:
        """Training ended before its end: the page says so and is loaded no more."""
        self.page.write(self.last, stopped=True)

    def __call__(self, now: Progress) -> None:
        self.last = now
        if now.event == "log":
            self.page.log(now)
        elif now.event == "sample":
            self._sheet(now)
        if now.event in ("sample", "end") or time.monotonic() - self.written > PAGE_SECONDS:
            self.page.write(now)
            self.written = time.monotonic()

    def _sheet(self, now: Progress) -> None:
        with progress.stage("drawing a sample sheet"):
            made = previews.drawn(now.model, self.dataset, self.cond)
            if not made.items:
                return
            place = self.folder / f"step-{now.step:08d}"
            file = previews.write(place, made.items, self.dataset.codec)
            found = self.distance.of(made.x, now.held_out, now.held_out_error)
        if found is not None:
            self.run.record({"step": now.step, **found.row()})
        self.page.sheet(now.step, made.items, found)
        progress.note(*(printable(translate(line)) for line in self._words(now, file, found)))

    def _words(self, now: Progress, file: Path, found: Distance | None) -> list[str]:
        """What the terminal says of a sheet."""
        lines = [say("samples at {0}: {1}", self.page.state(now), file)]
        if found is not None:
            lines.append(say("  {0}; rough, of few items", found.words()))
        return lines
