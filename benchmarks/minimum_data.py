"""How much data a family needs: the same short training on more and more items, judged on the same
held-out ones.

    python benchmarks/minimum_data.py [CASE ...]
        # merges its cases into benchmarks/results/minimum_data.json

Each case trains a recipe on the first n items of a built-in set, for the same number of steps, and
judges the run against items that no n contains. castalia/modalities/*/check.py take two
numbers from each: `least`, the smallest n from which on the score is a fifth of the way from the
naive baseline to real data (for bits: to zero), and `wants`, the smallest whose distance to real
data (bits) is at most a quarter more than the best. Short trainings, one seed,
two sets: a guide, no law.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch

import castalia
from castalia.codecs import array_files
from castalia.data import builtin
from castalia.data.stream import to_unit
from castalia.evaluation.baselines import Moments, naive
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.frechet_distance import frechet
from castalia.evaluation.nearest_neighbours import nearest
from castalia.modalities.text.codec import TextCodec
from castalia.nn.counter_random import generator
from machine import RESULTS, write_result

BETTER, NEARLY = 0.2, 1.25


class Case(NamedTuple):
    """unit of the counts; the recipe; overrides; the counts; the score that is followed."""

    unit: str
    recipe: str
    overrides: tuple[str, ...]
    counts: tuple[int, ...]
    score: str


SHORT = ("training.sample_every=0", "training.save_every=100000")
CASES = {
    "image/vae": Case(
        "pictures", "image/vae", ("training.steps=500",), (30, 100, 300, 1000, 3000), "frechet"
    ),
    "image/gan": Case(
        "pictures", "image/gan", ("training.steps=500",), (30, 100, 300, 1000, 3000), "frechet"
    ),
    "image/flow": Case(
        "pictures",
        "image/flow",
        ("training.steps=400", "training.batch=64"),
        (30, 100, 300, 1000, 3000),
        "frechet",
    ),
    "text/ar-small": Case(
        "characters",
        "text/ar-small",
        ("training.steps=200", "codec.document=paragraph"),
        (20_000, 80_000, 160_000, 320_000, 1_000_000),
        "bits-per-character",
    ),
    "text/ar": Case(
        "characters",
        "text/ar",
        ("training.steps=120", "codec.length=128", "codec.document=paragraph"),
        (20_000, 80_000, 320_000, 1_000_000),
        "bits-per-character",
    ),
}


def source(case: Case, count: int, folder: Path) -> tuple[Path, Path]:
    """(training data, held-out data), written to `folder`."""
    data, other = folder / "data", folder / "other"
    for path in (data, other):
        path.mkdir(exist_ok=True)
    if case.unit == "characters":
        text = "".join(TextCodec().read(builtin.path("shakespeare") / "input.txt.gz"))
        (data / "text.txt").write_text(text[:count], encoding="utf-8")
        (other / "text.txt").write_text(text[-100_000:], encoding="utf-8")
        return data / "text.txt", other / "text.txt"
    items = pictures()
    np.save(data / "x.npy", items[:count])
    np.save(other / "x.npy", items[-1000:])
    return data / "x.npy", other / "x.npy"


def pictures() -> np.ndarray:
    items = array_files.read_array(builtin.path("fashion") / "train5k-images-idx3-ubyte.gz")
    return items[torch.randperm(len(items), generator=generator("minimum data", 0)).numpy()]


def measure(case: Case, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        data, other = source(case, count, Path(name))
        run = castalia.train(
            case.recipe,
            str(data),
            [*case.overrides, *SHORT, "data.validation=0.1"],
            out=Path(name) / "run",
        )
        if case.unit == "pictures":
            return {"n": count, **judge_pictures(run, count)}
        found = {
            score["name"]: score for score in castalia.evaluate(run, against=str(other))["scores"]
        }
    score = found[case.score]
    return {
        "n": count,
        "score": score["name"],
        "value": score["value"],
        "floor": score["floor"],
        "naive": score["baselines"]["naive"],
    }


def judge_pictures(run: castalia.Run, count: int) -> dict[str, Any]:
    """Frechet distance of 1,000 samples to 1,000 pictures that no training saw, that of 1,000 more
    such pictures, that of naive samples; and the share of
    samples nearer to a training picture than all but a twentieth of the new pictures are.
    """
    codec, everything = run.codec, pictures()
    features = features_for(run.spec)

    def seen(x: torch.Tensor) -> torch.Tensor:
        return extract(features, [x])

    def encoded(items: np.ndarray) -> torch.Tensor:
        return to_unit(
            run.spec, torch.stack([codec.encode(PIL.Image.fromarray(item)) for item in items])
        )

    train = encoded(everything[:count])
    real, more = seen(encoded(everything[-1000:])), seen(encoded(everything[-2000:-1000]))
    samples = castalia.sample(run, n=1000, seed=0)
    drawn = seen(to_unit(run.spec, torch.stack([codec.encode(sample.item) for sample in samples])))
    moments = Moments()
    moments.add(train)
    near = [nearest(side, seen(train))[0][:, 0] for side in (drawn, more)]
    return {
        "score": "frechet",
        "value": frechet(drawn, real),
        "floor": frechet(more, real),
        "naive": frechet(seen(naive(moments.result(), run.spec, 0, 0, 1000)), real),
        "copies": float((near[0] < near[1].quantile(0.05)).double().mean()),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows with `least` and `wants`. The floor of bits is unknown, so all of them count."""
    # the naive generator of the largest n: it, too, is better with more data
    naive, floor = rows[-1]["naive"], rows[-1]["floor"] or 0.0
    best = min(row["value"] for row in rows) - floor
    bad = [row["n"] for row in rows if naive - row["value"] < BETTER * (naive - floor)]
    return {
        "least": next((row["n"] for row in rows if row["n"] > max(bad, default=0)), None),
        "wants": next((row["n"] for row in rows if row["value"] - floor <= NEARLY * best), None),
        "rows": rows,
    }


def main() -> None:
    chosen = sys.argv[1:] or list(CASES)
    path = RESULTS / "minimum_data.json"
    results: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}
    )
    for name in chosen:
        case = CASES[name]
        rows = []
        for count in case.counts:
            rows.append(measure(case, count))
            print(name, json.dumps(rows[-1]), flush=True)
        results[name] = {
            "unit": case.unit,
            "recipe": case.recipe,
            "overrides": list(case.overrides),
            **summary(rows),
        }
        write_result("minimum_data", results, seeds=[0])


if __name__ == "__main__":
    main()
