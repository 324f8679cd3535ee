"""How much data a family needs: the same short training on more and more items, judged on the same held-out ones.

    python benchmarks/minimum_data.py [CASE ...]     # merges its cases into benchmarks/results/minimum_data.json

Each case trains a recipe on the first n items of a built-in set, for the same number of steps, and judges the run with `castalia evaluate` against
items that no n contains. A score becomes its share of the way from the naive baseline (0) to real data (1, the score's floor; for bits, from
the naive bits to those of the largest n). castalia/advice/enough.py takes two numbers from each row: `least`, the smallest n that is clearly better than
naive (share 0.2), and `wants`, the smallest whose share is within a tenth of the best. Short trainings, one seed: a guide, no law.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import RESULTS, write_result

import castalia
from castalia.codecs import containers
from castalia.codecs.text import TextCodec
from castalia.data import builtin
from castalia.nn.random import generator

BETTER, NEARLY = 0.2, 0.9


class Case(NamedTuple):
    """unit of the counts; the recipe; overrides; the counts; the score that is followed."""

    unit: str
    recipe: str
    overrides: tuple[str, ...]
    counts: tuple[int, ...]
    score: str


SHORT = ("training.sample_every=0", "training.save_every=100000")
CASES = {
    "image/vae": Case("pictures", "image/vae", ("training.steps=500",), (30, 100, 300, 1000, 3500), "frechet"),
    "image/gan": Case("pictures", "image/gan", ("training.steps=500",), (30, 100, 300, 1000, 3500), "frechet"),
    "array/vae": Case("rows", "array/vae", ("training.steps=1000",), (30, 100, 300, 1000), "kernel"),
    "array/gan": Case("rows", "array/gan", ("training.steps=1500",), (30, 100, 300, 1000), "kernel"),
    "text/ar-small": Case("characters", "text/ar-small", ("training.steps=200", "codec.document=paragraph"), (5_000, 20_000, 80_000, 320_000, 1_000_000), "bits-per-character"),
    "text/ar": Case("characters", "text/ar", ("training.steps=120", "codec.length=128", "codec.document=paragraph"), (20_000, 80_000, 320_000, 1_000_000), "bits-per-character"),
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
    name, held = ("fashion", 1000) if case.unit == "pictures" else ("digits", 600)
    path = next(file for file in builtin.path(name).iterdir() if "images" in file.name)
    items = containers.read_array(path)
    order = torch.randperm(len(items), generator=generator("minimum data", 0)).numpy()
    items = items[order] if case.unit == "pictures" else items[order].reshape(len(items), -1).astype(np.float32)
    np.save(data / "x.npy", items[:count])
    np.save(other / "x.npy", items[-held:])
    return data / "x.npy", other / "x.npy"


def measure(case: Case, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, other = source(case, count, folder)
        run = castalia.train(case.recipe, str(data), [*case.overrides, *SHORT, "data.validation=0.1"], out=folder / "run")
        found = {score["name"]: score for score in castalia.evaluate(run, against=str(other))["scores"]}
    score = next(entry for key, entry in found.items() if key.startswith(case.score))
    copies = next((entry["value"] for key, entry in found.items() if key.startswith("copies")), None)
    return {
        "n": count,
        "score": score["name"],
        "value": score["value"],
        "floor": score["floor"],
        "naive": score["baselines"]["naive"],
        "copies": copies,
    }


def shares(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows with their share of the way from naive to real, and `least` and `wants`."""
    best = rows[-1]["floor"] if rows[-1]["floor"] is not None else min(row["value"] for row in rows)
    naive = rows[-1]["naive"]  # that of the largest n: a naive generator, too, is better with more data
    for row in rows:
        row["share"] = round((naive - row["value"]) / (naive - best), 3)
    top = max(row["share"] for row in rows)
    return {
        "least": next((row["n"] for row in rows if row["share"] >= BETTER), None),
        "wants": next((row["n"] for row in rows if row["share"] >= NEARLY * top), None),
        "rows": rows,
    }


def main() -> None:
    chosen = sys.argv[1:] or list(CASES)
    path = RESULTS / "minimum_data.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else {}
    for name in chosen:
        case = CASES[name]
        rows = []
        for count in case.counts:
            rows.append(measure(case, count))
            print(name, json.dumps(rows[-1]), flush=True)
        results[name] = {"unit": case.unit, "recipe": case.recipe, "overrides": list(case.overrides), **shares(rows)}
        write_result("minimum_data", results, seeds=[0])


if __name__ == "__main__":
    main()
