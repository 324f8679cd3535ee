"""The page of a run that is training: RUN/training.html, which loads itself again until training is
over.

The newest samples beside real items, how far they are from real data, the curve of that, the loss,
and earlier sheets, small. What changes is told by evaluation/sample_sheets.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from castalia.evaluation.base import show
from castalia.evaluation.charts import curve
from castalia.evaluation.sheet_distance import Distance, title
from castalia.language import Voice, constant
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import presenter_of
from castalia.pages.render import write
from castalia.registry import mends_only
from castalia.sampling import previews
from castalia.sentences import Message, join, say, series
from castalia.training.hooks import Progress, headlines
from castalia.training.time_budget import FAR
from castalia.units import duration

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.run import Run

NAME = "training.html"
RELOAD = 10  # seconds after which a browser loads it again
EARLIER = 60  # sheets shown small: of more, some of all times
EXCERPT = 240  # characters of an earlier text
MOST_POINTS = 2000  # of a curve that is kept


class TrainingPage:
    """The page of one process; what an earlier one did is read from the run.

    codec, real: what presents the items, and the real ones. language: "en" or "zh".
    """

    def __init__(
        self, run: Run, codec: Codec[Any], real: Sequence[Any], language: str = "en"
    ) -> None:
        self.run, self.voice, self.shows = run, Voice(language), presenter_of(codec)
        self.path = run.folder / NAME
        self.real = self.shows.items(real, self.voice)
        self.samples: tuple[int, Html] | None = None
        self.distances: list[tuple[int, Distance]] = []
        self.losses: dict[str, list[tuple[int, float]]] = {}
        self.last: dict[str, float] = {}  # the newest of `losses`
        for row in run.metrics():
            self._losses(row["step"], {key: row[key] for key in row if "/" in key})
            if (found := Distance.of(row)) is not None:
                self.distances.append((row["step"], found))

    def log(self, now: Progress) -> None:
        """Losses of a step."""
        self._losses(now.step, now.parts)

    def sheet(self, step: int, items: Sequence[Any], found: Distance | None) -> None:
        """A sheet has been made."""
        self.samples = step, self.shows.items(items, self.voice)
        if found is not None:
            self.distances.append((step, found))

    def write(self, now: Progress, *, stopped: bool = False) -> None:
        """The page as it is now, whole or not at all; with the event "end", for good. stopped: by a
        signal or an error.
        """
        headline = say("Stopped") if stopped else say("Training")
        headline = say("Trained") if now.event == "end" else headline
        files = previews.files(self.run.folder / "samples")
        write(
            self.path,
            "training.html.j2",
            self.voice.language,
            reload=None if stopped or now.event == "end" else RELOAD,
            title=f"{self.run.recipe.title} · {self.run.id}",
            headline=headline,
            share=100.0 * min(1.0, now.step / max(1, now.steps)),
            state=self.state(now),
            clock=time.strftime("%H:%M:%S"),
            samples=self._newest(files),
            mends=mends_only(self.run.recipe.family.name),
            real=self.real,
            distance=self._distance(),
            curves=self._curves(),
            earlier=self._earlier(files),
            wide=any(file.suffix == ".txt" for file in files.values()),
            folder=self.run.folder,
        )

    def state(self, now: Progress) -> Message:
        """ "step 1,500 of 2,500, loss 0.41, 2 min 10 s left"."""
        return series(
            [
                say("step {0:,} of {1:,}", now.step, now.steps)
                if now.steps != FAR
                else say("step {0:,}", now.step),  # before the clock has decided on a number
                *(
                    say("{0} {1:.4g}", constant(name, self.voice.language), value)
                    for name, value in self.last.items()
                ),
                *(
                    [say("{0} left", duration(now.left))]
                    if now.speed and now.step < now.steps
                    else []
                ),
            ]
        )

    def _losses(self, step: int, parts: dict[str, float]) -> None:
        for name, value in headlines(parts).items() if parts else ():
            points = self.losses.setdefault(name, [])
            points.append((step, value))
            self.last[name] = value
            if len(points) > MOST_POINTS:
                del points[1::2]

    def _newest(self, files: Mapping[int, Path]) -> tuple[int, Html] | None:
        """The newest sheet; after a process that was killed, as its file has it."""
        if self.samples is None and files:
            step = max(files)
            if files[step].suffix == ".txt":
                return step, self.shows.items(previews.texts_of(files[step]), self.voice)
            return step, Html('<img class="drawn" alt="" src="{}">').format(_address(files[step]))
        return self.samples

    def _distance(self) -> Message | str:
        """What is known of the distance, in words."""
        if not self.distances:
            return ""
        (first, began), (step, now) = self.distances[0], self.distances[-1]
        return join(
            [
                say("{0}.", now.words()),
                say("At step {0:,} it was {1}.", first, show(began.value)) if step > first else "",
                say("This is rough, being of few items; castalia evaluate measures it well."),
            ]
        )

    def _curves(self) -> list[Html]:
        """The distance with its 95% intervals, and the losses."""
        charts = []
        if self.distances:
            last = self.distances[-1][1]
            same = [(step, one) for step, one in self.distances if one.name == last.name]
            # beside what noise has at first, nothing later could be told apart
            same = same[1:] if len(same) > 3 else same
            ends = [(one.low, one.high) for _, one in same]
            known = [(low, high) for low, high in ends if low is not None and high is not None]
            charts.append(
                curve(
                    self.voice(title(last.name)),
                    [step for step, _ in same],
                    [one.value for _, one in same],
                    self.voice,
                    ranges=known,
                    real=None if last.real is None else max(0.0, last.real),
                )
            )
        for name, points in self.losses.items():
            charts.append(
                curve(
                    constant(name, self.voice.language),
                    [step for step, _ in points],
                    [value for _, value in points],
                    self.voice,
                )
            )
        return [chart for chart in charts if chart]

    def _earlier(self, files: Mapping[int, Path]) -> list[tuple[int, str, str, Html | None]]:
        """(step, address, distance, what is shown where it is no picture) of earlier sheets, the
        newest first.
        """
        values = {step: show(one.value) for step, one in self.distances}
        steps = sorted(files)[:-1]
        chosen = steps[:: -max(1, -(-len(steps) // EARLIER))]
        return [
            (step, _address(files[step]), values.get(step, ""), _excerpt(files[step]))
            for step in chosen
        ]


def _address(file: Path) -> str:
    """As the page sees it."""
    return quote(f"{file.parent.name}/{file.name}")


def _excerpt(file: Path) -> Html | None:
    """The beginning of the first text; None of a picture."""
    if file.suffix != ".txt":
        return None
    text = previews.texts_of(file)[0]
    return html.text(text[:EXCERPT] + (" …" if len(text) > EXCERPT else ""))
