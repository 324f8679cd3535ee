"""Pictures on pages: each one by itself, small ones enlarged without smoothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import PIL.Image

from castalia.language import Voice
from castalia.modalities.image.colours import flattened
from castalia.pages import html
from castalia.pages.html import Html

KEPT = ("L", "RGB", "RGBA", "LA")  # modes that PNG has and browsers show


class PicturePresenter:
    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def items(self, items: Sequence[PIL.Image.Image], voice: Voice) -> Html:
        return html.block("grid", [self.item(item, voice) for item in items])

    def item(self, item: PIL.Image.Image, voice: Voice) -> Html:
        return html.picture(item if item.mode in KEPT else flattened(item, 3))

    def pair(self, one: PIL.Image.Image, other: PIL.Image.Image, voice: Voice) -> tuple[Html, Html]:
        """As training sees them: transparent parts on white."""
        return html.picture(flattened(one, 3)), html.picture(flattened(other, 3))

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """Nothing: the pictures themselves are the evidence."""
        return Html()
