"""Views of progress: a line that is redrawn on a terminal, lines in a log, a live line in a
notebook.

    with shown():                   a view that fits the output; none where nobody would see it
        castalia.train(...)

A thread of the view draws, so that the line moves during long steps.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TextIO

from castalia.language import constant, say, translate
from castalia.progress import Listener, Stage, heard, listener, listening
from castalia.text_width import cut
from castalia.units import duration

TICK = 0.25  # seconds between two drawings of a live line
# a live line begins so late; a log's first line, and the longest silence between two
PATIENCE, FIRST, MOST = 0.3, 2.0, 10.0
BAR = 20
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@contextmanager
def shown(progress: bool | None = None) -> Iterator[None]:
    """Progress of what happens inside, on stderr or in the notebook's cell. None: in a notebook and
    on a terminal; True: in logs, too.

    Nothing is added where a listener is set already, or in a process that is not the first of
    several.
    """
    view = (
        None
        if heard() or progress is False or int(os.environ.get("RANK", "0") or 0) > 0
        else view_for(sys.stderr, progress)
    )
    if view is not None:
        try:
            with listening(view):
                yield
        finally:
            view.close()
    else:
        with listening(None) if progress is False else nullcontext():
            yield


def often() -> None:
    """From here on a log has a line every two seconds: of work that is short."""
    view = listener()
    if isinstance(view, Log):
        view.every = view.pause = FIRST


def view_for(stream: TextIO, progress: bool | None = None, *, every: float = MOST) -> View | None:
    """The view that fits where the program runs; None where none was asked for and nobody would see
    it. every: seconds between lines of a log.
    """
    if in_notebook():
        return Notebook()
    if stream.isatty():
        return Terminal(stream)
    return Log(stream, every) if progress else None


def in_notebook() -> bool:
    """Whether this is a notebook's kernel."""
    shell = sys.modules.get("IPython")
    ipython = shell.get_ipython() if shell is not None else None
    return ipython is not None and "IPKernelApp" in getattr(ipython, "config", {})


def text_of(stage: Stage, *, bar: int = BAR) -> str:
    """One line: how far it is, what it measures, how fast, how long still."""
    parts, unit = [constant(stage.name)], constant(stage.unit) if stage.unit else ""
    if stage.total:
        share = min(1.0, stage.done / stage.total)
        if bar:
            parts.append("█" * round(share * bar) + "░" * (bar - round(share * bar)))
        parts.append(f"{stage.done:,}/{stage.total:,} {unit}".rstrip())
    elif stage.done:
        parts.append(f"{stage.done:,} {unit}".rstrip())
    parts += [f"{constant(name)} {value:.4g}" for name, value in stage.values.items()]
    if stage.rate is not None:
        parts.append(
            translate(
                say(
                    "{0} items/s", f"{stage.rate:,.0f}" if stage.rate >= 10 else f"{stage.rate:.2g}"
                )
            )
        )
    left = stage.seconds_left
    ended = stage.total is not None and stage.done >= stage.total
    parts.append(
        translate(
            say("{0} left", duration(left))
            if left is not None and not ended
            else duration(stage.seconds)
        )
    )
    return "  ".join(parts)


class View(Listener):
    """What the views share: the stages that are under way, and the thread that draws. `close` ends
    both.
    """

    tick = TICK

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, stage: Stage) -> None:
        with self.lock:
            self.stages.append(stage)
            if self._thread is None:
                self._ended.clear()
                self._thread = threading.Thread(
                    target=self._run, name="castalia-progress", daemon=True
                )
                self._thread.start()

    def end(self, stage: Stage) -> None:
        with self.lock:
            if stage in self.stages:
                self.stages.remove(stage)
            if stage.lasting:
                self.last(stage)

    def close(self) -> None:
        """Nothing is drawn any more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.clear()

    def draw(self) -> None:
        """The innermost stage, as it is now."""

    def last(self, stage: Stage) -> None:
        """The end of a stage that is to stay on the screen."""

    def clear(self) -> None:
        """Takes away what is live; it comes back with the next drawing."""

    def note(self, line: str) -> None:
        """A line that stays, between what is drawn."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Room for other output."""
        with self.lock:
            self.clear()
            yield

    def _run(self) -> None:
        while not self._ended.wait(self.tick):
            with self.lock:
                if self.stages:
                    self.draw()


