"""Tuning on Tang poems: more quatrains that keep their form, and what that costs in bits per
character.

    python benchmarks/preference.py --work FOLDER
        # about 15 minutes of one core; writes benchmarks/results/preference.json
    python benchmarks/preference.py --work FOLDER --seeds 1 --part
        # one seed; a later run without --part finds it there

A `text/ar` model is trained on builtin/tang (BASE). From it start, once for each seed:
`text/reward` with the rules in RULES and the recipe's leash; the same without a leash; and
`text/dpo` on pairs of the model's own samples, a quatrain preferred to a text that is none. All are
judged by SAMPLES unconstrained samples at temperature 1, from seeds that no training used: the
share that is a quatrain (four lines of five, or all of seven, Chinese characters,
modalities/text/verse.py) with its 95% Wilson interval, the share of poems that keep any form, and
the variety of the quatrains (different pairs of neighbouring characters, over all pairs, of the
first DISTINCT ones). Bits per character are those of held-out poems, `end` included. The learning
rate of text/reward is one between two that were tried on seed 0, when their held-out loss was seen;
that of text/dpo was not tried. So --others gives poems that nobody looked at, a table with the
column `lines` (the three hundred Tang poems of chinese-poetry): those of them that do not stand in
builtin/tang are read whole, too.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import castalia
from castalia.abilities import SampleOptions
from castalia.constraints.rewards import rule
from castalia.run import Run
from castalia.spec import Batch
from castalia.training.setup import open_data
from machine import spread, write_result
from text_tang import per_character, share, valid

BASE: dict[str, Any] = {
    "codec.length": 96,
    "family.depth": 3,
    "family.dropout": 0.3,
    "training.steps": 700,
    "training.batch": 24,
    "training.precision": "bf16",
    "training.sample_every": 0,
    "training.threads": 1,
}
COMMON: dict[str, Any] = {
    "training.precision": "bf16",
    "training.sample_every": 0,
    "training.threads": 1,
}
RULES = ["verse:5x4", "verse:7x4"]
REWARD: dict[str, Any] = {"training.reward.rules": RULES, "training.reward.length": 40}
DPO: dict[str, Any] = {"training.steps": 60}
SAMPLES, LONGEST, DISTINCT = 500, 128, 100
DRAWN, PAIRS = 1024, 384  # samples that pairs are made of, and pairs at most
LIMIT = 0.03  # what bits per character may rise by


def quatrain(poem: str) -> bool:
    return any(rule(text)(poem) == 1.0 for text in RULES)


def poems(run: Run, count: int, seed: int) -> list[str]:
    return [
        one.item for one in castalia.sample(run, count, seed, None, SampleOptions(length=LONGEST))
    ]


def judge(run: Run, seed: int) -> dict[str, Any]:
    found, data = (
        poems(run, SAMPLES, 1_000_000 + seed),
        open_data(Run.open(run.recipe.start_from or run.folder)),
    )
    held_out = [run.codec.decode(poem) for poem in data.validation.documents()]
    quatrains = [poem for poem in found if quatrain(poem)]
    model = run.model()
    facts = {
        "quatrains": share([quatrain(poem) for poem in found]),
        "any_form": share([valid(poem) for poem in found]),
        "distinct": distinct(quatrains),
        "bits_per_character": round(
            per_character(data.validation, sum(map(len, held_out)), model.nats), 4
        ),
        "example": quatrains[0] if quatrains else "",
    }
    tuning = run.folder / "eval" / "tuning.json"
    return facts | (
        {"tuning": json.loads(tuning.read_text(encoding="utf-8"))} if tuning.exists() else {}
    )


def elsewhere(run: Run, table: Path) -> dict[str, float | int]:
    """Bits per character of the poems of a table, none of whose beginnings of lines stand in
    builtin/tang.
    """
    known = "".join(run.codec.decode(poem) for side in _sides(run) for poem in side.documents())
    rows = [json.loads(line)["lines"] for line in table.read_text(encoding="utf-8").splitlines()]
    texts = ["\n".join(lines) for lines in rows if not any(line[:10] in known for line in lines)]
    nats, model = 0.0, run.model()
    for first in range(0, len(texts), 32):
        rows_of = [
            run.codec.encode(text).long()[: run.codec.spec.length + 1]
            for text in texts[first : first + 32]
        ]
        x = torch.nn.utils.rnn.pad_sequence(
            rows_of, batch_first=True, padding_value=run.codec.spec.begin
        )
        nats += float(model.nats(Batch(x)).double().sum())
    characters = sum(min(len(text), run.codec.spec.length) for text in texts)
    return {"poems": len(texts), "bits_per_character": round(nats / characters / math.log(2), 4)}


def _sides(run: Run) -> tuple[Any, ...]:
    """Of builtin/tang, whatever the run learned from."""
    data = open_data(Run.open(run.recipe.start_from or run.folder))
    return data.train, data.validation


def distinct(found: list[str]) -> float | None:
    """None where there are too few."""
    pairs = [poem[place : place + 2] for poem in found[:DISTINCT] for place in range(len(poem) - 1)]
    return round(len(set(pairs)) / len(pairs), 4) if len(found) >= DISTINCT else None


def write_pairs(run: Run, path: Path, seed: int) -> int:
    """Pairs of the run's own samples, in random order; the number of pairs."""
    drawn = poems(run, DRAWN, 2_000_000 + seed)
    good, bad = (
        [poem for poem in dict.fromkeys(drawn) if quatrain(poem) is wanted]
        for wanted in (True, False)
    )
    random.Random(seed).shuffle(bad)
    rows = [
        {"prompt": "", "chosen": one, "rejected": other}
        for one, other in zip(good[:PAIRS], bad, strict=False)
    ]
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return len(rows)


