"""Maps of the editor Tiled in its JSON format (doc.mapeditor.org, JSON Map Format 1.10).

Read is the first tile layer, whose data are a list of numbers ("CSV" in Tiled), with tilesets
inside the file. The character of a tile is its property `char`, else the n-th of ALPHABET for its
n-th number. What is written has one tileset, a tile a character, with that property.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import Any

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.level.level import Level
from castalia.sentences import say

ALPHABET = string.digits + string.ascii_letters
EMPTY = "-"  # the character of no tile
FLAGS = 0x0FFFFFFF  # of a tile's number, without its turns and mirrors
SIDE = 16  # pixels of a tile in what is written


def parsed(text: str, where: str) -> Level:
    """The level of a Tiled map. Raises DataError naming what is not read."""
    data = bounded.parse_json(text)
    layers = data.get("layers") if isinstance(data, dict) else None
    if not isinstance(layers, list) or not isinstance(data.get("tilesets"), list):
        raise DataError(
            say("this is no map of Tiled"), where, say("save the map in Tiled as JSON (.tmj)")
        )
    if data.get("infinite"):
        raise DataError(
            say("the map is infinite"), where, say("switch Map > Map Properties > Infinite off")
        )
    layer = next((one for one in layers if _of(one, "type") == "tilelayer"), None)
    if layer is None:
        raise DataError(say("the map has no tile layer"), where, say("add one, and save again"))
    numbers = layer.get("data")
    if not isinstance(numbers, list):
        raise DataError(
            say("the layer's tiles are packed"),
            where,
            say("set Map > Map Properties > Tile Layer Format to CSV, and save again"),
        )
    characters = _characters(data["tilesets"], where)
    width, height = layer.get("width"), layer.get("height")
    if (
        not isinstance(width, int)
        or not isinstance(height, int)
        or width < 1
        or len(numbers) != width * height
        or not numbers
    ):
        raise DataError(
            say("the layer has {0} tiles, not width times height", len(numbers)),
            where,
            say("save the map again in Tiled"),
        )
    tiles = [_tile(number, characters, where) for number in numbers]
    return Level(
        tuple("".join(tiles[start : start + width]) for start in range(0, len(tiles), width))
    )


def _characters(tilesets: list[Any], where: str) -> dict[int, str]:
    """The character of each tile number."""
    found: dict[int, str] = {}
    for one in tilesets:
        if _of(one, "source"):
            raise DataError(
                say("the tileset '{0}' lies outside the map", str(one["source"])[:80]),
                where,
                say("embed it: in Tiled's Tilesets view, Embed Tileset; then save again"),
            )
        first, count = _of(one, "firstgid"), _of(one, "tilecount")
        if not isinstance(first, int) or not isinstance(count, int) or not 0 <= count <= 1 << 16:
            raise DataError(
                say("a tileset has no firstgid or tilecount"), where, say("save the map again")
            )
        own = {
            tile["id"]: str(value["value"])[:1]
            for tile in one.get("tiles") or ()
            if isinstance(_of(tile, "id"), int)
            for value in tile.get("properties") or ()
            if _of(value, "name") == "char" and str(_of(value, "value") or "")
        }
        for number in range(count):
            known = own.get(number) or ALPHABET[first - 1 + number : first + number]
            if known:
                found[first + number] = known
    return found


def _tile(number: Any, characters: Mapping[int, str], where: str) -> str:
    if not isinstance(number, int):
        raise DataError(say("a tile is no number"), where, say("save the map again in Tiled"))
    if number == 0:
        return EMPTY
    tile = characters.get(number & FLAGS)
    if tile is None:
        raise DataError(
            say("the tile number {0} has no character", number & FLAGS),
            where,
            say("give tiles beyond the first {0} a property 'char' in Tiled", len(ALPHABET)),
        )
    return tile


def written(level: Level, manifest: dict[str, Any] | None = None) -> str:
    """A map of one layer and one tileset of plain colours, as JSON."""
    tiles = sorted(set("".join(level.rows)))
    number = {tile: 1 + place for place, tile in enumerate(tiles)}
    properties = (
        []
        if manifest is None
        else [{"name": "castalia", "type": "string", "value": json.dumps(manifest, sort_keys=True)}]
    )
    return json.dumps(
        {
            "type": "map",
            "version": "1.10",
            "tiledversion": "1.10.0",
            "orientation": "orthogonal",
            "renderorder": "right-down",
            "infinite": False,
            "width": level.width,
            "height": level.height,
            "tilewidth": SIDE,
            "tileheight": SIDE,
            "nextlayerid": 2,
            "nextobjectid": 1,
            "properties": properties,
            "layers": [
                {
                    "type": "tilelayer",
                    "id": 1,
                    "name": "tiles",
                    "width": level.width,
                    "height": level.height,
                    "x": 0,
                    "y": 0,
                    "opacity": 1,
                    "visible": True,
                    "data": [number[tile] for row in level.rows for tile in row],
                }
            ],
            "tilesets": [
                {
                    "firstgid": 1,
                    "name": "tiles",
                    "tilewidth": SIDE,
                    "tileheight": SIDE,
                    "tilecount": len(tiles),
                    "columns": 0,
                    "margin": 0,
                    "spacing": 0,
                    "tiles": [
                        {
                            "id": place,
                            "properties": [{"name": "char", "type": "string", "value": tile}],
                        }
                        for place, tile in enumerate(tiles)
                    ],
                }
            ],
        },
        indent=1,
    )


def _of(value: Any, key: str) -> Any:
    """A key of what should be an object; None where it is none."""
    return value.get(key) if isinstance(value, dict) else None
