"""A level as boxes in space: binary glTF 2.0 (Khronos), written only.

Seen from above, rows run along +z, columns along +x, and boxes stand on a floor; of a platformer
rows run downwards, so that it stands upright. A unit is a tile. Neighbours of a row that are the
same tile are one box, and each tile is a mesh primitive of its own colour. The tiles stand in the
asset's extras.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.level.level import Level
from castalia.sentences import say

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
FLOAT, INTEGER = 5126, 5125  # component types of glTF
FLOOR = 0.1  # thickness of the floor
# corners of a unit box, four for each side, and the two triangles of each
_SIDES = [
    [(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)],
    [(0, 0, 1), (0, 1, 1), (0, 1, 0), (0, 0, 0)],
    [(0, 1, 0), (0, 1, 1), (1, 1, 1), (1, 1, 0)],
    [(0, 0, 1), (0, 0, 0), (1, 0, 0), (1, 0, 1)],
    [(1, 0, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1)],
    [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0)],
]
CORNERS = np.array(_SIDES, np.float32).reshape(24, 3)
TRIANGLES = np.array([[0, 1, 2, 0, 2, 3]], np.uint32) + 4 * np.arange(6, dtype=np.uint32)[:, None]


class Box(NamedTuple):
    """From the corner `low` on, `size` along x, y and z."""

    low: tuple[float, float, float]
    size: tuple[float, float, float]


def written(
    level: Level, heights: Mapping[str, float], colours: Mapping[str, str], *, upright: bool = False
) -> bytes:
    """heights: of the boxes of a tile; a tile without one is floor, or air. colours: "#rrggbb" of
    each of these, and of the floor under "".
    """
    parts: dict[str, list[Box]] = {}
    for tile, box in _boxes(level, heights, upright):
        parts.setdefault(tile, []).append(box)
    if not upright or not parts:
        ground = Box((0, -FLOOR, 0), (level.width, FLOOR, level.height))
        parts.setdefault("", []).append(ground)
    return _packed(parts, colours, level.content.decode())


def tiles_of(path: Path) -> str:
    """The tiles of a file that `written` made. Raises DataError for any other file."""
    data = bounded.read_bytes(path)
    try:
        magic, _, _, size, kind = struct.unpack_from("<5I", data)
        head = bounded.parse_json(data[20 : 20 + size].decode())
        tiles = head["asset"]["extras"]["tiles"]
    except (struct.error, UnicodeDecodeError, KeyError, TypeError) as error:
        raise _foreign(path) from error
    if (magic, kind) != (MAGIC, JSON_CHUNK) or not isinstance(tiles, str):
        raise _foreign(path)
    return tiles


def _foreign(path: Path) -> DataError:
    return DataError(
        say("the model is not one of a level"), path.name, say("give the level's text")
    )


def _boxes(level: Level, heights: Mapping[str, float], upright: bool) -> Iterator[tuple[str, Box]]:
    for row, line in enumerate(level.rows):
        column = 0
        for tile, run in groupby(line):
            length = len(list(run))
            height = heights.get(tile, 0.0)
            if height and upright:
                yield tile, Box((column, level.height - 1 - row, 0), (length, 1, 1))
            elif height:
                yield tile, Box((column, 0, row), (length, height, 1))
            column += length


def _packed(parts: Mapping[str, list[Box]], colours: Mapping[str, str], tiles: str) -> bytes:
    binary = b""
    views: list[dict[str, int]] = []
    accessors: list[dict[str, object]] = []
    primitives, materials = [], []
    for tile, boxes in parts.items():
        lows, sizes = (np.array(side, np.float32)[:, None] for side in zip(*boxes, strict=True))
        places = (lows + CORNERS * sizes).reshape(-1, 3)
        corners = np.concatenate([TRIANGLES.ravel() + 24 * number for number in range(len(boxes))])
        for values, target in ((places, 34962), (corners.astype(np.uint32), 34963)):
            place = {"byteOffset": len(binary), "byteLength": values.nbytes}
            views.append({"buffer": 0, **place, "target": target})
            binary += values.tobytes()
        first = len(accessors)
        accessors += [
            {
                "bufferView": first,
                "componentType": FLOAT,
                "count": len(places),
                "type": "VEC3",
                "min": places.min(0).tolist(),
                "max": places.max(0).tolist(),
            },
            {
                "bufferView": first + 1,
                "componentType": INTEGER,
                "count": len(corners),
                "type": "SCALAR",
            },
        ]
        primitives.append(
            {"attributes": {"POSITION": first}, "indices": first + 1, "material": len(materials)}
        )
        materials.append(_material(tile, colours[tile]))
    document = {
        "asset": {"version": "2.0", "generator": "castalia", "extras": {"tiles": tiles}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": primitives}],
        "materials": materials,
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    head = json.dumps(document, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)
    total = 12 + 8 + len(head) + 8 + len(binary)
    return b"".join(
        [
            struct.pack("<3I", MAGIC, 2, total),
            struct.pack("<2I", len(head), JSON_CHUNK),
            head,
            struct.pack("<2I", len(binary), BINARY_CHUNK),
            binary,
        ]
    )


def _material(tile: str, colour: str) -> dict[str, object]:
    parts = [round((int(colour[at : at + 2], 16) / 255) ** 2.2, 4) for at in (1, 3, 5)]
    return {
        "name": tile or "floor",
        "pbrMetallicRoughness": {
            "baseColorFactor": [*parts, 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 1.0,
        },
    }
