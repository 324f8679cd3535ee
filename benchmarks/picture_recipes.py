"""Which recipe for how many minutes and pictures: every way of drawing pictures, at 64 pixels.

    python benchmarks/picture_recipes.py [--sets characters emoji] [--data data/images]
        [--minutes 2 10 ...] [--amounts 200 2000 20000] [--seeds 0 ...] [--threads 2]
        [--fonts FOLDER] [--out FOLDER [--set KEY=VALUE ...]]
        # adds what is missing to benchmarks/results/picture_recipes.json

`image/gan`, `fastgan`, `vae` and `flow` as they are, and the two chains, `flow-latent` and
`ar-codes`, half of whose minutes go to the `image/codes` below them. Samples are judged beside
pictures that no training sees (held_out_pictures.py). With the fewest minutes every recipe runs,
with more of them the BEST of the fewer at each amount. Two threads; the data are read beforehand.

characters  27,484 Chinese characters (CJK Unified Ideographs and Extension A), each drawn by one of
            four faces of Noto CJK (Debian's package fonts-noto-cjk): the only set at hand with
            20,000 different pictures of that size. Grey.
emoji       1,636 pictures of twemoji64, in colour (--data): 1,336 at most.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import castalia
from castalia.modalities.image.codec import flattened
from castalia.run import Run
from held_out_pictures import encoded, judged, kept, mixed
from machine import HERE, RESULTS, write_result

NAME, SIDE, SAMPLES, BEST = "picture_recipes", 64, 1000, 3
WORK = HERE.parent / ".benchmark" / NAME
ALONE = ("image/fastgan", "image/gan", "image/vae", "image/flow")
CHAINS = ("image/flow-latent", "image/ar-codes")
BLOCKS = ((0x4E00, 0x9FA5), (0x3400, 0x4DB5))  # first and last, of Unicode 3.0
FACES = tuple(
    f"Noto{kind}CJK-{weight}.ttc" for kind in ("Sans", "Serif") for weight in ("Regular", "Bold")
)


class Pictures(NamedTuple):
    """(N, 64, 64) or (N, 64, 64, 3) uint8: those to learn from, in the order in which they are
    taken, and those that are held out.
    """

    pool: np.ndarray
    held: np.ndarray


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--sets", nargs="+", default=["characters"], choices=list(SETS))
    words.add_argument("--data", type=Path)
    words.add_argument("--minutes", type=float, nargs="+", default=[2.0, 10.0])
    words.add_argument("--amounts", type=int, nargs="+", default=[200, 2000, 20_000])
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts/opentype/noto"))
    words.add_argument("--out", type=Path, default=RESULTS, help="where the result is kept")
    words.add_argument("--set", nargs="*", default=[], help="overrides, to try things with --out")
    given = words.parse_args()
    if given.set and given.out == RESULTS:
        raise SystemExit("--set needs --out")
    torch.set_num_threads(given.threads)
    path = given.out / f"{NAME}.json"
    rows = json.loads(path.read_text("utf-8"))["results"]["rows"] if path.exists() else []
    made: dict[str, Pictures] = {}
    for key in order(given, rows):
        name = key["set"]
        if name not in made:
            made[name] = SETS[name](given)
        key["amount"] = min(key["amount"], len(made[name].pool))
        if any(key.items() <= row.items() for row in rows):
            continue
        rows.append({**key, **measure(given, made[name], **key)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        seeds = sorted({row["seed"] for row in rows})
        write_result(NAME, {"samples": SAMPLES, "rows": rows}, seeds=seeds, folder=given.out)


def order(given: argparse.Namespace, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Cells, those of the fewest minutes first. rows: what has been measured, which grows: the best
    recipes are looked up in it when their turn comes.
    """
    minutes = sorted(given.minutes)
    for place, longer in enumerate(minutes):
        for seed in given.seeds:
            for name in given.sets:
                for amount in given.amounts:
                    recipes = (*ALONE, *CHAINS)
                    if place:
                        recipes = best(rows, name, amount, minutes[place - 1])
                    for recipe in recipes:
                        yield {
                            "set": name,
                            "amount": amount,
                            "recipe": recipe,
                            "minutes": longer,
                            "seed": seed,
                        }


