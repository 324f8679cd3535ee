"""The verbs that make: train, resume, sample, edit. Each wires the layers below it; this is what `castalia.train` is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from castalia import atomic, bases, registry
from castalia.abilities import SampleOptions, Scores
from castalia.codecs.base import Codec, is_file
from castalia.data import locate
from castalia.data.locate import Given
from castalia.data.source import DataConfig
from castalia.data.stream import Dataset, prepare, rows_of
from castalia.data.told import LABEL
from castalia.errors import CastaliaError, RecipeError, RunError
from castalia.families.base import Family, grows, make, with_new_tokens
from castalia.nn import lora
from castalia.nn.random import counter_seed, generator
from castalia.notebook import Gallery
from castalia.progress.views import shown
from castalia.recipe import Recipe, TrainConfig, differences, from_dict, load, pairs
from castalia.run import Run, dump, versions
from castalia.sampling.chat import reply_to, talk_of, trimmed
from castalia.sampling.edit import KINDS, kinds
from castalia.sampling.generate import Sample, conditions_of_items, generate, request_of
from castalia.sampling.mending import infilled
from castalia.sampling.sheets import items_of_sheet, sheets
from castalia.spec import Classes, Condition, Spec, Tokens
from castalia.training import tuning
from castalia.training.device import open_device, require_memory
from castalia.training.hooks import Hook
from castalia.training.loop import Stopwatch, Trainer, fit, memory_mb, start

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
) -> Run:
    """Train a recipe ("image/gan", a YAML path, or a Recipe) on a data source; returns the finished run.

    begun: is given the run before the first step, when it is known what was found in the data (run.about).
    progress: show how far it is, on stderr or below the notebook's cell; None: in notebooks and on terminals only. See castalia/progress.

    >>> run = castalia.train("image/gan", "photos/", {"training.steps": 4000})
    """
    plan = recipe if isinstance(recipe, Recipe) else plan_of(recipe, data, overrides)
    with shown(progress):
        return _train(plan, out, hooks, begun)


def _train(plan: Recipe, out: str | os.PathLike[str] | None, hooks: Sequence[Hook], begun: Callable[[Run], None] | None) -> Run:
    parent = None if plan.start_from is None else Run.open(plan.start_from)
    device = open_device(plan.training)
    if device.rank == 0 and out is not None and (Path(out) / "run.json").exists():
        raise RunError("there is already a run in this folder", where=out, fix=f"castalia train --resume {out}, or choose another --out")
    plan, codec, dataset, family = _build(plan, parent)
    objective = tuning.objective(plan, codec, dataset, family, lambda: _begun(plan, dataset.spec, dataset.conditions, parent))
    trainer = start(family, plan.training, dataset.train, dataset.validation, device, None, dataset.development, objective)
    folder = ""
    if device.rank == 0:
        about = {
            "data": {"fingerprint": dataset.fingerprint, "licence": dataset.licence, "report": dataset.report} | tuning.facts(objective),
            "precision": trainer.precision,
            "processes": device.world,
            "parameters": parameter_count(family),
            "recipe": plan.as_dict(),
        }
        if parent is not None:
            about["parents"] = [{"run": parent.id, "model": parent.model_hash(), "data": parent.about["data"]["fingerprint"]}]
        folder = str(Run.create(plan, codec, dataset.conditions, about, Path(out) if out is not None else None).folder)
    trainer.run = Run(Path(device.share(folder)), trust_code=True)
    with trainer.run.writing() if device.rank == 0 else nullcontext():
        if begun is not None and device.rank == 0:
            begun(trainer.run)
        fit(trainer, [sheets(trainer.run.folder / "samples", dataset), *hooks])
        if device.rank == 0:
            _write_forgetting(trainer.run, dataset)
            tuning.write(trainer.run, objective)
    return trainer.run


def plan_of(recipe: str | os.PathLike[str], data: Given | None = None, overrides: Overrides = ()) -> Recipe:
    """`recipe.load`; with start_from, codec and family are the parent's, because its weights fit nothing else, and it is named by its folder.

    Overrides of the family's keys that change no shape (family.dropout) are taken over; of the codec's, those that say how files are read
    (`Codec.adjustable`); others raise RecipeError.
    """
    plan = load(recipe, data, overrides)
    if plan.training.tunes and plan.start_from is not None and bases.is_base(plan.start_from):
        plan = load(recipe, data, {**pairs(overrides), "family.name": "pretrained"})
    if plan.family.name == "pretrained" and (plan.start_from is None or bases.is_base(plan.start_from)):
        return _on_base(plan)
    if plan.start_from is None:
        return plan
    parent = Run.open(plan.start_from)
    if parent.recipe.family.name != plan.family.name and not plan.training.tunes:
        raise RecipeError(
            f"the run to start from is a '{parent.recipe.family.name}', the recipe wants a '{plan.family.name}'",
            where=f"start_from={plan.start_from}",
            fix="use a recipe of the run's own family",
        )
    raw = {**plan.as_dict(), "start_from": str(parent.folder)}
    for part, own in parent.trained_recipe.as_dict().items():
        if part in ("codec", "family"):
            prefix = f"{part}."
            if plan.training.prefer is not None and "field" in own:
                own["field"] = plan.as_dict()["codec"].get("field") or tuning.FIELD
            raw[part] = own | {key.removeprefix(prefix): value for key, value in pairs(overrides).items() if key.startswith(prefix)}
            _adjusted(part, own, raw[part], parent)
    if not plan.data.development:  # the parent's family may choose settings by development items
        raw["data"]["development"] = pairs(overrides).get("data.development", parent.recipe.data.development)
    return from_dict(raw, where=str(recipe), trust=True)


def _on_base(plan: Recipe) -> Recipe:
    """The plan of a run that begins with a model of others: the model is named by its digest, the tokenizer is the model's."""
    if plan.start_from is None:
        if plan.family.config.model_dump()["base"] is not None:
            return plan
        fix = "start_from=FOLDER, start_from=FILE.gguf or start_from=" + ", ".join(bases.PACKAGES)
        raise RecipeError("the recipe names no model to fine-tune", where="start_from", fix=fix)
    base, raw = bases.take_in(plan.start_from), plan.as_dict()
    raw["family"] |= {"base": base.digest, "source": base.source}
    raw["codec"]["tokenizer"] = str(base.folder)
    raw["start_from"] = None
    return from_dict(raw, where=plan.title, trust=True)


