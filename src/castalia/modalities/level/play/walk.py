"""Find ways between all doors of a map that is seen from above."""

from __future__ import annotations

from castalia.modalities.level.level import Level, Place
from castalia.modalities.level.play.outcome import Outcome
from castalia.modalities.level.rules import Rules
from castalia.sentences import say


def solve(level: Level, rules: Rules) -> Outcome:
    """Steps: of the longest of the shortest ways between two doors, in four directions."""
    doors = list(level.places(rules.doors))
    if len(doors) < rules.least:
        why = say("there are {0} doors, and {1} are needed", len(doors), rules.least)
        return Outcome(False, why=why)
    shut = rules.wall + rules.hazard
    longest = nodes = 0
    for door in doors:
        far = _distances(level, door, shut)
        nodes += len(far)
        missed = [other for other in doors if other not in far]
        if missed:
            why = say(
                "no way leads from the door in row {0}, column {1} to that in row {2}, column {3}",
                *(1 + one for one in (*door, *missed[0])),
            )
            return Outcome(False, why=why, nodes=nodes)
        longest = max(longest, *(far[other] for other in doors))
    return Outcome(True, longest, nodes=nodes)


def _distances(level: Level, start: Place, shut: str) -> dict[Place, int]:
    found, ring = {start: 0}, [start]
    while ring:
        further = []
        for row, column in ring:
            for there in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if (
                    there not in found
                    and 0 <= there[0] < level.height
                    and 0 <= there[1] < level.width
                    and level.rows[there[0]][there[1]] not in shut
                ):
                    found[there] = found[row, column] + 1
                    further.append(there)
        ring = further
    return found
