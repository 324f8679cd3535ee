"""JSB chorales, the classic benchmark of polyphonic music: exact nats a step of an 88-key roll in
quarter notes.

    python benchmarks/jsb_chorales.py --data DIR
        # trains on each of SEEDS; writes benchmarks/results/jsb_chorales.json
    python benchmarks/jsb_chorales.py --data DIR --run RUN --cpu S ...
        # judges runs that were trained so before, in S CPU seconds each
    python benchmarks/jsb_chorales.py --data DIR --still
        # the same without transposition, as the literature trains; jsb_chorales_still.json

DIR holds jsb-chorales-quarter.json of github.com/czhuang/JSB-Chorales-dataset ({"train": [[[pitch,
...], ...], ...], "valid": ...}). `music/ar-chords` is trained on the 229 training pieces and judged
on the 76 validation pieces; nothing was chosen by these: its settings are those of the recipe. The
number is the sum of nats over all steps of all pieces, the first step included, divided by the
steps. Notes of a step are written in rising order, one spelling for each set of notes, and the
grammar renormalises, so a step's probabilities sum to 1 over all sets of at most four notes and
slots left empty cost nothing. That a piece ends is asked apart. "averaged" is a mixture over twelve
keys (evaluation/step_likelihood.py). Baselines: a Bernoulli for each key, and Kneser-Ney counts of
the same tokens in all keys, their order chosen on every tenth training piece.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import castalia
from castalia.evaluation.base import mean_interval
from castalia.evaluation.step_likelihood import StepNats, step_nats
from castalia.families.ar import Ar
from castalia.modalities.music.files import score_lines
from castalia.modalities.music.score import Note, Part, Score
from castalia.nn.kneser_ney import Counts
from castalia.run import Run
from castalia.spec import Batch, Tokens
from machine import spread, write_result

SETTINGS: dict[str, Any] = {
    "data.validation": 0.0,
    "training.steps": 2200,
    "training.threads": 1,
    "training.precision": "bf16",
    "training.sample_every": 0,
}
STILL: dict[str, Any] = {
    "data.augment": [],
    "training.steps": 500,
}  # fixed beforehand: without transposition a model has learned its pieces by heart sooner
# CPU seconds: ten minutes on two cores. A run that took longer is judged at the last checkpoint
# within it, and at its end
BUDGET = 1200
SEEDS, ORDERS, ROWS, KEYS = (0, 1, 2), range(2, 10), 19, 88
# on the test part, without transposition
PUBLISHED = {"TCN (Bai et al. 2018)": 8.10, "RNN-NADE (Boulanger-Lewandowski et al. 2012)": 5.56}
GOALS = {"plain": 4.5, "averaged": 4.1}


def score_of(steps: Sequence[Sequence[int]]) -> Score:
    """One tick a quarter note, every note a quarter note long."""
    return Score(
        (
            Part(
                "chords",
                notes=tuple(
                    Note(step, 1, pitch)
                    for step, chord in enumerate(steps)
                    for pitch in sorted(set(chord))
                ),
            ),
        ),
        1,
    )


def rows_of(run: Run, scores: Sequence[Score]) -> list[Batch]:
    """Whole pieces, of about one length together, filled up with `begin`."""
    spec = run.spec
    assert isinstance(spec, Tokens)
    rows = sorted((run.codec.encode(score).long() for score in scores), key=len)
    found = []
    for first in range(0, len(rows), ROWS):
        part = rows[first : first + ROWS]
        x = torch.full((len(part), max(map(len, part))), spec.begin)
        for place, row in enumerate(part):
            x[place, : len(row)] = row
        found.append(Batch(x[:, : spec.length + 1]))
    return found


def interval(found: StepNats) -> dict[str, Any]:
    """Nats a step over all steps; the interval by leaving out groups of pieces."""
    total, steps = float(found.nats.sum()), float(found.steps.sum())
    _, low, high = mean_interval(
        (found.nats - total / steps * found.steps) / (steps / len(found.steps))
    )
    return {
        "value": round(total / steps, 4),
        "interval": [round(total / steps + low, 4), round(total / steps + high, 4)],
        "steps": round(steps),
    }


def bernoulli(train: Sequence[Any], held_out: Sequence[Any]) -> float:
    """Nats a step of independent keys, each as often as in the training pieces (one more step with
    and without it).
    """
    rolls = [torch.zeros(sum(map(len, side)), KEYS) for side in (train, held_out)]
    for roll, side in zip(rolls, (train, held_out), strict=True):
        for step, chord in enumerate(chord for piece in side for chord in piece):
            roll[step, [pitch - 21 for pitch in chord]] = 1
    share = (rolls[0].double().sum(0) + 1) / (len(rolls[0]) + 2)
    return float(-(rolls[1] * share.log() + (1 - rolls[1]) * (1 - share).log()).sum(1).mean())


def kneser_ney(
    run: Run, train: Sequence[Score], batches: Sequence[Batch], copies: bool
) -> tuple[float, int]:
    """(nats a step, order)."""
    spec = run.spec
    assert isinstance(spec, Tokens)
    rows = [run.codec.encode(score).long() for score in train]
    maps: list[Tensor] = run.codec.symmetries() if copies else [torch.arange(spec.vocab)]

    def fitted(chosen: Sequence[Tensor]) -> Counts:
        return Counts(spec.vocab, max(ORDERS), spec.begin).fit(
            images[row] for row in chosen for images in maps
        )

    def nats(counts: Counts, x: Tensor, order: int) -> Tensor:
        inside = (x[:, 1:] != spec.begin) & (x[:, 1:] != spec.end)
        return torch.stack(
            [-(counts.score(x, order=order)[0].double() * inside).sum(), inside.sum() / spec.period]
        )

    small = fitted([row for place, row in enumerate(rows) if place % 10 != 9])
    by_order = {
        order: float(sum(nats(small, row[None], order)[0] for row in rows[9::10]))
        for order in ORDERS
    }
    best = min(by_order, key=lambda order: by_order[order])
    counts = fitted(rows)
    total = sum(nats(counts, batch.x, best) for batch in batches)
    assert isinstance(total, Tensor)
    return float(total[0] / total[1]), best


def judged(run: Run, held_out: Sequence[Score], step: int | None = None) -> dict[str, Any]:
    model = run.model(step=step) if step is not None else run.model()
    assert isinstance(model, Ar) and isinstance(run.spec, Tokens)
    batches = rows_of(run, held_out)
    with torch.inference_mode():
        plain = step_nats(model, batches, run.spec)
        mixed = step_nats(model, batches, run.spec, run.codec.symmetries())
    return {
        "plain": interval(plain),
        "averaged": interval(mixed),
        "end_of_a_piece": round(float(plain.ends.mean()), 3),
        "nats_a_note": round(float(plain.nats.sum()) / sum(score.count for score in held_out), 4),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of jsb-chorales-quarter.json"
    )
    parser.add_argument(
        "--run", type=Path, action="append", default=[], help="a run that was trained before"
    )
    parser.add_argument(
        "--cpu",
        type=float,
        action="append",
        default=[],
        help="CPU seconds that it took, where they were measured",
    )
    parser.add_argument("--still", action="store_true", help="without transposition")
    parser.add_argument("--steps", type=int, help="training steps, for a smoke run")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    data = json.loads((options.data / "jsb-chorales-quarter.json").read_text(encoding="utf-8"))
    train, held_out = ([score_of(piece) for piece in data[side]] for side in ("train", "valid"))
    settings = (
        SETTINGS
        | (STILL if options.still else {})
        | ({"training.steps": options.steps} if options.steps else {})
    )
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        score_lines.write(Path(folder) / "train.pieces", train)
        for seed in range(len(options.run)) if options.run else SEEDS:
            if options.run:
                run, cpu = (
                    Run.open(options.run[seed]),
                    options.cpu[seed] if seed < len(options.cpu) else math.nan,
                )
            else:
                begun = time.process_time()
                chosen = settings | {"training.seed": seed}
                run = castalia.train(
                    "music/ar-chords",
                    Path(folder) / "train.pieces",
                    chosen,
                    out=Path(folder) / f"run-{seed}",
                )
                cpu = time.process_time() - begun
            rows.append(
                {
                    "seed": run.recipe.training.seed,
                    "step": run.last_step,
                    "training_cpu_seconds": None if math.isnan(cpu) else round(cpu),
                    **judged(run, held_out),
                }
            )
            print(rows[-1])
        counts, order = kneser_ney(run, train, rows_of(run, held_out), not options.still)
    within = [row for row in rows if (row["training_cpu_seconds"] or 0) <= BUDGET] or rows
    results = {
        "settings": settings,
        "pieces": {"train": len(train), "validation": len(held_out)},
        "rows": rows,
        "plain": spread([row["plain"]["value"] for row in within], 3),
        "averaged": spread([row["averaged"]["value"] for row in within], 3),
        "baselines": {
            "bernoulli": round(bernoulli(data["train"], data["valid"]), 3),
            "kneser_ney": round(counts, 3),
            "order": order,
        },
        "published": PUBLISHED,
        "goals": GOALS,
        "budget_cpu_seconds": BUDGET,
        "reached": {
            name: max(row[name]["value"] for row in within) <= goal for name, goal in GOALS.items()
        },
    }
    if not options.dry and not options.steps:
        write_result(
            "jsb_chorales_still" if options.still else "jsb_chorales",
            results,
            seeds=sorted({row["seed"] for row in rows}),
        )
    else:
        print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