def _adjusted(part: str, own: Mapping[str, Any], asked: Mapping[str, Any], parent: Run) -> None:
    """What the parent's codec has learned stays as it is."""
    fixed = [
        key for key, value in asked.items() if part == "codec" and key in own and value != own[key] and key not in parent.codec.adjustable
    ]
    if fixed:
        raise RecipeError(
            f"the codec is that of the run to start from, which has {fixed[0]}: {own[fixed[0]]}",
            where=f"codec.{fixed[0]}={asked[fixed[0]]}",
            fix="leave it out" + (f"; these may change: {', '.join(sorted(parent.codec.adjustable))}" if parent.codec.adjustable else ""),
        )


HELD_OUT_ROWS, HELD_OUT_WORK = 256, 2e12  # rows; multiplications and additions of a pass over them


def held_out_loss(family: Family, dataset: Dataset) -> float | None:
    """Mean nats per coded token (Tokens) or per item (Dense) over held-out rows, fewer of them for a large model; None where nothing can be scored."""
    side = dataset.validation
    if not isinstance(family, Scores) or not len(side):
        return None
    length = dataset.spec.length if isinstance(dataset.spec, Tokens) else 1
    most = max(8, min(HELD_OUT_ROWS, int(HELD_OUT_WORK / (2 * parameter_count(family) * length))))
    rows = torch.linspace(0, len(side) - 1, min(most, len(side))).long().unique()
    total, count = 0.0, 0
    for part in rows.split(16):
        batch = side.take(part)
        total += float(family.nats(batch, [generator("held out", int(row)) for row in part]).double().sum())
        count += int(batch.counted(dataset.spec.begin).sum()) if isinstance(dataset.spec, Tokens) else len(part)
    return total / count if count else None


