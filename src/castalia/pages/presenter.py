"""Presenters, which show items on pages: the protocol that a modality implements, and the default.

    presenter_of(codec).items(items, voice)         Html

Reports, comparisons, audits, checks, contact sheets and notebooks ask a presenter and know nothing
of what an item is. A modality names its presenter in its descriptor (castalia/modality.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from castalia import modality
from castalia.codecs.protocols import Streams
from castalia.language import Voice
from castalia.pages import html
from castalia.pages.html import Html

TEXTS, DRAWINGS = 12, 6  # texts and drawings of one block
LONGEST_VALUE = 600  # characters of an item that is shown by its `repr`


class Presenter(Protocol):
    """Items of one modality as HTML. It is made for a codec, fitted or not."""

    def __init__(self, codec: Any) -> None: ...

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        """Several items in their order, as one block. It may show fewer than all."""
        ...

    def item(self, item: Any, voice: Voice) -> Html | None:
        """One item, small; None where a single item shows nothing, so that they are only drawn
        together.
        """
        ...

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        """Two items to stand side by side, with what differs marked. The codec may be unfitted."""
        ...

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """What a matcher of the modality wrote of a copy (`Matches.evidence`): both sides, and how
        much they share. names: of the sample and of the training item.
        """
        ...


class Drawn:
    """Any items, drawn together by `Codec.preview`; what can be heard, one below the other."""

    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        if self.codec.audible:
            drawn = [html.drawing(self.codec.preview([item])) for item in items[:DRAWINGS]]
            return html.block("rolls", drawn)
        return html.drawing(self.codec.preview(list(items)))

    def item(self, item: Any, voice: Voice) -> Html | None:
        return html.drawing(self.codec.preview([item])) if self.codec.audible else None

    def pair(self, one: Any, other: Any, voice: Voice) -> tuple[Html, Html]:
        return _value(one), _value(other)

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """Of the matcher of tokens (governance/token_copies.py): both passages, the span marked."""
        two = [html.marked(*evidence[side]) for side in ("sample_text", "train_text")]
        words = voice.say(
            "{0} words or tokens, {1} of them changed, {2:.0f} bits",
            evidence["length"],
            evidence["edits"],
            evidence["bits"],
        )
        return html.block("pair", two) + html.measure(words)


class Written(Drawn):
    """Any texts."""

    def items(self, items: Sequence[Any], voice: Voice) -> Html:
        return html.block("texts", [html.text(item, voice) for item in items[:TEXTS]])

    def item(self, item: Any, voice: Voice) -> Html | None:
        return html.text(item, voice)


def presenter_of(codec: Any) -> Presenter:
    """The presenter of the codec's modality, made for it. A codec without one gets its texts as
    texts, anything else as it draws it.
    """
    kind = modality.part_of(codec, "presenter")
    if kind is None:
        kind = Written if isinstance(codec, Streams) else Drawn
    made: Presenter = kind(codec)
    return made


def _value(item: Any) -> Html:
    shown = repr(item)
    cut = " …" if len(shown) > LONGEST_VALUE else ""
    return Html('<div class="text">{}{}</div>').format(shown[:LONGEST_VALUE], cut)