def trained(
    recipe: str, data: str, settings: dict[str, Any], out: Path
) -> tuple[Run, float | None]:
    """The run, and the CPU seconds that it took here; None where it was there already."""
    if (out / "run.json").exists():
        return castalia.resume(out), None
    begun = time.process_time()
    return castalia.train(recipe, data, {"training.minutes": None} | settings, out=out), round(
        time.process_time() - begun, 1
    )


CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "reward": ("text/reward", REWARD),
    "no_leash": ("text/reward", {**REWARD, "training.reward.kl": 0.0}),
    "dpo": ("text/dpo", DPO),
}


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds, or what is made and put there."""
    if not path.exists():
        path.write_text(json.dumps(make(), ensure_ascii=False), encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def beginning(work: Path) -> dict[str, Any]:
    """The run that all start from, and the pairs of its samples."""
    run, seconds = trained("text/ar", "builtin/tang", BASE, work / "base")
    return judge(run, 0) | {
        "pairs": write_pairs(run, work / "pairs.jsonl", 0),
        "cpu_seconds": seconds,
    }


def contest(name: str, seed: int, work: Path) -> dict[str, Any]:
    recipe, settings = CONTESTANTS[name]
    data = str(work / "pairs.jsonl") if name == "dpo" else "builtin/tang"
    own = {**COMMON, "start_from": str(work / "base"), "training.seed": seed}
    run, seconds = trained(recipe, data, {**own, **settings}, work / f"{name}-{seed}")
    return judge(run, seed) | {"seed": seed, "cpu_seconds": seconds}


def reached(row: dict[str, Any], base: dict[str, Any]) -> bool:
    """Intervals apart, and the bits within their limit."""
    return bool(row["quatrains"]["low"] > base["quatrains"]["high"] and row["rise"] <= LIMIT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        help="a folder for the runs; what is there already is not trained again",
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--part", action="store_true", help="leave the rows in the folder, write no result"
    )
    parser.add_argument(
        "--others", type=Path, help="a table of poems from elsewhere, with a column of lines"
    )
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    base = kept(options.work / "base.json", lambda: beginning(options.work))
    rows = {
        name: [
            kept(options.work / f"{name}-{seed}.json", partial(contest, name, seed, options.work))
            for seed in options.seeds
        ]
        for name in options.only
    }
    if options.part:
        return
    if options.others is not None:
        base["others"] = elsewhere(Run.open(options.work / "base"), options.others)
    summary: dict[str, Any] = {}
    for name, found in rows.items():
        for row in found:
            row["rise"] = round(row["bits_per_character"] / base["bits_per_character"] - 1, 4)
            if options.others is not None:
                row["others"] = elsewhere(
                    Run.open(options.work / f"{name}-{row['seed']}"), options.others
                )
                row["others_rise"] = round(
                    row["others"]["bits_per_character"] / base["others"]["bits_per_character"] - 1,
                    4,
                )
        summary[name] = {
            "quatrains": spread([row["quatrains"]["value"] for row in found]),
            "rise": spread([row["rise"] for row in found]),
            **(
                {}
                if options.others is None
                else {"others_rise": spread([row["others_rise"] for row in found])}
            ),
            "reached": all(reached(row, base) for row in found),
        }
    settings = {"base": BASE, "reward": REWARD, "dpo": DPO, "limit": LIMIT}
    write_result(
        "preference",
        {"settings": settings, "summary": summary, "base": base, **rows},
        seeds=options.seeds,
    )


if __name__ == "__main__":
    main()
