"""Inline SVG for the report page: a strip that places a score among its baselines, and training curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from castalia.evaluation.base import Score, show

WIDTH, MIDDLE = 240, 17
CURVE_WIDTH, CURVE_HEIGHT = 320, 160
MOST_POINTS = 240


def strip(score: Score) -> str:
    """Model with its interval, real data, naive baseline and memoriser on one axis; empty without anything to compare with.

    Shares run from 0 to 1; other scores, and shares that are all small, on a scale that is linear near 0 and logarithmic far away, so that a distance
    of 0.3 and one of 150 can be told from 0 on one strip.
    """
    baselines = {name: value for name, value in (score.baselines or {}).items() if value is not None}
    if score.value is None or (score.floor is None and not baselines):
        return ""
    low, high = score.low if score.low is not None else score.value, score.high if score.high is not None else score.value
    values = [score.value, low, high, *baselines.values(), *([] if score.floor is None else [score.floor])]
    place = _scale(values)
    parts = [f'<line class="axis" x1="8" x2="{WIDTH - 8}" y1="{MIDDLE}" y2="{MIDDLE}"/>']
    left, right = place(low), place(high)
    parts.append(f'<rect class="band" x="{left:.1f}" y="{MIDDLE - 7}" width="{max(2.0, right - left):.1f}" height="14" rx="3"/>')
    if "naive" in baselines:
        parts.append(f'<circle class="naive" cx="{place(baselines["naive"]):.1f}" cy="{MIDDLE}" r="4.5"/>')
    if "memoriser" in baselines:
        x = place(baselines["memoriser"])
        parts.append(f'<path class="memory" d="M{x:.1f} {MIDDLE - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>')
    if "counts" in baselines:
        parts.append(f'<rect class="counts" x="{place(baselines["counts"]) - 4:.1f}" y="{MIDDLE - 4}" width="8" height="8"/>')
    if "xz" in baselines:
        x = place(baselines["xz"])
        parts.append(f'<path class="xz" d="M{x - 4:.1f} {MIDDLE - 4}l8 8m0 -8l-8 8"/>')
    if score.floor is not None:
        parts.append(
            f'<line class="real" x1="{place(score.floor):.1f}" x2="{place(score.floor):.1f}" y1="{MIDDLE - 11}" y2="{MIDDLE + 11}"/>'
        )
    parts.append(f'<circle class="model" cx="{place(score.value):.1f}" cy="{MIDDLE}" r="4.5"/>')
    words = f"{score.name}: model {show(score.value)}, " + ", ".join(
        [f"real data {show(score.floor)}"] * (score.floor is not None) + [f"{name} {show(value)}" for name, value in baselines.items()]
    )
    return f'<svg class="strip" viewBox="0 0 {WIDTH} {2 * MIDDLE}" role="img" aria-label="{escape(words)}">{"".join(parts)}</svg>'


def legend(scores: Sequence[Score] = ()) -> str:
    """What the marks of the strips of `scores` mean."""
    text = any("counts" in (score.baselines or {}) for score in scores)
    marks = {
        "the model and its 95% interval": '<rect class="band" y="3" width="20" height="12"/><circle class="model" cx="10" cy="9" r="4.5"/>',
        "floor: real data against real data": '<line class="real" x1="10" x2="10" y1="0" y2="18"/>',
        f"naive: {'tokens drawn by their frequency' if text else 'a Gaussian for each dimension'}": '<circle class="naive" cx="10" cy="9" r="4.5"/>',
        "memoriser: training items replayed": '<path class="memory" d="M10 3l6 6l-6 6l-6 -6z"/>',
    }
    if text:
        marks["n-gram counts"] = '<rect class="counts" x="6" y="5" width="8" height="8"/>'
        marks["xz"] = '<path class="xz" d="M6 5l8 8m0 -8l-8 8"/>'
    return (
        '<div class="legend">'
        + "".join(f'<span><svg width="20" height="18" aria-hidden="true">{mark}</svg>{words}</span>' for words, mark in marks.items())
        + "</div>"
    )


def curve(name: str, steps: Sequence[float], values: Sequence[float]) -> str:
    """One training curve; the vertical axis leaves out the extreme 2% of the values, so that a first spike hides nothing."""
    points = [(float(x), float(y)) for x, y in zip(steps, values, strict=True) if math.isfinite(y)]
    if len(points) < 2:
        return ""
    points = _thinned(points)
    ordered = sorted(y for _, y in points)
    cut = len(ordered) // 50
    bottom, top = ordered[cut], ordered[-1 - cut]
    if top - bottom < 1e-12 * max(1.0, abs(top)):
        bottom, top = bottom - 0.5, top + 0.5
    first, last = points[0][0], points[-1][0]
    x0, x1, y0, y1 = 6.0, CURVE_WIDTH - 6.0, CURVE_HEIGHT - 22.0, 36.0

    def at(x: float, y: float) -> str:
        across = x0 + (x1 - x0) * (x - first) / max(last - first, 1e-9)
        return f"{across:.1f},{y0 + (y1 - y0) * (min(max(y, bottom), top) - bottom) / (top - bottom):.1f}"

    raw = " ".join(at(x, y) for x, y in points)
    smooth = " ".join(at(x, y) for x, y in _smoothed(points))
    return (
        f'<svg viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" role="img" aria-label="{escape(name)}: last value {show(points[-1][1])}">'
        f'<text x="{x0}" y="12">{escape(name)}</text><text x="{x1}" y="12" text-anchor="end">{show(points[-1][1])}</text>'
        f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y0}" y2="{y0}"/><line class="axis" x1="{x0}" x2="{x1}" y1="{y1}" y2="{y1}"/>'
        f'<polyline class="raw" points="{raw}"/><polyline class="line" points="{smooth}"/>'
        f'<text x="{x0}" y="{y1 - 3}">{show(top)}</text><text x="{x0}" y="{y0 - 4}">{show(bottom)}</text>'
        f'<text x="{x0}" y="{CURVE_HEIGHT - 6}">step {first:,.0f}</text>'
        f'<text x="{x1}" y="{CURVE_HEIGHT - 6}" text-anchor="end">{last:,.0f}</text></svg>'
    )


def _scale(values: Sequence[float]):  # type: ignore[no-untyped-def]
    least, most = min(values), max(values)
    if least >= 0 and 0.1 < most <= 1.0:
        least, most, bend = 0.0, 1.0, None
    else:
        bend = max(abs(least), abs(most)) / 300 or 1.0
    warp = (lambda v: v) if bend is None else (lambda v: math.asinh(v / bend))
    start, stop = warp(min(least, 0.0)), warp(most)
    return lambda value: 10 + (WIDTH - 20) * (warp(value) - start) / max(stop - start, 1e-12)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS, each the mean of its neighbours; the first and last step keep their place."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(len(points) / MOST_POINTS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    means = [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]
    return [(points[0][0], means[0][1]), *means[1:-1], (points[-1][0], means[-1][1])]


def _smoothed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centred means over about a twentieth of the curve."""
    half = len(points) // 40
    return [
        (x, sum(y for _, y in points[max(0, place - half) : place + half + 1]) / len(points[max(0, place - half) : place + half + 1]))
        for place, (x, _) in enumerate(points)
    ]
