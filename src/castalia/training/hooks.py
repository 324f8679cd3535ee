"""Hooks of the training loop: functions of one `Progress`, which must not change what they get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from castalia.families.base import Family

# Parts that show how tuning goes; its loss does not.
TUNING = (
    "reward/reward",
    "reward/met",
    "reward/kl",
    "reward/nats",
    "prefer/margin",
    "prefer/accuracy",
    "prefer/nats",
)
Event = Literal["log", "save", "sample", "end"]


@dataclass(frozen=True)
class Progress:
    """Where training is.

    step     steps done. parts: mean loss parts since the last log, "phase/part" -> value.
    speed    items per second since the last log. seconds: in training so far. left: estimated
             seconds to the end.
    held_out with "sample": the loss on held-out data, in nats per token or item, and its standard
    error over these rows; None where it is not measured.
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
    held_out: float | None = None
    held_out_error: float | None = None


Hook = Callable[[Progress], None]


def headlines(parts: Mapping[str, float], *, several: bool = False) -> dict[str, float]:
    """Those parts of a loss that are shown while it is trained, under short names: what tuning is
    about, else the total of each phase.

    several: phases keep their names, as other steps have more of them than this one.
    """
    if any(name in parts for name in TUNING):
        return {name.partition("/")[2]: parts[name] for name in TUNING if name in parts}
    totals = {
        name.removesuffix("/total"): value
        for name, value in parts.items()
        if name.endswith("/total")
    }
    return {"loss": next(iter(totals.values()))} if len(totals) == 1 and not several else totals
