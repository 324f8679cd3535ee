"""A VAE of sentences beside the exact model of equal size: bound, information in the latent,
reconstruction, what lies between two sentences.

    python benchmarks/seqvae.py --copy FILE.csv
        # FILE: restaurant copy of the E2E challenge (devset), column ref; about 15 CPU minutes
    python benchmarks/seqvae.py --steps 30 --dry    # a smoke run on the poems alone

On lines of Tang poems (builtin/tang) and on --copy: `text/seqvae`, the same without its guards (no
free bits, no cycles: the ablation), and `text/ar` with as many blocks as encoder and decoder have
together. All train for the same steps on the same rows. Held-out rows are read whole, `end`
included. The bound is by 32 draws; mutual information as Hoffman & Johnson 2016; interpolants are
the inner three of five on great circles between the latents of random held-out pairs, written by
the likeliest token, and judged by the exact model beside real rows. A finished run under
.benchmark/seqvae is kept.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch

import castalia
from castalia.data.stream import Dataset
from castalia.evaluation.base import mean_interval
from castalia.families.ar import Ar
from castalia.families.seqvae import SeqVae
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.sampling.latent_edits import interpolate
from castalia.spec import Batch
from castalia.training.setup import open_data, parameter_count
from machine import HERE, write_result

WORK = HERE.parent / ".benchmark" / "seqvae"
TRAINING: dict[str, Any] = {
    "training.batch": 32,
    "training.precision": "bf16",
    "training.threads": 1,
    "training.sample_every": 0,
    "training.ema": 0.0,
    "training.optimiser.rate": 2e-3,
    "training.optimiser.muon_rate": 0.01,
    "family.width": 128,
    "family.heads": 4,
    "family.dropout": 0.1,
    "data.pack": False,
}
DATA: dict[str, dict[str, Any]] = {
    "Tang lines": {"codec.tokenizer": "char", "codec.document": "line", "codec.length": 24},
    "restaurant copy": {
        "codec.tokenizer": "bpe",
        "codec.vocab": 1000,
        "codec.document": "auto",
        "codec.length": 64,
        "codec.field": "ref",
    },
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("text/ar", {"family.depth": 4}),
    "seqvae": ("text/seqvae", {"family.depth": 3, "family.encoder_depth": 1}),
    "without guards": (
        "text/seqvae",
        {
            "family.depth": 3,
            "family.encoder_depth": 1,
            "family.free_bits": 0.0,
            "family.kl_cycles": 0,
            "family.word_dropout": 0.0,
        },
    ),
}
ROWS, PAIRS, INNER = 500, 60, (1, 2, 3)


def trained(data: str, source: str, name: str, steps: int) -> Run:
    folder = WORK / f"{data.replace(' ', '-')}-{name.replace(' ', '-')}-{steps}"
    recipe, own = MODELS[name]
    if (folder / "run.json").exists():
        return castalia.resume(Run.open(folder))
    return castalia.train(
        recipe, source, TRAINING | DATA[data] | own | {"training.steps": steps}, out=folder
    )


def held_out(dataset: Dataset, most: int) -> Batch:
    side = dataset.validation
    return side.take(torch.linspace(0, len(side) - 1, min(most, len(side))).long().unique())


def judged(data: str, source: str, steps: int) -> dict[str, Any]:
    runs, seconds = {}, {}
    for name in MODELS:
        begun = time.process_time()
        runs[name] = trained(data, source, name, steps)
        seconds[name] = round(time.process_time() - begun, 1)
    dataset = open_data(runs["exact"])
    batch, codec = held_out(dataset, ROWS), dataset.codec
    characters = sum(len(codec.decode(row)) for row in batch.x)
    exact = runs["exact"].model()
    assert isinstance(exact, Ar)
    truth = exact.nats(batch)
    found: dict[str, Any] = {
        "data": data,
        "rows": len(batch.x),
        "exact": {
            "bits_per_character": _bits(truth, characters),
            "parameters": parameter_count(exact),
        },
        "cpu_seconds": seconds,
    }
    for name in ("seqvae", "without guards"):
        model = runs[name].model()
        assert isinstance(model, SeqVae)
        facts = model.report(batch)
        bound = facts["nats"] * len(batch.x)
        found[name] = {
            **{key: round(value, 4) for key, value in facts.items()},
            "bits_per_character": round(bound / math.log(2) / characters, 4),
            "above_exact": round(bound / float(truth.double().sum()) - 1, 4),
            "parameters": parameter_count(model),
        }
    found["between"] = between(runs["seqvae"], exact, dataset)
    return found


def between(run: Run, exact: Ar, dataset: Dataset) -> dict[str, Any]:
    """Nats per token, under the exact model, of interpolants and of real rows, and a few paths to
    read.
    """
    model, codec = run.model(), dataset.codec
    side = dataset.validation
    picked = torch.randperm(len(side), generator=generator("pairs", 0))[: 2 * PAIRS]
    paths, texts = [], []
    for pair in picked.view(-1, 2):
        rows = interpolate(model, side.take(pair).x, {}, steps=5)
        paths.append(rows[list(INNER)])
        texts.append(
            [
                codec.decode(row)
                for row in (side.take(pair[:1]).x[0], *rows[1:4], side.take(pair[1:]).x[0])
            ]
        )
    made, real = _per_token(exact, torch.cat(paths)), _per_token(exact, side.take(picked).x)
    mean, low, high = mean_interval(made)
    reference, below, above = mean_interval(real)
    return {
        "interpolants": {"value": round(mean, 4), "low": round(low, 4), "high": round(high, 4)},
        "real": {"value": round(reference, 4), "low": round(below, 4), "high": round(above, 4)},
        "worse_by": round(mean - reference, 4),
        "different": round(
            len({text for path in texts for text in path[1:-1]}) / (3 * len(texts)), 4
        ),
        "paths": texts[:4],
    }


def _per_token(exact: Ar, x: torch.Tensor) -> torch.Tensor:
    return exact.nats(Batch(x)) / (x[:, 1:] != exact.spec.begin).sum(1)


def _bits(nats: torch.Tensor, characters: int) -> float:
    return round(float(nats.double().sum()) / math.log(2) / characters, 4)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--copy", type=Path, help="a table of restaurant copy, column ref")
    options.add_argument("--steps", type=int, default=800)
    options.add_argument("--dry", action="store_true", help="write nothing")
    given = options.parse_args()
    torch.set_num_threads(1)
    WORK.mkdir(parents=True, exist_ok=True)
    sources = {"Tang lines": "builtin/tang"} | (
        {"restaurant copy": str(given.copy)} if given.copy else {}
    )
    rows = []
    for data, source in sources.items():
        rows.append(judged(data, source, given.steps))
        print(rows[-1], flush=True)
        if not given.dry and len(rows) == len(DATA):
            write_result("seqvae", {"steps": given.steps, "rows": rows}, seeds=[0])


if __name__ == "__main__":
    main()
