"""Contact sheets: several pictures in one, in a grid."""

from __future__ import annotations

import math

import PIL.Image


def contact_sheet(items: list[PIL.Image.Image], gap: int = 2, least: int = 64) -> PIL.Image.Image:
    """Pictures in a nearly square grid on white, row by row, `gap` pixels apart.

    Those smaller than `least` are enlarged by a whole factor without smoothing, so that every pixel
    shows.
    """
    if not items:
        return PIL.Image.new("RGB", (least, least), "white")
    side = max(max(item.size) for item in items)
    factor = max(1, math.ceil(least / side))
    width, height = (factor * max(item.size[axis] for item in items) for axis in (0, 1))
    columns = math.ceil(math.sqrt(len(items)))
    rows = math.ceil(len(items) / columns)
    sheet = PIL.Image.new(
        "RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white"
    )
    for place, item in enumerate(items):
        row, column = divmod(place, columns)
        large = (
            item
            if factor == 1
            else item.resize(
                (item.width * factor, item.height * factor), PIL.Image.Resampling.NEAREST
            )
        )
        sheet.paste(large.convert("RGB"), (column * (width + gap), row * (height + gap)))
    return sheet
