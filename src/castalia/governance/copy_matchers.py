"""Choose the copy matcher of a codec: its modality's own where that fits, else another that does,
at last one by the kind of tensor.
"""

from __future__ import annotations

from typing import Any

from castalia import modality
from castalia.codecs.base import Codec
from castalia.errors import SpecError
from castalia.governance.copy_matcher import Matcher
from castalia.governance.dense_copies import Numbers
from castalia.governance.token_copies import Passages
from castalia.sentences import say


def matchers_for(codec: Codec[Any]) -> list[type[Matcher]]:
    """All that can read the codec's items, the best one first: its modality's own, those of other
    modalities (a codec without one may make pictures), then by the kind of tensor.
    """
    owner = modality.of(codec)
    first = sorted(modality.every().values(), key=lambda one: one is not owner)
    own: list[type[Matcher]] = [one.load("matcher") for one in first if one.matcher]
    candidates: list[type[Matcher]] = [*own, Numbers, Passages]
    return [kind for kind in candidates if kind.fits(codec)]


def matcher_for(codec: Codec[Any]) -> type[Matcher]:
    """The best one. Raises SpecError where none fits."""
    for kind in matchers_for(codec):
        return kind
    raise SpecError(
        say("there is no way to find copies in such data"),
        where=say("codec '{0}'", codec.name),
        fix=say("audit pictures, arrays or texts"),
    )


def matcher_called(name: str, codec: Codec[Any]) -> type[Matcher] | None:
    """The one that an audit's index names, of those that fit the codec, so that a file can never
    name code; None where there is no such matcher.
    """
    return next((kind for kind in matchers_for(codec) if kind.name == name), None)
