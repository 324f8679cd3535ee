"""Vectors and arrays on pages."""

from __future__ import annotations

from typing import Any

import numpy as np

from castalia.language import Voice
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn


class ArrayPresenter(Drawn):
    """Drawn by the codec: points as a scatter plot, vectors as lines, larger ones as pictures."""

    def item(self, item: np.ndarray, voice: Voice) -> Html | None:
        """None for points in the plane: one alone shows nothing."""
        return None if item.size <= 2 else html.drawing(self.codec.preview([item]))

    def pair(self, one: np.ndarray, other: np.ndarray, voice: Voice) -> tuple[Html, Html]:
        return _numbers(one), _numbers(other)


def _numbers(item: Any) -> Html:
    shown = np.array2string(np.asarray(item), threshold=24, precision=4)
    return Html('<div class="text">{}</div>').format(shown)
