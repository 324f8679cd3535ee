"""Levels that are drawn: can each be solved, is it new, is it as hard as asked, what did it cost?

    python benchmarks/levels.py [--minutes 5] [--n 1000] [--others FOLDER]
        # adds what it measured to benchmarks/results/levels.json

Trained on the first thousand Sokoban levels of builtin/boxoban, one thread; the second thousand are
not seen. 1,000 levels that leave are checked by playing the solution in their facts by the rules of
the game, which this file has a second time. Bits per tile of the unseen levels stand beside
counting: the frequency of tiles, and a two-dimensional context (the tiles to the left, above, above
to the left and to the right; Witten-Bell interpolation from one to four of them). A copy is a level
that differs from a training level, as it is, mirrored or turned, in fewer of its tiles than 99% of
the unseen ones do.

--others: a folder with super_mario_bros and zelda_dungeons (Video Game Level Corpus);
a minute each.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import castalia
from castalia.data import builtin
from castalia.modalities.level.codec import LevelCodec
from castalia.modalities.level.copies import Levels
from castalia.modalities.level.level import Level
from castalia.run import Run
from castalia.sampling.generate import Sample, draw_tokens, generate, request_of
from castalia.spec import Batch
from machine import RESULTS, write_result

PATH = RESULTS / "levels.json"
STEP = {"l": (0, -1), "u": (-1, 0), "r": (0, 1), "d": (1, 0)}
BANDS = ("steps:5-9", "steps:10-14", "steps:15-19", "steps:20-29")
OTHERS = {
    "super_mario_bros": (
        "codec.rules=platformer",
        "codec.cut=14x28",
        "codec.stride=14x7",
        "codec.scan=columns",
    ),
    "zelda_dungeons": ("codec.rules=dungeon", "codec.cut=16x11"),
}


def played(level: Level, way: str) -> bool:
    """Whether the moves are allowed and leave every box on a target."""
    player = next(level.places("@+"))
    boxes, targets = set(level.places("$*")), set(level.places(".+*"))
    for letter in way:
        down, right = STEP[letter.lower()]
        to = (player[0] + down, player[1] + right)
        if level.rows[to[0]][to[1]] == "#" or (to in boxes) != letter.isupper():
            return False
        if letter.isupper():
            behind = (to[0] + down, to[1] + right)
            if behind in boxes or level.rows[behind[0]][behind[1]] == "#":
                return False
            boxes = (boxes - {to}) | {behind}
        player = to
    return boxes == targets


def contexts(level: Level) -> Iterator[tuple[str, str]]:
    """(tile, its four neighbours before it) of each place, the nearest first."""
    rim = "\0"
    for row, line in enumerate(level.rows):
        above = rim + (level.rows[row - 1] if row else rim * level.width) + rim
        for column, tile in enumerate(line):
            left = line[column - 1] if column else rim
            yield tile, left + above[column + 1] + above[column] + above[column + 2]


def counted_bits(training: Sequence[Level], unseen: Sequence[Level]) -> dict[str, float]:
    """Bits per tile of unseen levels by counting."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for level in training:
        for tile, context in contexts(level):
            for length in range(5):
                counts[context[:length]][tile] += 1
    tiles = len({tile for level in training for row in level.rows for tile in row})

    def probability(tile: str, context: str) -> float:
        seen = counts[context]
        below = probability(tile, context[:-1]) if context else 1 / tiles
        kinds, total = len(seen), seen.total()
        return (seen[tile] + kinds * below) / (total + kinds) if total else below

    found = {"frequencies": 0.0, "neighbours": 0.0}
    number = 0
    for level in unseen:
        for tile, context in contexts(level):
            found["frequencies"] -= math.log2(probability(tile, ""))
            found["neighbours"] -= math.log2(probability(tile, context))
            number += 1
    return {name: bits / number for name, bits in found.items()}


@torch.no_grad()
def model_bits(run: Run, unseen: Sequence[Level]) -> float:
    """Bits per tile of unseen levels by the model, from left to right."""
    model, codec = run.model(), run.codec
    rows = torch.stack([codec.encode(level).long() for level in unseen])
    nats = sum(float(model.nats(Batch(part)).sum()) for part in rows.split(50))
    return nats / math.log(2) / (rows.shape[1] - 1) / len(rows)


def drawn(run: Run, n: int, constraint: str | None = None) -> tuple[list[Sample], float]:
    """n samples, some of them perhaps with a flaw, and the processor time that they took."""
    begun = time.process_time()
    request = replace(request_of(run, n, 1), constraint=constraint)
    samples = list(generate(run, request, model=run.model()))
    return samples, time.process_time() - begun


