"""Do the feature networks order generators of unequal quality alike?

    python benchmarks/judge_agreement.py --data data --work FOLDER [--networks NAME ...]
        # benchmarks/results/judge_agreement.json

Six folders of pictures of 64 pixels, one half real (the reference), the other half damaged:
blurred, and four kinds that no network of ours was ever trained to name (painted, smeared, patchy,
repeated parts), each a little and a lot. Beside them four generators, trained on the whole folder
for a short time: image/fastgan for 20 and for 90 seconds, image/vae for 45, image/gan for 60.
FOLDER keeps their samples, so that a run that was stopped goes on.

Every network gives each set a kernel distance to the reference, with its interval, and a precision.
A pair of sets of one folder counts where the intervals of EfficientNet-Lite0 (extra `effnet`) do
not overlap. `unequal`: pairs of trained generators, and of one damage, a little and a lot; `any`:
all pairs, those of different kinds of damage too. `eyes`: on portraits, unequal pairs whose shares
of pictures with two eyes (OpenCV's cascades, own_photos.py) are 10 points apart. `agree` is the
share of pairs that a network's kernel distance orders in the same way. `falls` counts planted
damages whose precision is below that of real pictures, the stronger one below the weaker.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageSequence

import castalia
from castalia.data.stream import prepare
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.kernel_distance import KernelDistance
from castalia.evaluation.precision_recall import manifold_scores
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.spec import Dense
from machine import write_result
from own_photos import eyes, pixels
from picture_damage import ASKED, TAUGHT

REFERENCE = "effnetlite0"
NETWORKS = ("castalia-net64-v1", "castalia-net32-v1")
FOLDERS = (
    "images/faces_congress_gray",
    "images/blood_cells",
    "images/twemoji64",
    "images/omniglot_small",
    "images/faces_london",
    "video/lpc_sprites",
)
FACES = {"faces_congress_gray", "faces_london"}
SIZE, MOST = 64, 150  # pixels; pictures of a set
PLANTED = {"blur": TAUGHT["blur"], **ASKED}
AMOUNTS = {"a little": 0.2, "a lot": 0.9}
TRAINED = {
    "fastgan 20 s": ("image/fastgan", 20),
    "fastgan 90 s": ("image/fastgan", 90),
    "vae 45 s": ("image/vae", 45),
    "gan 60 s": ("image/gan", 60),
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--work", type=Path, required=True)
    words.add_argument("--networks", nargs="+", default=list(NETWORKS))
    words.add_argument("--folders", nargs="+", default=list(FOLDERS))
    given = words.parse_args()
    torch.set_num_threads(2)
    judged: dict[str, dict[str, dict[str, Any]]] = {}
    for path in given.folders:
        name = path.split("/")[1]
        sets = sets_of(given.data / path, given.work / name)
        judged[name] = judge(sets, [REFERENCE, *given.networks], name in FACES)
        print(name, "judged", file=sys.stderr, flush=True)
    result = {
        "pictures": {name: sets["reference"]["pictures"] for name, sets in judged.items()},
        "agreement": {name: agreement(judged, name) for name in (REFERENCE, *given.networks)},
        "falls": {name: falls(judged, name) for name in (REFERENCE, *given.networks)},
        "sets": judged,
    }
    write_result("judge_agreement", result, seeds=[0])


def sets_of(folder: Path, work: Path) -> dict[str, torch.Tensor]:
    """Name of each set -> pictures (N, 1 or 3, 64, 64) in [-1, 1]."""
    work.mkdir(parents=True, exist_ok=True)
    if folder.parent.name == "video":
        folder = frames(folder / "clips", work / "pictures")
    stored = {name: work / f"{name}.pt" for name in ("real", *TRAINED)}
    for name, (recipe, seconds) in TRAINED.items():
        if stored[name].exists():
            continue
        run = trained(folder, recipe, seconds, work / "run")
        if not stored["real"].exists():
            torch.save(pictures(run), stored["real"])
        torch.save(pixels(run, castalia.sample(run, n=MOST, seed=1)), stored[name])
    loaded = {name: torch.load(path, weights_only=True) for name, path in stored.items()}
    x = loaded.pop("real")
    half = min(MOST, len(x) // 2)
    reference, other = x[:half], x[half : 2 * half]
    sets = {"reference": reference, "real": other, **loaded}
    for kind, damage in PLANTED.items():
        for words, amount in AMOUNTS.items():
            rng = torch.Generator().manual_seed(0)
            rows = damage(other.expand(-1, 3, -1, -1), torch.full((half,), amount), rng)
            sets[f"{kind}, {words}"] = rows.clamp(-1, 1)
    return sets


def frames(clips: Path, folder: Path) -> Path:
    """The first and the fifth frame of each clip, as pictures."""
    folder.mkdir(exist_ok=True)
    for path in sorted(clips.glob("*.gif")):
        with Image.open(path) as clip:
            for number, frame in enumerate(ImageSequence.Iterator(clip)):
                if number in (0, 4):
                    frame.convert("RGB").save(folder / f"{path.stem}-{number}.png")
    return folder


def trained(folder: Path, recipe: str, seconds: float, run_folder: Path) -> Run:
    shutil.rmtree(run_folder, ignore_errors=True)
    return castalia.train(
        recipe,
        str(folder),
        [f"codec.size={SIZE}", f"training.minutes={seconds / 60}", "data.conditional=false"],
        out=run_folder,
    )


def pictures(run: Run) -> torch.Tensor:
    """All that the run was trained on or keeps aside, in an order of its own."""
    data = prepare(run.recipe.data, run.codec, fit=False)
    x = torch.cat([side.take(range(len(side))).x for side in (data.train, data.validation)])
    return x[torch.randperm(len(x), generator=generator("judge agreement", 0))]


def judge(
    sets: dict[str, torch.Tensor], networks: list[str], faces: bool
) -> dict[str, dict[str, Any]]:
    """Name of each set -> its figures: for each network the kernel distance, its interval and
    precision.
    """
    result: dict[str, dict[str, Any]] = {
        name: {"pictures": len(x), "eyes": eyes(x) if faces else None} for name, x in sets.items()
    }
    for network in networks:
        features = {
            name: extract(features_for(Dense(tuple(x.shape[1:])), network), [x])
            for name, x in sets.items()
        }
        for name, rows in features.items():
            if name == "reference":
                continue
            distance = KernelDistance().compare(rows, features["reference"])["kernel"]
            result[name][network] = {
                "kernel": distance.value,
                "interval": [distance.low, distance.high],
                "precision": manifold_scores(rows, features["reference"])["precision"],
            }
    return result


def agreement(judged: dict[str, dict[str, dict[str, Any]]], network: str) -> dict[str, Any]:
    """Pairs that the reference separates, and how many of them the network orders as it does.
    unequal: two trained generators, or one kind of damage, a little and a lot; any: all pairs, of
    different kinds of damage, too. eyes: unequal pairs that the eye test separates, as it does.
    """
    counts = {"unequal": [0, 0], "any": [0, 0], "eyes": [0, 0]}
    wrong = []
    for folder, sets in judged.items():
        names = [name for name in sets if name not in ("reference", "real")]
        for one, two in combinations(names, 2):
            a, b = sets[one], sets[two]
            better = a[network]["kernel"] < b[network]["kernel"]
            unequal = {one, two} <= TRAINED.keys() or one.split(",")[0] == two.split(",")[0]
            low, high = a[REFERENCE]["interval"], b[REFERENCE]["interval"]
            if low[1] < high[0] or high[1] < low[0]:
                right = better == (a[REFERENCE]["kernel"] < b[REFERENCE]["kernel"])
                for kind in ("unequal", "any") if unequal else ("any",):
                    counts[kind][0] += 1
                    counts[kind][1] += right
                if not right:
                    wrong.append(f"{folder}: {one} / {two}")
            if unequal and a["eyes"] is not None and abs(a["eyes"] - b["eyes"]) >= 0.1:
                counts["eyes"][0] += 1
                counts["eyes"][1] += better == (a["eyes"] > b["eyes"])
    shares = {
        kind: {"pairs": pairs, "agree": round(right / pairs, 3) if pairs else None}
        for kind, (pairs, right) in counts.items()
    }
    return {**shares, "wrong": wrong}


def falls(judged: dict[str, dict[str, dict[str, Any]]], network: str) -> dict[str, Any]:
    counted, failed = 0, []
    for folder, sets in judged.items():
        for kind in PLANTED:
            real, little, lot = (
                sets[name][network]["precision"] for name in ("real", *names_of(kind))
            )
            counted += 1
            if not (lot < real and lot <= little <= real):
                failed.append(f"{folder}: {kind}")
    return {"damages": counted, "falls": counted - len(failed), "not": failed}


def names_of(kind: str) -> list[str]:
    return [f"{kind}, {words}" for words in AMOUNTS]


if __name__ == "__main__":
    main()
