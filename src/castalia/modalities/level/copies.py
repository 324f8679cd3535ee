"""The copy matcher of levels: the training level that a level is nearest to, tile by tile, as it
is, mirrored from left to right, and, where the game is seen from above, turned by quarters.

The residual is the share of tiles that differ. All levels of a game are alike in their walls or
their sky, so `distance` is the residual over that of the next training levels
(copy_matcher.set_against_neighbours). How near is a copy is calibrated on held-out levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches, set_against_neighbours
from castalia.modalities.level.level import Level, symmetries
from castalia.modalities.level.rules import Rules

SAME = 0.02  # share of tiles that differ up to which a level is a copy, whatever is near it
QUERIES = 64  # that are compared at once
CHANGED = 3  # tiles that a planted near copy has changed


class Levels:
    """training: levels, or tokens that the codec decodes to them."""

    name: ClassVar = "levels"
    kinds: ClassVar = ("exact", "mirrored", "turned", "near")
    planted: ClassVar = ("exact", "mirrored", "near")
    farthest: ClassVar = 0.9

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec = codec
        self._rules: Rules = codec.rules  # type: ignore[attr-defined]
        self._levels = levels_of(codec, training)
        self._tiles = sorted({tile for level in self._levels for row in level.rows for tile in row})
        self._side = max((max(one.height, one.width) for one in self._levels), default=1)
        self._coded = self._marked(self._levels)
        self._sizes = _sizes(self._levels)

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return issubclass(codec.native, Level)

    def __len__(self) -> int:
        return len(self._levels)

    def match(self, queries: Any) -> Matches:
        """queries: levels -> the nearest training level of each."""
        levels = levels_of(self._codec, queries)
        return Matches.joined(
            [
                self._match(levels[start : start + QUERIES])
                for start in range(0, len(levels), QUERIES)
            ]
        )

    def _match(self, levels: Sequence[Level]) -> Matches:
        how = {"turns": self._rules.turns, "mirror": self._rules.mirror}
        variants = [symmetries(level, **how) for level in levels]
        names = list(variants[0])
        residuals = torch.stack(
            [self._residual([one[name] for one in variants]) for name in names]
        )  # (ways, M, N)
        least, way = residuals.min(0)
        place, distance, residual = set_against_neighbours(least, SAME)
        rows = range(len(levels))
        ways = [names[int(way[row, place[row]])] for row in rows]
        kinds = [
            name.partition(" ")[0] if share == 0 else "near"
            for name, share in zip(ways, residual.tolist(), strict=True)
        ]
        evidence = [
            {
                "sample": list(variants[row][ways[row]].rows),
                "train": list(self._levels[int(place[row])].rows),
                "way": ways[row],
            }
            for row in rows
        ]
        return Matches(place, distance, residual, kinds, evidence)

    def _residual(self, levels: Sequence[Level]) -> Tensor:
        """(M, N) share of the places of both that differ."""
        same = self._marked(levels) @ self._coded.T
        larger = torch.maximum(_sizes(levels)[:, None], self._sizes[None])
        return (1 - same / larger).clamp(0, 1)

    def _marked(self, levels: Sequence[Level]) -> Tensor:
        """(M, tiles x places) float32: 1 where the tile stands at the place; a tile that no
        training level has stands nowhere.
        """
        number = {tile: place for place, tile in enumerate(self._tiles)}
        side, count = self._side, len(self._tiles)
        marked = torch.zeros(len(levels), side, side, count)
        for one, level in zip(marked, levels, strict=True):
            for row, line in enumerate(level.rows[:side]):
                for column, tile in enumerate(line[:side]):
                    if tile in number:
                        one[row, column, number[tile]] = 1
        return marked.flatten(1)

    def plant(self, items: Any, kind: str, rng: torch.Generator) -> list[Level]:
        """ "near": CHANGED tiles replaced by those of other places."""
        levels = levels_of(self._codec, items)
        if kind == "mirrored":
            mirror = self._rules.mirror
            return [symmetries(one, turns=False, mirror=mirror)["mirrored"] for one in levels]
        return levels if kind == "exact" else [_changed(level, rng) for level in levels]

    @staticmethod
    def as_long(items: Any, like: Any, codec: Codec[Any]) -> list[Level]:
        """Levels are compared whole."""
        return levels_of(codec, items)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"levels": [list(level.rows) for level in self._levels]}, {}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Levels:
        return cls(codec, [Level(tuple(rows)) for rows in state["levels"]])


def levels_of(codec: Codec[Any], items: Any) -> list[Level]:
    """Levels as they are; tokens decoded."""
    return [one if isinstance(one, Level) else codec.decode(one) for one in items]


def _sizes(levels: Sequence[Level]) -> Tensor:
    return torch.tensor([float(one.height * one.width) for one in levels])


def _changed(level: Level, rng: torch.Generator) -> Level:
    rows = [list(row) for row in level.rows]
    for _ in range(CHANGED):
        one, other = (
            (
                int(torch.randint(level.height, (), generator=rng)),
                int(torch.randint(level.width, (), generator=rng)),
            )
            for _ in range(2)
        )
        rows[one[0]][one[1]] = level.rows[other[0]][other[1]]
    return Level(tuple("".join(row) for row in rows), level.player)
