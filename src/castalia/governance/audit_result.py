"""The result of an audit: its document, and the items that its page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from castalia.codecs.base import Codec
from castalia.data.stream import Side
from castalia.governance.copy_matcher import Matches


@dataclass(frozen=True)
class Audit:
    """The result of an audit. samples, training and held_out are items; `matches` is of all
    samples, `fresh` of the held-out items.
    """

    document: dict[str, Any]
    codec: Codec[Any]
    names: Sequence[str]
    samples: Any
    training: Side
    held_out: Any
    matches: Matches
    fresh: Matches
    where: Any
