"""What a search found of a level."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """solved  whether there is a solution; nothing is known where the search stopped before.
    steps    of the solution: pushes, jumps, steps.
    way      the solution, one letter a move: "l", "u", "r", "d", capital where a box is pushed.
    why      where there is none, a sentence.
    nodes    positions that were looked at.
    """

    solved: bool
    steps: int = 0
    way: str = ""
    why: str = ""
    nodes: int = 0
