"""Solve Sokoban by A* over pushes (Hart, Nilsson & Raphael 1968; Junghanns & Schaeffer 2001).

A position is where the boxes are and which part of the floor the player can reach. Its bound is a
cheapest assignment of boxes to targets, each pair at the fewest pushes that it takes on an empty
board, so the solution found has the fewest pushes. Places from which no target can be reached are
dead; so is a box that is frozen beside a wall or another frozen box, away from a target. Sets of
places are the bits of one integer.
"""

from __future__ import annotations

import heapq
from itertools import permutations

from castalia.modalities.level.level import Level
from castalia.modalities.level.play.outcome import Outcome
from castalia.modalities.level.rules import Rules
from castalia.sentences import say

MOST_BOXES = 12
EXACT_BOXES = 5  # up to so many, all assignments are compared
FAR = 1 << 20


def solve(level: Level, rules: Rules) -> Outcome:
    """The solution with the fewest pushes, where `rules.nodes` positions are enough to find it."""
    players = list(level.places(rules.player))
    boxes = list(level.places(rules.box))
    targets = list(level.places(rules.target))
    if len(players) != 1:
        return Outcome(False, why=say("there are {0} players, not one", len(players)))
    if not boxes or len(boxes) != len(targets):
        why = say("there are {0} boxes and {1} targets", len(boxes), len(targets))
        return Outcome(False, why=why)
    if len(boxes) > MOST_BOXES:
        return Outcome(False, why=say("there are more than {0} boxes", MOST_BOXES))
    board = Board(level, rules.wall)
    return _search(
        board,
        board.bit(*players[0]),
        frozenset(board.at(*one) for one in boxes),
        [board.at(*one) for one in targets],
        rules.nodes,
    )


class Board:
    """Floor as bits, with a rim of wall around the level; `steps`: what to add to a place to go
    left, up, right and down.
    """

    def __init__(self, level: Level, wall: str) -> None:
        self.width = level.width + 2
        self.steps = (-1, -self.width, 1, self.width)
        self.floor = 0
        for row, line in enumerate(level.rows):
            for column, tile in enumerate(line):
                if tile not in wall:
                    self.floor |= self.bit(row, column)

    def at(self, row: int, column: int) -> int:
        return (row + 1) * self.width + column + 1

    def bit(self, row: int, column: int) -> int:
        return 1 << self.at(row, column)

    def reach(self, start: int, free: int) -> int:
        """The part of `free` that is connected with `start`."""
        width, reached = self.width, start
        while True:
            more = (
                reached | reached << 1 | reached >> 1 | reached << width | reached >> width
            ) & free
            if more == reached:
                return reached
            reached = more

    def distances(self, target: int) -> dict[int, int]:
        """Pushes that a lone box takes from each place to `target`: pulled away from there."""
        found, ring = {target: 0}, [target]
        while ring:
            further = []
            for place in ring:
                for step in self.steps:
                    box, player = place - step, place - 2 * step
                    if (
                        box not in found
                        and player >= 0
                        and self.floor >> box & 1
                        and self.floor >> player & 1
                    ):
                        found[box] = found[place] + 1
                        further.append(box)
            ring = further
        return found


class Bound:
    """Fewest pushes that boxes take to targets, if they were alone; FAR where one cannot get to
    any.
    """

    def __init__(self, board: Board, targets: list[int]) -> None:
        self.tables = [board.distances(target) for target in targets]
        self.known: dict[frozenset[int], int] = {}

    def __call__(self, boxes: frozenset[int]) -> int:
        if boxes not in self.known:
            self.known[boxes] = self._computed(list(boxes))
        return self.known[boxes]

    def _computed(self, boxes: list[int]) -> int:
        rows = [[table.get(box, FAR) for table in self.tables] for box in boxes]
        if len(boxes) > EXACT_BOXES:
            return min(FAR, sum(min(row) for row in rows))
        places = range(len(boxes))
        best = min(
            sum(row[place] for row, place in zip(rows, order, strict=True))
            for order in permutations(places)
        )
        return min(FAR, best)


