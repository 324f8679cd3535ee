"""A choice of trained runs, what a chosen one can do, and samples of it to vote on."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from castalia.apps.studio.desk import Desk, choices
from castalia.apps.studio.jobs import Job
from castalia.families.base import Family
from castalia.run import Run


def run_choice(desk: Desk, tab: gr.Tab, label: str, name: str) -> gr.Dropdown:
    """A dropdown of runs, made anew whenever the tab is opened."""
    chosen = gr.Dropdown([], label=label, elem_id=name)

    def listed(place: str | None) -> Any:
        return choices(desk.space.readable_runs(), place)

    tab.select(listed, chosen, chosen)
    return chosen


class Booth(NamedTuple):
    """Two items side by side, a button below each; hidden until there is something to vote on."""

    row: gr.Row
    left: gr.HTML
    first: gr.Button
    right: gr.HTML
    second: gr.Button


def booth(first: str, second: str) -> Booth:
    """first, second: what stands on the buttons."""
    with gr.Row(visible=False) as row:
        with gr.Column():
            left, one = gr.HTML(), gr.Button(first)
        with gr.Column():
            right, other = gr.HTML(), gr.Button(second)
    return Booth(row, left, one, right, other)


def draw(desk: Desk, place: str, count: int, title: str, prompt: str = "") -> Job:
    """So many samples of a run to vote on, of a seed that nobody knows."""
    out = desk.space.made()
    words = ["sample", place, "-n", str(count), "--seed", str(secrets.randbelow(1 << 30))]
    words += [f"--prompt={prompt}"] if prompt else []
    return desk.start(
        [*words, "--out", str(out), "--json"], title=title, makes=out, answers=[7], queued=False
    )


def files_of(job: Job) -> list[str]:
    """What `draw` made."""
    return [str(job.makes / name) for name in job.output["files"]]


def opened(place: str) -> Run:
    return Run.open(place)


def model_of(one: Run) -> Family:
    """Its newest weights; the last two models that were asked for are kept."""
    return _model(str(one.folder.resolve()), one.last_step or 0)


@lru_cache(maxsize=2)
def _model(folder: str, step: int) -> Family:
    return Run.open(Path(folder)).model(step=step)
