"""Does a GAN find every mode? 25 Gaussians on a grid, and the ten digits without being told which
is which.

    python benchmarks/gan_modes.py --threads 2
        a few minutes; writes benchmarks/results/gan_modes.json
    python benchmarks/gan_modes.py --quick --out DIR     smoke test

Grid: centres at the 5 x 5 points of {-4, -2, 0, 2, 4} squared, deviation 0.05 (Dumoulin et al.
2017; Lin et al. 2018), 20,000 points in a .npy file, recipe array/gan with noise of the data's own
dimension (family.latent=2). Of 10,000 samples, a mode counts as found when at least 1% lie nearest
to it (its share is 4%) and at least 20 lie within three deviations; the share of samples within
three deviations is recorded beside it, because modes that are found may still be blurred. Digits:
builtin/digits (1,797 pictures), recipe image/gan, classes withheld; of 2,000 samples each class
must get at least 5% by a support-vector classifier trained on the real pictures. Everything goes
through `castalia.train` and `castalia.sample`, three seeds each. Exit code 1 when a mode is
missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

import castalia
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.modalities.image.codec import ImageCodec
from machine import HERE, write_result

CENTRES = np.stack(np.meshgrid(np.arange(-4, 5, 2.0), np.arange(-4, 5, 2.0)), -1).reshape(25, 2)
DEVIATION = 0.05


def grid(n: int, seed: int) -> np.ndarray:
    """(n, 2) float32 points of the mixture, all modes alike."""
    random = np.random.default_rng(seed)
    return (CENTRES[random.integers(0, 25, n)] + DEVIATION * random.standard_normal((n, 2))).astype(
        np.float32
    )


def judge_grid(points: np.ndarray) -> dict[str, Any]:
    """Counts per mode of (n, 2) samples."""
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=2)
    nearest, close = distances.argmin(1), distances.min(1) < 3 * DEVIATION
    share = np.bincount(nearest, minlength=25) / len(points)
    within = np.bincount(nearest[close], minlength=25)
    found = (share >= 0.01) & (within >= 20 * len(points) / 10_000)
    return {
        "found": int(found.sum()),
        "smallest_share": round(float(share.min()), 4),
        "largest_share": round(float(share.max()), 4),
        "fewest_within_three_deviations": int(within.min()),
        "share_within_three_deviations": round(float(close.mean()), 4),
    }


def train_grid(seed: int, folder: Path, n: int, overrides: dict[str, Any]) -> dict[str, Any]:
    np.save(folder / "grid.npy", grid(20_000, 0))
    begun = time.perf_counter()
    run = castalia.train(
        "array/gan",
        folder / "grid.npy",
        {"training.minutes": None, "training.seed": seed, "family.latent": 2, **overrides},
        out=folder / f"grid-{seed}",
    )
    seconds = time.perf_counter() - begun
    points = np.stack([sample.item for sample in castalia.sample(run, n, seed)])
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "steps": run.recipe.training.steps,
        **judge_grid(points),
    }


def train_digits(
    seed: int, folder: Path, n: int, overrides: dict[str, Any], classifier: SVC
) -> dict[str, Any]:
    begun = time.perf_counter()
    chosen = {
        "training.minutes": None,
        "codec.size": 8,
        "data.conditional": False,
        "training.seed": seed,
        **overrides,
    }
    run = castalia.train("image/gan", "builtin/digits", chosen, out=folder / f"digits-{seed}")
    seconds = time.perf_counter() - begun
    samples = torch.stack([sample.x for sample in castalia.sample(run, n, seed)]).flatten(1).numpy()
    share = np.bincount(classifier.predict(samples), minlength=10) / n
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "steps": run.recipe.training.steps,
        "found": int((share >= 0.05).sum()),
        "shares": [round(float(value), 3) for value in share],
    }


def digit_classifier(home: Path) -> tuple[SVC, float]:
    """A classifier of 8 x 8 digits in [-1, 1] and its accuracy in five-fold cross-validation."""
    config = DataConfig(source="builtin/digits", validation=0.0)
    data = prepare(config, ImageCodec(ImageCodec.Config(size=8)), home=home).train  # type: ignore[arg-type]
    batch = data.take(range(len(data)))
    x, y = batch.x.flatten(1).numpy(), batch.cond["label"].numpy()
    classifier = SVC(C=10, gamma="scale")
    return classifier.fit(x, y), float(cross_val_score(classifier, x, y, cv=5).mean())


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--only", choices=["grid", "digits"])
    options.add_argument("--quick", action="store_true", help="smoke test: 20 steps, one seed")
    options.add_argument("--out", type=Path, default=HERE / "results")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    overrides: dict[str, Any] = {"training.sample_every": 0, "training.threads": given.threads}
    if given.quick:
        given.seeds, overrides["training.steps"] = 1, 20
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "digits":
            rows = [train_grid(seed, folder, 10_000, overrides) for seed in range(given.seeds)]
            results["grid"] = {
                "modes": 25,
                "samples": 10_000,
                "rows": rows,
                "reached": all(row["found"] == 25 for row in rows),
            }
        if given.only != "grid":
            classifier, accuracy = digit_classifier(folder)
            rows = [
                train_digits(seed, folder, 2_000, overrides, classifier)
                for seed in range(given.seeds)
            ]
            results["digits"] = {
                "modes": 10,
                "samples": 2_000,
                "classifier_accuracy": round(accuracy, 4),
                "rows": rows,
                "reached": all(row["found"] == 10 for row in rows),
            }
    for name, result in results.items():
        for row in result["rows"]:
            print(name, row)
    write_result("gan_modes", results, seeds=list(range(given.seeds)), folder=given.out)
    if not given.quick and not all(result["reached"] for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