def _search(
    board: Board, player: int, boxes: frozenset[int], targets: list[int], most: int
) -> Outcome:
    bound, goal, live = Bound(board, targets), frozenset(targets), 0
    for table in bound.tables:
        for place in table:
            live |= 1 << place
    first = bound(boxes)
    if first >= FAR:
        return Outcome(False, why=say("a box cannot be pushed to any target"))
    reached = board.reach(player, board.floor & ~_bits(boxes))
    begin = (boxes, reached)
    queue: list[tuple[int, int, int, tuple[frozenset[int], int]]] = [(first, first, 0, begin)]
    cost = {begin: 0}
    came: dict[tuple[frozenset[int], int], tuple[tuple[frozenset[int], int], int, int]] = {}
    done: set[tuple[frozenset[int], int]] = set()
    count = nodes = 0
    while queue:
        state = heapq.heappop(queue)[3]
        if state in done:  # a shorter way led there since
            continue
        done.add(state)
        boxes, reached = state
        spent = cost[state]
        if boxes == goal:
            return Outcome(True, spent, _way(board, player, state, came), nodes=nodes)
        nodes += 1
        if nodes > most:
            why = say("no solution among the first {0:,} positions", most)
            return Outcome(False, why=why, nodes=nodes)
        free = board.floor & ~_bits(boxes)
        for box in boxes:
            for step in board.steps:
                to = box + step
                if not (reached >> (box - step) & 1 and free >> to & 1 and live >> to & 1):
                    continue
                moved = (boxes - {box}) | {to}
                if to not in goal and _frozen(board, to, moved, goal):
                    continue
                rest = bound(moved)
                if rest >= FAR:
                    continue
                after = board.reach(1 << box, board.floor & ~_bits(moved))
                following = (moved, after)
                if spent + 1 < cost.get(following, FAR):
                    cost[following] = spent + 1
                    came[following] = (state, box, step)
                    count += 1
                    heapq.heappush(queue, (spent + 1 + rest, rest, count, following))
    return Outcome(False, why=say("there is no solution"), nodes=nodes)


def _bits(places: frozenset[int]) -> int:
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits


def _frozen(board: Board, box: int, boxes: frozenset[int], goal: frozenset[int]) -> bool:
    """Whether the box is one of a square of four walls and boxes, of which a box is not on a
    target: none of them can move again.
    """
    for across in (-1, 1):
        for down in (-board.width, board.width):
            square = (box, box + across, box + down, box + across + down)
            if all(not board.floor >> place & 1 or place in boxes for place in square):
                return any(place in boxes and place not in goal for place in square)
    return False


def _way(
    board: Board,
    player: int,
    last: tuple[frozenset[int], int],
    came: dict[tuple[frozenset[int], int], tuple[tuple[frozenset[int], int], int, int]],
) -> str:
    """The moves of the solution: the walk to each push, and the push as a capital."""
    pushes = []
    while last in came:
        before, box, step = came[last]
        pushes.append((before[0], box, step))
        last = before
    letters = dict(zip(board.steps, "lurd", strict=True))
    way, place = "", player.bit_length() - 1
    for boxes, box, step in reversed(pushes):
        free = board.floor & ~_bits(boxes)
        way += _walk(board, place, box - step, free, letters) + letters[step].upper()
        place = box
    return way


def _walk(board: Board, start: int, stop: int, free: int, letters: dict[int, str]) -> str:
    """A shortest walk from one place to another, which is reached."""
    ways = {start: ""}
    ring = [start]
    while stop not in ways:
        further = []
        for place in ring:
            for step in board.steps:
                to = place + step
                if to not in ways and free >> to & 1:
                    ways[to] = ways[place] + letters[step]
                    further.append(to)
        ring = further
    return ways[stop]
