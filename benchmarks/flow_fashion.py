"""Flow matching on Fashion-MNIST under the judge of gan_fashion: four and twenty minutes, and what
fewer network evaluations cost.

    python benchmarks/flow_fashion.py [--minutes 4 20] [--seeds 0 1 2] [--recipe image/flow]
        # adds what is missing to benchmarks/results/flow_fashion.json

A run is the recipe as it is, on two threads, without classes, on the 60,000 training pictures.
Score as there: Frechet distance of 10,000 samples to the 10,000 test pictures in the 128 features
of gan_judge.py, precision and recall with k = 5. The curve has 2,000 samples a point, all of the
same noise, so its distances are larger by what so few samples add. `pictures_per_second` is of the
whole training, `samples_per_second` of sampling with the recipe's own steps.
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
from castalia.abilities import SampleOptions
from castalia.run import Run
from castalia.sampling.generate import draw
from gan_fashion import Judges
from gan_judge import FASHION
from machine import RESULTS, write_result

N, OF_CURVE = 10_000, 2_000
CURVE = (1, 2, 4, 8, 16, 32)  # evaluations of the network
PATH = RESULTS / "flow_fashion.json"


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--minutes", type=float, nargs="+", default=[4.0])
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    words.add_argument("--recipes", nargs="+", default=["image/flow", "image/flow-few-steps"])
    words.add_argument("--set", nargs="*", default=[], help="overrides, to try things: not kept")
    given = words.parse_args()
    torch.set_num_threads(2)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    judges = Judges(N)
    for minutes in given.minutes:
        for seed in given.seeds:
            for recipe in given.recipes:
                key = {"recipe": recipe, "minutes": minutes, "seed": seed}
                if not given.set and any(key.items() <= row.items() for row in rows):
                    continue
                row = {**key, **measure(recipe, minutes, seed, given.set, judges)}
                print(json.dumps(row), file=sys.stderr, flush=True)
                if not given.set:
                    rows.append(row)
                    seeds = sorted({row["seed"] for row in rows})
                    write_result("flow_fashion", {"samples": N, "rows": rows}, seeds=seeds)


def measure(
    recipe: str, minutes: float, seed: int, more: list[str], judges: Judges
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = castalia.train(
            recipe,
            str(FASHION / "train-images-idx3-ubyte.gz"),
            [
                "codec.size=28",
                "data.conditional=false",
                "data.validation=0",
                f"training.minutes={minutes}",
                f"training.seed={seed}",
                "training.sample_every=0",
                *more,
            ],
            out=Path(folder) / "run",
        )
        return judged(run, minutes, judges)


def judged(run: Run, minutes: float, judges: Judges) -> dict[str, Any]:
    model: Any = run.model()
    begun = time.perf_counter()
    x = draw(model, 0, 0, N, {}, SampleOptions(), 250)
    seconds = time.perf_counter() - begun
    score = judges.score(x, 0.0, whole=True)
    each = model.evaluations(1)
    curve = {}
    for evaluations in CURVE:
        if evaluations % each:
            continue
        x = draw(model, 0, 0, OF_CURVE, {}, SampleOptions(steps=evaluations // each), 250)
        curve[evaluations] = round(judges.score(x, 0.0, whole=False).frechet, 3)
    return {
        "steps": run.last_step,
        "pictures_per_second": round(run.last_step * run.recipe.training.batch / minutes / 60),
        "evaluations": model.evaluations(),
        "samples_per_second": round(N / seconds, 1),
        "parameters": sum(one.numel() for one in model.parameters()),
        "frechet": round(score.frechet, 3),
        "precision": round(score.precision, 3),
        "recall": round(score.recall, 3),
        "curve": curve,
    }


if __name__ == "__main__":
    main()