def _write_forgetting(run: Run, dataset: Dataset) -> None:
    """RUN/eval/forgetting.json: nats on held-out data, old and new, before and after fine-tuning. What the run gained and what it lost."""
    source, path = run.recipe.start_from, run.folder / "eval" / "forgetting.json"
    base = run.recipe.family.config.model_dump().get("base")
    if path.exists() or not run.finished or (source is None and base is None):
        return
    model = run.model()
    new: dict[str, Any] = {"source": run.recipe.data.named, "after": held_out_loss(model, dataset)}
    old: dict[str, Any] = {"source": ""}
    found = {"unit": "nats per token" if isinstance(dataset.spec, Tokens) else "nats per item", "new": new, "old": old}
    try:
        if source is None:
            new["before"] = held_out_loss(run.build(), dataset)
            old["why"] = "the data of a model of others are not at hand"
        else:
            parent = Run.open(source)
            begun = parent.model() if parent.spec == run.spec else _begun(run.recipe, run.spec, run.conditions, parent)
            found["parent"] = parent.id
            new["before"] = held_out_loss(begun, dataset)
            old["source"] = parent.recipe.data.named
            former = open_data(parent)
            old |= {"before": held_out_loss(begun, former), "after": held_out_loss(model, former)}
    except CastaliaError as error:
        old["why"] = f"not measured: {error.what}"
    atomic.write_json(path, found)


def resume(
    run: str | os.PathLike[str] | Run,
    *,
    hooks: Sequence[Hook] = (),
    allow_inexact: bool = False,
    trust_code: bool = False,
    progress: bool | None = None,
) -> Run:
    """Continue a run from its last checkpoint, bit-exactly. A finished run is left as it is. progress: as for `train`.

    Raises RunError when the recipe, the data or (without `allow_inexact`) the machine is not what it was.
    """
    run = run if isinstance(run, Run) else Run.open(run, trust_code=trust_code)
    with shown(progress):
        return _resume(run, hooks, allow_inexact)


def _resume(run: Run, hooks: Sequence[Hook], allow_inexact: bool) -> Run:
    _same_recipe(run)
    if run.finished:
        started = run.recipe.start_from or run.recipe.family.config.model_dump().get("base")
        if started is not None and not (run.folder / "eval" / "forgetting.json").exists():
            _write_forgetting(run, open_data(run))
        return run
    recorded, plan = run.about["versions"], run.recipe
    device = open_device(plan.training.model_copy(update={"threads": plan.training.threads or recorded["threads"]}))
    found = versions()
    changed = [f"{key}: {recorded[key]} -> {found[key]}" for key in ("torch", "cpu", "system", "threads") if recorded[key] != found[key]]
    if device.world != run.about["processes"]:
        changed.append(f"processes: {run.about['processes']} -> {device.world}")
    if changed and not allow_inexact:
        raise RunError(
            "resuming here would not be bit-exact: " + "; ".join(changed), where=run.folder, fix="add --allow-inexact to go on all the same"
        )
    dataset = open_data(run)

    def begin(family: Family) -> tuple[Family, tuning.Objective | None]:
        found = tuning.objective(plan, run.codec, dataset, family, lambda: _begun(plan, run.spec, run.conditions, _parent(run)))
        tuning.check(run, found)
        return family, found

    step = run.last_step
    with run.writing() if device.rank == 0 else nullcontext():
        if step is None:
            fresh, objective = begin(_begun(plan, run.spec, run.conditions, _parent(run)))
            trainer = start(fresh, plan.training, dataset.train, dataset.validation, device, run, dataset.development, objective)
        else:
            family, objective = begin(run.build())
            sides = (dataset.validation, dataset.development)
            trainer = Trainer(family, plan.training, dataset.train, device, run.about["precision"], run, *sides, objective)
            trainer.load(run, step)
        if device.rank == 0:
            run.truncate_metrics(trainer.step)
        fit(trainer, [sheets(run.folder / "samples", dataset), *hooks])
        if device.rank == 0:
            _write_forgetting(run, dataset)
            tuning.write(run, objective)
    return run


def _parent(run: Run) -> Run | None:
    """The run that this one starts from. Raises RunError when it is no longer what it was."""
    source = run.recipe.start_from
    if source is None:
        return None
    parent = Run.open(source)
    if parent.model_hash() != run.about["parents"][0]["model"]:
        raise RunError("the run to start from was trained on meanwhile", where=parent.folder, fix="train a new run from it")
    return parent


@dataclass(frozen=True)
class Estimate:
    """What a run will take. Seconds of CPU over all threads; memory is the peak of the whole process in MB."""

    recipe: Recipe
    spec: Any
    parameters: int
    items: int
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    precision: str