def cost(samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """How many were asked for, left, and were drawn for them."""
    fit = [one for one in samples if "flaw" not in one.facts]
    draws = sum(one.facts["tries"] for one in samples)
    return {
        "asked": len(samples),
        "left": len(fit),
        "drawn": draws,
        "drawn_for_one": draws / max(1, len(fit)),
        "mended": sum("mended" in one.facts for one in fit),
        "cpu_seconds": seconds,
    }


def as_drawn(run: Run, n: int) -> dict[str, Any]:
    """How many of n can be solved before any is drawn again or mended."""
    completions = draw_tokens(
        run.model(), run.codec.spec, 2, 0, n, {}, request_of(run, 1).options, 64
    )
    levels = [run.codec.decode(torch.tensor(one.tokens)) for one in completions]
    return {"levels": n, "solvable": sum(run.codec.outcome(one).solved for one in levels)}


def copies(
    run: Run, samples: Sequence[Sample], training: Sequence[Level], unseen: Sequence[Level]
) -> dict[str, Any]:
    matcher = Levels(run.codec, training)
    new, made = (matcher.match(items).residual for items in (unseen, [one.item for one in samples]))
    threshold = float(new.quantile(0.01))
    return {
        "same": int((made == 0).sum()),
        "near": int((made < threshold).sum()),
        "threshold": threshold,
        "unseen_near": int((new < threshold).sum()),
        "median": float(made.median()),
        "unseen_median": float(new.median()),
        "different": len({one.item for one in samples}),
    }


def sokoban(minutes: float, n: int, folder: Path) -> dict[str, Any]:
    data = builtin.path("boxoban")
    training, unseen = (
        list(LevelCodec().read(data / f"{name}.txt.gz")) for name in ("train", "valid")
    )
    begun = time.process_time()
    run = castalia.train(
        "level/ar",
        data / "train.txt.gz",
        [f"training.minutes={minutes}", "training.threads=1", "training.sample_every=0"],
        out=folder / "sokoban",
    )
    trained = time.process_time() - begun
    samples, seconds = drawn(run, n)
    fit = [one for one in samples if "flaw" not in one.facts]
    solved = sum(played(one.item, one.facts["solution"]) for one in fit)
    bands = {}
    for band in BANDS:
        some, spent = drawn(run, n // 10, band)
        low, _, high = band.removeprefix("steps:").partition("-")
        left = [one for one in some if "flaw" not in one.facts]
        met = sum(
            int(low) <= sum(map(str.isupper, one.facts["solution"])) <= int(high)
            and played(one.item, one.facts["solution"])
            for one in left
        )
        bands[band] = {**cost(some, spent), "met": met}
    steps = sorted(one.facts["solution_steps"] for one in fit)
    real = sorted(run.codec.outcome(one).steps for one in unseen[:300])
    return {
        "minutes": minutes,
        "train_cpu_seconds": trained,
        "emitted": {**cost(samples, seconds), "solved_when_played": solved},
        "as_drawn": as_drawn(run, 500),
        "bits_per_tile": {**counted_bits(training, unseen), "model": model_bits(run, unseen)},
        "copies": copies(run, fit, training, unseen),
        "bands": bands,
        "pushes": {"median": steps[len(steps) // 2], "real": real[len(real) // 2]},
    }


def other(name: str, data: Path, minutes: float, n: int, folder: Path) -> dict[str, Any]:
    run = castalia.train(
        "level/ar",
        data,
        [
            *OTHERS[name],
            f"training.minutes={minutes}",
            "training.threads=1",
            "training.sample_every=0",
            "family.width=64",
        ],
        out=folder / name,
    )
    samples, seconds = drawn(run, n)
    fit = [one.item for one in samples if "flaw" not in one.facts]
    training = [
        piece
        for path in sorted(data.glob("*.txt"))
        if run.codec.claims(path.name)
        for piece in run.codec.read(path)
    ]
    return {
        "minutes": minutes,
        "emitted": {
            **cost(samples, seconds),
            "solved_again": sum(run.codec.outcome(one).solved for one in fit),
        },
        "as_drawn": as_drawn(run, 200),
        "real": {
            "levels": len(training),
            "solvable": sum(run.codec.outcome(one).solved for one in training),
        },
        "same": int((Levels(run.codec, training).match(fit).residual == 0).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--others", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = {"boxoban": sokoban(asked.minutes, asked.n, Path(folder))}
        for name in OTHERS if asked.others else ():
            results[name] = other(
                name, asked.others / name, min(1.0, asked.minutes), asked.n, Path(folder)
            )
    print(json.dumps(results, indent=1))
    write_result("levels", results, seeds=[0, 1])


if __name__ == "__main__":
    main()