def best(rows: list[dict[str, Any]], name: str, amount: int, minutes: float) -> tuple[str, ...]:
    """Recipes by the mean kernel distance over seeds; `amount` or all that there were."""
    there = [row for row in rows if (row["set"], row["minutes"]) == (name, minutes)]
    most = max((row["amount"] for row in there), default=amount)
    found: dict[str, list[float]] = {}
    for row in there:
        if row["amount"] == min(amount, most):
            found.setdefault(row["recipe"], []).append(row["kernel"])
    return tuple(sorted(found, key=lambda recipe: sum(found[recipe]) / len(found[recipe]))[:BEST])


def characters(given: argparse.Namespace) -> Pictures:
    """Each character once, in a face by its place."""
    faces = [ImageFont.truetype(str(given.fonts / name), 7 * SIDE // 8) for name in FACES]
    codes = [code for first, last in BLOCKS for code in range(first, last + 1)]
    pictures = np.empty((len(codes), SIDE, SIDE), np.uint8)
    for place, index in enumerate(mixed(len(codes), NAME, "characters")):
        picture = Image.new("L", (SIDE, SIDE), 255)
        pen, middle = ImageDraw.Draw(picture), (SIDE // 2, SIDE // 2)
        pen.text(middle, chr(codes[index]), 0, faces[place % len(faces)], anchor="mm")
        pictures[place] = np.asarray(picture)
    return Pictures(pictures[2 * SAMPLES :], pictures[: 2 * SAMPLES])


def emoji(given: argparse.Namespace) -> Pictures:
    if given.data is None:
        raise SystemExit("emoji need --data")
    paths = sorted((given.data / "twemoji64" / "images").glob("*.png"))
    read = [np.asarray(flattened(Image.open(path), 3)) for path in paths]
    pictures = np.stack([read[index] for index in mixed(len(read), NAME, "emoji")])
    return Pictures(pictures[300:], pictures[:300])


SETS: dict[str, Callable[[argparse.Namespace], Pictures]] = {
    "characters": characters,
    "emoji": emoji,
}


def measure(
    given: argparse.Namespace, pictures: Pictures, *, recipe: str, **cell: Any
) -> dict[str, Any]:
    """Of one training: its steps and scores. cell: set, amount, minutes, seed."""
    minutes, seed, taught = cell["minutes"], cell["seed"], pictures.pool[: cell["amount"]]
    sides = {"taught": taught, "pool": pictures.pool[: 2 * SAMPLES], "held": pictures.held}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, rows in sides.items():
            np.save(folder / f"{part}.npy", rows)
        data, more = folder / "taught.npy", [f"codec.size={SIDE}", *given.set]
        if recipe in CHAINS:
            minutes /= 2
            codes = "-".join(["codes", *(str(value) for value in cell.values())])
            below = partial(trained, "image/codes", data, minutes, seed, more)
            work = WORK if given.out == RESULTS else given.out
            more = [f"codec.chain={kept(work / codes, below).folder}", *given.set]
        run = trained(recipe, data, minutes, seed, more, folder / "run")
        parts = [encoded(run, [folder / f"{part}.npy"]) for part in sides]
        return {"steps": run.last_step, **judged(run, *parts, SAMPLES)}


def trained(recipe: str, data: Path, minutes: float, seed: int, more: list[str], out: Path) -> Run:
    return castalia.train(
        recipe,
        str(data),
        [
            "data.validation=0",
            "data.conditional=false",
            f"training.seed={seed}",
            f"training.minutes={minutes}",
            "training.sample_every=0",
            *more,
        ],
        out=out,
    )


if __name__ == "__main__":
    main()
