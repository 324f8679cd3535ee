"""Pictures from a user's own few hundred: each recipe on four folders at 64 pixels and one at 128.

    python benchmarks/own_photos.py --data data/images [--minutes 10] [--seeds 0 1 2]
        [--sets NAME ...] [--recipes NAME ...] [--keep FOLDER]
        # adds what is missing to benchmarks/results/own_photos.json

Every training takes the recipe as it is, on two threads. 300 samples of seed 1 are judged against
all pictures of the folder in EfficientNet-Lite0 (extra `effnet`): kernel distance with its
interval, precision, recall. `diversity` is the Vendi score of the samples, of one class where
folders are classes, as a share of that of as many real pictures. `eyes` is the share of pictures in
which OpenCV's cascades find a face and two eyes in it (package opencv-python-headless; null
without). `copies` is what `castalia audit` finds beyond false alarms. No folder here was used to
choose a recipe, but `faces_london` at 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

import castalia
from castalia.data.stream import prepare, to_unit
from castalia.evaluation.features import Features, extract, features_for
from castalia.evaluation.kernel_distance import KernelDistance
from castalia.evaluation.precision_recall import manifold_scores
from castalia.evaluation.vendi_score import vendi
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.sampling.generate import Sample
from machine import RESULTS, write_result

NETWORK, SAMPLES, FEWEST = "effnetlite0", 300, 20
LABEL = "label"
PATH = RESULTS / "own_photos.json"


class Folder(NamedTuple):
    """name of the folder; size in pixels; overrides of a recipe; whether eyes are looked for."""

    name: str
    size: int
    overrides: tuple[str, ...] = ()
    faces: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} {self.size}"


MIRRORED = "data.augment=[flip]"  # what a user says whose pictures may be mirrored
SETS = (
    Folder("faces_congress_gray", 64, (MIRRORED,), faces=True),
    Folder("blood_cells", 64, (MIRRORED,)),
    Folder("twemoji64", 64),
    Folder("omniglot_small", 64, ("data.conditional=false",)),
    Folder("faces_london", 128, (MIRRORED,), faces=True),
)
RECIPES = ("image/fastgan", "image/gan")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    words.add_argument("--sets", nargs="+", default=[one.name for one in SETS])
    words.add_argument("--recipes", nargs="+", default=list(RECIPES))
    words.add_argument("--keep", type=Path, help="where runs stay, to be looked at")
    given = words.parse_args()
    torch.set_num_threads(2)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    for seed in given.seeds:
        for folder in SETS:
            for recipe in given.recipes:
                key = {"set": folder.title, "recipe": recipe, "seed": seed}
                done = [row for row in rows if key.items() <= row.items()]
                if folder.name not in given.sets or done:
                    continue
                rows.append({**key, **measure(given, folder, recipe, seed)})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
                seeds = sorted({row["seed"] for row in rows})
                write_result("own_photos", {"minutes": given.minutes, "rows": rows}, seeds=seeds)


def measure(given: argparse.Namespace, folder: Folder, recipe: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        run = castalia.train(
            recipe,
            str(given.data / folder.name),
            [
                f"codec.size={folder.size}",
                f"training.seed={seed}",
                f"training.minutes={given.minutes}",
                *folder.overrides,
            ],
            out=Path(name) / "run",
        )
        row = judge(run, folder)
        if given.keep is not None:
            kept = given.keep / f"{folder.title}-{recipe}-{seed}".replace("/", "-").replace(
                " ", "-"
            )
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(run.folder, kept)
    return row


def judge(run: Run, folder: Folder) -> dict[str, Any]:
    data = prepare(
        run.recipe.data.model_copy(update={"conditions": (LABEL,)}), run.codec, fit=False
    )
    sides = [side.take(range(len(side))) for side in (data.train, data.validation)]
    real = torch.cat([side.x for side in sides])
    features = features_for(run.spec, NETWORK)
    samples = castalia.sample(run, n=SAMPLES, seed=1)
    drawn = pixels(run, samples)
    of_real, of_drawn = extract(features, [real]), extract(features, [drawn])
    order = torch.randperm(len(real), generator=generator("own photos", 0))
    distance = KernelDistance().compare(of_drawn, of_real)["kernel"]
    floor = KernelDistance().compare(of_real[order[0::2]], of_real[order[1::2]])["kernel"]
    manifold = manifold_scores(of_drawn, of_real[order[:SAMPLES]])
    audit = castalia.audit(run, n=SAMPLES)
    labels = {name: torch.cat([side.cond[name] for side in sides]) for name in sides[0].cond}
    return {
        "pictures": len(real),
        "kernel": round(distance.value, 4),
        "interval": [round(distance.low, 4), round(distance.high, 4)],
        "floor": round(floor.value, 4),
        "precision": round(manifold["precision"], 3),
        "recall": round(manifold["recall"], 3),
        "diversity": diversity(run, features, of_real, of_drawn, labels.get(LABEL)),
        "eyes": eyes(drawn) if folder.faces else None,
        "eyes_real": eyes(real[order[:SAMPLES]]) if folder.faces else None,
        "copies": audit["copies"],
        "copies_beyond_chance": audit["beyond_chance"],
        "copies_verdict": audit["verdict"],
    }


def pixels(run: Run, samples: Sequence[Sample]) -> torch.Tensor:
    """(N, C, H, W) in the unit of the run's spec."""
    return to_unit(run.spec, torch.stack([run.codec.encode(one.item) for one in samples]))


