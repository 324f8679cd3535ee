"""Items per CPU second in fp32 and bf16, interleaved: the measurement behind `training.precision:
auto`.

python benchmarks/precision.py            # writes benchmarks/results/precision.json
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from castalia.recipe import load
from castalia.training.device import Solo
from castalia.training.loop import Trainer, start
from castalia.training.setup import build
from machine import write_result

CASES = {
    "gan": ("image/gan", []),
    "vae": ("image/vae", []),
    "vae-mlp": ("image/vae-mlp", []),
    "vaegan": ("image/vaegan", []),
}


def trainer_of(recipe: str, overrides: list[str], precision: str) -> Trainer:
    plan = load(recipe, "builtin/fashion", [*overrides, f"training.precision={precision}"])
    _, _, dataset, family = build(plan)
    return start(family, plan.training, dataset.train, dataset.validation, Solo(), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    results = {}
    for name, (recipe, overrides) in CASES.items():
        pair = {
            precision: trainer_of(recipe, overrides, precision) for precision in ("fp32", "bf16")
        }
        speeds: dict[str, list[float]] = {precision: [] for precision in pair}
        for round_ in range(options.rounds + 1):  # the first round warms up
            for precision, trainer in pair.items():
                begun = time.process_time()
                for _ in range(options.steps):
                    trainer.train_step()
                if round_:
                    speeds[precision].append(
                        options.steps * trainer.config.batch / (time.process_time() - begun)
                    )
        ratios = [bf16 / fp32 for fp32, bf16 in zip(speeds["fp32"], speeds["bf16"], strict=True)]
        results[name] = {
            "items_per_cpu_second": {
                precision: statistics.median(values) for precision, values in speeds.items()
            },
            "bf16_over_fp32": {
                "median": statistics.median(ratios),
                "min": min(ratios),
                "max": max(ratios),
            },
            "auto": pair["fp32"].family and _auto(recipe),
        }
    write_result("precision", {"threads": torch.get_num_threads(), "cases": results}, seeds=[0])


def _auto(recipe: str) -> str:
    """What `auto` chooses for this recipe on this machine."""
    return trainer_of(recipe, [], "auto").precision


if __name__ == "__main__":
    main()
