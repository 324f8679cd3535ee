"""Tang poems: bits per character against counts and a compressor, and verse that keeps its form.

    python benchmarks/text_tang.py
        # about 7 minutes on 2 cores; writes benchmarks/results/text_tang.json
    python benchmarks/text_tang.py --steps 50 --dry  # a smoke run

`text/ar` with the settings in SETTINGS on builtin/tang, trained by `castalia.train`; the counts are
mixed in by a gate, and network and mixture are judged from the one run. Held-out poems (by content
hash) are read whole, `end` included, and divided by their characters. The Kneser-Ney model reads
the same training poems; its order is the best on development poems. xz gets the held-out poems
behind the training poems, and only what they add counts. A sample is valid when all of it is lines
of five, or all of seven, Chinese characters, an even number of them, as modalities/text/verse.py
has it; the share of real held-out poems that are valid stands beside it. What a constraint cost is
-log of the mass that it left, in nats a poem.
"""

from __future__ import annotations

import argparse
import lzma
import math
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import castalia
from castalia.abilities import SampleOptions
from castalia.data.windows import Windows
from castalia.evaluation.base import wilson
from castalia.families.ar import Ar
from castalia.modalities.text.verse import HAN, Verse
from castalia.nn.kneser_ney import Counts
from castalia.run import Run
from castalia.spec import Batch
from castalia.training.setup import open_data
from machine import spread, write_result

SETTINGS: dict[str, Any] = {
    "codec.length": 96,
    "data.development": 0.05,
    "family.depth": 3,
    "family.dropout": 0.3,
    "family.counts": 3,
    "training.steps": 1000,
    "training.batch": 24,
    "training.precision": "bf16",
    "training.sample_every": 0,
}
ORDERS, SAMPLES, LONGEST = range(1, 7), 100, 256
FORMS = ("verse:5x4", "verse:5x8", "verse:7x4", "verse:7x4+rhyme")


def valid(poem: str) -> bool:
    """Whether a poem has one of the forms, whatever its number of lines."""
    lines = sum(poem.count(sign) for sign in "，。")
    return (
        lines > 0
        and lines % 2 == 0
        and any(_fits(poem, Verse(width, lines).form) for width in (5, 7))
    )


def _fits(poem: str, form: str) -> bool:
    return len(poem) == len(form) and all(
        any(low <= ord(character) <= high for low, high in HAN)
        if sign == "字"
        else character == sign
        for character, sign in zip(poem, form, strict=True)
    )


def per_character(side: Windows, characters: int, nats: Callable[[Batch], Tensor]) -> float:
    """Bits per character of all rows of a side; nats: a batch to (B,)."""
    total = sum(
        float(nats(side.take(rows)).double().sum()) for rows in torch.arange(len(side)).split(32)
    )
    return total / characters / math.log(2)


def kneser_ney(counts: Counts, poems: Iterable[Tensor], order: int) -> float:
    """Nats of whole poems."""
    return -sum(float(counts.score(poem[None], order=order)[0].double().sum()) for poem in poems)


def xz(train: str, held_out: str) -> float:
    """Bits that the held-out text adds."""
    size = [
        len(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
        for text in (train, train + held_out)
    ]
    return 8.0 * (size[1] - size[0])


def share(found: list[bool]) -> dict[str, float | int]:
    value = sum(found) / len(found)
    low, high = wilson(value, len(found))
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4), "n": len(found)}


def verse(run: Run, constraint: str | None, samples: int) -> dict[str, Any]:
    begun = time.perf_counter()
    found = castalia.sample(
        run, samples, 0, None, SampleOptions(length=LONGEST), constraint=constraint
    )
    costs = [one.facts["constraint_nats"] for one in found]
    return {
        "valid": share([valid(one.item) for one in found]),
        "nats_of_the_constraint": spread(costs, 2),
        "example": found[0].item,
        "seconds_each": round((time.perf_counter() - begun) / samples, 3),
    }


def judge(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    chosen = {
        **SETTINGS,
        "training.seed": seed,
        **({"training.steps": options.steps} if options.steps else {}),
    }
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        run = castalia.train("text/ar", "builtin/tang", chosen, out=Path(folder) / "run")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        model, dataset = run.model(), open_data(run)
        sides = {
            "train": dataset.train,
            "development": dataset.development,
            "held_out": dataset.validation,
        }
        poems = {
            name: [run.codec.decode(poem) for poem in side.documents()]
            for name, side in sides.items()
        }
        characters = {name: sum(map(len, texts)) for name, texts in poems.items()}
        if not isinstance(model, Ar):
            raise TypeError("the recipe's family is not 'ar'")
        counts, gate, held_out = model.counts, model.gate, dataset.validation
        bits = {"mixture": per_character(held_out, characters["held_out"], model.nats)}
        model.counts = model.gate = None
        bits["network"] = per_character(held_out, characters["held_out"], model.nats)
        model.counts, model.gate = counts, gate
        whole = Counts(run.spec.vocab, max(ORDERS), run.spec.begin).fit(dataset.train.documents())
        by_order = {
            order: kneser_ney(whole, dataset.development.documents(), order) for order in ORDERS
        }
        best = min(by_order, key=lambda order: by_order[order])
        bits["kneser_ney"] = (
            kneser_ney(whole, held_out.documents(), best) / characters["held_out"] / math.log(2)
        )
        bits["xz"] = (
            xz("\n\n".join(poems["train"]), "\n\n".join(poems["held_out"])) / characters["held_out"]
        )
        return {
            "seed": seed,
            "bits_per_character": {name: round(value, 4) for name, value in bits.items()},
            "order": best,
            "poems": {name: len(texts) for name, texts in poems.items()},
            "characters": characters,
            "valid_held_out": share([valid(text) for text in poems["held_out"]]),
            "free": verse(run, None, options.samples),
            "constrained": {form: verse(run, form, options.samples) for form in FORMS},
            "cpu_seconds": round(cpu, 1),
            "wall_seconds": round(wall, 1),
            "parameters": run.about["parameters"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="other than what SETTINGS says")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [judge(seed, options) for seed in options.seeds]
    if options.dry:
        print(*rows, sep="\n")
    else:
        write_result("text_tang", {"settings": SETTINGS, "rows": rows}, seeds=options.seeds)


if __name__ == "__main__":
    main()
