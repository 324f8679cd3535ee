"""`castalia.train` and `castalia.resume`: train a run from a recipe and data, and continue one that
was stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from castalia.checks.before_training import advice
from castalia.data.locate import Given
from castalia.data.stream import Dataset
from castalia.errors import RunError
from castalia.evaluation.sample_sheets import SampleSheets
from castalia.families.base import Family
from castalia.progress import heard
from castalia.progress.views import shown
from castalia.recipe import Recipe, differences
from castalia.run import Run, versions
from castalia.sentences import row, say
from castalia.training import objective_setup
from castalia.training.device import open_device
from castalia.training.held_out import Forgetting
from castalia.training.hooks import Hook
from castalia.training.loop import Stopwatch, Trainer, fit, start
from castalia.training.plan import Overrides, plan_of
from castalia.training.setup import (
    chain_facts,
    coder_of,
    data_of,
    new_family,
    open_data,
    parameter_count,
    parent_of,
)
from castalia.training.time_budget import Budget, replayed
from castalia.training.time_forecast import forecast
from castalia.training.trackers import tracker

FORESEEN = 50  # steps: a shorter training is over sooner than it is measured


def train(
    recipe: str | os.PathLike[str] | Recipe,
    data: Given | None = None,
    overrides: Overrides = (),
    *,
    out: str | os.PathLike[str] | None = None,
    hooks: Sequence[Hook] = (),
    begun: Callable[[Run], None] | None = None,
    progress: bool | None = None,
    started: float | None = None,
) -> Run:
    """Train a recipe ("image/gan", a YAML path, or a Recipe) on a data source; returns the finished
    run.

    begun: is given the run before the first step, when it is known what was found in the data
    (run.about). progress: show how far it is, on stderr or below the notebook's cell; None: in
    notebooks and on terminals only. See castalia/progress. started: when training.minutes begin to
    count, of time.perf_counter(); None: now. Reading and encoding the data do not count.

    >>> run = castalia.train("image/gan", "photos/", {"training.steps": 4000})
    """
    started = time.perf_counter() if started is None else started
    plan = recipe if isinstance(recipe, Recipe) else plan_of(recipe, data, overrides)
    with shown(progress):
        return _train(plan, out, hooks, begun, started)


def _train(
    plan: Recipe,
    out: str | os.PathLike[str] | None,
    hooks: Sequence[Hook],
    begun: Callable[[Run], None] | None,
    started: float,
) -> Run:
    parent = None if plan.start_from is None else Run.open(plan.start_from)
    device = open_device(plan.training)
    if device.rank == 0 and out is not None and (Path(out) / "run.json").exists():
        raise RunError(
            say("there is already a run in this folder"),
            where=out,
            fix=say("castalia train --resume {0}, or choose another --out", out),
        )
    with Stopwatch() as reading:
        plan, codec, dataset = data_of(plan, parent)
    family = new_family(plan, dataset.spec, dataset.conditions, parent)
    objective = objective_setup.objective(
        plan,
        codec,
        dataset,
        family,
        lambda: new_family(plan, dataset.spec, dataset.conditions, parent),
    )
    with Stopwatch() as preparing:
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
    folder = ""
    if device.rank == 0:
        about = {
            "data": {
                "fingerprint": dataset.fingerprint,
                "licence": dataset.licence,
                "report": dataset.report,
            }
            | objective_setup.facts(objective),
            "precision": trainer.precision,
            "processes": device.world,
            "parameters": parameter_count(family),
            "recipe": plan.as_dict(),
        }
        if parent is not None:
            about["parents"] = [
                {
                    "run": parent.id,
                    "model": parent.model_hash(),
                    "data": parent.about["data"]["fingerprint"],
                }
            ]
        coder = coder_of(plan)
        if coder is not None:
            about["chain"] = chain_facts(coder)
        folder = str(
            Run.create(
                plan, codec, dataset.conditions, about, Path(out) if out is not None else None
            ).folder
        )
    trainer.run = Run(Path(device.share(folder)), trust_code=True)
    with trainer.run.writing() if device.rank == 0 else nullcontext():
        since = started + reading.wall + preparing.wall
        if device.rank == 0 and heard() and trainer.steps > FORESEEN:
            trainer.run.forecast = forecast(trainer, time.perf_counter() - since)
        if device.rank == 0 and heard():
            trainer.run.advice = advice(plan, dataset, trainer.run.forecast)
        _fit(trainer, dataset, hooks, since, begun)
    return trainer.run


def _fit(
    trainer: Trainer,
    dataset: Dataset,
    hooks: Sequence[Hook],
    since: float,
    begun: Callable[[Run], None] | None,
) -> None:
    """Training and what is shown and measured around it: sheets of samples, what fine-tuning gains
    and loses, what tuning does. since: when its minutes began.
    """
    run, first = trainer.run, trainer.device.rank == 0
    assert run is not None
    tracking = tracker(run) if first else None
    followed: list[Hook] = [] if tracking is None else [tracking]
    sheets = None
    if first and trainer.config.sheets:
        sheets = SampleSheets(run, dataset, trainer.step)
        followed.insert(0, sheets)
    if begun is not None and first:
        begun(run)
    with Stopwatch() as judging:
        forgetting = Forgetting.before(run, dataset) if first else None
        tuned = objective_setup.before(run, trainer.objective) if first else None
    if trainer.config.minutes is not None:
        trainer.budget = Budget(trainer.config, since, closing=judging.wall)
        if first and not run.decisions():
            run.decide(0, trainer.steps, trainer.budget.elapsed)
    try:
        fit(trainer, [*followed, *hooks])
    except BaseException:
        if sheets is not None:
            sheets.stop()
        raise
    if first:
        run.settle()
        if forgetting is not None:
            forgetting.write(run, dataset)
        objective_setup.write(run, trainer.objective, tuned)
        if trainer.budget is not None:
            run.record({"step": trainer.step, "ended": round(trainer.budget.elapsed, 3)})


def resume(
    run: str | os.PathLike[str] | Run,
    *,
    hooks: Sequence[Hook] = (),
    allow_inexact: bool = False,
    trust_code: bool = False,
    begun: Callable[[Run], None] | None = None,
    progress: bool | None = None,
) -> Run:
    """Continue a run from its last checkpoint, bit-exactly. A finished run is left as it is. begun
    and progress: as for `train`.

    Raises RunError when the recipe, the data or (without `allow_inexact`) the machine is not what
    it was.
    """
    run = run if isinstance(run, Run) else Run.open(run, trust_code=trust_code)
    with shown(progress):
        return _resume(run, hooks, allow_inexact, begun)


def _resume(
    run: Run, hooks: Sequence[Hook], allow_inexact: bool, begun: Callable[[Run], None] | None
) -> Run:
    _same_recipe(run)
    if run.finished:
        run.settle()
        if not (run.folder / "eval" / "forgetting.json").exists() and (
            run.recipe.start_from or run.recipe.family.config.model_dump().get("base")
        ):
            dataset = open_data(run)
            forgetting = Forgetting.before(run, dataset)
            if forgetting is not None:
                forgetting.write(run, dataset)
        return run
    recorded, plan = run.about["versions"], run.recipe
    device = open_device(
        plan.training.model_copy(update={"threads": plan.training.threads or recorded["threads"]})
    )
    current = versions()
    changed = [
        f"{key}: {recorded[key]} -> {current[key]}"
        for key in ("torch", "cpu", "system", "threads")
        if recorded[key] != current[key]
    ]
    if device.world != run.about["processes"]:
        changed.append(f"processes: {run.about['processes']} -> {device.world}")
    if changed and not allow_inexact:
        raise RunError(
            say("resuming here would not be bit-exact: {0}", row("; ", changed)),
            where=run.folder,
            fix=say("add --allow-inexact to go on all the same"),
        )
    dataset = open_data(run)

    def begin(family: Family) -> tuple[Family, objective_setup.Objective | None]:
        tuning = objective_setup.objective(
            plan,
            run.codec,
            dataset,
            family,
            lambda: new_family(plan, run.spec, run.conditions, parent_of(run)),
        )
        objective_setup.check(run, tuning)
        return family, tuning

    step = run.last_step
    with run.writing() if device.rank == 0 else nullcontext():
        if step is None:
            fresh, objective = begin(new_family(plan, run.spec, run.conditions, parent_of(run)))
            trainer = start(
                fresh,
                plan.training,
                dataset.train,
                dataset.validation,
                device,
                run,
                dataset.development,
                objective,
            )
        else:
            family, objective = begin(run.build())
            sides = (dataset.validation, dataset.development)
            trainer = Trainer(
                family,
                plan.training,
                dataset.train,
                device,
                run.about["precision"],
                run,
                *sides,
                objective,
            )
            trainer.load(run, step)
        trainer.plan = replayed(run.decisions(), plan.training)
        if device.rank == 0:
            run.truncate_metrics(trainer.step)
        spent = 0.0 if step is None else float(run.state(step).get("seconds") or 0.0)
        _fit(trainer, dataset, hooks, time.perf_counter() - spent, begun)
    return run


def _same_recipe(run: Run) -> None:
    trained = run.trained_recipe
    if run.recipe.training.minutes is None:  # where it was planned by the clock and is over
        trained = trained.settled(run.decisions())
    lines = differences(trained.as_dict(), run.recipe.as_dict())
    if lines:
        what = say("recipe.yaml was changed after training began:\n  {0}", row("\n  ", lines))
        raise RunError(
            what,
            where=run.folder / "recipe.yaml",
            fix=say("undo the change, or train a new run with it"),
        )
