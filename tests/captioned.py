"""A small folder of pictures with captions, as people have them: NAME.txt beside NAME.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

COLOURS = {
    "red": ("红", (220, 30, 30)),
    "green": ("绿", (30, 180, 40)),
    "blue": ("蓝", (40, 60, 220)),
}


def captioned(folder: Path, count: int = 24, side: int = 16) -> Path:
    """`count` squares in three colours on noise, each with an English caption beside it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        name, (_, colour) = [*COLOURS.items()][number % 3]
        pixels = rng.integers(180, 255, (side, side, 3), dtype=np.uint8)
        large = number % 2 == 0
        edge = side // 8 if large else side // 3
        pixels[edge:-edge, edge:-edge] = colour
        PIL.Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        size = "large" if large else "small"
        (folder / f"{number:03d}.txt").write_text(f"A {size} {name} square", encoding="utf-8")
    return folder
