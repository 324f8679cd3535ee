"""README's pictures: samples 0, 1, ... of seed 0 of a run, as the product's own sheets draw them.
Nothing is picked by hand. docs/images/README.md has the commands.

python docs/scripts/pictures.py RUN OUT [-n COUNT] [--length TOKENS] [--prompt TEXT]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import PIL.Image

import castalia
from castalia.abilities import SampleOptions
from castalia.run import Run
from castalia.spec import Dense
from castalia.training.setup import open_data

COLUMNS, SCALE, GAP = 8, 2, 24


def grid(pictures: list[PIL.Image.Image]) -> PIL.Image.Image:
    """COLUMNS pictures a row, edge to edge, enlarged pixel by pixel."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    sheet = PIL.Image.new("RGB", (COLUMNS * width, rows * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture.convert("RGB"), (number % COLUMNS * width, number // COLUMNS * height))
    return sheet.resize((sheet.width * SCALE, sheet.height * SCALE), PIL.Image.Resampling.NEAREST)


def beside_real(run: Run, count: int) -> PIL.Image.Image:
    """Held-out real pictures on the left, samples on the right."""
    real = open_data(run).validation.take(range(count)).x
    left = grid([run.codec.decode(row) for row in real])
    right = grid([sample.item for sample in castalia.sample(run, n=count, seed=0)])
    sheet = PIL.Image.new("RGB", (left.width + GAP + right.width, left.height), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + GAP, 0))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("--length", type=int, default=None)
    parser.add_argument("--prompt", default=None)
    given = parser.parse_args()
    run = castalia.open(given.run)
    if isinstance(run.spec, Dense):
        sheet = beside_real(run, given.n)
    else:
        options = SampleOptions(length=given.length)
        samples = castalia.sample(run, n=given.n, seed=0, options=options, prompt=given.prompt)
        sheet = run.codec.preview([sample.item for sample in samples])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(given.out, optimize=True)


if __name__ == "__main__":
    main()
