"""Shapes: how near samples come to real shapes beside replayed training shapes and noise, whether
all are closed, and whether any is a copy.

    python benchmarks/shapes.py [--data FOLDER] [--minutes 5] [--recipes shape3d/vae shape3d/flow]
        # adds what is missing to benchmarks/results/shapes.json

Without --data: the 31 models of builtin/furniture, which are too few to train on in earnest. The
scores are those of `castalia evaluate`: 1-NN accuracy, coverage and minimum matching distance of
point clouds (Yang et al. 2019) of as many samples as half of the real shapes, against held-out
shapes, filled up with training shapes. `exact` counts samples that fill the space of a training
shape to a thousandth, turned or mirrored; `nearest` is the smallest distance of the matcher. One
thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import castalia
from castalia.evaluation.dense_evidence import gather
from castalia.governance.audit import blocks_of
from castalia.modalities.shape3d.copies import SAME, Solids
from castalia.modalities.shape3d.metrics.point_sets import PointSets
from castalia.modalities.shape3d.metrics.solidity import Solidity
from castalia.run import Run
from castalia.training.setup import open_data
from machine import RESULTS, write_result

PATH = RESULTS / "shapes.json"


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--data", default="builtin/furniture", help="a folder of meshes")
    words.add_argument("--minutes", type=float, default=5.0)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--recipes", nargs="+", default=["shape3d/vae", "shape3d/flow"])
    words.add_argument("--runs", nargs="*", default=[], help="trained already: judge these")
    words.add_argument("--set", nargs="*", default=[], help="overrides, to try things: not kept")
    given = words.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    data = Path(given.data).name

    def keep(row: dict[str, Any]) -> None:
        print(json.dumps(row, indent=1), file=sys.stderr, flush=True)
        if not given.set:
            rows.append(row)
            write_result("shapes", {"rows": rows}, seeds=sorted({row["seed"] for row in rows}))

    for folder in given.runs:
        run = Run.open(folder)
        config = run.recipe.training
        key = {"recipe": run.recipe.title, "data": data, "seed": config.seed}
        keep({**key, "minutes": config.minutes, **measured(run)})
    for seed in given.seeds if not given.runs else ():
        for recipe in given.recipes:
            key = {"recipe": recipe, "data": data, "seed": seed, "minutes": given.minutes}
            if not given.set and any(key.items() <= row.items() for row in rows):
                continue
            with tempfile.TemporaryDirectory() as folder:
                run = castalia.train(
                    recipe,
                    given.data,
                    [
                        f"training.minutes={given.minutes}",
                        f"training.seed={seed}",
                        "training.sample_every=0",
                        "training.threads=1",
                        *given.set,
                    ],
                    out=Path(folder) / "run",
                )
                keep({**key, **measured(run)})


def measured(run: Run) -> dict[str, Any]:
    dataset, model = open_data(run), run.model()
    begun = time.perf_counter()
    found = gather(model, dataset, n=None, seed=0, batch=16, against=None, network=None)
    seconds = sum(one[1] for one in found.evidence.timings)
    scores = [*PointSets().scores(found.evidence), *Solidity().scores(found.evidence)]
    matches = Solids(run.codec, blocks_of(dataset.train, run.codec)).match(found.samples)
    return {
        "steps": run.last_step,
        "training_items": len(dataset.train),
        "samples": len(found.samples),
        "seconds_per_sample": round(seconds / len(found.samples), 3),
        "exact": int((matches.residual <= SAME).sum()),
        "nearest": round(float(matches.distance.min()), 3),
        "scores": {
            one.name: {
                "value": _round(one.value),
                "interval": [_round(one.low), _round(one.high)],
                "real": _round(one.floor),
                **{name: _round(value) for name, value in (one.baselines or {}).items()},
            }
            for one in scores
        },
        "judging_seconds": round(time.perf_counter() - begun, 1),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
