"""Shapes on pages: each one turns, as an animated picture inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from castalia.language import Voice
from castalia.modalities.shape3d.render import render
from castalia.modalities.shape3d.shape import Shape
from castalia.pages import html
from castalia.pages.html import Html

VIEWS, MILLISECONDS = 10, 240  # of one turn
SIZE = 96  # pixels of a turning model
COLOURS = 16
TURNING = 6  # of one block; the others stand still: a turn costs as much as ten pictures


class ShapePresenter:
    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def items(self, items: Sequence[Shape], voice: Voice) -> Html:
        shown = [
            turning(item) if number < TURNING else html.picture(render(item.mesh))
            for number, item in enumerate(items)
        ]
        return html.block("grid", shown)

    def item(self, item: Shape, voice: Voice) -> Html:
        return turning(item)

    def pair(self, one: Shape, other: Shape, voice: Voice) -> tuple[Html, Html]:
        return turning(one), turning(other)

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """Nothing: the shapes themselves are the evidence."""
        return Html()


def turning(item: Shape) -> Html:
    """One turn about the upward axis as an animated PNG, which needs no script."""
    views = [
        render(item.mesh, 35 + 360 * view / VIEWS, SIZE).quantize(COLOURS, dither=0)
        for view in range(VIEWS)
    ]
    file = io.BytesIO()
    views[0].save(
        file, "PNG", save_all=True, append_images=views[1:], duration=MILLISECONDS, loop=0
    )
    data = base64.b64encode(file.getvalue()).decode()
    return Html('<img alt="" src="data:image/png;base64,{}">').format(data)
