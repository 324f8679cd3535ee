"""One of two processes: trains tiny runs and writes the weights that its own rank ends with."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from castalia.recipe import load
from castalia.verbs import train as verb


def main(recipe: str, out: str, data: str, *overrides: str) -> None:
    torch.set_num_threads(1)
    kept = {}
    original = verb.fit

    def fit(trainer, hooks=()):
        original(trainer, hooks)
        kept.update(rank=trainer.device.rank, weights=trainer.family.state_dict())

    verb.fit = fit
    verb.train(load(recipe, data, list(overrides)), out=out)
    save_file(
        {name: value.contiguous() for name, value in kept["weights"].items()},
        Path(out) / f"rank{kept['rank']}.safetensors",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
