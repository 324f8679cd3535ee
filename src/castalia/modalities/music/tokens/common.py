"""Ticks, octave folding and learned states that the forms of music share."""

from __future__ import annotations

from typing import Annotated, Any, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from castalia.config import State
from castalia.sentences import say

Pitch = Annotated[int, Field(ge=0, le=127)]
Range = Annotated[list[Pitch], Field(min_length=2, max_length=2)]
MOST_PARTS, MOST_MERGES = 16, 1 << 16

RESOLUTION = 24  # ticks of a quarter note where steps allow it
TEMPO = 96.0  # where no training score has another one


class GridState(State):
    """What a grid has learned: names, ranges and programs of its parts, the usual tempo
    and metre.
    """

    parts: Annotated[
        list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=MOST_PARTS)
    ]
    ranges: list[Range]
    programs: list[Annotated[int, Field(ge=0, le=128)]]
    tempo: Annotated[float, Field(gt=0, le=10_000)]
    metre: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _one_for_each(self) -> Self:
        if not len(self.parts) == len(self.ranges) == len(self.programs):
            raise ValueError(say("ranges and programs are as many as parts"))
        return self


class ChordsState(State):
    """What the form "chords" has learned: most notes of a step, lowest and highest pitch."""

    slots: Annotated[int, Field(ge=1, le=88)]
    range: Range


class EventsState(State):
    """What the form "events" has learned: lowest and highest pitch, and which tokens are merged."""

    range: Range
    merges: Annotated[
        list[
            Annotated[
                list[Annotated[int, Field(ge=0, le=MOST_MERGES)]], Field(min_length=2, max_length=2)
            ]
        ],
        Field(max_length=MOST_MERGES),
    ] = Field([])


class RollState(State):
    """What the form "roll" has learned, beside its parts: the range of pitches and the usual
    program.
    """

    grid: dict[str, Any]
    lowest: Pitch
    pitches: Annotated[int, Field(ge=1, le=128)]
    program: Annotated[int, Field(ge=0, le=128)]


def ticks_of(steps: int) -> tuple[int, int]:
    """(ticks of a step, ticks of a quarter note) for `steps` to a quarter note."""
    return (RESOLUTION // steps, RESOLUTION) if RESOLUTION % steps == 0 else (1, steps)


def folded(x: Tensor, count: int) -> Tensor:
    """Pitches brought within 0 .. count - 1, count >= 12, by octaves."""
    return torch.where(
        x >= count,
        x - 12 * ((x - count + 12) // 12),
        torch.where(x < 0, x + 12 * ((11 - x) // 12), x),
    )
