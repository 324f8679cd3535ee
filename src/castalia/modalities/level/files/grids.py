"""Text grids: one character a tile, a line a row, levels apart by empty lines.

Lines that begin with ";" are comments, as in collections of Sokoban levels. Spaces are tiles.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from castalia import bounded
from castalia.errors import DataError
from castalia.modalities.level.level import Level
from castalia.sentences import say

COMMENT = ";"
FEWEST_ROWS, FEWEST_COLUMNS = 4, 4  # of a block that is taken for a level without being told
MOST_TILES = 40  # different ones of such a file
EQUAL_NEIGHBOURS = 0.3  # of such a file at least; running text has 0.02


def read(path: Path) -> str:
    """The text of a file, which may be packed. Raises DataError for one that is no text."""
    if path.suffix.lower() != ".gz":
        return bounded.read_text(path)
    most = bounded.current().file_bytes
    try:
        with bounded.open_gzip(path) as file:
            data = bounded.read_exactly(file, most + 1)
        if len(data) > most:
            raise bounded.exceeded("file_bytes", say("the file is too large"), path.name)
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            say("the file is no packed text"),
            path.name,
            say("copy it again, or set data.skip_bad=true"),
        ) from error


def parsed(text: str, where: str, fill: str = "") -> Iterator[Level]:
    """The levels of a text. fill: the tile that short rows go on with; "": such rows are an error.
    Raises DataError for ragged rows, and where there is no level.
    """
    found = False
    for first, rows in _blocks(text.split("\n")):
        width = max(map(len, rows))
        for number, row in enumerate(rows):
            if len(row) != width and not fill:
                raise DataError(
                    say(
                        "the rows of a level have different lengths: {0} tiles against {1}",
                        len(row),
                        width,
                    ),
                    say("{0}, line {1}", where, first + number),
                    say("make them equal, or name the tile that fills them: codec.fill"),
                )
        found = True
        yield Level(tuple(row.ljust(width, fill or " ") for row in rows))
    if not found:
        raise DataError(
            say("there is no level in the file"),
            where,
            say("a level is a block of lines, one character a tile"),
        )


def written(level: Level) -> str:
    """The text of one level."""
    return "".join(f"{row}\n" for row in level.rows)


def likely(text: str) -> bool:
    """Whether a text is maps of tiles and no prose: ASCII in blocks of equal lines, of few
    different characters, many of them beside their like.
    """
    blocks = [rows for _, rows in _blocks(text.split("\n"))]
    if len(blocks) > 1:
        blocks = blocks[:-1]  # the last one may be cut off
    if not blocks or not text.isascii():
        return False
    if any(len(rows) < FEWEST_ROWS or len({len(row) for row in rows}) > 1 for rows in blocks):
        return False
    rows = [row for block in blocks for row in block]
    if min(map(len, rows)) < FEWEST_COLUMNS:
        return False
    pairs = Counter(one == other for row in rows for one, other in pairwise(row))
    return len(set().union(*rows)) <= MOST_TILES and pairs[True] >= EQUAL_NEIGHBOURS * pairs.total()


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, lines) of each block."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(lines, 1):
        if line and not line.startswith(COMMENT):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number - len(block) + 1, block
