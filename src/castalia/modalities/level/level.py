"""A level: a map of tiles, one character each, in rows of equal length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

Place: TypeAlias = tuple[int, int]  # row and column, from 0 at the top left


@dataclass(frozen=True)
class Level:
    """rows: from top to bottom, at least one of at least one tile. player: a play.Player, who
    solves levels of this game; of those that a codec decoded, for judges that know no codec.
    """

    rows: tuple[str, ...]
    player: Any = field(default=None, compare=False, repr=False)

    @property
    def height(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        return len(self.rows[0])

    @property
    def content(self) -> bytes:
        """What is hashed of it."""
        return "\n".join(self.rows).encode()

    def places(self, tiles: str) -> Iterator[Place]:
        """Where any of these tiles stands, row by row."""
        for row, line in enumerate(self.rows):
            for column, tile in enumerate(line):
                if tile in tiles:
                    yield row, column

    def part(self, top: int, left: int, height: int, width: int) -> Level:
        """The part of `height` rows and `width` columns, smaller where the level ends before."""
        return Level(tuple(line[left : left + width] for line in self.rows[top : top + height]))


def symmetries(
    level: Level, *, turns: bool = True, mirror: Mapping[int, int] = MappingProxyType({})
) -> dict[str, Level]:
    """The level as it is ("exact") and mirrored from left to right ("mirrored"); with `turns`, for
    games seen from above, also turned by quarters, each as it is and mirrored ("turned"). mirror:
    what tiles become in a mirror, as `str.translate` takes it.
    """
    rows = level.rows
    made = {"exact": level, "mirrored": _mirrored(rows, mirror)}
    for quarter in range(1, 4) if turns else ():
        rows = tuple("".join(column) for column in zip(*rows[::-1], strict=True))
        made[f"turned {quarter}"] = Level(rows)
        made[f"turned {quarter} mirrored"] = _mirrored(rows, mirror)
    return made


def _mirrored(rows: tuple[str, ...], mirror: Mapping[int, int]) -> Level:
    return Level(tuple(line[::-1].translate(mirror) for line in rows))
