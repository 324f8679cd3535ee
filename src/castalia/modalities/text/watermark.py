"""Marks in texts: tokens are drawn by a keyed tournament (nn/tournament.py), and nothing is changed
afterwards.

The tokens are those of the run's codec, so a reader needs it: a text is held against each run that
is known here. A text that was typed anew, cut, or changed in places keeps the mark where as many
tokens as make a context, and the one behind, are still as they were drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from castalia.codecs.base import Codec
from castalia.errors import DataError
from castalia.governance.watermark.carrier import chance
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import Reading
from castalia.nn.tournament import Tournament, score
from castalia.sentences import say
from castalia.spec import Tokens

LEAST = 40  # tokens that count, of the shortest text about which anything is said


class TextMark:
    """`MarksSampling` for texts."""

    name = "tournament-1"
    native = str

    def sampler(self, key: Key, model: str, codec: Codec[Any]) -> Tournament | None:
        """The coins of the weights `model`; None for a codec that makes no tokens."""
        if not isinstance(codec.spec, Tokens):
            return None
        secret = key.derived(f"{self.name} {model}")
        return Tournament(self.name, key.mark_of(model), secret, codec.spec.vocab)

    def look_for(self, item: str, key: Key, runs: Mapping[str, Codec[Any]]) -> Reading:
        """The likeliest of the runs, its chance counted as often as there are runs."""
        if not runs:
            return Reading(None, trouble=say("no run that writes texts is known here"))
        encoded: dict[int, list[int]] = {}
        best, most = Reading(None), 0
        for model, codec in runs.items():
            mark = self.sampler(key, model, codec)
            if mark is None:
                continue
            if id(codec) not in encoded:
                try:
                    encoded[id(codec)] = tokens_of(codec, item)
                except DataError:  # a character that no text of this run can have
                    encoded[id(codec)] = []
            z, counted = score(mark, encoded[id(codec)])
            most = max(most, counted)
            found = Reading(chance(z, len(runs)), mark.number)
            if counted >= LEAST and (best.chance is None or found.chance < best.chance):  # type: ignore[operator]
                best = found
        if best.chance is None:
            trouble = say("the text is too short: {0} tokens count, {1} are needed", most, LEAST)
            return Reading(None, trouble=trouble)
        return best


MARK = TextMark()


def tokens_of(codec: Codec[Any], text: str) -> list[int]:
    """Tokens of a text, without those that begin and end it."""
    spec = codec.spec
    return [
        token
        for token in codec.encode(text).tolist()
        if token not in (getattr(spec, "begin", None), getattr(spec, "end", None))
    ]
