"""What the training loop costs: `castalia.training.loop.fit` against a bare hand-written loop of
the same model.

    python benchmarks/loop_overhead.py        # writes benchmarks/results/loop_overhead.json; exit
                                              code 1 under 90%

Same family, same batch size, same AdamW, same precision, same moving average. The bare loop indexes
a float tensor that lies ready in memory, checks nothing and logs nothing; `fit` reads the stream,
seeds every forward, checks the loss and logs every 20 steps. A checkpoint (with batch-norm
statistics recomputed for the averaged weights) is no part of the loop: its CPU seconds are given
beside, once per `training.save_every` steps. One thread, five rounds, interleaved.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from castalia.data.stream import Dataset, prepare
from castalia.families.base import Family
from castalia.recipe import Recipe, load
from castalia.registry import resolve
from castalia.run import Run
from castalia.spec import Batch
from castalia.training.device import open_device, resolve_precision
from castalia.training.hooks import Progress
from castalia.training.loop import fit, start
from machine import interleaved, spread, write_result

# recipe, steps of each round
RECIPES = {"vae-mlp": ("image/vae-mlp", 200), "vae": ("image/vae", 25), "gan": ("image/gan", 150)}
LEAST = 0.90


def bare(family: Family, dataset: Dataset, plan: Recipe, steps: int) -> None:
    """What one writes in a notebook for exactly this model."""
    config = plan.training
    real = dataset.train.take(range(len(dataset.train)))
    phases = family.phases()
    parameters = {
        phase.name: [p for name in phase.trains for p in family.get_submodule(name).parameters()]
        for phase in phases
    }
    rates = config.optimiser.rates
    optimisers = {
        name: torch.optim.AdamW(
            some,
            lr=rates.get(name, config.optimiser.rate),
            betas=config.optimiser.betas,
            weight_decay=config.optimiser.weight_decay,
            fused=True,
        )
        for name, some in parameters.items()
    }
    every = list(family.parameters())
    average = [p.detach().clone() for p in every]
    half = resolve_precision(config, family, torch.device("cpu")) == "bf16"
    family.train()
    order = torch.randperm(len(real.x))
    first = 0
    for _ in range(steps):
        if first + config.batch > len(order):
            order, first = torch.randperm(len(real.x)), 0
        rows = order[first : first + config.batch]
        first += config.batch
        x = real.x[rows].contiguous(memory_format=torch.channels_last)
        batch = Batch(x, cond={name: value[rows] for name, value in real.cond.items()})
        for phase in phases:
            if len(phases) > 1:
                for p in every:
                    p.requires_grad_(False)
                for p in parameters[phase.name]:
                    p.requires_grad_(True)
            optimisers[phase.name].zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                loss = family(batch, phase.name).total
            loss.backward()
            optimisers[phase.name].step()
        if config.ema:
            with torch.no_grad():
                torch._foreach_lerp_(average, every, 1 - config.ema)


def contestants(
    recipe: str, steps: int, folder: Path
) -> tuple[dict[str, Callable[[], float]], list[float]]:
    """Two functions that train from fresh weights and return CPU seconds; and a list that gets the
    seconds of each checkpoint.
    """
    plan = load(
        recipe,
        "builtin/fashion",
        {
            "training.steps": steps,
            "training.sample_every": 0,
            "training.threads": 1,
            "training.early_stop": None,
        },
    )
    codec = resolve("codec", plan.codec.name)(plan.codec.config)
    dataset = prepare(plan.data, codec)
    device = open_device(plan.training)
    made = iter(range(10**6))
    checkpoints: list[float] = []

    def family() -> Family:
        torch.manual_seed(0)
        return resolve("family", plan.family.name)(
            plan.family.config, dataset.spec, dataset.conditions
        )

    def castalia() -> float:
        trainer = start(family(), plan.training, dataset.train, dataset.validation, device, None)
        about = {
            "data": {"fingerprint": dataset.fingerprint},
            "precision": trainer.precision,
            "processes": 1,
            "parameters": 0,
            "recipe": plan.as_dict(),
        }
        trainer.run = Run.create(
            plan, codec, dataset.conditions, about, folder / f"{plan.family.name}-{next(made)}"
        )
        looped = 0.0

        def hook(progress: Progress) -> None:
            nonlocal looped
            # the last thing before the last checkpoint
            if progress.event == "log" and progress.step == steps:
                looped = time.process_time()

        begun = time.process_time()
        with trainer.run.writing():
            fit(trainer, [hook])
        checkpoints.append(time.process_time() - looped)
        return looped - begun

    def by_hand() -> float:
        model = family()
        begun = time.process_time()
        bare(model, dataset, plan, steps)
        return time.process_time() - begun

    return {"castalia": castalia, "bare": by_hand}, checkpoints


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, (recipe, steps) in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            functions, checkpoints = contestants(recipe, steps, Path(folder))
            seconds = interleaved(options.rounds, **functions)
        ratios = [
            hand / own for hand, own in zip(seconds["bare"], seconds["castalia"], strict=True)
        ]
        results[name] = {
            "steps": steps,
            "cpu_seconds": {who: spread(values) for who, values in seconds.items()},
            "relative_speed": spread(ratios),
            "checkpoint_cpu_seconds": spread(checkpoints),
            "least": LEAST,
        }
        print(f"{name:<8} castalia has {spread(ratios)['median']:.1%} of the bare loop's speed")
    write_result("loop_overhead", results, seeds=[0])
    return (
        1 if any(result["relative_speed"]["median"] < LEAST for result in results.values()) else 0
    )


if __name__ == "__main__":
    sys.exit(main())
