"""What every part of the studio's page needs: the workspace, the language, and how jobs and pages
are shown.
"""

from __future__ import annotations

import functools
import html
import inspect
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import gradio as gr

from castalia import run
from castalia.apps.studio.jobs import Job
from castalia.apps.studio.workspace import Workspace
from castalia.errors import CastaliaError
from castalia.language import Voice, translate
from castalia.sentences import say
from castalia.units import duration

Made = TypeVar("Made", bound=Callable[..., Any])
STATES = {
    "queued": say("waiting"),
    "running": say("running"),
    "done": say("done"),
    "paused": say("paused"),
    "stopped": say("stopped"),
    "failed": say("failed"),
}
RELEASING = ("sample", "edit")  # commands that make what leaves
ERROR = 3  # lines of an error: what, where, what to do
STEP = 0.4  # seconds between two looks at a job that somebody waits for


@dataclass(frozen=True)
class Desk:
    """One language's page of one workspace. start: puts a `castalia` command into the jobs."""

    space: Workspace
    voice: Voice

    def say(self, template: str, *values: Any) -> str:
        return self.voice.say(template, *values)

    # jobs

    def start(self, words: Sequence[str], **about: Any) -> Job:
        """A job in the language of the page, what it makes under the studio's policy; see
        Jobs.add.
        """
        ruled = self.space.policy is not None and words[0] in RELEASING
        rules = ["--policy", str(self.space.policy)] if ruled else []
        return self.space.jobs.add([*words, *rules, "--lang", self.voice.language], **about)

    def done(self, job: Job) -> Iterator[str]:
        """How far a job is, again and again until it is over, for whoever waits for it. Raises
        a message with its words where it failed.
        """
        begun = time.monotonic()
        while job.state in ("queued", "running"):
            yield self.status(job, time.monotonic() - begun)
            time.sleep(STEP)
        if job.state == "failed":
            raise self.refusal(job.last_words or self.say("it ended by itself"), job.title)
        yield self.status(job)

    def status(self, job: Job, seconds: float | None = None) -> str:
        """A line about a job: HTML."""
        state = job.state
        words, lines = [job.title, self.voice(STATES[state])], job.last_words.splitlines()
        if state in ("running", "failed") and lines:
            words.append("\n".join(lines[-ERROR if state == "failed" else -1 :]))
        if seconds is not None:
            words.append(self.voice(duration(seconds)))
        return note(" · ".join(words))

    def command(self, words: Sequence[str]) -> str:
        """What does the same in a terminal."""
        return shlex.join(["castalia", *words])

    # pages

    def address(self, path: Path) -> str:
        """Where the browser finds a file of the workspace or of a run."""
        real = path.resolve()
        for name, root in self.roots().items():
            if real.is_relative_to(root):
                return f"/files/{name}/{quote(real.relative_to(root).as_posix())}"
        return ""

    def roots(self) -> dict[str, Path]:
        """Folders whose files are shown, by the name that addresses have for them."""
        given = {f"run{number}": one for number, one in enumerate(self.space.given)}
        named = {"studio": self.space.root, "runs": run.ROOT, **given}
        return {name: one.resolve() for name, one in named.items()}

    def frame(self, path: Path | None, title: str) -> str:
        """A page that a job wrote, inside this one; nothing where there is none yet."""
        if path is None or not path.exists():
            return ""
        address = f"{self.address(path)}?v={path.stat().st_mtime_ns}"
        return (
            f'<p class="opens"><a href="{address}" target="_blank">'
            f"{html.escape(self.say('open by itself'))}</a></p>"
            f'<iframe class="page" title="{html.escape(title)}" src="{address}" '
            'sandbox="allow-scripts allow-downloads allow-popups"></iframe>'
        )

    # errors

    def refusal(self, words: str, title: str = "") -> gr.Error:
        """A message on the page, to be raised."""
        return gr.Error(
            html.escape(words).replace("\n", "<br>"),
            duration=None,
            title=title or self.say("Not possible"),
            print_exception=False,
        )

    def guarded(self, function: Made) -> Made:
        """The function, with errors of Castalia as messages on the page."""

        def shown(error: CastaliaError) -> gr.Error:
            return self.refusal(translate(error, self.voice.language))

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def steps(*given: Any) -> Iterator[Any]:
                try:
                    yield from function(*given)
                except CastaliaError as error:
                    raise shown(error) from error

            return steps  # type: ignore[return-value]

        @functools.wraps(function)
        def once(*given: Any) -> Any:
            try:
                return function(*given)
            except CastaliaError as error:
                raise shown(error) from error

        return once  # type: ignore[return-value]


def note(text: str) -> str:
    """A line of text: HTML."""
    return f'<p class="said">{html.escape(text)}</p>' if text else ""


def choices(listed: Sequence[tuple[str, str]], chosen: str | None) -> Any:
    """An update of a choice: what there is now, and what is chosen; where that is gone, the
    first.
    """
    values = [value for _, value in listed]
    first = values[0] if values else None
    return gr.update(choices=list(listed), value=chosen if chosen in values else first)


def copied(label: str) -> gr.Textbox:
    """Lines to be copied into a terminal or a program."""
    return gr.Textbox(
        label=label, lines=2, interactive=False, buttons=["copy"], elem_classes="lines"
    )
