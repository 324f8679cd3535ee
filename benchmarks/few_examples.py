"""Few pictures: a run that starts from one of similar pictures, beside one from scratch.

    python benchmarks/few_examples.py --data data/images [--sets NAME ...] [--seeds 0 ...]
        [--minutes 2] [--parent-minutes 6] [--threads 2] [--out FOLDER [--set KEY=VALUE ...]]
        # adds what is missing to benchmarks/results/few_examples.json

`image/fastgan`, which `castalia check` recommends for some hundred pictures, at 64 pixels on two
threads. A parent learns other pictures of the same sort (PARENTS of `SETS`), then each child so
many of the set's own: 25, 50, 200, 1,000 or all there are. All are judged on pictures of the set
that no training sees (held_out_pictures.py). First the curve, scratch and parent at each amount;
then, at 25 and 200, both without any augmentation of what the critic sees; then from the parent
with parts frozen: the critic's first layers (Mo et al. 2020, arXiv:2002.10964), or the generator's
coarse ones. Parents are kept in .benchmark/few_examples.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

import castalia
from castalia.run import Run
from held_out_pictures import encoded, judged, kept, mixed
from machine import HERE, RESULTS, write_result

NAME, RECIPE, SAMPLES = "few_examples", "image/fastgan", 300
AMOUNTS, OFTEN = (25, 50, 200, 1000), (25, 200)
WORK = HERE.parent / ".benchmark" / NAME
FROZEN = {
    "critic": ("critic.body.stem", "critic.body.downs.0"),
    "generator": (
        *("generator.body.grid", "generator.body.norm"),
        *("generator.body.ups.0", "generator.body.ups.1"),
    ),
}


class Few(NamedTuple):
    """name of the set; folders below the data of the parent's pictures and of its own; how many of
    its own are held out; overrides of both; augmentations that the pictures permit.
    """

    name: str
    parents: tuple[str, ...]
    own: tuple[str, ...]
    held: int
    overrides: tuple[str, ...] = ()
    augment: str = "[]"


GREY = ("codec.channels=1",)
SETS = (
    Few("faces", ("faces_london",), ("faces_congress_gray",), 150, GREY, "[flip]"),
    Few(
        "omniglot",
        ("omniglot_small/Korean", "omniglot_small/Early_Aramaic"),
        ("omniglot_small/Greek", "omniglot_small/Latin", "omniglot_small/Balinese"),
        213,
        GREY,
    ),
    Few("cells", ("blood_cells/RBC", "blood_cells/Platelets"), ("blood_cells/WBC",), 60)._replace(
        augment="[flip]"
    ),
)


class Cell(NamedTuple):
    """One training: `start` is scratch, parent, or which part of the parent is frozen."""

    amount: int
    start: str
    augment: bool


class Pictures(NamedTuple):
    """Files of a set, in the order of a seed: what the parent learns, what children may learn, and
    what nobody does.
    """

    parent: list[Path]
    pool: list[Path]
    held: list[Path]


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--sets", nargs="+", default=[one.name for one in SETS])
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--minutes", type=float, default=2.0)
    words.add_argument("--parent-minutes", type=float, default=6.0)
    words.add_argument("--amounts", type=int, nargs="+", default=list(AMOUNTS))
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--out", type=Path, default=RESULTS, help="where the result is kept")
    words.add_argument("--set", nargs="*", default=[], help="overrides, to try things with --out")
    given = words.parse_args()
    if given.set and given.out == RESULTS:
        raise SystemExit("--set needs --out")
    torch.set_num_threads(given.threads)
    path = given.out / f"{NAME}.json"
    asked = {"minutes": given.minutes, "parent_minutes": given.parent_minutes}
    results = json.loads(path.read_text("utf-8"))["results"] if path.exists() else asked
    if {key: results[key] for key in asked} != asked:
        raise SystemExit(f"{path.name} has other minutes: {results['minutes']}; choose --out")
    rows = results.setdefault("rows", [])
    for seed, few, cell in order(given):
        key = {"set": few.name, **cell._asdict(), "seed": seed}
        if any(key.items() <= row.items() for row in rows):
            continue
        rows.append({**key, **measure(given, few, cell, seed)})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        write_result(NAME, results, seeds=sorted({row["seed"] for row in rows}), folder=given.out)


def order(given: argparse.Namespace) -> Iterator[tuple[int, Few, Cell]]:
    """What matters most first: the curve of every set, then augmentation, then freezing."""
    chosen = [few for few in SETS if few.name in given.sets]
    for seed in given.seeds:
        for questions in (curve, unaltered, frozen):
            for few in chosen:
                own = len(files(given.data, few.own)) - few.held
                amounts = sorted({min(amount, own) for amount in given.amounts})
                yield from ((seed, few, cell) for cell in questions(amounts))


def curve(amounts: list[int]) -> list[Cell]:
    return [Cell(n, start, True) for n in amounts for start in ("scratch", "parent")]


def unaltered(amounts: list[int]) -> list[Cell]:
    return [Cell(n, start, False) for n in amounts if n in OFTEN for start in ("parent", "scratch")]


def frozen(amounts: list[int]) -> list[Cell]:
    return [Cell(n, part, True) for n in amounts if n in OFTEN for part in FROZEN]


def files(data: Path, folders: tuple[str, ...]) -> list[Path]:
    endings = (".png", ".jpg")
    return sorted(
        path for folder in folders for path in (data / folder).rglob("*") if path.suffix in endings
    )


def pictures(data: Path, few: Few, seed: int) -> Pictures:
    """The held-out ones are the same for all seeds."""
    own = files(data, few.own)
    own = [own[index] for index in mixed(len(own), NAME, few.name)]
    held, pool = own[: few.held], own[few.held :]
    pool = [pool[index] for index in mixed(len(pool), NAME, few.name, seed)]
    return Pictures(files(data, few.parents), pool, held)


def measure(given: argparse.Namespace, few: Few, cell: Cell, seed: int) -> dict[str, Any]:
    found = pictures(given.data, few, seed)
    taught = found.pool[: cell.amount]
    more = [f"data.augment={few.augment if cell.augment else '[]'}"]
    if not cell.augment:
        more.append("family.augment=0")
    if cell.start == "scratch":
        more += few.overrides
    else:
        more.append(f"start_from={parent(given, few, found.parent, seed).folder}")
    if cell.start in FROZEN:
        more.append(f"training.freeze=[{','.join(FROZEN[cell.start])}]")
    with tempfile.TemporaryDirectory() as name:
        run = trained(taught, Path(name), given.minutes, seed, [*more, *given.set])
        pool, held = encoded(run, found.pool), encoded(run, found.held)
        return {"steps": run.last_step, **judged(run, pool[: len(taught)], pool, held, SAMPLES)}


def parent(given: argparse.Namespace, few: Few, learned: list[Path], seed: int) -> Run:
    """The run that children start from; trained once."""
    more = [f"data.augment={few.augment}", *few.overrides, *given.set]
    work = WORK if given.out == RESULTS else given.out

    def train(folder: Path) -> Run:
        with tempfile.TemporaryDirectory() as name:
            made = trained(learned, Path(name), given.parent_minutes, seed, more)
            shutil.copytree(made.folder, folder)
        return Run.open(folder)

    return kept(work / f"{few.name}-{given.parent_minutes:g}-{seed}", train)


def trained(taught: list[Path], folder: Path, minutes: float, seed: int, more: list[str]) -> Run:
    """A run in `folder` on copies of files. Nothing is held out by the run itself: what judges it
    was set apart before.
    """
    (folder / "data").mkdir()
    for number, path in enumerate(taught):
        shutil.copy(path, folder / "data" / f"{number:04d}{path.suffix}")
    return castalia.train(
        RECIPE,
        str(folder / "data"),
        [
            "codec.size=64",
            "data.validation=0",
            "data.conditional=false",
            f"training.seed={seed}",
            f"training.minutes={minutes}",
            "training.sample_every=0",
            *more,
        ],
        out=folder / "run",
    )


if __name__ == "__main__":
    main()
