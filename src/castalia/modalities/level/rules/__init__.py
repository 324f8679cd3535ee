"""Rules of games, as YAML: a file each for the games that Castalia knows; a user's own is alike.

    play: push                  what is played: push (Sokoban), jump (platformer), walk (dungeon)
    wall: "#"                   which tiles are what; see `Rules`

Rules are data. What follows from them, that a level can be solved, is in play/.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from castalia import bounded
from castalia.config import Config, hold
from castalia.errors import RecipeError, meant
from castalia.sentences import say

PRESETS = ("sokoban", "platformer", "dungeon")
Tiles = Annotated[str, Field(max_length=200)]


class Rules(Config):
    """Which tiles are what, and what makes a level one that can be solved.

    play     "push": every box can be pushed onto a target. "jump": there is a way from the left
             edge to the right one, on foot and in jumps. "walk": there is a way between all tiles
             of `doors`. "none": any level will do.
    wall     tiles that nothing passes. A platformer stands on them.
    player, box, target   of "push": one player, as many boxes as targets; a tile in two of them is
             both. What is in none of the four is floor.
    hazard   of "jump" and "walk": tiles that are not entered.
    doors, least   of "walk": the tiles between which there is a way, and how many at least.
    rise     of "jump": how many tiles a jump rises at most.
    nodes    positions that a search looks at, at most. A count and no clock, so that the same level
             gets the same answer on every machine.
    bands    names of difficulties, each with the fewest steps that it begins at, in rising order.
    turns    whether a level turned by a quarter is a level of the same game.
    swapped  pairs of tiles that change places in a mirror: "<>[]", the sides of a pipe.
    colours  of tiles in pictures: "#rrggbb"; None: by what they are, and by the eye.
    """

    play: Literal["push", "jump", "walk", "none"] = "none"
    wall: Tiles = ""
    player: Tiles = ""
    box: Tiles = ""
    target: Tiles = ""
    hazard: Tiles = ""
    doors: Tiles = ""
    rise: int = Field(default=4, ge=1, le=20)
    least: int = Field(default=1, ge=1, le=1000)
    nodes: int = Field(default=20_000, ge=1, le=5_000_000)
    bands: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: {"easy": 0, "medium": 10, "hard": 20}, max_length=20
    )
    turns: bool = True
    swapped: Tiles = ""
    colours: dict[str, Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]] = Field(
        default_factory=dict
    )

    @field_validator("bands")
    @classmethod
    def _rising(cls, bands: dict[str, int]) -> dict[str, int]:
        starts = list(bands.values())
        if not starts or starts != sorted(set(starts)):
            raise ValueError(say("bands begin at rising numbers of steps"))
        return bands

    @field_validator("swapped")
    @classmethod
    def _in_pairs(cls, swapped: str) -> str:
        if len(swapped) % 2 or len(set(swapped)) != len(swapped):
            raise ValueError(say("tiles that are swapped come in pairs"))
        return swapped

    @property
    def mirror(self) -> dict[int, int]:
        """What tiles become in a mirror, as `str.translate` takes it."""
        pairs = zip(self.swapped[::2], self.swapped[1::2], strict=True)
        return {ord(tile): ord(other) for pair in pairs for tile, other in (pair, pair[::-1])}

    def band(self, steps: int) -> str:
        """The difficulty of so many steps; of fewer than those of the first band, the first."""
        names = list(self.bands)
        reached = [name for name in names if steps >= self.bands[name]]
        return reached[-1] if reached else names[0]


def load(named: str) -> Rules:
    """The rules of this name, or those in the YAML file of this name; "": none. Raises RecipeError
    for a name that there is not, and for rules that mean nothing.
    """
    if not named:
        return Rules()
    if named in PRESETS:
        return _read(Path(str(resources.files(__package__) / f"{named}.yaml")), named)
    path = Path(named)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise RecipeError(
            say("there are no rules called '{0}'", named[:80]),
            where="codec.rules",
            fix=say("{0}one of: {1}; or a YAML file", meant(named, PRESETS), ", ".join(PRESETS)),
        )
    return _read(path, path.name)


def _read(path: Path, where: str) -> Rules:
    return parsed(bounded.read_text(path, "yaml_bytes", RecipeError), where)


def parsed(text: str, where: str) -> Rules:
    """Rules from a YAML text. Raises RecipeError."""
    return of_json(bounded.parse_yaml(text, where, say("mend the file"), RecipeError) or {}, where)


def of_json(data: Any, where: str) -> Rules:
    """Rules from plain data. Raises RecipeError."""
    fix = say("the keys are: {0}", ", ".join(Rules.model_fields))
    return hold(Rules, data, say("these are no rules of a game"), where, fix, RecipeError)
