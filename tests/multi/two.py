"""One of two processes: trains tiny runs and writes the weights that its own rank ends with."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import castalia.verbs.make as workflow
from castalia.recipe import load


def main(recipe: str, out: str, data: str, *overrides: str) -> None:
    torch.set_num_threads(1)
    kept = {}
    original = workflow.fit

    def fit(trainer, hooks=()):
        original(trainer, hooks)
        kept.update(rank=trainer.device.rank, weights=trainer.family.state_dict())

    workflow.fit = fit
    workflow.train(load(recipe, data, list(overrides)), out=out)
    save_file(
        {name: value.contiguous() for name, value in kept["weights"].items()},
        Path(out) / f"rank{kept['rank']}.safetensors",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
