"""The training loop, for every family.

    for step, for phase, for micro in range(accumulate): loss = family(batch, phase); backward;
        clip; step; then EMA

Batches and noise are functions of counters (seed, step, phase, shard) with shard = micro * world +
rank, and torch's global generator is seeded from them before each forward. So a resumed run is
bit-exact although no generator's state is saved, and one process with accumulate=2 sees what two
processes see.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from castalia.data.stream import Side
from castalia.errors import RecipeError, RunError, TrainingError
from castalia.families.base import Family, Phase
from castalia.nn.counter_random import counter_seed, generators
from castalia.nn.ema import Ema
from castalia.progress import stage
from castalia.recipe_sections import TrainConfig
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Batch
from castalia.training.device import Solo, resolve_precision
from castalia.training.frozen_parts import freeze
from castalia.training.held_out import QUICK, HeldOut, loss_on
from castalia.training.hooks import Event, Hook, Progress, headlines
from castalia.training.objective import Objective
from castalia.training.optim import PhaseOptimiser, factor
from castalia.training.time_budget import Budget, Due, Plan, SheetTimes


@dataclass
class Trainer:
    """Everything that moves during training; `run` is None in a dry run, which writes nothing. An
    objective stands where the family stands: its batches, its phases, its loss.
    """

    family: Family
    config: TrainConfig
    data: Side
    device: Solo
    precision: str
    run: Run | None = None
    validation: Side | None = None
    development: Side | None = None
    objective: Objective | None = None
    plan: Plan = field(default_factory=lambda: Plan([]))
    budget: Budget | None = None
    step: int = 0
    best: float = float("inf")
    waited: int = 0
    stopped: bool = False
    moving: str = ""  # the phase whose parameters are not frozen
    # the last loss on held-out data, by the name it is shown under
    judged: dict[str, float] = field(default_factory=dict)
    refreshed: int = -1  # the step for which the averaged model's buffers were recomputed
    module: nn.Module = field(init=False)
    ema: Ema | None = field(init=False)
    phases: Sequence[Phase] = field(init=False)
    optimisers: dict[str, PhaseOptimiser] = field(init=False)

    def __post_init__(self) -> None:
        self.plan = self.plan if self.plan.decisions else Plan.of(self.config)
        self.module = self.device.setup(self.objective or self.family)
        self.ema = Ema(self.family, self.config.ema) if self.config.ema else None
        self.phases = (self.objective or self.family).phases()
        freeze(self.family, self.config.freeze)
        self.optimisers = {
            phase.name: PhaseOptimiser(
                phase.name,
                {name: self.family.get_submodule(name) for name in phase.trains},
                self.config.optimiser,
            )
            for phase in self.phases
        }

    @cached_property
    def sheet_times(self) -> SheetTimes:
        """When sheets of samples are due; of a budget, where there is one."""
        return SheetTimes(self.config) if self.budget is None else self.budget.sheets

    @property
    def steps(self) -> int:
        """Of the whole training, as it was decided last."""
        return self.plan.decisions[-1][1]

    def train_step(self) -> dict[str, Tensor]:
        """All phases of one step, then the average. Returns "phase/part" -> detached scalar."""
        config, parts = self.config, {}
        # walking through all modules costs as much as a small layer
        if self.objective is None and not self.family.training:
            self.family.train()
        steps = self.plan.steps(self.step)
        self.family.schedule(self.step, steps)
        drawn: dict[str, list[Any]] = {}  # phases of one split see the same batches
        for phase in self.phases:
            if self.step % phase.every:
                continue
            if phase.split not in drawn:
                drawn[phase.split] = [
                    self._batch(micro, phase.split) for micro in range(config.accumulate)
                ]
            optimiser = self.optimisers[phase.name]
            if self.moving != phase.name:
                _only(self.family, optimiser.parameters)
                self.moving = phase.name
            sums: dict[str, Tensor] = {}
            for micro, batch in enumerate(drawn[phase.split]):
                last = micro == config.accumulate - 1
                torch.manual_seed(
                    counter_seed("train", config.seed, self.step, phase.name, self._shard(micro))
                )
                with self.device.accumulating(self.module, last=last):
                    with self.device.autocast(self.precision):
                        loss = self.module(batch, phase.name)
                    self._check_finite(loss.total, phase.name, loss.parts)
                    self.device.backward(self.module, loss.total / config.accumulate, last=last)
                for name, value in {"total": loss.total.detach(), **loss.parts}.items():
                    sums[name] = sums.get(name, 0) + value.float() / config.accumulate
            if config.clip is not None:
                nn.utils.clip_grad_norm_(optimiser.parameters, config.clip)
            optimiser.step(factor(self.step, steps, self.plan.schedule(self.step, config.schedule)))
            parts |= {f"{phase.name}/{name}": value for name, value in sums.items()}
        if self.ema is not None:
            self.ema.update(self.step)
        self.step += 1
        return parts

    def averaged(self) -> Family:
        """The model that samples come from, in eval mode, with buffers that fit its weights."""
        if self.ema is None:
            return self.family.eval()
        model: Family = self.ema.model  # type: ignore[assignment]
        if self.refreshed != self.step:  # a checkpoint and a sheet of one step share the work
            model.refresh(generators(counter_seed("refresh", self.config.seed), 0, 1))
            self.refreshed = self.step
        return model.eval()

    def checkpoint(self) -> dict[str, dict[str, Tensor]]:
        """All that a resumed run needs, in groups: model, ema, optimiser."""
        groups = {"model": self.family.state_dict()}
        if self.ema is not None:
            groups["ema"] = self.averaged().state_dict()
        groups["optimiser"] = {
            f"{phase}.{name}": value
            for phase, own in self.optimisers.items()
            for name, value in own.state().items()
        }
        return groups

    def save(self) -> None:
        """A checkpoint of this step, by rank 0; atomic, so that a kill at any moment leaves the
        last one whole.
        """
        if self.run is not None and self.device.rank == 0:
            state = {
                "best": self.best if self.best < float("inf") else None,
                "waited": self.waited,
                "stopped": self.stopped,
            }
            state |= {} if self.budget is None else {"seconds": round(self.budget.elapsed, 3)}
            try:
                with stage("saving a checkpoint"):
                    self.run.save(self.step, self.checkpoint(), state, self.config.keep)
            except RunError as error:
                kept = self.run.last_step
                raise TrainingError(
                    say(
                        "the checkpoint of step {0} could not be saved: {1}", self.step, error.what
                    ),
                    where=error.where,
                    fix=say(
                        "free space, then castalia train --resume {0} (last good step: {1})",
                        self.run.folder,
                        kept or "none",
                    ),
                ) from error
        self.device.barrier()

    def load(self, run: Run, step: int) -> None:
        """Continue from a checkpoint of `run`, bit-exactly."""
        self.family.load_state_dict(run.tensors(step, "model"))
        if self.ema is not None:
            self.ema.load_state_dict(run.tensors(step, "ema"))
        tensors = run.tensors(step, "optimiser")
        for phase, optimiser in self.optimisers.items():
            optimiser.load(
                {
                    name.removeprefix(f"{phase}."): value
                    for name, value in tensors.items()
                    if name.startswith(f"{phase}.")
                }
            )
        state = run.state(step)
        self.step, self.refreshed, self.waited, self.stopped = (
            step,
            -1,
            state["waited"],
            state["stopped"],
        )
        self.best = float("inf") if state["best"] is None else state["best"]

    def due(self) -> Due:
        """What is to be done after the step that was just made; of several processes, the first
        decides.
        """
        config, step = self.config, self.step
        if self.budget is None or step < self.plan.last:
            sheet = self.device.rank == 0 and self.sheet_times.due(step)
            return Due(self.plan.steps(step), step % config.save_every == 0, sheet)
        own, stopped = Due(0), None
        try:
            own = self.budget.after(step, self.steps) if self.device.rank == 0 else own
        except RecipeError as error:
            own, stopped = Due(-1), error
        due = Due.of(self.device.share(own.text())) if self.device.world > 1 else own
        if due.steps < 0:
            raise stopped or RecipeError(
                say("the first process found the time too short"), where="training.minutes"
            )
        if self.plan.decide(step, due.steps) and self.run is not None and self.device.rank == 0:
            self.run.decide(step, due.steps, self.budget.elapsed)
        return due

    def validate(self) -> float:
        """Mean of the early-stop part over the validation split; the same batches and noise each
        time.
        """
        stop, split = self.config.early_stop, self.validation
        if stop is None or split is None:
            return float("nan")
        model, size = self.averaged(), min(self.config.batch, len(split))
        values = []
        with torch.no_grad(), self.device.autocast(self.precision):
            for first in range(0, len(split) - size + 1, size):
                torch.manual_seed(counter_seed("validate", self.config.seed, first))
                loss = model(
                    self._place(split.take(range(first, first + size))), self.phases[0].name
                )
                if stop.part not in loss.parts:
                    raise TrainingError(
                        say("there is no loss part '{0}'", stop.part),
                        where="training.early_stop.part",
                        fix=say("one of: {0}", ", ".join(loss.parts)),
                    )
                values.append(float(loss.parts[stop.part]))
        return sum(values) / len(values)

    def held_out_loss(self) -> HeldOut | None:
        """Of the averaged model, on a few held-out items, the same each time; kept in the log. None
        of a dry run, and where nothing can be scored.
        """
        if self.run is None or self.device.rank > 0 or self.validation is None:
            return None
        with stage("measuring the loss on held-out data"):
            found = loss_on(self.validation, self.averaged(), QUICK)
        if found is not None:
            self.judged = {"held out": found.value}
            self.run.record({"step": self.step, "held_out": found.value})
        return found

    def _shard(self, micro: int) -> int:
        return micro * self.device.world + self.device.rank

    def _batch(self, micro: int, split: str = "training") -> Any:
        data = self.data if split == "training" else self.development
        assert data is not None
        counter = self.step * self.config.accumulate * self.device.world + self._shard(micro)
        if self.objective is not None:
            return self.objective.batch(counter, self.config.batch, self.config.seed)
        return self._place(data.batch(counter, self.config.batch, self.config.seed, augment=True))

    def _place(self, batch: Batch) -> Batch:
        placed = batch.to(self.device.device)
        return (
            placed._replace(x=placed.x.contiguous(memory_format=torch.channels_last))
            if placed.x.ndim == 4
            else placed
        )

    def _check_finite(self, total: Tensor, phase: str, parts: dict[str, Tensor]) -> None:
        if not torch.isfinite(total):
            values = ", ".join(f"{name}={float(value):.4g}" for name, value in parts.items())
            kept = self.run.last_step if self.run is not None else None
            raise TrainingError(
                say("the loss is not finite ({0})", values),
                where=say("step {0}, phase '{1}'", self.step, phase),
                fix=say(
                    "lower training.optimiser.rate or set training.clip=1; last good "
                    "checkpoint: {0}",
                    say("step {0}", kept) if kept else say("none"),
                ),
            )


class Interrupted(Exception):
    """Training was asked to stop by a signal and has saved; `signal` is its number."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} after step {step}")
        self.signal, self.step = number, step


