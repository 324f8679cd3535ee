"""What the forms of music (grid, events, chords, roll) have in common: the ticks of the scores that they write, and pitches that stay on a scale."""

from __future__ import annotations

import torch
from torch import Tensor

RESOLUTION = 24  # ticks of a quarter note where steps allow it
TEMPO = 96.0  # where no training score says another one


def ticks_of(steps: int) -> tuple[int, int]:
    """(ticks of a step, ticks of a quarter note) for `steps` to a quarter note."""
    return (RESOLUTION // steps, RESOLUTION) if RESOLUTION % steps == 0 else (1, steps)


def folded(x: Tensor, count: int) -> Tensor:
    """Pitches brought within 0 .. count - 1, count >= 12, by octaves."""
    return torch.where(x >= count, x - 12 * ((x - count + 12) // 12), torch.where(x < 0, x + 12 * ((11 - x) // 12), x))
