"""Series as lines: SVG for files and pages, a small picture for contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw

from castalia.modalities.series.series import Series

WIDTH, HEIGHT, LEFT, MARGIN = 640, 150, 64, 16
MOST_SHOWN, MOST_POINTS = 12, 1200
HISTORY = 3  # horizons of the history before a forecast
LINE, FORECAST, NAIVE = "#1f4e79", "#b5480e", "#6b6b6b"


def line_plot(shown: Any) -> str:
    """SVG of series, or of a forecast: the last of the history, the median, bands of the outer
    quantiles, and the seasonal naive dashed.
    """
    panels = (
        [_forecast(shown, place) for place in range(min(MOST_SHOWN, len(shown.histories)))]
        if hasattr(shown, "quantiles")
        else [_single(one) for one in shown[:MOST_SHOWN]]
    )
    body = "".join(
        f'<g transform="translate(0 {place * HEIGHT})">{panel}</g>'
        for place, panel in enumerate(panels)
    )
    height = HEIGHT * max(1, len(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
    )


def _single(one: Series) -> str:
    return _panel(one.name, one.stamp(0), one.stamp(len(one) - 1), [(LINE, "", one.values)])


def _forecast(made: Any, number: int) -> str:
    one, horizon = made.histories[number], made.quantiles.shape[2]
    kept = min(len(one), max(HISTORY * horizon, 48))
    past = one.values[-kept:]
    empty, gone = np.full(kept, np.nan), np.full(horizon, np.nan)
    order = np.argsort(made.levels)
    quantiles = made.quantiles[number][order]
    middle = int(np.argmin(np.abs(np.array(made.levels)[order] - 0.5)))
    bands = [
        (np.concatenate([empty, quantiles[low]]), np.concatenate([empty, quantiles[-1 - low]]))
        for low in range(len(quantiles) // 2)
    ]
    lines = [
        (LINE, "", np.concatenate([past, gone])),
        (NAIVE, "4 3", np.concatenate([empty, made.naive[number]])),
        (FORECAST, "", np.concatenate([empty, quantiles[middle]])),
    ]
    return _panel(
        one.name, one.stamp(len(one) - kept), one.stamp(len(one) + horizon - 1), lines, bands
    )


def _panel(
    title: str,
    first: str,
    last: str,
    lines: Sequence[tuple[str, str, np.ndarray]],
    bands: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> str:
    known = np.concatenate(
        [*(one for _, _, one in lines), *(one for band in bands for one in band)]
    )
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    count = max(len(one) for _, _, one in lines)

    def point(place: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - MARGIN) * place / max(1, count - 1)
        up = HEIGHT - 26 - (HEIGHT - 50) * (value - low) / (high - low)
        return f"{across:.1f},{up:.1f}"

    parts = []
    for lower, upper in bands:
        places = np.flatnonzero(np.isfinite(lower))
        there = [point(place, upper[place]) for place in places]
        back = [point(place, lower[place]) for place in places[::-1]]
        parts.append(
            f'<polygon points="{" ".join(there + back)}" fill="{FORECAST}" fill-opacity="0.12"/>'
        )
    for colour, dash, values in lines:
        step = max(1, len(values) // MOST_POINTS)
        for run in _runs(values):
            points = " ".join(point(place, values[place]) for place in run[::step])
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" '
                f'stroke-width="1.3"{dashed}/>'
            )
    return (
        f'<text x="{LEFT}" y="14" font-weight="bold">{_escaped(title[:60])}</text>'
        f'<text x="{LEFT - 6}" y="30" text-anchor="end">{high:.5g}</text>'
        f'<text x="{LEFT - 6}" y="{HEIGHT - 24}" text-anchor="end">{low:.5g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{_escaped(first)}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 8}" text-anchor="end">{_escaped(last)}</text>'
        + "".join(parts)
    )


def _runs(values: np.ndarray) -> list[np.ndarray]:
    """Places of values without a gap between them."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return []
    return np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)


def _escaped(text: str) -> str:
    return (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def preview(items: Sequence[Series]) -> PIL.Image.Image:
    """One line below the other."""
    shown = list(items[:MOST_SHOWN]) or [Series("", np.zeros(2))]
    sheet = PIL.Image.new("RGB", (320, 60 * len(shown)), "white")
    pen = PIL.ImageDraw.Draw(sheet)
    for row, one in enumerate(shown):
        known = one.values[np.isfinite(one.values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        span = high - low if high > low else 1.0
        for run in _runs(one.values):
            points = [
                (
                    6 + 308 * place / max(1, len(one) - 1),
                    60 * row + 54 - 48 * (one.values[place] - low) / span,
                )
                for place in run.tolist()
            ]
            pen.line(points, fill=(31, 78, 121)) if len(points) > 1 else pen.point(
                points, fill=(31, 78, 121)
            )
    return sheet
