"""Do drawn pictures help a classifier? Blood cells of three classes, few of each, with and without
pictures of a model that learned just those.

    python benchmarks/drawn_cells.py --data data/images [--seeds 0 ...] [--minutes 3]
        [--threads 2] [--out FOLDER [--set KEY=VALUE ...]]
        # adds what is missing to benchmarks/results/drawn_cells.json

25, 50 and 100 pictures of each class teach `image/fastgan`, told the classes, at 64 pixels; it then
draws one or four times as many. A classifier learns from the real pictures, from these and drawn
ones, from the drawn ones alone, and from the real ones in all eight positions (turned and
mirrored), which costs nothing. There are two: a small convolutional network from scratch
(`network`), and regularised least squares on castalia-net64-v1, which has seen other pictures
(`features`, evaluation/classifier.py). They are tested on real cells of other images: 40% of the
images are held out with all cells that they show. Accuracy is the mean over the classes; it and its
gain over real pictures alone are means over the classifier's seeds, and their 95% intervals are of
the jackknife over groups of held-out images. They do not hold what another choice of the few
pictures would change: that is what `--seeds` are for.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import castalia
from castalia.evaluation.base import GROUPS, jackknife, wilson
from castalia.evaluation.classifier import LeastSquares, lift_for, one_hot
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.utility import measures
from castalia.nn.counter_random import counter_seed
from castalia.run import Run
from held_out_pictures import JUDGE, encoded, mixed, pixels
from machine import RESULTS, write_result

NAME, RECIPE, FOLDER = "drawn_cells", "image/fastgan", "blood_cells"
CLASSES = ("Platelets", "RBC", "WBC")
AMOUNTS, TIMES, HELD, CLASSIFIERS = (25, 50, 100), 4, 0.4, 5
STEPS, BATCH = 400, 32  # of the small network, whatever it learns from


class Cells(NamedTuple):
    """Files by class: those to learn from, in the order of a seed, and those held out; and the
    group of images that each of the latter belongs to.
    """

    pool: dict[str, list[Path]]
    held: dict[str, list[Path]]
    groups: dict[str, list[int]]


class Lesson(NamedTuple):
    """Pictures (N, C, H, W), or what a network makes of them, and their classes (N,)."""

    x: Tensor
    labels: Tensor


# what it learns from, what is to be told apart, a seed -> classes
Learner: TypeAlias = Callable[[Lesson, Tensor, int], Tensor]


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--amounts", type=int, nargs="+", default=list(AMOUNTS))
    words.add_argument("--minutes", type=float, default=3.0)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--out", type=Path, default=RESULTS, help="where the result is kept")
    words.add_argument("--set", nargs="*", default=[], help="overrides, to try things with --out")
    given = words.parse_args()
    if given.set and given.out == RESULTS:
        raise SystemExit("--set needs --out")
    torch.set_num_threads(given.threads)
    path = given.out / f"{NAME}.json"
    results = (
        json.loads(path.read_text("utf-8"))["results"]
        if path.exists()
        else {"minutes": given.minutes, "rows": []}
    )
    if results["minutes"] != given.minutes:
        raise SystemExit(f"{path.name} has other minutes: {results['minutes']}; choose --out")
    rows = results["rows"]
    for seed in given.seeds:
        for amount in given.amounts:
            key = {"amount": amount, "seed": seed}
            if any(key.items() <= row.items() for row in rows):
                continue
            rows.append({**key, **measure(given, amount, seed)})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            seeds = sorted({row["seed"] for row in rows})
            write_result(NAME, results, seeds=seeds, folder=given.out)


def cells(data: Path, seed: int) -> Cells:
    """The held-out ones are the same for all seeds."""
    every = {name: sorted((data / FOLDER / name).glob("*.png")) for name in CLASSES}
    images = sorted({image(path) for paths in every.values() for path in paths})
    order = [images[index] for index in mixed(len(images), NAME)]
    group = {name: place % GROUPS for place, name in enumerate(order[: int(HELD * len(order))])}
    held = {name: [path for path in paths if image(path) in group] for name, paths in every.items()}
    rest = {
        name: [path for path in paths if image(path) not in group] for name, paths in every.items()
    }
    pool = {
        name: [paths[index] for index in mixed(len(paths), NAME, name, seed)]
        for name, paths in rest.items()
    }
    groups = {name: [group[image(path)] for path in paths] for name, paths in held.items()}
    return Cells(pool, held, groups)


def image(path: Path) -> str:
    """Which microscope image a cell was cut out of: BloodImage_00012_3.png is the third of 12."""
    return path.stem.rpartition("_")[0]


def measure(given: argparse.Namespace, amount: int, seed: int) -> dict[str, Any]:
    found = cells(given.data, seed)
    if min(map(len, found.pool.values())) < amount:
        raise SystemExit(f"there are no {amount} pictures of each class beside the held-out ones")
    few = {name: paths[:amount] for name, paths in found.pool.items()}
    with tempfile.TemporaryDirectory() as name:
        run = trained(few, Path(name), given, seed)
        real, tested = lesson(run, few), lesson(run, found.held)
        many = Lesson(
            torch.cat([pixels(run, drawn(run, one, TIMES * amount)) for one in CLASSES]),
            torch.arange(len(CLASSES)).repeat_interleave(TIMES * amount),
        )
        rows = torch.arange(len(many.labels))
        once = Lesson(*(part[rows % (TIMES * amount) < amount] for part in many))
        lessons = {
            "real": real,
            "positions": positions(real),
            "drawn": both(real, once),
            "more drawn": both(real, many),
            "positions, more drawn": both(positions(real), many),
            "drawn alone": many,
        }
        groups = torch.tensor([one for name in CLASSES for one in found.groups[name]])
        return {
            "steps": run.last_step,
            "tested": {name: len(paths) for name, paths in found.held.items()},
            "accuracy": {
                "network": compared(small_network, lessons, tested, groups),
                "features": compared(
                    least_squares,
                    {name: seen(run, one) for name, one in lessons.items()},
                    seen(run, tested),
                    groups,
                ),
            },
        }


def trained(
    few: Mapping[str, list[Path]], folder: Path, given: argparse.Namespace, seed: int
) -> Run:
    for name, paths in few.items():
        (folder / "data" / name).mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder / "data" / name / path.name)
    return castalia.train(
        RECIPE,
        str(folder / "data"),
        [
            "codec.size=64",
            "data.validation=0",
            "data.augment=[flip]",
            f"training.seed={seed}",
            f"training.minutes={given.minutes}",
            "training.sample_every=0",
            *given.set,
        ],
        out=folder / "run",
    )


def drawn(run: Run, name: str, count: int) -> list[Any]:
    return castalia.sample(run, n=count, seed=1, cond={"label": name})


def lesson(run: Run, paths: Mapping[str, list[Path]]) -> Lesson:
    """Pictures of the files, class by class."""
    counts = torch.tensor([len(paths[name]) for name in CLASSES])
    return Lesson(
        torch.cat([encoded(run, paths[name]) for name in CLASSES]),
        torch.arange(len(CLASSES)).repeat_interleave(counts),
    )


def both(one: Lesson, other: Lesson) -> Lesson:
    return Lesson(*(torch.cat(parts) for parts in zip(one, other, strict=True)))


def positions(one: Lesson) -> Lesson:
    """Each picture in the eight ways in which a square can lie."""
    turned = [torch.rot90(one.x, quarter, (2, 3)) for quarter in range(4)]
    return Lesson(
        torch.cat([*turned, *(picture.flip(3) for picture in turned)]), one.labels.repeat(8)
    )


def compared(
    learner: Learner, lessons: Mapping[str, Lesson], tested: Lesson, groups: Tensor
) -> dict[str, Any]:
    """Accuracy after each lesson, and its gain over the first one."""
    sides = {name: accuracies(learner, one, tested, groups) for name, one in lessons.items()}
    base = next(iter(sides.values()))
    result = {}
    for name, values in sides.items():
        gains = [mine - its for mine, its in zip(values, base, strict=True)]
        # where all are right the jackknife sees no spread; Wilson's interval of a share does
        own, (least, most) = interval(values, (0.0, 1.0)), wilson(values[0], len(groups))
        own |= {"low": round(min(own["low"], least), 4), "high": round(max(own["high"], most), 4)}
        result[name] = {**own, "gain": interval(gains, (-1.0, 1.0))}
    return result


def accuracies(learner: Learner, one: Lesson, tested: Lesson, groups: Tensor) -> list[float]:
    """Of the whole test, then without each group of it; the mean over the classifier's seeds."""
    truth = tested.labels
    kept = [torch.ones(len(truth), dtype=torch.bool)]
    kept += [groups != group for group in range(GROUPS)]
    each = []
    for seed in range(CLASSIFIERS):
        called = learner(one, tested.x, seed)
        each.append([measures(called[rows], truth[rows], len(CLASSES))["recall"] for rows in kept])
    return [mean(values) for values in zip(*each, strict=True)]


