"""Levels as pictures: a small square a tile, its form by what the tile is in the rules."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.PngImagePlugin

from castalia import bounded
from castalia.codecs.contact_sheet import contact_sheet
from castalia.errors import DataError
from castalia.modalities.level.files import boxes
from castalia.modalities.level.level import Level
from castalia.modalities.level.rules import Rules
from castalia.sentences import say

SIDE = 14  # pixels of a tile
LARGEST = 1600  # pixels of a drawing's longer side
TILES = "tiles"  # the text chunk of a picture that holds them
MOST = 64  # levels of one sheet
FLOOR, WALL, PLAYER, BOX, TARGET = "#e8e0d0", "#4a4a58", "#3070d0", "#b06820", "#d03848"
HAZARD, DOOR = "#c03040", "#40a050"


def drawn(level: Level, rules: Rules) -> PIL.Image.Image:
    """One level, SIDE pixels a tile, fewer of a large one."""
    side = max(2, min(SIDE, LARGEST // max(level.height, level.width)))
    sheet = PIL.Image.new("RGB", (side * level.width, side * level.height), FLOOR)
    draw = PIL.ImageDraw.Draw(sheet)
    for row, line in enumerate(level.rows):
        for column, tile in enumerate(line):
            _draw_tile(draw, tile, side * column, side * row, side, rules)
    return sheet


def save(level: Level, rules: Rules, path: Path) -> None:
    """One level as PNG; its tiles stand in the file as text."""
    tiles = PIL.PngImagePlugin.PngInfo()
    tiles.add_text(TILES, level.content.decode())
    drawn(level, rules).save(path, "PNG", pnginfo=tiles)


def tiles_of(path: Path) -> str:
    """The tiles of a picture that `save` made. Raises DataError for any other file."""
    try:
        with (
            bounded.open_regular(path) as file,
            PIL.Image.open(file, formats=["PNG"]) as picture,
        ):
            tiles = picture.info.get(TILES)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise DataError(
            say("the picture cannot be read"), path.name, say("give the level's text")
        ) from error
    if not isinstance(tiles, str):
        raise DataError(
            say("the picture is not one of a level"), path.name, say("give the level's text")
        )
    return tiles


def in_space(level: Level, rules: Rules) -> bytes:
    """The level as boxes (files/boxes.py): walls a tile high, what is pushed lower, what is stepped
    on flat. Of a platformer all that is solid, upright.
    """
    upright = rules.play == "jump"
    heights = dict.fromkeys(rules.wall, 1.0)
    for tiles, height in (
        (rules.box, 0.7),
        (rules.player, 0.9),
        (rules.target, 0.05),
        (rules.doors, 0.1),
        (rules.hazard, 0.05),
    ):
        heights |= {tile: height for tile in tiles if tile not in heights}
    colours = {tile: colour_of(tile, rules) for tile in heights} | {"": FLOOR}
    return boxes.written(level, heights, colours, upright=upright)


def sheet(levels: Sequence[Level], rules: Rules) -> PIL.Image.Image:
    """Several in a grid."""
    return contact_sheet([drawn(level, rules) for level in levels[:MOST]], gap=6)


def _draw_tile(
    draw: PIL.ImageDraw.ImageDraw, tile: str, x: int, y: int, side: int, rules: Rules
) -> None:
    if tile in rules.wall or rules.play != "push":
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=colour_of(tile, rules))
        return

    def inner(part: float) -> tuple[float, float, float, float]:
        edge = round(part * side)
        return x + edge, y + edge, x + side - 1 - edge, y + side - 1 - edge

    if tile in rules.target:
        draw.ellipse(inner(0.3), TARGET)
    if tile in rules.box:
        draw.rectangle(inner(0.1), BOX, "#603810")
        if tile in rules.target:
            draw.rectangle(inner(0.3), TARGET)
    if tile in rules.player:
        draw.ellipse(inner(0.15), PLAYER, "#103878")


def colour_of(tile: str, rules: Rules) -> str:
    """The rules' colour, else that of what the tile is, else one made of the character."""
    if tile in rules.colours:
        return rules.colours[tile]
    for tiles, colour in (
        (rules.wall, WALL),
        (rules.hazard, HAZARD),
        (rules.doors, DOOR),
        (rules.player, PLAYER),
        (rules.box, BOX),
        (rules.target, TARGET),
    ):
        if tile in tiles:
            return colour
    if tile in " .-":
        return FLOOR
    hue = zlib.crc32(tile.encode()) % 360 / 360
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.65, 0.5))
    return f"#{red:02x}{green:02x}{blue:02x}"


def framed(level: Level, other: Level, rules: Rules) -> PIL.Image.Image:
    """One level, with a frame around each tile that the other has not."""
    picture = drawn(level, rules)
    draw, side = PIL.ImageDraw.Draw(picture), picture.width // level.width
    for row, line in enumerate(level.rows):
        against = other.rows[row] if row < other.height else ""
        for column, tile in enumerate(line):
            if against[column : column + 1] != tile:
                x, y = side * column, side * row
                draw.rectangle((x, y, x + side - 1, y + side - 1), outline="#e000e0", width=2)
    return picture
