"""Vectors and arrays on pages."""

from __future__ import annotations

from typing import Any

import numpy as np

from castalia.language import Voice
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn

WIDTH, HEIGHT, EDGE = 160, 80, 4  # of the drawing of a vector
MOST_POINTS = 320  # of its line


class ArrayPresenter(Drawn):
    """Several are drawn by the codec: points as a scatter plot, vectors as lines, larger ones as
    pictures. One alone is a line or a picture.
    """

    def item(self, item: np.ndarray, voice: Voice) -> Html | None:
        """None for points in the plane: one alone shows nothing."""
        if item.size <= 2:
            return None
        if item.ndim == 1:
            return _line(item)
        return html.picture(self.codec.preview([item]))

    def pair(self, one: np.ndarray, other: np.ndarray, voice: Voice) -> tuple[Html, Html]:
        return _numbers(one), _numbers(other)


def _line(values: np.ndarray) -> Html:
    """A vector as inline SVG; of a long one, every k-th value."""
    shown = np.nan_to_num(values[:: -(-len(values) // MOST_POINTS)].astype(np.float64))
    least, most = shown.min(), shown.max()
    across = np.linspace(EDGE, WIDTH - EDGE, len(shown))
    up = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (shown - least) / max(most - least, 1e-12)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
    return Html(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{:.4g} … {:.4g}">'
        '<polyline class="line" points="{}"/></svg>'
    ).format(WIDTH, HEIGHT, least, most, points)


def _numbers(item: Any) -> Html:
    shown = np.array2string(np.asarray(item), threshold=24, precision=4)
    return Html('<div class="text">{}</div>').format(shown)
