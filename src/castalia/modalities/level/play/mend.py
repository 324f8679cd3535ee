"""Mend a drawn Sokoban level whose pieces do not add up: one player, as many targets as boxes.

A model of few minutes draws good rooms with two players or a target too few. Then players beyond
one become floor, and what is missing is put on places of the floor, chosen by a hash of the level,
so that the same level is mended in the same way. Whether it can be solved is found out afterwards.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterator

from castalia.modalities.level.level import Level
from castalia.modalities.level.rules import Rules

MOST_MISSING = 2  # pieces of a kind; where more are missing it is another level
VERSIONS = 4  # that are tried


def mended(level: Level, rules: Rules) -> Iterator[Level]:
    """A few versions of the level whose pieces add up; none where they do, or where too much is
    missing.
    """
    if rules.play != "push":
        return
    pieces = rules.player + rules.box + rules.target
    plain = Counter(
        tile for row in level.rows for tile in row if tile not in rules.wall + pieces
    ).most_common(1)
    players = list(level.places(rules.player))
    lacking = len(list(level.places(rules.box))) - len(list(level.places(rules.target)))
    sound = len(players) == 1 and lacking == 0
    if sound or not plain or abs(lacking) > MOST_MISSING or len(players) > 1 + MOST_MISSING:
        return
    floor = plain[0][0]
    rng = random.Random(zlib.crc32(level.content))
    missing = [rules.target[0] if lacking > 0 else rules.box[0]] * abs(lacking)
    missing += [] if players else [rules.player[0]]
    for _ in range(VERSIONS):
        rows = [list(row) for row in level.rows]
        for row, column in rng.sample(players, max(0, len(players) - 1)):
            rows[row][column] = floor
        free = [
            (row, column)
            for row, line in enumerate(rows)
            for column, tile in enumerate(line)
            if tile == floor
        ]
        if len(free) < len(missing):
            return
        for tile, (row, column) in zip(missing, rng.sample(free, len(missing)), strict=True):
            rows[row][column] = tile
        yield Level(tuple("".join(row) for row in rows), level.player)
