"""Sounds of classes, drawn by the audio recipes and heard by a classifier of their own.

    python benchmarks/audio_classes.py --data data/audio [--minutes 10] [--seeds 0]
        [--sets NAME ...] [--recipes NAME ...] [--forms NAME ...] [--threads 2] [--keep FOLDER]
        # adds what is missing to benchmarks/results/audio_classes.json
    python benchmarks/audio_classes.py --data data/audio --run RUN --sets spoken_digits
        # judges a run that is there, and writes nothing

The classifier is a small convolutional network on log-mel frames of its own making, trained on the
real recordings but those that it is tested on (digits numbered 13 and 14; every fourth drum).
`accuracy` is the share of drawn sounds that it takes for the class they were drawn for; `real` that
of the recordings it is tested on; `trip` that of these after the codec's round trip. `frechet` is
the Frechet distance in the 32 numbers before its last layer to all real recordings, `naive` that of
independent Gaussian numbers with the data's means and deviations, `floor` that of one half of the
recordings to the other. Samples are drawn as the recipe says, `unguided` without guidance. `factor`
is the time to draw and play a sound over its length, one at a time on one thread.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import castalia
from castalia.abilities import SampleOptions
from castalia.data.stream import prepare, to_unit
from castalia.evaluation.baselines import Moments, naive
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.frechet_distance import frechet
from castalia.evaluation.precision_recall import manifold_scores
from castalia.modalities.audio import files
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound
from castalia.run import Run
from castalia.sampling.generate import generate, request_of
from machine import RESULTS, write_result

PATH = RESULTS / "audio_classes.json"
SAMPLES = 300
RATE, SECONDS = 8_000, 1.0  # as the classifier hears
FEWEST = 6  # recordings of a class of drums that is told apart


class Ear(nn.Module):
    """(B, RATE) in [-1, 1] -> (B, classes) logits; `features` (B, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        bank = np.zeros((40, 129), np.float32)
        edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42) / 2595) - 1)
        bins = np.arange(129) * RATE / 256
        for band in range(40):
            left, middle, right = edges[band : band + 3]
            bank[band] = np.clip(
                np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)),
                0.0, None,
            )  # fmt: skip
        self.register_buffer("bank", torch.from_numpy(bank))
        self.register_buffer("window", torch.hamming_window(200))
        widths = (1, 24, 48, 64)
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())
            for i, o in pairwise(widths)
        )
        self.neck = nn.Linear(64 * 5 * 3, 32)
        self.out = nn.Linear(32, classes)

    def features(self, waves: Tensor) -> Tensor:
        spectra = torch.stft(
            waves, 256, 100, 200, self.window, center=True, return_complex=True
        ).abs()
        x = (self.bank @ spectra.square() + 1e-6).log()
        x = ((x - x.amax((1, 2), keepdim=True)) / 4 + 2).clamp_min(-1)[:, None]
        for layer in self.convolutions:
            x = F.max_pool2d(layer(x), 2)
        x = F.adaptive_avg_pool2d(x, (5, 3)).flatten(1)
        return F.relu(self.neck(F.dropout(x, 0.3, self.training)))

    def forward(self, waves: Tensor) -> Tensor:
        return self.out(self.features(waves))


def heard(sound: Sound) -> Tensor:
    """(RATE * SECONDS,) with a peak of 1."""
    samples = resampled(sound.samples, sound.rate, RATE)[: int(RATE * SECONDS)]
    wave = torch.zeros(int(RATE * SECONDS))
    wave[: len(samples)] = torch.from_numpy(samples)
    return wave / wave.abs().max().clamp_min(1e-6)