def fit(trainer: Trainer, hooks: Sequence[Hook] = ()) -> None:
    """Train to the end (or an early stop), logging, saving and calling hooks. SIGTERM and Ctrl-C
    save, then raise Interrupted.

    With a budget the steps are decided on the way; decisions that the plan holds beyond this step
    are replayed first.
    """
    config, device = trainer.config, trainer.device
    clock = _Clock(trainer, config.batch * config.accumulate * device.world)
    window: list[dict[str, Tensor]] = []

    def notify(
        event: Event,
        parts: dict[str, float] | None = None,
        model: Family | None = None,
        held_out: HeldOut | None = None,
    ) -> None:
        if device.rank == 0:
            left = clock.left(trainer.step, trainer.steps)
            progress = Progress(
                event,
                trainer.step,
                trainer.steps,
                parts or {},
                clock.speed,
                clock.seconds,
                left,
                model,
                None if held_out is None else held_out.value,
                None if held_out is None else held_out.error,
            )
            for hook in hooks:
                hook(progress)

    def save() -> None:
        with clock.aside("save"):
            trainer.save()
            notify("save")

    def sheet() -> None:
        with clock.aside("sheet"):
            notify("sample", model=trainer.averaged(), held_out=trainer.held_out_loss())

    with (
        _signals() as caught,
        stage("training", trainer.steps, "steps", done=trainer.step, lasting=True) as shown,
    ):
        while trainer.step < trainer.plan.steps(trainer.step) and not trainer.stopped:
            window.append(trainer.train_step())
            step, stop = trainer.step, config.early_stop
            if stop is not None and step % stop.every == 0:
                value = trainer.validate()
                trainer.judged = {"held out": value}
                trainer.waited = 0 if value < trainer.best else trainer.waited + 1
                trainer.best = min(trainer.best, value)
                trainer.stopped = trainer.waited >= stop.patience
                if trainer.run is not None and device.rank == 0:
                    trainer.run.record({"step": step, "validation": value})
            due = trainer.due()
            end = step >= due.steps or trainer.stopped
            shown.at(step, trainer.steps)
            if shown.due():
                shown.values = (
                    headlines(
                        {name: float(value) for name, value in _mean(window).items()},
                        several=len(trainer.phases) > 1,
                    )
                    | trainer.judged
                )
                shown.rate, shown.left = clock.recent(step), clock.left(step, trainer.steps)
            if step % config.log_every == 0 or end:
                clock.lap(step)
                parts = {name: float(device.mean(value)) for name, value in _mean(window).items()}
                window.clear()
                if trainer.run is not None and device.rank == 0:
                    trainer.run.record(
                        {
                            "step": step,
                            "seconds": round(clock.seconds, 3),
                            "items_per_second": round(clock.speed, 1),
                            "memory_mb": round(memory_mb(), 1),
                            **parts,
                        }
                    )
                notify("log", parts)
            number = caught[0] if caught else 0
            interrupted = device.any(bool(number)) if device.world > 1 else bool(number)
            if end or interrupted or due.save:
                save()
            if config.sheets and (end or due.sheet):
                sheet()
            if interrupted and not end:
                raise Interrupted(number or signal.SIGTERM, step)
        notify("end")


