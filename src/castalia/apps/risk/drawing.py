"""Drawings of the page as inline SVG: the back-test in time, and what a rule of trading brought."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from castalia.apps.risk.backtest import Tested
from castalia.evaluation.charts import level_line, plot, ticks
from castalia.pages.html import Html

WIDE, TALL = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 52.0, 752.0, 12.0, 228.0
MOST_POINTS = 500
BARS = 40


def course(tested: Tested, dates: Sequence[str], label: str) -> Html:
    """Returns as thin lines, minus the value at risk as a line, exceedances as diamonds."""
    count = len(tested.returns)
    if count < 2:
        return Html()
    low = min(float(tested.returns.min()), float(-tested.var.max()))
    levels = ticks(low, float(tested.returns.max()), 6)
    bottom, top = levels[0], levels[-1]

    def across(place: float) -> float:
        return LEFT + (RIGHT - LEFT) * place / (count - 1)

    def up(value: float) -> float:
        return BOTTOM + (TOP - BOTTOM) * (value - bottom) / (top - bottom)

    parts = [level_line(LEFT, RIGHT, up(level), f"{100 * level:.3g}%") for level in levels]
    # of many steps, the lowest of each few: what matters here are losses
    size = max(1, -(-count // MOST_POINTS))
    for start in range(0, count, size):
        piece = tested.returns[start : start + size]
        x = across(start + int(piece.argmin()))
        ends = (float(piece.min()), max(0.0, float(piece.max())))
        parts.append(
            f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{up(ends[0]):.1f}" '
            f'y2="{up(ends[1]):.1f}"/>'
        )
    line = [
        f"{across(place):.1f},{up(-float(tested.var[place])):.1f}"
        for place in sorted({*range(0, count, size), count - 1})
    ]
    parts.append(f'<polyline class="line" points="{" ".join(line)}"/>')
    for place in np.flatnonzero(tested.hits).tolist():
        x, y = across(place), up(float(tested.returns[place]))
        parts.append(f'<path class="memory" d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z"/>')
    for place, anchor in ((0, "start"), (count // 2, "middle"), (count - 1, "end")):
        parts.append(
            f'<text x="{across(place):.1f}" y="{BOTTOM + 18}" text-anchor="{anchor}">'
            f"{escape(dates[place])}</text>"
        )
    return plot(parts, WIDE, TALL, label)


def outcomes(rule: np.ndarray, holding: np.ndarray, label: str) -> Html:
    """Histograms of the totals of drawn courses: of the rule as bars, of holding as a line."""
    both = np.concatenate([rule, holding])
    low, high = (float(one) for one in np.quantile(both, (0.005, 0.995)))
    if not high > low:
        return Html()
    edges = np.linspace(low, high, BARS + 1)
    counts = [np.histogram(one.clip(low, high), edges)[0] / len(one) for one in (rule, holding)]
    tallest = max(float(one.max()) for one in counts)

    def across(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    def up(share: float) -> float:
        return BOTTOM + (TOP - BOTTOM) * share / tallest

    parts = []
    for place in range(BARS):
        left, right = across(edges[place]), across(edges[place + 1])
        y = up(float(counts[0][place]))
        parts.append(
            f'<rect class="band" x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" '
            f'height="{BOTTOM - y:.1f}"/>'
        )
    corners = []
    for place in range(BARS):
        y = up(float(counts[1][place]))
        corners += [f"{across(edges[place + end]):.1f},{y:.1f}" for end in (0, 1)]
    parts.append(f'<polyline class="line realline" points="{" ".join(corners)}"/>')
    for value in ticks(low, high, 7):
        if low <= value <= high:
            parts.append(
                f'<text x="{across(value):.1f}" y="{BOTTOM + 18}" text-anchor="middle">'
                f"{100 * value:.3g}%</text>"
            )
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    return plot(parts, WIDE, TALL, label)
