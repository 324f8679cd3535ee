"""Edits of held-out pictures by `image/flow`, which does all of them, and by the recipes for one of
them, beside simple methods and libraries: denoise, infill, upscale, colourise, in PSNR and SSIM
with intervals.

    python benchmarks/picture_edits.py --data data/images [--minutes 8] [--sets NAME ...]
                                       [--recipes image/denoise ...]
        # adds what is missing to benchmarks/results/picture_edits.json

Each run is the recipe as it is, at 64 pixels on two threads; then what `castalia evaluate --edits`
measures, on the same 48 held-out pictures for every method; the settings of the recipes were chosen
on blood_cells alone. Of libraries, where they are installed:
BM3D (package bm3d) for noise, Telea 2004 (opencv-python-headless) for holes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import castalia
from castalia.evaluation.edit_trials import Trial, rows_of
from castalia.modalities.image import trials as picture_trials
from castalia.run import Run
from castalia.verbs.evaluate import evaluate_edits
from machine import RESULTS, write_result

PATH = RESULTS / "picture_edits.json"
SETS = ("blood_cells", "faces_congress_gray", "twemoji64")
GREY = ("faces_congress_gray",)  # nothing to colour
FLOW, COLOURISE = "image/flow", "image/colourise"
RECIPES = (FLOW, "image/denoise", "image/upscale", COLOURISE)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=8.0)
    words.add_argument("--sets", nargs="+", default=list(SETS))
    words.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    given = words.parse_args()
    torch.set_num_threads(2)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    for row in rows:
        row.setdefault("recipe", FLOW)  # of files from when there was no other
    done = {(row["set"], row["recipe"]) for row in rows}
    for name, recipe in product(given.sets, given.recipes):
        if (name, recipe) in done or (name in GREY and recipe == COLOURISE):
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = castalia.train(
                recipe,
                str(given.data / name),
                ["codec.size=64", f"training.minutes={given.minutes}"],
                out=Path(folder) / "run",
            )
            about = {"set": name, "recipe": recipe, "steps": run.last_step}
            # the other methods are the same on the same pictures
            found = judged(run) if recipe == FLOW else own(run)
            rows += [about | row for row in found]
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        write_result("picture_edits", {"minutes": given.minutes, "rows": rows}, seeds=[0])


def own(run: Run) -> list[dict[str, Any]]:
    """The rows of `evaluate --edits` of the run itself."""
    return [row for row in evaluate_edits(run)["rows"] if row["run"]]


def judged(run: Run) -> list[dict[str, Any]]:
    """The rows of `evaluate --edits`, and those of the libraries on the same damaged pictures."""
    damaged: dict[str, Any] = {}
    add = picture_trials.simple_edits.non_local_means, picture_trials.simple_edits.biharmonic

    def watched_noise(x: Tensor, deviation: float) -> Tensor:
        damaged.setdefault("noise", []).append((x, deviation))
        return add[0](x, deviation)

    def watched_hole(x: Tensor, keep: Tensor) -> Tensor:
        damaged.setdefault("hole", []).append((x, keep))
        return add[1](x, keep)

    picture_trials.simple_edits.non_local_means = watched_noise
    picture_trials.simple_edits.biharmonic = watched_hole
    try:
        rows: list[dict[str, Any]] = evaluate_edits(run)["rows"]
    finally:
        (
            picture_trials.simple_edits.non_local_means,
            picture_trials.simple_edits.biharmonic,
        ) = add
    truth = torch.stack([x for x, _ in damaged["hole"]])
    for task, method, made in libraries(damaged):
        kind = next(row["task"] for row in rows if row["task"].startswith(task))
        scores = {
            "PSNR": picture_trials.psnr(torch.stack(made), truth),
            "SSIM": picture_trials.ssim(torch.stack(made), truth),
        }
        rows += rows_of([Trial(kind, method, False, scores)])
    return rows


def libraries(damaged: dict[str, Any]) -> Sequence[tuple[str, str, list[Tensor]]]:
    """(task, method, pictures) of the libraries that are installed."""
    found = []
    with suppress(ImportError):
        import bm3d

        clean = [
            torch.from_numpy(np.clip(bm3d.bm3d(planes(x), deviation), 0, 1)).float()
            for x, deviation in damaged["noise"]
        ]
        found.append(("denoise", "BM3D", [chw(x) for x in clean]))
    with suppress(ImportError):
        import cv2

        filled = []
        for x, keep in damaged["hole"]:
            pixels = (planes(x) * 255).round().astype(np.uint8)
            mask = (~keep).numpy().astype(np.uint8) * 255
            filled.append(torch.from_numpy(cv2.inpaint(pixels, mask, 3, cv2.INPAINT_TELEA)) / 255)
        found.append(("infill", "Telea", [chw(x) for x in filled]))
    return found


def planes(x: Tensor) -> np.ndarray:
    """(C, H, W) as libraries want it: (H, W, C), or (H, W) of one channel."""
    return x.permute(1, 2, 0).squeeze(2).numpy().astype(np.float64)


def chw(x: Tensor) -> Tensor:
    """The way back."""
    return x[None] if x.ndim == 2 else x.permute(2, 0, 1)


if __name__ == "__main__":
    main()