def diversity(
    run: Run,
    features: Features,
    of_real: torch.Tensor,
    of_drawn: torch.Tensor,
    labels: torch.Tensor | None,
) -> float:
    """Vendi score of samples as a share of that of as many real pictures; where the run is told
    classes, within a class, the mean over classes of at least `FEWEST` pictures.
    """
    pairs = [(of_real[:SAMPLES], of_drawn[: len(of_real)])]
    if labels is not None and LABEL in run.conditions:
        pairs = []
        for number, name in enumerate(run.conditions[LABEL].names):
            own = of_real[labels == number][:100]
            if len(own) >= FEWEST:
                samples = castalia.sample(run, n=len(own), seed=2, cond={LABEL: name})
                pairs.append((own, extract(features, [pixels(run, samples)])))
    shares = [vendi(similarity(theirs)) / vendi(similarity(own)) for own, theirs in pairs]
    return round(sum(shares) / len(shares), 3)


def similarity(features: torch.Tensor) -> torch.Tensor:
    """Cosines between rows (N, D)."""
    rows = torch.nn.functional.normalize(features.double(), dim=1)
    return rows @ rows.T


def eyes(pictures: torch.Tensor) -> float | None:
    """Share of pictures (N, C, H, W) in [-1, 1] with a face and two eyes in its upper part, by
    OpenCV's Haar cascades on the picture enlarged to 256 pixels.
    """
    try:
        import cv2
    except ImportError:
        return None
    kinds = ("haarcascade_frontalface_default.xml", "haarcascade_eye.xml")
    face, eye = (cv2.CascadeClassifier(cv2.data.haarcascades + kind) for kind in kinds)
    good = 0
    for picture in pictures:
        grey = ((picture.mean(0).clamp(-1, 1) + 1) * 127.5).byte().numpy()
        grey = cv2.resize(grey, (256, 256), interpolation=cv2.INTER_CUBIC)
        grey = cv2.copyMakeBorder(grey, 32, 32, 32, 32, cv2.BORDER_REPLICATE)
        faces = face.detectMultiScale(grey, 1.05, 4, minSize=(80, 80))
        if len(faces):
            x, y, width, height = max(faces, key=lambda one: one[2])
            upper = grey[y : y + int(0.6 * height), x : x + width]
            good += len(eye.detectMultiScale(upper, 1.05, 3, minSize=(12, 12))) >= 2
    return round(good / len(pictures), 3)


if __name__ == "__main__":
    main()
