"""The first rows of a table as a picture, for contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from castalia.modalities.table.row import Row

MOST_ROWS, MOST_COLUMNS, LONGEST = 24, 12, 16
LINE, MARGIN, LETTER = 16, 8, 7


def page(rows: Sequence[Row]) -> PIL.Image.Image:
    """Names above the rows, both cut to what fits."""
    shown = list(rows[:MOST_ROWS])
    names = list(shown[0].header.names[:MOST_COLUMNS]) if shown else []
    lines = [[_cut(name) for name in names]]
    lines += [[_cut(cell or "") for cell in row.cells[:MOST_COLUMNS]] for row in shown]
    widths = [
        max((len(line[place]) for line in lines), default=0) + 1 for place in range(len(names))
    ]
    size = (
        2 * MARGIN + LETTER * max(1, sum(widths)),
        2 * MARGIN + LINE * max(1, len(lines)),
    )
    sheet = PIL.Image.new("RGB", size, "white")
    draw = PIL.ImageDraw.Draw(sheet)
    font = PIL.ImageFont.load_default()
    for number, line in enumerate(lines):
        across = MARGIN
        for cell, width in zip(line, widths, strict=True):
            draw.text(
                (across, MARGIN + LINE * number),
                cell.encode("latin-1", "replace").decode("latin-1"),
                fill="black" if number else (30, 90, 160),
                font=font,
            )
            across += LETTER * width
    return sheet


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
