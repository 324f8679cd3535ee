"""The verbs that make: train, resume, sample, edit. Each wires the layers below it; this is what
`castalia.train` is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from castalia import pretrained_cache
from castalia.abilities import SampleOptions
from castalia.codecs.base import is_file
from castalia.data.conditions import LABEL
from castalia.data.locate import Given
from castalia.data.stream import Dataset, rows_of
from castalia.errors import RecipeError, RunError
from castalia.families.base import Family
from castalia.modalities.music.redraw import infilled
from castalia.notebook import Gallery
from castalia.progress import heard
from castalia.progress.views import shown
from castalia.recipe import Recipe, differences, from_dict, load, pairs
from castalia.run import Run, versions
from castalia.sampling.chat import reply_to, talk_of, trimmed
from castalia.sampling.edit import KINDS, kinds
from castalia.sampling.generate import Sample, conditions_of_items, generate, request_of
from castalia.sampling.previews import sheets
from castalia.sentences import row, say
from castalia.spec import Classes
from castalia.training import objective_setup
from castalia.training.device import open_device
from castalia.training.held_out import Forgetting
from castalia.training.hooks import Hook
from castalia.training.loop import Stopwatch, Trainer, fit, start
from castalia.training.setup import data_of, new_family, open_data, parameter_count, parent_of
from castalia.training.time_budget import Budget, replayed
from castalia.training.time_forecast import forecast
from castalia.training.trackers import tracker

FORESEEN = 50  # steps: a shorter training is over sooner than it is measured
Overrides = Mapping[str, Any] | Iterable[str]


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
    (run.about).
    progress: show how far it is, on stderr or below the notebook's cell; None: in notebooks and on
    terminals only. See castalia/progress.
    started: when training.minutes begin to count, of time.perf_counter(); None: now. Reading and
    encoding the data do not count.

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
        if begun is not None and device.rank == 0:
            begun(trainer.run)
        _fit(trainer, dataset, hooks, since)
    return trainer.run


def _fit(trainer: Trainer, dataset: Dataset, hooks: Sequence[Hook], since: float) -> None:
    """Training and what is measured around it: what fine-tuning gains and loses, and what tuning
    does. since: when its minutes began.
    """
    run, first = trainer.run, trainer.device.rank == 0
    assert run is not None
    told = tracker(run) if first else None
    followed = [] if told is None else [told]
    with Stopwatch() as judging:
        forgetting = Forgetting.before(run, dataset) if first else None
        tuned = objective_setup.before(run, trainer.objective) if first else None
    if trainer.config.minutes is not None:
        trainer.budget = Budget(trainer.config, since, closing=judging.wall)
        if first and not run.decisions():
            run.decide(0, trainer.steps, trainer.budget.elapsed)
    fit(trainer, [sheets(run.folder / "samples", dataset), *followed, *hooks])
    if first:
        run.settle()
        if forgetting is not None:
            forgetting.write(run, dataset)
        objective_setup.write(run, trainer.objective, tuned)
        if trainer.budget is not None:
            run.record({"step": trainer.step, "ended": round(trainer.budget.elapsed, 3)})


def plan_of(
    recipe: str | os.PathLike[str], data: Given | None = None, overrides: Overrides = ()
) -> Recipe:
    """`recipe.load`; with start_from, codec and family are the parent's, because its weights fit
    nothing else, and it is named by its folder.

    Overrides of the family's keys that change no shape (family.dropout) are taken over; of the
    codec's, those that say how files are read
    (`Codec.adjustable`); others raise RecipeError.
    """
    plan = load(recipe, data, overrides)
    if (
        plan.training.tunes
        and plan.start_from is not None
        and pretrained_cache.is_base(plan.start_from)
    ):
        plan = load(recipe, data, {**pairs(overrides), "family.name": "pretrained"})
    if plan.family.name == "pretrained" and (
        plan.start_from is None or pretrained_cache.is_base(plan.start_from)
    ):
        return _on_base(plan)
    if plan.start_from is None:
        return plan
    parent = Run.open(plan.start_from)
    if parent.recipe.family.name != plan.family.name and not plan.training.tunes:
        raise RecipeError(
            say(
                "the run to start from is a '{0}', the recipe wants a '{1}'",
                parent.recipe.family.name,
                plan.family.name,
            ),
            where=f"start_from={plan.start_from}",
            fix=say("use a recipe of the run's own family"),
        )
    raw = {**plan.as_dict(), "start_from": str(parent.folder)}
    for part, own in parent.trained_recipe.as_dict().items():
        if part in ("codec", "family"):
            prefix = f"{part}."
            if plan.training.prefer is not None and "field" in own:
                own["field"] = plan.as_dict()["codec"].get("field") or objective_setup.FIELD
            raw[part] = own | {
                key.removeprefix(prefix): value
                for key, value in pairs(overrides).items()
                if key.startswith(prefix)
            }
            _adjusted(part, own, raw[part], parent)
    if not plan.data.development:  # the parent's family may choose settings by development items
        raw["data"]["development"] = pairs(overrides).get(
            "data.development", parent.recipe.data.development
        )
    return from_dict(raw, where=str(recipe), trust=True)


def _on_base(plan: Recipe) -> Recipe:
    """The plan of a run that begins with a model of others: the model is named by its digest, the
    tokenizer is the model's.
    """
    if plan.start_from is None:
        if plan.family.config.model_dump()["base"] is not None:
            return plan
        fix = say(
            "start_from=FOLDER, start_from=FILE.gguf or start_from={0}",
            ", ".join(pretrained_cache.PACKAGES),
        )
        raise RecipeError(
            say("the recipe names no model to fine-tune"), where="start_from", fix=fix
        )
    base, raw = pretrained_cache.take_in(plan.start_from), plan.as_dict()
    raw["family"] |= {"base": base.digest, "source": base.source}
    raw["codec"]["tokenizer"] = str(base.folder)
    raw["start_from"] = None
    return from_dict(raw, where=plan.title, trust=True)


def _adjusted(part: str, own: Mapping[str, Any], asked: Mapping[str, Any], parent: Run) -> None:
    """What the parent's codec has learned stays as it is."""
    fixed = [
        key
        for key, value in asked.items()
        if part == "codec"
        and key in own
        and value != own[key]
        and key not in parent.codec.adjustable
    ]
    if fixed:
        raise RecipeError(
            say(
                "the codec is that of the run to start from, which has {0}: {1}",
                fixed[0],
                own[fixed[0]],
            ),
            where=f"codec.{fixed[0]}={asked[fixed[0]]}",
            fix=say(
                "leave it out{0}",
                say("; these may change: {0}", ", ".join(sorted(parent.codec.adjustable)))
                if parent.codec.adjustable
                else "",
            ),
        )


