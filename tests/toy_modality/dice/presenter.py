"""Series of throws on pages: the faces of dice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from castalia.language import Voice
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn


class DicePresenter(Drawn):
    """See Presenter."""

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        return html.block("throws", [self._faces(item) for item in items])

    def item(self, item: Any, voice: Voice) -> Html:
        return self._faces(item)

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        return self._faces(one), self._faces(other)

    @staticmethod
    def _faces(item: Any) -> Html:
        return Html('<p class="dice">{}</p>').format("".join(chr(0x267F + pips) for pips in item))
