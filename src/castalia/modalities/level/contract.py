"""What contract tests of the scores of levels are shown: small rooms with two doors, some of them
shut off from one another, and ways to damage them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.level import rules
from castalia.modalities.level.level import Level
from castalia.modalities.level.play import Player
from castalia.nn.counter_random import counter_seed

HEIGHT, WIDTH = 7, 8
BLOCKS = 0.2  # share of the floor that is blocked
PLAYER = Player(rules.of_json({"play": "walk", "wall": "#", "doors": "D", "least": 2}, "contract"))


def rooms(n: int, name: str) -> list[Level]:
    """n rooms: walls around, a door to the left and one to the right, blocks at random."""
    rng = np.random.default_rng(counter_seed("level", name))
    made = []
    for _ in range(n):
        tiles = np.where(rng.random((HEIGHT, WIDTH)) < BLOCKS, "#", ".")
        tiles[[0, -1]] = "#"
        tiles[:, [0, -1]] = "#"
        tiles[rng.integers(1, HEIGHT - 1), 0] = "D"
        tiles[rng.integers(1, HEIGHT - 1), -1] = "D"
        made.append(Level(tuple("".join(row) for row in tiles), PLAYER))
    return made


Change = Callable[[list[Level], float, np.random.Generator, Sequence[Level]], list[Level]]


def _noisy(
    levels: list[Level], share: float, rng: np.random.Generator, copies: Sequence[Level]
) -> list[Level]:
    """Tiles become walls."""
    made = []
    for level in levels:
        rows = [
            "".join("#" if rng.random() < share else tile for tile in row) for row in level.rows
        ]
        made.append(Level(tuple(rows), PLAYER))
    return made


def _same(
    levels: list[Level], share: float, rng: np.random.Generator, copies: Sequence[Level]
) -> list[Level]:
    """Everything becomes the same level, the one with the longest way."""
    longest = max(levels, key=lambda one: PLAYER.solve(one).steps)
    return [longest if rng.random() < share else level for level in levels]


def _copied(
    levels: list[Level], share: float, rng: np.random.Generator, copies: Sequence[Level]
) -> list[Level]:
    """Levels of the training data."""
    return [
        copies[number % len(copies)] if rng.random() < share else level
        for number, level in enumerate(levels)
    ]


CHANGES: tuple[Change, ...] = (_noisy, _same, _copied)


def _damage(change: Change, most: float) -> Callable[[Any, float], Evidence]:
    def damaged(shown: Any, strength: float) -> Evidence:
        rng = np.random.default_rng(counter_seed("damage", change.__name__))
        model = change(list(shown.items["model"]), strength / most, rng, shown.items["training"])
        return replace(shown, items={**shown.items, "model": model})  # type: ignore[no-any-return]

    return damaged


class LevelContract:
    """A MetricContract."""

    native = Level

    def evidence(self, shown: Any, n: int) -> Evidence:
        training = rooms(max(n, 60), "training")
        rng = np.random.default_rng(0)
        items = {
            "model": rooms(n, "model"),
            "floor": rooms(n, "floor"),
            "reference": rooms(n, "reference"),
            "unseen": rooms(n, "unseen"),
            "naive": _noisy(rooms(n, "naive"), 0.5, rng, ()),
            "memoriser": training[:n],
            "training": training,
        }
        return replace(shown, items=items)  # type: ignore[no-any-return]

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}
