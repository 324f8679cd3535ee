"""Charts of pages as inline SVG: a score among its baselines, training curves, novelty at equal
fidelity, fidelity against cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from castalia.evaluation.base import MetricResult, show
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.sentences import say

ENGLISH = Voice()
WIDTH, MIDDLE = 240, 17
CURVE_WIDTH, CURVE_HEIGHT = 320, 180
MOST_POINTS = 240
WIDE, TALL = 560, 260
BASELINES = {
    "naive": say("naive"),
    "memoriser": say("memoriser"),
    "counts": say("n-gram counts"),
}
LABEL = 44  # least distance of two labels of an axis
FRONT_HEIGHT, LETTERS = 220, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def strip(score: MetricResult, voice: Voice = ENGLISH) -> Html:
    """Model with its interval, real data, naive baseline and memoriser on one axis; empty without
    anything to compare with.

    Shares run from 0 to 1; other scores, and shares that are all small, on a scale that is linear
    near 0 and logarithmic far away, so that a distance of 0.3 and one of 150 can be told from 0 on
    one strip.
    """
    baselines = {
        name: value for name, value in (score.baselines or {}).items() if value is not None
    }
    if score.value is None or (score.floor is None and not baselines):
        return Html()
    low, high = (
        score.low if score.low is not None else score.value,
        score.high if score.high is not None else score.value,
    )
    values = [
        score.value,
        low,
        high,
        *baselines.values(),
        *([] if score.floor is None else [score.floor]),
    ]
    place = _scale(values)
    parts = [f'<line class="axis" x1="8" x2="{WIDTH - 8}" y1="{MIDDLE}" y2="{MIDDLE}"/>']
    left, right = place(low), place(high)
    parts.append(
        f'<rect class="band" x="{left:.1f}" y="{MIDDLE - 7}" '
        f'width="{max(2.0, right - left):.1f}" height="14" rx="3"/>'
    )
    if "naive" in baselines:
        parts.append(
            f'<circle class="naive" cx="{place(baselines["naive"]):.1f}" cy="{MIDDLE}" r="4.5"/>'
        )
    if "memoriser" in baselines:
        x = place(baselines["memoriser"])
        parts.append(
            f'<path class="memory" d="M{x:.1f} {MIDDLE - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
        )
    if "counts" in baselines:
        parts.append(
            f'<rect class="counts" x="{place(baselines["counts"]) - 4:.1f}" y="{MIDDLE - 4}" '
            'width="8" height="8"/>'
        )
    if "xz" in baselines:
        x = place(baselines["xz"])
        parts.append(f'<path class="xz" d="M{x - 4:.1f} {MIDDLE - 4}l8 8m0 -8l-8 8"/>')
    if score.floor is not None:
        parts.append(
            f'<line class="real" x1="{place(score.floor):.1f}" '
            f'x2="{place(score.floor):.1f}" y1="{MIDDLE - 11}" y2="{MIDDLE + 11}"/>'
        )
    parts.append(f'<circle class="model" cx="{place(score.value):.1f}" cy="{MIDDLE}" r="4.5"/>')
    labels = [voice.say("model {0}", show(score.value))]
    labels += [voice.say("real data {0}", show(score.floor))] * (score.floor is not None)
    labels += [
        f"{voice(BASELINES.get(name, name))} {show(value)}" for name, value in baselines.items()
    ]
    words = f"{score.name}: {', '.join(labels)}"
    return Html(
        f'<svg class="strip" viewBox="0 0 {WIDTH} {2 * MIDDLE}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def legend(scores: Sequence[MetricResult] = (), voice: Voice = ENGLISH) -> Html:
    """What the marks of the strips of `scores` mean."""
    text = any("counts" in (score.baselines or {}) for score in scores)
    marks = {
        voice.say(
            "the model and its 95% interval"
        ): '<rect class="band" y="3" width="20" height="12"/><circle class="model" cx="10" '
        'cy="9" r="4.5"/>',
        voice.say(
            "floor: real data against real data"
        ): '<line class="real" x1="10" x2="10" y1="0" y2="18"/>',
        voice.say("naive: tokens drawn by their frequency")
        if text
        else voice.say(
            "naive: a Gaussian for each dimension"
        ): '<circle class="naive" cx="10" cy="9" r="4.5"/>',
        voice.say(
            "memoriser: training items replayed"
        ): '<path class="memory" d="M10 3l6 6l-6 6l-6 -6z"/>',
    }
    if text:
        marks[voice.say("n-gram counts")] = (
            '<rect class="counts" x="6" y="5" width="8" height="8"/>'
        )
        marks["xz"] = '<path class="xz" d="M6 5l8 8m0 -8l-8 8"/>'
    return Html(
        '<div class="legend">'
        + "".join(
            '<span><svg width="20" height="18" '
            f'aria-hidden="true">{mark}</svg>{escape(words)}</span>'
            for words, mark in marks.items()
        )
        + "</div>"
    )


def curve(
    name: str,
    steps: Sequence[float],
    values: Sequence[float],
    voice: Voice = ENGLISH,
    *,
    ranges: Sequence[tuple[float, float]] = (),
    real: float | None = None,
) -> Html:
    """One training curve; the vertical axis leaves out the extreme 2% of the values, so that a
    first spike hides nothing. ranges: (low, high) of each value, or none; real: of real data.
    """
    points = [(float(x), float(y)) for x, y in zip(steps, values, strict=True) if math.isfinite(y)]
    if len(points) < 2:
        return Html()
    edge = [(float(x), high) for x, (_, high) in zip(steps, ranges, strict=False)]
    edge += reversed([(float(x), low) for x, (low, _) in zip(steps, ranges, strict=False)])
    edge = edge if all(math.isfinite(y) for _, y in edge) else []
    points = _thinned(points)
    ordered = sorted([y for _, y in (*points, *edge)] + [y for y in (real,) if y is not None])
    cut = len(ordered) // 50
    levels = ticks(ordered[cut], ordered[-1 - cut], 4)
    bottom, top = min(levels[0], ordered[cut]), max(levels[-1], ordered[-1 - cut])
    first, last = points[0][0], points[-1][0]
    x0, x1, y0, y1 = 46.0, CURVE_WIDTH - 8.0, CURVE_HEIGHT - 32.0, 26.0

    def across(x: float) -> float:
        return x0 + (x1 - x0) * (x - first) / max(last - first, 1e-9)

    def up(y: float) -> float:
        return y0 + (y1 - y0) * (min(max(y, bottom), top) - bottom) / (top - bottom)

    parts = [
        f'<text x="0" y="12">{escape(name)}</text><text x="{x1}" y="12" '
        f'text-anchor="end">{show(points[-1][1])}</text>'
    ]
    for level in levels:
        parts.append(
            f'<line class="axis" x1="{x0}" x2="{x1}" y1="{up(level):.1f}" y2="{up(level):.1f}"/>'
        )
        parts.append(
            f'<text x="{x0 - 6}" y="{up(level) + 4:.1f}" text-anchor="end">{level:,.4g}</text>'
        )
    for step in (one for one in ticks(first, last, 5) if first <= one <= last):
        anchor = "end" if across(step) > x1 - 14 else "middle"
        parts.append(
            f'<line class="axis" x1="{across(step):.1f}" x2="{across(step):.1f}" y1="{y0}" '
            f'y2="{y0 + 4}"/>'
        )
        parts.append(
            f'<text x="{across(step):.1f}" y="{y0 + 16}" text-anchor="{anchor}">{step:,.0f}</text>'
        )
    parts.append(
        f'<text x="{(x0 + x1) / 2}" y="{CURVE_HEIGHT - 2}" '
        f'text-anchor="middle">{voice.say("step")}</text>'
    )
    if edge:
        corners = _points([(across(x), up(y)) for x, y in edge])
        parts.append(f'<polygon class="band" points="{corners}"/>')
    if real is not None:
        parts.append(
            f'<line class="line realline" x1="{x0}" x2="{x1}" y1="{up(real):.1f}" '
            f'y2="{up(real):.1f}"/>'
        )
    for style, row in (("raw", points), ("line", _smoothed(points))):
        parts.append(
            f'<polyline class="{style}" points="{_points([(across(x), up(y)) for x, y in row])}"/>'
        )
    label = escape(f"{name}: {voice.say('last value {0}', show(points[-1][1]))}")
    return Html(
        f'<svg viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above
    `high`: at least two, about `most`.
    """
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(start, stop + 1)]


