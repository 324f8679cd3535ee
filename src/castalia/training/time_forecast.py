"""Forecast how long a training will take, from a few steps of a copy of the trainer."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch

from castalia.progress import stage
from castalia.recipe_sections import TrainConfig
from castalia.training.loop import Stopwatch, Trainer
from castalia.training.time_budget import SAFETY

MEASURED = 1.5  # seconds of steps that are enough
LARGEST = 50_000_000  # parameters of a model that is copied for this


@dataclass(frozen=True)
class Pace:
    """Seconds of a step, by the wall clock and of CPU over all threads."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Forecast:
    """What a training will take: wall seconds, steps, CPU threads."""

    seconds: float
    steps: int
    threads: int


def pace_of(trainer: Trainer, seconds: float = MEASURED, least: int = 1) -> Pace:
    """Makes steps: the first pays for caches and lazy kernels and is not counted, then as many as
    `seconds` allow, `least` or more.
    """
    done = 0
    with stage("measuring steps"):
        trainer.train_step()
        with Stopwatch() as watch:
            while done < least or (watch.so_far < seconds and done < 400):
                trainer.train_step()
                done += 1
    return Pace(watch.wall / done, watch.cpu / done)


def forecast(trainer: Trainer, spent: float = 0.0) -> Forecast | None:
    """For a trainer before its first step; None where a copy would cost too much: of a large model,
    an objective, several processes.

    spent: seconds that have passed already, of those that training.minutes count.
    """
    size = sum(parameter.numel() for parameter in trainer.family.parameters())
    if trainer.objective is not None or trainer.device.world > 1 or size > LARGEST:
        return None
    twin = Trainer(
        copy.deepcopy(trainer.family),
        trainer.config,
        trainer.data,
        trainer.device,
        trainer.precision,
        development=trainer.development,
    )
    wall = pace_of(twin, seconds=0.5).wall
    steps = planned_steps(trainer.config, wall, spent)
    return Forecast(wall * steps, steps, torch.get_num_threads())


def planned_steps(config: TrainConfig, pace: float, around: float) -> int:
    """Steps of a training at `pace` seconds each, `around` seconds beside them."""
    if config.minutes is None:
        return config.steps or 0
    fit = max(1, math.floor((config.minutes * 60 * SAFETY - around) / pace))
    return fit if config.steps is None else min(fit, config.steps)