def small_network(one: Lesson, x: Tensor, seed: int) -> Tensor:
    """Classes (M,) of the pictures x (M, C, H, W), by a network that begins with noise."""
    torch.manual_seed(counter_seed(NAME, seed))
    widths = (one.x.shape[1], 16, 32, 64)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(4, after), nn.ReLU()]
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], len(CLASSES))
    model = nn.Sequential(*layers, *pooled)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(STEPS):
        rows = torch.randint(len(one.x), (BATCH,))
        F.cross_entropy(model(one.x[rows]), one.labels[rows]).backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.inference_mode():
        return model(x).argmax(1)


def seen(run: Run, one: Lesson) -> Lesson:
    """The judge's features (N, D) in place of the pictures."""
    return Lesson(extract(features_for(run.spec, JUDGE), [one.x]), one.labels)


def least_squares(one: Lesson, x: Tensor, seed: int) -> Tensor:
    """Classes (M,) of the features x (M, D), read beside random Fourier features of them."""
    lift = lift_for(one.x, seed)
    alone = torch.zeros(len(one.x), dtype=torch.int64)  # one group: nothing is left out
    fit = LeastSquares(lift(one.x), one_hot(one.labels, len(CLASSES)), alone)
    return (lift(x) @ fit.weights()).argmax(1)


def interval(values: list[float], bounds: tuple[float, float]) -> dict[str, float]:
    low, high = jackknife(values[0], values[1:], bounds)
    return {"value": round(values[0], 4), "low": round(low, 4), "high": round(high, 4)}


if __name__ == "__main__":
    main()