def start(
    family: Family,
    config: TrainConfig,
    data: Side,
    validation: Side,
    device: Solo,
    run: Run | None,
    development: Side | None = None,
    objective: Objective | None = None,
) -> Trainer:
    """A trainer at step 0, its family seeded, prepared and placed. An objective tunes a family that
    is prepared already.
    """
    if objective is not None:
        precision = resolve_precision(config, family, device.device)
        return Trainer(
            family, config, data, device, precision, run, validation, development, objective
        )
    if any(phase.split == "development" for phase in family.phases()) and not (
        development is not None and len(development)
    ):
        raise RecipeError(
            say("'{0}' chooses settings by development items and there are none", family.name),
            where="data.development",
            fix=say("set data.development=0.05, or add data"),
        )
    precision = resolve_precision(config, family, device.device)
    with stage("preparing the model"):
        family.prepare(data.once(config.batch, config.seed))
    return Trainer(family, config, data, device, precision, run, validation, development)


def memory_mb() -> float:
    """Peak resident memory of this process so far, in MB (2**20 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _Clock:
    """Seconds of training, and items per second since the last lap. With a budget, seconds are
    those that the budget counts.
    """

    def __init__(self, trainer: Trainer, items: int) -> None:
        step = trainer.step
        self.items, self.first, self.mark, self.budget = items, step, step, trainer.budget
        self.sheets = trainer.sheet_times
        self.begun = self.lapped = time.perf_counter()
        self.speed = 0.0
        self.seen = self.begun, step  # where the speed that is shown is counted from

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begun if self.budget is None else self.budget.elapsed

    def lap(self, step: int) -> None:
        instant = time.perf_counter()
        self.speed = (step - self.mark) * self.items / max(1e-9, instant - self.lapped)
        self.mark, self.lapped = step, instant

    def recent(self, step: int) -> float:
        """Items per second over the last seconds, for display."""
        instant = time.perf_counter()
        speed = (step - self.seen[1]) * self.items / max(1e-9, instant - self.seen[0])
        if instant - self.seen[0] > 5:
            self.seen = instant, step
        return speed

    def left(self, step: int, steps: int) -> float:
        ahead = (steps - step) * (time.perf_counter() - self.begun) / max(1, step - self.first)
        return ahead if self.budget is None else min(ahead, self.budget.left)

    @contextmanager
    def aside(self, kind: str) -> Iterator[None]:
        """What is neither a step nor a log, timed: a checkpoint ("save"), a sheet ("sheet")."""
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        if self.budget is not None:
            self.budget.aside(kind, seconds)
        elif kind == "sheet":
            self.sheets.made(seconds)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGTERM and SIGINT are collected, not obeyed, until the step is over. A second Ctrl-C stops
    at once.
    """
    caught: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        old: dict[int, Any] = {
            number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)
        }
    except ValueError:  # not in the main thread: signals are the caller's business
        old = {}
    try:
        yield caught
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)


def _only(family: Family, parameters: Sequence[nn.Parameter]) -> None:
    """Freeze everything but `parameters`."""
    chosen = {id(parameter) for parameter in parameters}
    for parameter in family.parameters():
        parameter.requires_grad_(id(parameter) in chosen)


def _mean(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    names = {name for row in rows for name in row}
    return {
        name: torch.stack([row[name] for row in rows if name in row]).mean()
        for name in sorted(names)
    }


class Stopwatch:
    """CPU seconds (all threads) and wall seconds of a with-block."""

    cpu = wall = 0.0

    def __enter__(self) -> Stopwatch:
        self._begun = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self._begun[0], self.so_far

    @property
    def so_far(self) -> float:
        return time.perf_counter() - self._begun[1]
