"""What the loop tells the outside. A hook is a function of one `Progress`; it must not change what it sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from castalia.families.base import Family

Event = Literal["log", "save", "sample", "end"]


@dataclass(frozen=True)
class Progress:
    """Where training is.

    step     steps done. parts: mean loss parts since the last log, "phase/part" -> value.
    speed    items per second since the last log. seconds: in training so far. left: estimated seconds to the end.
    model    the averaged weights where averaging is on, in eval mode; None except in "sample".
    """

    event: Event
    step: int
    steps: int
    parts: dict[str, float]
    speed: float = 0.0
    seconds: float = 0.0
    left: float = 0.0
    model: Family | None = None


Hook = Callable[[Progress], None]