def level_line(left: float, right: float, y: float, words: str) -> str:
    """A thin line across, with its value left of it."""
    return (
        f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'
    )


def plot(parts: Sequence[str], width: int, height: int, label: str) -> Html:
    """A drawing of SVG's parts, which have to be safe; label: what it shows, for those who cannot
    see it.
    """
    return Html(
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def equal_fidelity(curves: Mapping[str, Any], voice: Voice = ENGLISH) -> Html:
    """The curve of creativity.py: novelty over ever stricter bars of realism, of model (with its
    interval), real data and memoriser.
    """
    bars: list[float] = curves["bars"]
    if sum(one is not None for one in curves.get("model", [])) < 2:
        return Html()
    x0, x1, y0, y1 = 44.0, WIDE - 12.0, TALL - 40.0, 14.0

    def at(bar: float, value: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * (bars[-1] - bar) / (bars[-1] - bars[0]), y0 + (y1 - y0) * value

    parts = []
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = at(bars[0], level)[1]
        parts.append(f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x0 - 8}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>')
    known = [(bar, one) for bar, one in zip(bars, curves["model"], strict=True) if one is not None]
    edge = [at(bar, one[2]) for bar, one in known] + [
        at(bar, one[1]) for bar, one in reversed(known)
    ]
    parts.append(f'<polygon class="band" points="{_points(edge)}"/>')
    for side, style in (("memoriser", "memory"), ("floor", "real"), ("model", "line")):
        points = [
            at(bar, one[0])
            for bar, one in zip(bars, curves.get(side, []), strict=False)
            if one is not None
        ]
        if len(points) > 1:
            parts.append(f'<polyline class="line {style}line" points="{_points(points)}"/>')
    for bar in bars[:: -max(1, (len(bars) - 1) // 4)]:
        anchor = "end" if bar == bars[0] else "middle"
        parts.append(
            f'<text x="{at(bar, 0)[0]:.1f}" y="{y0 + 18}" text-anchor="{anchor}">{bar:.0%}</text>'
        )
    parts.append(
        f'<text x="{(x0 + x1) / 2}" y="{TALL - 5}" '
        f'text-anchor="middle">{voice.say("share of new real items that pass the bar")}</text>'
    )
    label = voice.say("Novelty at equal fidelity")
    return Html(
        f'<svg viewBox="0 0 {WIDE} {TALL}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def front(
    points: Mapping[str, tuple[float, float, float, float]],
    best: Sequence[str],
    fidelity: str,
    cost: str,
    voice: Voice = ENGLISH,
) -> Html:
    """Runs (cost, fidelity, low, high) on a logarithmic axis of cost; the line joins those of
    `best`. Letters stand for the runs.
    """
    costs, values = (
        [point[0] for point in points.values()],
        [end for point in points.values() for end in point[1:]],
    )
    left, right = math.log(min(costs)) - 0.15, math.log(max(costs)) + 0.15
    bottom, top = min(values), max(values)
    margin = 0.08 * (top - bottom) or 0.5
    bottom, top = bottom - margin, top + margin
    x0, x1, y0, y1 = 46.0, CURVE_WIDTH - 14.0, FRONT_HEIGHT - 40.0, 26.0

    def at(price: float, value: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * (math.log(price) - left) / (right - left), y0 + (y1 - y0) * (
            value - bottom
        ) / (top - bottom)

    parts = [
        f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y0}" y2="{y0}"/><line class="axis" '
        f'x1="{x0}" x2="{x0}" y1="{y0}" y2="{y1}"/>'
    ]
    for level in (one for one in ticks(bottom, top, 5) if bottom <= one <= top):
        y = at(costs[0], level)[1]
        parts.append(f'<line class="axis" x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{level:,.4g}</text>')
    labelled = -math.inf  # where the last label is
    for price in _decades(math.exp(left), math.exp(right)) or sorted({min(costs), max(costs)}):
        x = at(price, bottom)[0]
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y0}" y2="{y0 + 4}"/>')
        if x - labelled < LABEL:
            continue
        labelled = x
        parts.append(f'<text x="{x:.1f}" y="{y0 + 16}" text-anchor="middle">{show(price)}</text>')
    if len(best) > 1:
        parts.append(
            f'<polyline class="line" points="{_points([at(*points[name][:2]) for name in best])}"/>'
        )
    for letter, (name, (price, value, low, high)) in zip(LETTERS, points.items(), strict=False):
        x, y = at(price, value)
        parts.append(
            f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{at(price, low)[1]:.1f}" '
            f'y2="{at(price, high)[1]:.1f}"/>'
        )
        parts.append(
            f'<circle class="{"model" if name in best else "naive"}" cx="{x:.1f}" '
            f'cy="{y:.1f}" r="4.5"/>'
        )
        parts.append(
            f'<text x="{x + (8 if x < x1 - 20 else -8):.1f}" y="{y - 6:.1f}" '
            f'text-anchor="{"start" if x < x1 - 20 else "end"}">{letter}</text>'
        )
    parts.append(f'<text x="0" y="12">{escape(fidelity)}</text>')
    parts.append(
        f'<text x="{(x0 + x1) / 2}" y="{y0 + 32}" text-anchor="middle">{escape(cost)}</text>'
    )
    named = ", ".join(f"{letter} {name}" for letter, name in zip(LETTERS, points, strict=False))
    label = voice.say("{0} against {1}: {2}", fidelity, cost, named)
    return Html(
        f'<svg viewBox="0 0 {CURVE_WIDTH} {FRONT_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(named)}</figcaption>"
    )


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten from `low` to `high`, at most six; only the powers where they
    are more; [] for fewer than two.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        decades = [
            factor * 10.0**power
            for power in powers
            for factor in factors
            if low <= factor * 10.0**power <= high
        ]
        if len(decades) <= 6:
            return decades if len(decades) > 1 else []
    return decades[:: math.ceil(len(decades) / 6)]


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


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
    """At most MOST_POINTS, each the mean of its neighbours; the first and last step keep their
    place.
    """
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(len(points) / MOST_POINTS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    means = [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts
    ]
    return [(points[0][0], means[0][1]), *means[1:-1], (points[-1][0], means[-1][1])]


def _smoothed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centred means over about a twentieth of the curve."""
    half = len(points) // 40
    return [
        (
            x,
            sum(y for _, y in points[max(0, place - half) : place + half + 1])
            / len(points[max(0, place - half) : place + half + 1]),
        )
        for place, (x, _) in enumerate(points)
    ]
