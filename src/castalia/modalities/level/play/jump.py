"""Find a way through a platformer from its left to its right edge, with the fewest jumps.

The model, in tiles and of a player of one tile: on the ground (a wall below) it walks a step left
or right, and may begin a jump, which rises by up to `rise` tiles, one at a time; in the air it may
go a step sideways with each tile that it rises or falls. It passes no wall, not at corners either,
enters no hazard, and is lost below the bottom. Nothing is above the top. A jump of `rise` 4 so
crosses a gap of 7 tiles between grounds of one height. Speed, enemies and moving platforms are not
here, so some levels of real games that need a run-up count as impossible, and what hurts is not
seen.
"""

from __future__ import annotations

from collections import deque

from castalia.modalities.level.level import Level
from castalia.modalities.level.play.outcome import Outcome
from castalia.modalities.level.rules import Rules
from castalia.sentences import say

EDGE = 3  # columns at the left edge in which the player may begin
Position = tuple[int, int, int]  # row, column, tiles that the jump still rises


def solve(level: Level, rules: Rules) -> Outcome:
    """A breadth-first search in which a jump costs one and all else nothing."""
    air = Air(level, rules)
    begin = [
        (row, column, 0)
        for column in range(min(EDGE, level.width))
        for row in range(level.height)
        if air.stands(row, column)
    ]
    if not begin:
        return Outcome(False, why=say("there is no ground at the left edge"))
    cost = dict.fromkeys(begin, 0)
    came: dict[Position, Position] = {}
    queue, nodes = deque(begin), 0
    done: set[Position] = set()
    furthest = 0
    while queue:
        here = queue.popleft()
        if here in done:
            continue
        done.add(here)
        furthest, nodes = max(furthest, here[1]), nodes + 1
        if here[1] == level.width - 1 and air.stands(here[0], here[1]):
            return Outcome(True, cost[here], _way(here, came), nodes=nodes)
        if nodes > rules.nodes:
            why = say("no way among the first {0:,} positions", rules.nodes)
            return Outcome(False, why=why, nodes=nodes)
        for there, price in air.moves(here, rules.rise):
            if cost[here] + price < cost.get(there, 1 << 30):
                cost[there], came[there] = cost[here] + price, here
                (queue.append if price else queue.appendleft)(there)
    why = say("the way ends in column {0} of {1}", furthest + 1, level.width)
    return Outcome(False, why=why, nodes=nodes)


class Air:
    """Where a player can be."""

    def __init__(self, level: Level, rules: Rules) -> None:
        self.level, self.wall, self.shut = level, rules.wall, rules.wall + rules.hazard

    def free(self, row: int, column: int) -> bool:
        level = self.level
        inside = 0 <= row < level.height and 0 <= column < level.width
        return inside and level.rows[row][column] not in self.shut

    def stands(self, row: int, column: int) -> bool:
        below = row + 1 < self.level.height and self.level.rows[row + 1][column] in self.wall
        return below and self.free(row, column)

    def moves(self, here: Position, rise: int) -> list[tuple[Position, int]]:
        """Where the player can be next, and whether a jump begins."""
        row, column, left = here
        found = []
        if left == 0 and self.stands(row, column):
            found = [
                ((row, column + side, 0), 0) for side in (-1, 1) if self.free(row, column + side)
            ]
            left, price = rise, 1
        else:
            price = 0
            found += self._sideways(row + 1, column, 0, 0)
        if left > 0:
            found += self._sideways(row - 1, column, left - 1, price)
        return found

    def _sideways(self, row: int, column: int, left: int, price: int) -> list[tuple[Position, int]]:
        if not self.free(row, column):
            return []
        return [
            ((row, column + side, left), price)
            for side in (-1, 0, 1)
            if self.free(row, column + side)
        ]


def _way(last: Position, came: dict[Position, Position]) -> str:
    """ "r" and "l" for steps aside, "u" and "d" for rising and falling, with the side after it."""
    letters = []
    while last in came:
        before = came[last]
        upright = {-1: "u", 0: "", 1: "d"}[last[0] - before[0]]
        letters.append(upright + {-1: "l", 0: "", 1: "r"}[last[1] - before[1]])
        last = before
    return "".join(reversed(letters))
