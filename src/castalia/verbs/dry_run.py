"""Dry runs: forecast a training from a few real steps on part of the data (`castalia train
--dry-run`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from castalia import registry
from castalia.abilities import Decodes, SampleOptions
from castalia.data import cache
from castalia.data.source import Source, open_source
from castalia.data.stream import Dataset, Split
from castalia.progress import stage
from castalia.recipe import Recipe
from castalia.recipe_sections import TrainConfig
from castalia.run import Run, dump
from castalia.sampling.generate import draw_tokens
from castalia.sampling.previews import TEXTS, drawn
from castalia.spec import Tokens
from castalia.training import objective_setup
from castalia.training.device import open_device
from castalia.training.loop import Stopwatch, memory_mb, start
from castalia.training.setup import build, new_family, parameter_count
from castalia.training.time_budget import SHEETS
from castalia.training.time_forecast import pace_of, planned_steps

# of the data that are read for an estimate
MOST_ITEMS, LEAST_ITEMS, MOST_BYTES = 2000, 64, 40 << 20
TOKENS = 32  # of a text that is drawn for an estimate


@dataclass(frozen=True)
class Estimate:
    """What a run will take: `steps` on `threads` CPU threads. Seconds of CPU over all threads;
    memory is the peak of the whole process in MB.
    """

    recipe: Recipe
    spec: Any
    parameters: int
    items: int
    steps: int
    threads: int
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    precision: str


def rehearse(recipe: Recipe, *, steps: int = 1) -> Estimate:
    """A few real steps (`steps` or more), one sheet, one checkpoint in memory and no files."""
    with Stopwatch() as listing:
        share, plan = sampled(recipe)
    with Stopwatch() as setup:
        parent = None if plan.start_from is None else Run.open(plan.start_from)
        plan, codec, dataset, family = build(plan, parent)
    with Stopwatch() as making:
        device = open_device(plan.training)
        objective = objective_setup.objective(
            plan,
            codec,
            dataset,
            family,
            lambda: new_family(plan, dataset.spec, dataset.conditions, parent),
        )
        trainer = start(
            family,
            plan.training,
            dataset.train,
            dataset.validation,
            device,
            None,
            dataset.development,
            objective,
        )
    pace = pace_of(trainer, least=steps)
    with stage("drawing a sample sheet"), Stopwatch() as sheet:
        times = _sheet(trainer.averaged(), dataset) if plan.training.sheets else 0.0
    with stage("writing a checkpoint to memory"), Stopwatch() as saving:
        for group in trainer.checkpoint().values():
            dump(group)
    # the plan's steps are those of the items that were read
    config = recipe.training.for_items(round(dataset.train.rows_a_pass / share))
    before = listing.wall + making.wall + sheet.wall * times + saving.wall
    total = planned_steps(config, pace.wall, before)
    sheets = _sheets(config, total, total * pace.wall, sheet.wall * times)
    counts = (1, 1 / share, 1, sheets * times, math.ceil(total / config.save_every))
    watches = (listing, setup, making, sheet, saving)
    cpu = total * pace.cpu + sum(
        count * watch.cpu for count, watch in zip(counts, watches, strict=True)
    )
    wall = total * pace.wall + sum(
        count * watch.wall for count, watch in zip(counts, watches, strict=True)
    )
    items = round(len(dataset.train) / share)
    memory = memory_mb() + _unread(dataset, items)
    return Estimate(
        recipe,
        family.spec,
        parameter_count(family),
        items,
        total,
        torch.get_num_threads(),
        cpu,
        wall,
        memory,
        trainer.precision,
    )


def sampled(recipe: Recipe) -> tuple[float, Recipe]:
    """The share of the items that is read for an estimate, and the recipe with so many of them."""
    codec = registry.resolve("codec", recipe.codec.name, trust=True)(recipe.codec.config)
    source = open_source(recipe.data, codec)
    count = len(source) if recipe.data.limit is None else min(len(source), recipe.data.limit)
    most = max(
        LEAST_ITEMS,
        min(MOST_ITEMS, int(MOST_BYTES / max(1.0, _bytes(source) / max(1, len(source))))),
    )
    if count <= most or recipe.training.tunes:
        return 1.0, recipe
    return most / count, replace(recipe, data=recipe.data.model_copy(update={"limit": most}))


def _bytes(source: Source) -> int:
    return sum(path.stat().st_size for path in source.files if path.exists())


def _sheets(config: TrainConfig, steps: int, seconds: float, cost: float) -> int:
    """How many sheets a training makes that has so many steps and seconds; cost: seconds of one."""
    if config.sample_every is not None:
        return math.ceil(steps / config.sample_every) if config.sheets else 0
    return 2 + int(seconds / max(config.sample_seconds, cost / SHEETS))


def _sheet(model: Any, dataset: Dataset) -> float:
    """Draws a sheet, of texts only their beginnings; how many of such sheets a real one is."""
    if (
        isinstance(dataset.spec, Tokens)
        and isinstance(model, Decodes)
        and dataset.spec.length > TOKENS
    ):
        draw_tokens(model, dataset.spec, 0, 0, TEXTS, {}, SampleOptions(length=TOKENS))
        return dataset.spec.length / TOKENS
    drawn(model, dataset)
    return 1.0


def _unread(dataset: Dataset, items: int) -> float:
    """MB of the items that were not read and that a run would keep in memory."""
    if not isinstance(dataset.train, Split) or not len(dataset.train):
        return 0.0
    size = dataset.train.stored([0]).nbytes
    return (
        size * (items - len(dataset.train)) if size * items <= cache.RESIDENT_BYTES else 0
    ) / 2**20