def teach(waves: Tensor, labels: Tensor, classes: int, steps: int = 700) -> Ear:
    """Trained with shifts, noise and changes of level, seed 0."""
    torch.manual_seed(0)
    ear, rng = Ear(classes), torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(ear.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(waves), (64,), generator=rng)
        x = waves[rows]
        shift = int(torch.randint(0, 1200, (1,), generator=rng))
        x = torch.roll(x, shift, 1)
        level = 10 ** (-1.0 - 2 * torch.rand(64, 1, generator=rng))
        x = x + level * torch.randn(x.shape, generator=rng)
        loss = F.cross_entropy(ear(x), labels[rows], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return ear.eval()


def folder_of(data: Path, name: str, folder: Path) -> dict[str, list[Path]]:
    """Copies a set into one folder a class; class -> the files that the classifier is tested on."""
    tested: dict[str, list[Path]] = {}
    if name == "spoken_digits":
        for file in sorted((data / name).rglob("*.wav")):
            digit, _, number = file.stem.split("_")
            place = folder / digit / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
            if number in ("13", "14"):
                tested.setdefault(digit, []).append(place)
        return tested
    rows = list(csv.DictReader((data / name / "metadata.csv").open(encoding="utf-8")))
    counts = Counter(row["group"] for row in rows)
    for row in rows:
        if counts[row["group"]] >= FEWEST:
            place = folder / row["group"] / row["file"]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / name / row["file"], place)
    for group in folder.iterdir():
        tested[group.name] = sorted(group.glob("*.wav"))[::4]
    return tested


class Judge:
    """A classifier of the folder's classes, and what it says of real recordings."""

    def __init__(self, folder: Path, tested: dict[str, list[Path]]) -> None:
        self.names = sorted(tested)
        self.files = [file for name in self.names for file in sorted((folder / name).glob("*.wav"))]
        self.labels = torch.tensor([self.names.index(file.parent.name) for file in self.files])
        self.sounds = [files.read(file) for file in self.files]
        self.waves = torch.stack([heard(sound) for sound in self.sounds])
        out = {file for some in tested.values() for file in some}
        self.held = torch.tensor([file in out for file in self.files])
        self.ear = teach(self.waves[~self.held], self.labels[~self.held], len(self.names))
        self.real = self.accuracy(self.waves[self.held], self.labels[self.held])
        self.features = self.look(self.waves)

    @torch.no_grad()
    def accuracy(self, waves: Tensor, labels: Tensor) -> float:
        return float((self.ear(waves).argmax(1) == labels).float().mean())

    @torch.no_grad()
    def look(self, waves: Tensor) -> Tensor:
        return torch.cat([self.ear.features(part) for part in waves.split(100)])


