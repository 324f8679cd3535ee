"""Runs of small models with random weights, made without training: what export, serving and loading
are tried with.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from castalia import recipe, registry
from castalia.run import Run
from castalia.spec import Condition

SMALL_TEXT = (
    "family.width=32",
    "family.depth=2",
    "family.heads=4",
    "codec.length=48",
    "codec.vocab=320",
)


def untrained(
    folder: Path,
    title: str,
    items: Iterable[Any],
    *overrides: str,
    conditions: dict[str, Condition] | None = None,
) -> Run:
    """A run of the recipe `title` with one checkpoint; its codec has seen `items`. Norms are near
    1, all other weights N(0, 0.3).
    """
    plan = recipe.load(title, overrides=["data.source=x", *overrides])
    codec = registry.resolve("codec", plan.codec.name)(plan.codec.config)
    codec.fit(items)
    about = {
        "data": {"fingerprint": "f", "licence": "CC0-1.0"},
        "parameters": 1000,
        "precision": "fp32",
        "recipe": plan.as_dict(),
    }
    run = Run.create(plan, codec, conditions or {}, about, folder)
    model = run.build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for name, parameter in model.named_parameters():
            near = 1.0 if name.endswith(("norm.weight", "q_norm", "k_norm")) else 0.0
            torch.nn.init.normal_(parameter, near, 0.3)
    run.save(1, {"model": dict(model.state_dict())}, {}, keep=1)
    return run
