"""The page of a simulation: what was learned, what was declared, what came of both."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from castalia.apps.simulate.document import WARNING, last_rows, summary
from castalia.apps.simulate.effects import declared_columns
from castalia.apps.simulate.experiment import Effect, Measured
from castalia.apps.simulate.rules import is_number
from castalia.apps.simulate.simulation import Group, Simulation
from castalia.evaluation.base import show
from castalia.evaluation.charts import level_line, plot, ticks
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.pages.render import render
from castalia.sentences import say, series

WIDE, TALL = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56.0, 520.0, 12.0, 226.0
LINES = ("line", "line realline", "line memoryline")
MOST_COLUMNS = 60


def page(made: Simulation, language: str) -> str:
    """HTML."""
    voice, experiment = Voice(language), made.sheet.experiment
    course = experiment.course
    return render(
        "simulate.html.j2",
        language,
        title=experiment.title,
        made=made,
        warning=WARNING,
        experiment=experiment,
        arms=[_arm(made, group) for group in made.groups],
        course=course,
        times=", ".join(f"{time:g}" for time in course.times) if course else "",
        measured=[(name, _measured(one)) for name, one in course.columns.items()] if course else [],
        columns=[
            {"name": name, "cells": [_beside(made, group, name) for group in made.groups]}
            for name in made.names[:MOST_COLUMNS]
        ],
        more=max(0, len(made.names) - MOST_COLUMNS),
        curves=[
            {"name": name, "drawing": _courses(made, name, voice)}
            for name in dict.fromkeys(
                column
                for group in made.groups
                for column in declared_columns(made.sheet, group.name)
            )
        ]
        if course
        else [],
        comparison=_comparison(made),
        power=_power(made),
    )


def _arm(made: Simulation, group: Group) -> dict[str, Any]:
    effects = made.sheet.experiment.arms[group.name].effects
    return {
        "name": group.name,
        "cases": f"{len(group.drawn.rows):,}",
        "given": ", ".join(f"{name} = {value}" for name, value in group.given.items()),
        "rules": ", ".join(rule.text for rule in group.rules),
        "real": "–" if group.real is None else f"{len(group.real):,}",
        "effects": [(name, _effect(effect)) for name, effect in effects.items()],
    }


def _effect(one: Effect) -> str:
    parts = []
    if one.multiply != 1:
        parts.append(say("times {0:g}", one.multiply))
    if one.add or one.multiply == 1:
        parts.append(f"{one.add:+g}")
    if one.sd:
        parts.append(say("standard deviation {0:g}", one.sd))
    if one.since is not None:
        parts.append(say("from time {0:g} on", one.since))
    return series(parts)


def _measured(one: Measured) -> str:
    parts = [say("{0:+g} a unit of time", one.change)]
    if one.spread:
        parts.append(say("differing between cases by {0:g}", one.spread))
    if one.sd:
        parts.append(say("a measurement errs by {0:g}", one.sd))
    return series(parts)


def _beside(made: Simulation, group: Group, name: str) -> list[str]:
    """[real, drawn, with what was declared]."""
    rows = (group.real or [], group.drawn.rows, last_rows(made, group.made.rows))
    words = [_summary(summary(one, name)) for one in rows]
    return [*words[:2], words[2] if words[2] != words[1] else ""]


def _summary(one: dict[str, Any] | None) -> str:
    if one is None:
        return "–"
    if "mean" in one:
        return f"{show(one['mean'])} ± {show(one['sd'])}"
    if "shares" in one:
        return ", ".join(f"{name} {share:.0%}" for name, share in list(one["shares"].items())[:3])
    return say("{0:,} different", one["different"])


def _comparison(made: Simulation) -> dict[str, str] | None:
    compare, one = made.sheet.experiment.compare, made.comparison
    if compare is None or one is None:
        return None
    return {
        "column": compare.column,
        "first": compare.between[0],
        "second": compare.between[1],
        "sizes": f"{one.n[0]:,}, {one.n[1]:,}",
        "difference": f"{one.difference:+.4g}",
        "interval": f"{one.low:+.4g} … {one.high:+.4g}",
        "p": "< 0.001" if one.p < 0.001 else f"{one.p:.3f}",
        "found": one.p < compare.level,
        "level": f"{100 * compare.level:g}%",
        "cover": f"{100 - 100 * compare.level:g}%",
    }


def _power(made: Simulation) -> dict[str, str] | None:
    one = made.power
    if one is None:
        return None
    return {
        "experiments": f"{one.experiments:,}",
        "simulated": f"{one.simulated:.1%}",
        "interval": f"{one.low:.1%} … {one.high:.1%}",
        "exact": f"{one.exact:.1%}",
        "size": f"{one.size:+.3g}",
        "needed": "–" if one.needed is None else f"{one.needed:,}",
    }


def _courses(made: Simulation, name: str, voice: Voice) -> Html:
    """The mean of a column over time, a line for each arm."""
    course = made.sheet.experiment.course
    if course is None:
        return Html()
    lines = {}
    for group in made.groups:
        means = []
        for place in range(len(course.times)):
            rows = group.made.rows[place :: len(course.times)]
            values = [row[name] for row in rows if is_number(row.get(name))]
            means.append(math.fsum(values) / len(values) if values else math.nan)
        if all(map(math.isfinite, means)):
            lines[group.name] = means
    if not lines:
        return Html()
    every = [value for means in lines.values() for value in means]
    levels = ticks(min(every), max(every), 5)
    bottom, top, first, last = levels[0], levels[-1], course.times[0], course.times[-1]

    def across(time: float) -> float:
        return LEFT + (RIGHT - LEFT) * (time - first) / (last - first)

    def up(value: float) -> float:
        return BOTTOM + (TOP - BOTTOM) * (value - bottom) / (top - bottom)

    parts = []
    for level in levels:
        parts.append(level_line(LEFT, RIGHT, up(level), f"{level:,.4g}"))
    for time in course.times:
        parts.append(
            f'<text x="{across(time):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{time:g}</text>'
        )
    ends: list[float] = []
    for number, (arm, means) in enumerate(lines.items()):
        corners = " ".join(
            f"{across(time):.1f},{up(value):.1f}"
            for time, value in zip(course.times, means, strict=True)
        )
        parts.append(f'<polyline class="{LINES[number % len(LINES)]}" points="{corners}"/>')
        y = up(means[-1]) + 4
        while any(abs(y - one) < 13 for one in ends):  # names do not lie on one another
            y += 13
        ends.append(y)
        parts.append(f'<text x="{RIGHT + 8}" y="{y:.1f}">{escape(arm[:20])}</text>')
    label = voice.say("mean of {0} over time, by arm", name)
    return plot(parts, WIDE, TALL, label)
