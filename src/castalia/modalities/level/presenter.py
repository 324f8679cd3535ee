"""Levels on pages: as pictures; what differs between two is framed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from castalia.language import Voice
from castalia.modalities.level.drawing import drawn, framed
from castalia.modalities.level.level import Level
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn

SHOWN = 36  # levels of one block
ROWS = 14  # of text that stand below a picture at most


class LevelPresenter(Drawn):
    """See Presenter."""

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        return html.drawing(self.codec.preview(list(items[:SHOWN])))

    def item(self, item: Any, voice: Voice) -> Html | None:
        return html.drawing(drawn(item, self.codec.rules), "\n".join(item.rows[:ROWS]))

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        first, second = (
            html.drawing(framed(level, against, self.codec.rules))
            for level, against in ((one, other), (other, one))
        )
        return first, second

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        sample, train = (Level(tuple(evidence[side])) for side in ("sample", "train"))
        count = sum(
            tile != other
            for row, line in zip(sample.rows, train.rows, strict=False)
            for tile, other in zip(row, line, strict=False)
        )
        words = voice.say("{0} of {1} tiles differ", count, train.height * train.width)
        return html.block("pair", self.pair(sample, train, voice)) + html.measure(words)
