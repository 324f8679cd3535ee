"""Frechet distance against training time, drawn from benchmarks/results/gan_fashion.json as
docs/images/gan_fashion.svg.

Both axes are logarithmic. A contestant that left at half-time ends there. `tables.py` calls `draw`,
so the picture and the tables always tell the same.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 420, 56, 44, 16, 150
COLOURS = ("#6b7278", "#0f6e84", "#b4690e", "#3f7d3a", "#9c3d6f", "#5b5bb0", "#a0522d", "#2f8f9d")


def draw(results: dict[str, Any]) -> str:
    """The SVG document. Seeds of one recipe share a colour."""
    rows = results["rows"]
    points = [point for row in rows for point in row["curve"]]
    x = _scale([seconds for seconds, _ in points], LEFT, WIDTH - RIGHT)
    y = _scale([value for _, value in points], HEIGHT - BOTTOM, TOP)
    names = list(dict.fromkeys(row["name"] for row in rows))
    parts = [_axis_x(x, (5, 10, 30, 60, 120, 240)), _axis_y(y, (1, 3, 10, 30, 100, 300))]
    labels = []
    for row in rows:
        colour = COLOURS[names.index(row["name"]) % len(COLOURS)]
        path = " ".join(f"{x(seconds):.1f},{y(value):.1f}" for seconds, value in row["curve"])
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'opacity="{0.5 if row["seed"] else 1}"/>'
        )
        if not row["seed"]:
            labels.append([y(row["curve"][-1][1]), x(row["curve"][-1][0]), row["name"], colour])
    labels.sort()
    for above, below in pairwise(labels):  # names keep their distance
        below[0] = max(below[0], above[0] + 15)
    parts += [
        f'<text x="{WIDTH - RIGHT + 10}" y="{place + 4:.1f}" fill="{colour}">{name}</text>'
        for place, _, name, colour in labels
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _scale(values: list[float], start: float, end: float) -> Any:
    """A logarithmic map from the range of `values` to [start, end]."""
    low, high = math.log(min(values) * 0.9), math.log(max(values) * 1.1)
    return lambda value: start + (math.log(value) - low) / (high - low) * (end - start)


def _axis_x(x: Any, ticks: tuple[int, ...]) -> str:
    marks = "".join(
        f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" '
        f'fill="#5d676d">{tick}</text>'
        for tick in ticks
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'{marks}<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" '
        'fill="#5d676d">seconds of training on two cores</text>'
    )


def _axis_y(y: Any, ticks: tuple[int, ...]) -> str:
    inside = [tick for tick in ticks if TOP <= y(tick) <= HEIGHT - BOTTOM]
    marks = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
        'stroke="#e4e1da"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#5d676d">{tick}</text>'
        for tick in inside
    )
    centre = (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'{marks}<text transform="translate(14 {centre}) rotate(-90)" text-anchor="middle" '
        'fill="#5d676d">Frechet distance</text>'
    )
