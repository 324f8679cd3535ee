"""A choice of trained runs, and what a chosen one can do."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from castalia.apps.studio.desk import Desk, choices
from castalia.families.base import Family
from castalia.run import Run


def run_choice(desk: Desk, tab: gr.Tab, label: str, name: str) -> gr.Dropdown:
    """A dropdown of runs, made anew whenever the tab is opened."""
    chosen = gr.Dropdown([], label=label, elem_id=name)

    def listed(place: str | None) -> Any:
        return choices(desk.space.readable_runs(), place)

    tab.select(listed, chosen, chosen)
    return chosen


def opened(place: str) -> Run:
    return Run.open(place)


def model_of(one: Run) -> Family:
    """Its newest weights; the last two models that were asked for are kept."""
    return _model(str(one.folder.resolve()), one.last_step or 0)


@lru_cache(maxsize=2)
def _model(folder: str, step: int) -> Family:
    return Run.open(Path(folder)).model(step=step)