def rehearse(recipe: Recipe, *, steps: int = 12) -> Estimate:
    """A few real steps, one sheet, one checkpoint in memory and no files: what `train --dry-run` prints."""
    with Stopwatch() as setup:
        parent = None if recipe.start_from is None else Run.open(recipe.start_from)
        recipe, codec, dataset, family = _build(recipe, parent)
        device = open_device(recipe.training)
        objective = tuning.objective(recipe, codec, dataset, family, lambda: _begun(recipe, dataset.spec, dataset.conditions, parent))
        trainer = start(family, recipe.training, dataset.train, dataset.validation, device, None, dataset.development, objective)
        for _ in range(2):  # the first steps pay for caches and lazy kernels
            trainer.train_step()
    done = 0
    with Stopwatch() as training:
        while done < steps or (training.so_far < 3.0 and done < 400):
            trainer.train_step()
            done += 1
    with Stopwatch() as sheet:
        if recipe.training.sample_every:
            items_of_sheet(trainer.averaged(), dataset)
    with Stopwatch() as saving:
        for group in trainer.checkpoint().values():
            dump(group)
    total = recipe.training.steps
    times = (1, total / done, sheets_of(recipe.training), math.ceil(total / recipe.training.save_every))
    watches = (setup, training, sheet, saving)
    cpu = sum(count * watch.cpu for count, watch in zip(times, watches, strict=True))
    wall = sum(count * watch.wall for count, watch in zip(times, watches, strict=True))
    return Estimate(recipe, family.spec, parameter_count(family), len(dataset.train), cpu, wall, memory_mb(), trainer.precision)


def sheets_of(config: TrainConfig) -> int:
    """Sample sheets of a whole run: every `sample_every` steps, and at the end."""
    return math.ceil(config.steps / config.sample_every) if config.sample_every else 0


def open_data(run: Run, source: Given | None = None) -> Dataset:
    """The data of a run, encoded by the run's own codec. Raises RunError when it is no longer what it was trained on.

    source: other data to read the same way, not compared with the run's.
    """
    config: DataConfig = run.recipe.data
    if source is not None:
        config = DataConfig(source=locate.plain(source), conditional=False, segments=config.segments, limits=config.limits)
    dataset = prepare(config, run.codec, fit=False)
    if source is None and dataset.fingerprint != run.about["data"]["fingerprint"]:
        raise RunError("the data are not what this run was trained on", where=config.named, fix="restore the files, or train a new run")
    return dataset


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
    """`n` samples of a run (default: the recipe's); sample i depends on (seed, i) only. A notebook shows them.

    prompt, constraint: for runs of tokens, what each sample begins with and what must hold for the rest; see Request.
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
    """The reply to a conversation, a str (of the user) or a list of {"role", "content"}; `item` is its text. The oldest turns are left out
    where they do not fit the context. Raises AbilityError for a run that was never tuned on conversations."""
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
    """Edited native items. kind: "interpolate" (through the inputs, `steps` from each to the next), "vary", or "infill" (`steps` fillings
    of each text or score; see sampling.edit.fill for how the gaps of texts are marked).

    keep, bars: of scores, names of the parts that stay, and the first and last bar that are made anew (from 1; None: all).
    temperature: of infill, the divisor of the logits; below 1 safer, 0 the likeliest each time.
    redraw: of scores, how often a bar with faults (parallel fifths and octaves, crossings, notes out of range) is drawn anew; see sampling/mending.py.
    inputs: files, or for texts the texts themselves.
    labels: the class of each input, None where unknown; default: the name of its folder. What the codec knows of an input it is told too. model spares
    loading the run's weights again.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if kind != "infill" and (keep or bars is not None or redraw):
        raise RecipeError("only infill keeps parts and bars", where=f"edit {kind}", fix="leave --keep, --bars and --redraw out")
    if kind not in kinds():
        raise RecipeError(f"there is no edit called '{kind}'", where="edit", fix="one of: " + ", ".join(kinds()))
    if temperature < 0 or redraw < 0:
        raise RecipeError("temperature and redraw are 0 or above", where=f"temperature={temperature} redraw={redraw}", fix="leave them out")
    if steps < (2 if kind == "interpolate" else 1) or not 0 <= strength <= 1:
        raise RecipeError("steps must be at least 2 (vary: 1) and strength between 0 and 1", where=f"steps={steps} strength={strength}")
    model, codec = run.model() if model is None else model, run.codec
    if kind == "infill":
        given = [item for one in inputs for item in codec.given(one)]
        faults = None
        if redraw:
            from castalia.evaluation.counterpoint import rules_for  # all of evaluation comes with it, which nothing else here needs

            faults = rules_for(codec.native)
        return Gallery(
            infilled(model, codec, given, steps, seed, keep=keep, bars=bars, temperature=temperature, redraw=redraw, faults=faults), codec
        )
    items, known = [], list[dict[str, str]]()
    for one, label in zip(inputs, folder_labels(run, inputs) if labels is None else labels, strict=True):
        for item in codec.given(one):
            items.append(codec.encode(item))
            known.append(codec.facts(item) | ({} if label is None else {LABEL: label}))
    x = rows_of(run.spec, items).to(model.device)
    given = conditions_of_items(run.conditions, cond or {}, known)
    out = KINDS[kind](model, x, given, steps=steps, seed=seed, strength=strength)
    return Gallery((codec.decode(row) for row in out), codec)


