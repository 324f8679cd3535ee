"""Tiny Shakespeare in ten minutes on two cores: the network alone, its mixture with the counts, and
the counts alone.

    python benchmarks/text_ten_minutes.py --seeds 0 1 2 --threads 2
        about 35 minutes; writes benchmarks/results/text_ten_minutes.json
    python benchmarks/text_ten_minutes.py --seeds 1 --threads 1
        one seed on one core, added to the same file

`text/ar-mixed` as it ships, all of its steps, trained by `castalia.train` on the first 90% of the
characters; nothing is chosen by the rest. Judged on *all* of the last 10%, in blocks of 256
predictions that do not overlap, each with one character of context before it, in nats per
character. The network alone and the mixture come from one run. `cpu_seconds` is of the whole
training process: two cores for ten minutes are 1,200.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import castalia
from castalia.codecs.base import Codec
from castalia.data import builtin
from castalia.families.ar import Ar
from castalia.nn.kneser_ney import Counts
from castalia.spec import Batch
from machine import RESULTS, write_result

RECIPE, BLOCK, LIMIT = "text/ar-mixed", 256, 1200.0
GOALS = {"network": 1.48, "mixture": 1.41}
EXACT = {"codec.close": False, "codec.unknown": "error"}  # the 65 characters and nothing else


def shakespeare() -> tuple[str, str]:
    """First 90% and last 10% of the characters."""
    text = gzip.decompress((builtin.path("shakespeare") / "input.txt.gz").read_bytes()).decode()
    cut = int(0.9 * len(text))
    return text[:cut], text[cut:]


def blocks(codec: Codec[Any], text: str, size: int) -> Tensor:
    """(n, size + 1) int64: rows that share one token with the row before."""
    ids = codec.encode(text).long()[1:]
    return ids[: (len(ids) - 1) // size * size + 1].unfold(0, size + 1, size)


def per_character(model: Ar, rows: Tensor) -> float:
    """Mean nats over all predictions of the rows, in float32."""
    return sum(float(model.token_nats(Batch(part)).double().sum()) for part in rows.split(64)) / (
        rows.shape[0] * (rows.shape[1] - 1)
    )


def judge(seed: int, folder: Path, train: str, held_out: str) -> dict[str, Any]:
    file = folder / "train.txt"
    file.write_text(train, encoding="utf-8", newline="")
    cpu, wall = time.process_time(), time.perf_counter()
    run = castalia.train(
        RECIPE,
        file,
        {**EXACT, "training.minutes": None, "training.seed": seed, "training.sample_every": 0},
        out=folder / f"seed-{seed}",
    )
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    model, rows = run.model(), blocks(run.codec, held_out, BLOCK)
    if not isinstance(model, Ar):
        raise TypeError("the recipe's family is not 'ar'")
    result = {"seed": seed, "mixture": per_character(model, rows)}
    counts = model.counts
    model.counts = model.gate = None
    result["network"] = per_character(model, rows)
    order = counts.order if counts is not None else 6
    whole = Counts(run.spec.vocab, order, run.spec.begin).fit([run.codec.encode(train).long()])
    result["counts"] = -float(
        torch.cat([whole.score(part)[0] for part in rows.split(64)]).double().mean()
    )
    return result | {
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(wall, 1),
        "threads": torch.get_num_threads(),
        "parameters": run.about["parameters"],
        "characters": rows.numel() - len(rows),
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--out", type=Path, default=RESULTS)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    train, held_out = shakespeare()
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = judge(seed, Path(folder), train, held_out)
        print(json.dumps(found), flush=True)
        path = given.out / "text_ten_minutes.json"
        rows = (
            json.loads(path.read_text(encoding="utf-8"))["results"]["rows"] if path.exists() else []
        )
        rows = sorted(
            [row for row in rows if row["seed"] != seed] + [found], key=lambda row: row["seed"]
        )
        results = {
            "recipe": RECIPE,
            "block": BLOCK,
            "limit_cpu_seconds": LIMIT,
            "goals": GOALS,
            "rows": rows,
        }
        write_result(
            "text_ten_minutes", results, seeds=[row["seed"] for row in rows], folder=given.out
        )


if __name__ == "__main__":
    main()