def resume(
    run: str | os.PathLike[str] | Run,
    *,
    hooks: Sequence[Hook] = (),
    allow_inexact: bool = False,
    trust_code: bool = False,
    progress: bool | None = None,
) -> Run:
    """Continue a run from its last checkpoint, bit-exactly. A finished run is left as it is.
    progress: as for `train`.

    Raises RunError when the recipe, the data or (without `allow_inexact`) the machine is not what
    it was.
    """
    run = run if isinstance(run, Run) else Run.open(run, trust_code=trust_code)
    with shown(progress):
        return _resume(run, hooks, allow_inexact)


def _resume(run: Run, hooks: Sequence[Hook], allow_inexact: bool) -> Run:
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
    found = versions()
    changed = [
        f"{key}: {recorded[key]} -> {found[key]}"
        for key in ("torch", "cpu", "system", "threads")
        if recorded[key] != found[key]
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
        found = objective_setup.objective(
            plan,
            run.codec,
            dataset,
            family,
            lambda: new_family(plan, run.spec, run.conditions, parent_of(run)),
        )
        objective_setup.check(run, found)
        return family, found

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
        _fit(trainer, dataset, hooks, time.perf_counter() - spent)
    return run


def sample(
    run: str | os.PathLike[str] | Run,
    n: int | None = None,
    seed: int | None = None,
    cond: Mapping[str, str | int] | None = None,
    options: SampleOptions | None = None,
    *,
    prompt: Any = None,
    constraint: str | None = None,
) -> list[Sample]:
    """`n` samples of a run (default: the recipe's); sample i depends on (seed, i) only. A notebook
    shows them.

    prompt, constraint: for runs of tokens, what each sample begins with and what must hold for the
    rest; see Request.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, n, seed, cond, options), prompt=prompt, constraint=constraint)
    return Gallery(generate(run, request), run.codec)


def chat(
    run: str | os.PathLike[str] | Run,
    messages: Any,
    *,
    seed: int = 0,
    options: SampleOptions | None = None,
    constraint: str | None = None,
    model: Family | None = None,
) -> Sample:
    """The reply to a conversation, a str (of the user) or a list of {"role", "content"}; `item` is
    its text. The oldest turns are left out
    where they do not fit the context. Raises AbilityError for a run that was never tuned on
    conversations.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    request = replace(request_of(run, 1, seed, None, options), constraint=constraint)
    talk = trimmed(run.codec, talk_of(messages), request.options.length)
    return next(iter(generate(run, reply_to(run.codec, talk, request), model=model)))


def edit(
    run: str | os.PathLike[str] | Run,
    kind: str,
    inputs: Sequence[str | os.PathLike[str]],
    *,
    seed: int = 0,
    steps: int = 8,
    strength: float = 0.5,
    cond: Mapping[str, str | int] | None = None,
    labels: Sequence[str | None] | None = None,
    model: Family | None = None,
    keep: Sequence[str] = (),
    bars: tuple[int, int] | None = None,
    temperature: float = 1.0,
    redraw: int = 0,
) -> list[Any]:
    """Edited native items. kind: "interpolate" (through the inputs, `steps` from each to the next),
    "vary", or "infill" (`steps` fillings
    of each text or score; see sampling.edit.fill for how the gaps of texts are marked).

    keep, bars: of scores, names of the parts that stay, and the first and last bar that are made
    anew (from 1; None: all).
    temperature: of infill, the divisor of the logits; below 1 safer, 0 the likeliest each time.
    redraw: of scores, how often a bar with faults (parallel fifths and octaves, crossings, notes
    out of range) is drawn anew; see modalities/music/redraw.py.
    inputs: files, or for texts the texts themselves.
    labels: the class of each input, None where unknown; default: the name of its folder. What the
    codec knows of an input it is told too. model spares
    loading the run's weights again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if kind != "infill" and (keep or bars is not None or redraw):
        raise RecipeError(
            say("only infill keeps parts and bars"),
            where=f"edit {kind}",
            fix=say("leave --keep, --bars and --redraw out"),
        )
    if kind not in kinds():
        raise RecipeError(
            say("there is no edit called '{0}'", kind),
            where="edit",
            fix=say("one of: {0}", ", ".join(kinds())),
        )
    SampleOptions(temperature=temperature)  # raises where it is out of range
    if redraw < 0:
        raise RecipeError(
            say("temperature and redraw are 0 or above"),
            where=f"temperature={temperature} redraw={redraw}",
            fix=say("leave them out"),
        )
    if steps < (2 if kind == "interpolate" else 1) or not 0 <= strength <= 1:
        raise RecipeError(
            say("steps must be at least 2 (vary: 1) and strength between 0 and 1"),
            where=f"steps={steps} strength={strength}",
        )
    model, codec = run.model() if model is None else model, run.codec
    if kind == "infill":
        given = [item for one in inputs for item in codec.given(one)]
        faults = None
        if redraw:
            from castalia.modalities.music.counterpoint import (
                rules_for,  # all of evaluation comes with it, which nothing else here needs
            )

            faults = rules_for(codec.native)
        return Gallery(
            infilled(
                model,
                codec,
                given,
                steps,
                seed,
                keep=keep,
                bars=bars,
                temperature=temperature,
                redraw=redraw,
                faults=faults,
            ),
            codec,
        )
    items, known = [], list[dict[str, str]]()
    for one, label in zip(
        inputs, folder_labels(run, inputs) if labels is None else labels, strict=True
    ):
        for item in codec.given(one):
            items.append(codec.encode(item))
            known.append(codec.facts(item) | ({} if label is None else {LABEL: label}))
    x = rows_of(run.spec, items).to(model.device)
    given = conditions_of_items(run.conditions, cond or {}, known)
    out = KINDS[kind](model, x, given, steps=steps, seed=seed, strength=strength)
    return Gallery((codec.decode(row) for row in out), codec)


def folder_labels(run: Run, inputs: Sequence[str | os.PathLike[str]]) -> list[str | None]:
    """The class of each input by the name of the folder that it lies in; None where that is no
    class of the run.
    """
    kind = run.conditions.get(LABEL)
    known = kind.names if isinstance(kind, Classes) else ()
    folders = [Path(one).resolve().parent.name if is_file(one) else "" for one in inputs]
    return [name if name in known else None for name in folders]


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