class Terminal(View):
    """One line that is redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream
        self.live = False
        self.turns = 0

    def draw(self) -> None:
        stage = self.stages[-1]
        if not self.live and stage.seconds < PATIENCE:
            return
        self.turns += 1
        line = f"{SPINNER[self.turns % len(SPINNER)]} {text_of(stage)}"
        self._write("\r" + cut(line, shutil.get_terminal_size().columns - 1) + "\x1b[K")
        self.live = True

    def end(self, stage: Stage) -> None:
        super().end(stage)
        if not self.stages:
            self.clear()

    def last(self, stage: Stage) -> None:
        self.clear()
        self._write(cut(text_of(stage), shutil.get_terminal_size().columns - 1) + "\n")

    def clear(self) -> None:
        with self.lock:
            if self.live:
                self._write("\r\x1b[K")
            self.live = False

    def note(self, line: str) -> None:
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # the terminal was closed: training goes on
            self._ended.set()


class Log(View):
    """Lines for files and other programs: the first after two seconds, then ever rarer, at most
    `every` seconds apart.

    A stage that had a line has one for its end, too, so that no log stops at 91 of 121.
    """

    def __init__(self, stream: TextIO, every: float = MOST) -> None:
        super().__init__()
        self.stream, self.every = stream, every
        self.shown_stages: set[int] = set()  # stages that had a line
        self.pause, self.mark = min(FIRST, every), time.monotonic()

    def draw(self) -> None:
        now = time.monotonic()
        if now - self.mark >= self.pause - TICK / 2:
            self._line(
                next(
                    (one for one in reversed(self.stages) if one.seconds >= PATIENCE),
                    self.stages[-1],
                )
            )
            self.pause = min(self.every, 2 * self.pause)

    def end(self, stage: Stage) -> None:
        with self.lock:
            super().end(stage)
            if id(stage) in self.shown_stages:
                self.shown_stages.discard(id(stage))
                if stage.total is not None and stage.done >= stage.total and not stage.lasting:
                    self._line(stage)

    def last(self, stage: Stage) -> None:
        self._line(stage)

    def note(self, line: str) -> None:
        self._write(line)

    def _line(self, stage: Stage) -> None:
        self.mark = time.monotonic()
        if stage in self.stages:
            self.shown_stages.add(id(stage))
        self._write(text_of(stage, bar=0))

    def _write(self, line: str) -> None:
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            self._ended.set()


class Notebook(View):
    """A line in the output of the cell, redrawn in place."""

    tick = 0.5

    def __init__(self, display: Any = None) -> None:
        """display: IPython's, by default."""
        super().__init__()
        self._display = display
        self._handle: Any = None

    def draw(self) -> None:
        if self.stages[-1].seconds >= PATIENCE or self._handle is not None:
            self._show(text_of(self.stages[-1]))

    def last(self, stage: Stage) -> None:
        self._show(text_of(stage))
        self._handle = None  # this one stays, what follows has a line of its own

    def clear(self) -> None:
        if self._handle is not None:
            self._show("")
            self._handle = None

    def note(self, line: str) -> None:
        self._show(line)
        self._handle = None

    def _show(self, line: str) -> None:
        data = {"text/plain": line, "text/html": f'<pre style="margin:0">{_escaped(line)}</pre>'}
        if self._handle is None:
            if self._display is None:
                # the kernel's own, so it is there
                self._display = importlib.import_module("IPython.display").display
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
