"""Whether a level can be solved, in how many steps, and how: a search for each kind of play."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from castalia.modalities.level.level import Level
from castalia.modalities.level.play import jump, push, walk
from castalia.modalities.level.play.outcome import Outcome
from castalia.modalities.level.rules import Rules

REMEMBERED = 20_000  # levels whose outcome is kept
PLAYS: dict[str, Callable[[Level, Rules], Outcome]] = {
    "push": push.solve,
    "jump": jump.solve,
    "walk": walk.solve,
}


class Player:
    """Solves levels of one game; each only once."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.solve: Callable[[Level], Outcome] = lru_cache(REMEMBERED)(self._solved)

    def _solved(self, level: Level) -> Outcome:
        play = PLAYS.get(self.rules.play)
        return Outcome(True) if play is None else play(level, self.rules)