def folder_labels(run: Run, inputs: Sequence[str | os.PathLike[str]]) -> list[str | None]:
    """The class of each input by the name of the folder that it lies in; None where that is no class of the run."""
    kind = run.conditions.get(LABEL)
    known = kind.names if isinstance(kind, Classes) else ()
    folders = [Path(one).resolve().parent.name if is_file(one) else "" for one in inputs]
    return [name if name in known else None for name in folders]


def parameter_count(family: Family) -> int:
    return sum(parameter.numel() for parameter in family.parameters())


def _build(plan: Recipe, parent: Run | None = None) -> tuple[Recipe, Codec[Any], Dataset, Family]:
    """The recipe as it is trained, and what it is trained with."""
    if not plan.data.source:
        raise RecipeError("the recipe names no data", where="data.source", fix="castalia train RECIPE FOLDER, or builtin/digits")
    codec: Codec[Any] = registry.resolve("codec", plan.codec.name, trust=True)(plan.codec.config)
    if parent is not None:
        codec = codec.restore(*parent.codec.state())
    dataset = prepare(plan.data, codec, fit=parent is None, extend=parent is not None)
    if parent is not None and grows(parent.spec, dataset.spec):
        family = registry.resolve("family", plan.family.name, trust=True)
        plan = replace(plan, family=replace(plan.family, config=family.for_new_tokens(plan.family.config)))
    require_memory(plan.training, dataset.spec)
    return plan, codec, dataset, _begun(plan, dataset.spec, dataset.conditions, parent)


def _begun(plan: Recipe, spec: Spec, conditions: dict[str, Condition], parent: Run | None) -> Family:
    """The family before step 1, a function of its arguments alone."""
    return _seeded(plan.training, lambda: _family(plan, spec, conditions, parent))


def _family(plan: Recipe, spec: Spec, conditions: dict[str, Condition], parent: Run | None) -> Family:
    """As it stands before step 1."""
    kind = registry.resolve("family", plan.family.name, trust=True)
    family = make(kind, plan.family.config, spec, conditions, copies=4 if plan.training.adapt is None else 1)
    if parent is not None:
        _take_over(family, parent)
    if plan.training.adapt is not None:
        lora.adapt(family, plan.training.adapt.lora, plan.training.adapt.alpha)
    return family


def _take_over(family: Family, parent: Run) -> None:
    """The parent's averaged weights, its pairs of low rank merged, and rows for the tokens that it did not know."""
    weights = with_new_tokens(family, parent.spec, parent.model().state_dict(), f"start_from={parent.folder}")
    try:
        family.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            "the weights do not fit: other conditions or other sizes",
            where=f"start_from={parent.folder}",
            fix="data.conditional=false where the parent knew no classes; leave the family's sizes alone",
        ) from error


def _seeded(config: TrainConfig, make: Any) -> Family:
    """Initial weights are a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("init", config.seed))
        family: Family = make()
    return family


def _same_recipe(run: Run) -> None:
    lines = differences(run.trained_recipe.as_dict(), run.recipe.as_dict())
    if lines:
        what = "recipe.yaml was changed after training began:\n  " + "\n  ".join(lines)
        raise RunError(what, where=run.folder / "recipe.yaml", fix="undo the change, or train a new run with it")