def judge(run: Run, heard_by: Judge) -> dict[str, Any]:
    codec, labels = run.codec, []
    drawn, plain = [], []
    per_class = -(-SAMPLES // len(heard_by.names))
    for number, name in enumerate(heard_by.names):
        cond = {"label": name}
        drawn += [one.item for one in castalia.sample(run, n=per_class, seed=1, cond=cond)]
        free = castalia.sample(run, n=per_class, seed=1, cond=cond, options=SampleOptions())
        plain += [one.item for one in free]
        labels += [number] * per_class
    waves, free_waves = (
        torch.stack([heard(sound) for sound in sounds]) for sounds in (drawn, plain)
    )
    held = [sound for sound, out in zip(heard_by.sounds, heard_by.held, strict=True) if out]
    trip = [codec.decode(to_unit(codec.spec, codec.encode(sound))) for sound in held]
    data = prepare(run.recipe.data, codec, fit=False)
    x = torch.cat([side.take(range(len(side))).x for side in (data.train, data.validation)])
    moments = Moments()
    moments.add(x)
    noise = codec.decode_rows(naive(moments.result(), codec.spec, 0, 0, 100))
    of_drawn, of_real = heard_by.look(waves), heard_by.features
    order = torch.randperm(len(of_real), generator=torch.Generator().manual_seed(0))
    manifold = manifold_scores(of_drawn, of_real)
    own = features_for(run.spec, codec=codec)
    drawn_rows = to_unit(codec.spec, torch.stack([codec.encode(sound) for sound in drawn]))
    own_drawn, own_real = extract(own, [drawn_rows]), extract(own, [x])
    own_noise = extract(own, [naive(moments.result(), codec.spec, 0, 0, 300)])
    return {
        "sounds": len(of_real),
        "steps": run.last_step,
        "parameters": sum(weight.numel() for weight in run.model().parameters()),
        "real": round(heard_by.real, 3),
        "trip": round(
            heard_by.accuracy(
                torch.stack([heard(sound) for sound in trip]), heard_by.labels[heard_by.held]
            ),
            3,
        ),
        "accuracy": round(heard_by.accuracy(waves, torch.tensor(labels)), 3),
        "unguided": round(heard_by.accuracy(free_waves, torch.tensor(labels)), 3),
        "frechet": round(frechet(of_drawn, of_real), 2),
        "frechet_unguided": round(frechet(heard_by.look(free_waves), of_real), 2),
        "naive": round(frechet(heard_by.look(torch.stack([*map(heard, noise)])), of_real), 2),
        "floor": round(frechet(of_real[order[0::2]], of_real[order[1::2]]), 2),
        "precision": round(manifold["precision"], 3),
        "recall": round(manifold["recall"], 3),
        "own": own.name,
        "own_frechet": round(frechet(own_drawn, own_real), 3),
        "own_naive": round(frechet(own_noise, own_real), 3),
        "own_floor": round(frechet(own_real[order[0::2]], own_real[order[1::2]]), 3),
        "factor": round(factor(run), 3),
    }


def factor(run: Run) -> float:
    """Seconds of one core for a second of sound, one sound at a time, weights loaded before."""
    threads, model = torch.get_num_threads(), run.model()
    torch.set_num_threads(1)

    def drawn(seed: int) -> float:
        """Seconds of sound."""
        (sample,) = generate(run, request_of(run, 1, seed), model=model)
        return float(sample.item.seconds)

    drawn(3)
    begun = time.process_time()
    lasting = sum(drawn(seed) for seed in range(4, 20))
    spent = time.process_time() - begun
    torch.set_num_threads(threads)
    return spent / lasting


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=10.0)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--sets", nargs="+", default=["spoken_digits", "drum_oneshots"])
    words.add_argument("--recipes", nargs="+", default=["audio/flow", "audio/vae", "audio/gan"])
    words.add_argument("--forms", nargs="+", default=["mel"])
    words.add_argument("--keep", type=Path, help="where runs stay, to be listened to")
    words.add_argument("--run", type=Path, help="judge this run of the first of --sets")
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    rows = json.loads(PATH.read_text("utf-8"))["results"]["rows"] if PATH.exists() else []
    with tempfile.TemporaryDirectory() as name:
        for one in given.sets:
            folder = Path(name) / one
            heard_by = Judge(folder, folder_of(given.data, one, folder))
            print(f"{one}: real {heard_by.real:.3f}", file=sys.stderr, flush=True)
            if given.run is not None:
                print(json.dumps(judge(castalia.open(given.run), heard_by)))
                return
            for recipe in given.recipes:
                for form in given.forms:
                    for seed in given.seeds:
                        key = {"set": one, "recipe": recipe, "form": form, "seed": seed}
                        if any(key.items() <= row.items() for row in rows):
                            continue
                        rows.append({**key, "minutes": given.minutes, "threads": given.threads})
                        rows[-1] |= measure(given, folder, heard_by, key)
                        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
                        seeds = sorted({row["seed"] for row in rows})
                        write_result("audio_classes", {"rows": rows}, seeds=seeds)


def measure(
    given: argparse.Namespace, folder: Path, heard_by: Judge, key: dict[str, Any]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        run = castalia.train(
            key["recipe"],
            str(folder),
            [
                f"codec.form={key['form']}",
                f"training.seed={key['seed']}",
                f"training.minutes={given.minutes}",
                f"training.threads={given.threads}",
                "training.sample_every=0",
            ],
            out=Path(name) / "run",
        )
        row = judge(run, heard_by)
        if given.keep is not None:
            kept = given.keep / "-".join(map(str, key.values())).replace("/", "-")
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(run.folder, kept)
    return row


if __name__ == "__main__":
    main()
