"""README's picture: held-out real pictures on the left, the first samples of seed 0 on the right.
Nothing is picked by hand.

castalia train image/gan builtin/fashion --out runs/readme
python benchmarks/picture.py runs/readme docs/images/fashion.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import PIL.Image

import castalia
from castalia.training.setup import open_data

COLUMNS, ROWS, SCALE, GAP = 8, 4, 2, 24


def grid(pictures: list[PIL.Image.Image]) -> PIL.Image.Image:
    """COLUMNS x ROWS pictures, edge to edge, enlarged pixel by pixel."""
    width, height = pictures[0].size
    sheet = PIL.Image.new("RGB", (COLUMNS * width, ROWS * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture.convert("RGB"), (number % COLUMNS * width, number // COLUMNS * height))
    return sheet.resize((sheet.width * SCALE, sheet.height * SCALE), PIL.Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    run = castalia.open(given.run)
    count = COLUMNS * ROWS
    real = open_data(run).validation.take(range(count)).x
    left = grid([run.codec.decode(row) for row in real])
    right = grid([sample.item for sample in castalia.sample(run, n=count, seed=0)])
    sheet = PIL.Image.new("RGB", (left.width + GAP + right.width, left.height), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + GAP, 0))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(given.out, optimize=True)


if __name__ == "__main__":
    main()
