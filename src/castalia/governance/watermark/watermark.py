"""What a modality has for marks in its content (`Modality.watermark`), and what a reader finds.

There are two moments to put a mark on. A mark of items changes an item that is finished
(`MarksItems`); a mark of samplings decides, while tokens are drawn, between those that the model
finds as good (`MarksSampling`), and changes nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from castalia.codecs.base import Codec
from castalia.governance.watermark.key import Key
from castalia.nn.tournament import Tournament

MOST_CHANCE = 1e-4  # a mark is there where content without one says so less often than this


@dataclass(frozen=True)
class Reading:
    """What was found in one item.

    chance  the most that the probability of such a finding is in content without the mark; None
            where nothing could be looked for, because of `trouble`.
    mark    the number that it says, 16 hexadecimal digits; "": only that it is there.
    trouble why nothing, or less, could be looked for: a sentence.
    """

    chance: float | None
    mark: str = ""
    trouble: str = ""

    @property
    def found(self) -> bool:
        return self.chance is not None and self.chance <= MOST_CHANCE


@runtime_checkable
class MarksItems(Protocol):
    """Of items that are finished."""

    name: str  # of the method, in manifests: a new one where old marks are read otherwise
    native: type  # of the items that it takes

    def trouble(self, item: Any) -> str:
        """Why this item takes no mark, a sentence; "": it takes one."""
        ...

    def marked(self, item: Any, key: Key, mark: str, quality: float) -> Any:
        """The item with the mark in it. quality: peak signal to noise that is kept, in dB."""
        ...

    def look(self, item: Any, key: Key) -> Reading:
        """What is in an item."""
        ...


@runtime_checkable
class MarksSampling(Protocol):
    """Of items whose tokens are drawn."""

    name: str
    native: type

    def sampler(self, key: Key, model: str, codec: Codec[Any]) -> Tournament | None:
        """By what the tokens of these weights are drawn; None where the codec makes none."""
        ...

    def look_for(self, item: Any, key: Key, runs: Mapping[str, Codec[Any]]) -> Reading:
        """Whether one of these weights (by the hash of their file, with their codec) drew it."""
        ...
