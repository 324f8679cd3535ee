"""Series on pages: as lines in SVG, which needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from castalia.language import Voice
from castalia.modalities.series.drawing import line_plot
from castalia.modalities.series.forecasting import Forecast
from castalia.modalities.series.ratings import Ratings
from castalia.modalities.series.series import Collection, Series
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn


class SeriesPresenter(Drawn):
    """See Presenter."""

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        shown = [one for item in items for one in _members(item)]
        return _drawn(shown) if shown else Html("")

    def item(self, item: Any, voice: Voice) -> Html | None:
        return _drawn(item if isinstance(item, Forecast) else _members(item))

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        return _drawn(_members(one)), _drawn(_members(other))

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        sides = [
            _drawn([Series(name, np.array(evidence[side], dtype=np.float64))])
            for name, side in zip(names, ("sample", "train"), strict=True)
        ]
        words = voice.say("correlation {0:.3f} over {1} steps", evidence["r"], evidence["steps"])
        return html.block("pair", sides) + html.measure(words)


def _members(item: Any) -> list[Series]:
    if isinstance(item, Ratings):
        return item.curves()
    return list(item.series) if isinstance(item, Collection) else [item]


def _drawn(shown: Any) -> Html:
    return Html('<div class="scroll">{}</div>').format(Html(line_plot(shown)))
