"""castalia train RECIPE [DATA ...] [key=value ...], castalia train --resume RUN."""

from __future__ import annotations

import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from castalia import bounded, progress
from castalia.cli.console import duration, say, say_json
from castalia.config import hold
from castalia.errors import RecipeError, RunError
from castalia.progress.views import often
from castalia.run_files import ForgettingFacts, TuningFacts

STARTED = time.perf_counter()  # minutes are counted from here: little has happened yet
Text = Optional[str]  # noqa: UP045 - typer reads annotations at run time


def command(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="RECIPE [DATA]... [KEY=VALUE]...", help="a recipe, data and overrides")
    ] = None,
    out: Annotated[Text, typer.Option(help="folder of the new run; default runs/<date>-<recipe>-<4 hex>")] = None,
    resume: Annotated[Text, typer.Option(metavar="RUN", help="continue a run, bit-exactly, from its last checkpoint")] = None,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="M",
            help="train for so long: the steps, and when the rate falls, are planned from the speed; the same as training.minutes=M",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="estimate time and memory from a few steps; train nothing")] = False,
    show_recipe: Annotated[bool, typer.Option("--show-recipe", help="print the resolved recipe whole, not in two lines")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print errors and the folder of the run, nothing else")] = False,
    allow_inexact: Annotated[bool, typer.Option("--allow-inexact", help="resume on another CPU, torch or thread count")] = False,
    trust_code: Annotated[bool, typer.Option("--trust-code", help="allow a resumed run to execute its own Python file")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """Train a recipe on your files, or resume a run."""
    if resume is not None:
        if words or minutes is not None:
            raise RecipeError(
                "--resume takes no recipe, data, minutes or overrides: a run keeps its own",
                where=" ".join(words or ["--minutes"]),
                fix=f"castalia train --resume {resume}, or train a new run",
            )
        return _train(None, resume, out, allow_inexact, trust_code, quiet, show_recipe, json)
    recipe, data, overrides = split_words(words or [])
    overrides += [] if minutes is None else [f"training.minutes={minutes}"]
    with progress.listening(None) if quiet else nullcontext(), progress.stage("starting"):
        from castalia.workflow import plan_of

        plan = plan_of(recipe, data, overrides)
    if dry_run:
        return _rehearse(plan, show_recipe, json)
    return _train(plan, None, out, allow_inexact, trust_code, quiet, show_recipe, json)


def split_words(words: list[str]) -> tuple[str, list[str] | None, list[str]]:
    """RECIPE [DATA ...] [key=value ...]. A word with "=" is an override unless it is a path that exists."""
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    names = [word for word in words if word not in overrides]
    if not names:
        raise RecipeError(
            "expected a recipe",
            where=" ".join(words),
            fix="castalia train image/gan photos/ training.steps=4000",
        )
    return names[0], names[1:] or None, overrides


def _rehearse(plan: Any, show_recipe: bool, json: bool) -> int:
    from castalia.rehearsal import rehearse

    often()
    startup = time.process_time()  # this process has imported what a run imports
    found = rehearse(plan)
    facts = {
        "recipe": plan.as_dict(),
        "spec": str(found.spec),
        "parameters": found.parameters,
        "steps": found.steps,
        "threads": found.threads,
        "items": found.items,
        "precision": found.precision,
        "cpu_seconds": round(found.cpu_seconds + startup, 2),
        "wall_seconds": round(found.wall_seconds + startup, 2),
        "memory_mb": round(found.memory_mb, 1),
    }
    if json:
        say_json(facts)
        return 0
    say(*([plan.to_yaml().rstrip()] if show_recipe else recipe_lines(plan)), "")
    say(
        f"spec        {found.spec}",
        f"parameters  {found.parameters:,}",
        f"items       {found.items:,} for training",
        f"precision   {found.precision}",
    )
    say(
        f"time        about {duration(facts['wall_seconds'])} for {found.steps:,} steps on {threads(found.threads)} ({facts['cpu_seconds']:.0f} CPU seconds)",
        f"memory      about {found.memory_mb:.0f} MB",
    )
    return 0


def _train(
    plan: Any, resume: str | None, out: str | None, allow_inexact: bool, trust_code: bool, quiet: bool, show_recipe: bool, json: bool
) -> int:
    import castalia
    from castalia.training.loop import Interrupted

    follows = int(os.environ.get("RANK", "0")) > 0  # not the first of several processes
    with progress.listening(None) if quiet else nullcontext():
        try:
            if plan is not None:
                if not quiet and not follows:
                    say(*([plan.to_yaml().rstrip(), ""] if show_recipe else recipe_lines(plan)), err=True)
                run = castalia.train(plan, out=out, begun=None if quiet else _found, started=STARTED)
            else:
                run = castalia.resume(resume or "", allow_inexact=allow_inexact, trust_code=trust_code)
        except Interrupted as stop:
            say(f"{stop}; nothing is lost", "go on with: castalia train --resume " + (resume or out or "latest"), err=True)
            return 128 + (stop.signal or signal.SIGTERM)
    if follows:
        return 0
    if json:
        say_json({"run": run.id, "folder": str(run.folder), "steps": run.last_step, "finished": run.finished})
    elif quiet:
        say(str(run.folder))
    else:
        for line in [*_tuning(run.folder), *_forgetting(run.folder)]:
            say(line)
        say(f"run: {run.folder}", f"next: castalia sample {run.folder}", f"      castalia evaluate {run.folder}")
    return 0


def recipe_lines(plan: Any) -> list[str]:
    """What a recipe comes to, in two lines; --show-recipe prints every key."""
    training, codec, family = plan.training, plan.codec.as_dict(), plan.family.as_dict()
    size = next((f"{key} {codec[key]}" for key in ("size", "length", "bars") if codec.get(key) is not None), "")
    network = ", ".join(f"{key} {family[key]}" for key in ("width", "depth", "latent", "heads") if family.get(key) is not None)
    optimiser = training.optimiser
    return [
        f"recipe: {plan.title} on {plan.data.source or 'no data'}  ({codec['name']}{', ' if size else ''}{size}; {family['name']}: {network})",
        f"        {length(training)} of {training.batch * training.accumulate} items, {optimiser.name} at {optimiser.rate:g}, "
        f"schedule {training.schedule.name}, seed {training.seed}; --show-recipe prints every key",
    ]


def threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def length(training: Any) -> str:
    """How long a recipe trains, in words."""
    if training.minutes is None:
        return f"{training.steps:,} steps"
    return f"{training.minutes:g} minutes of steps" + ("" if training.steps is None else f", at most {training.steps:,}")


def _found(run: Any) -> None:
    """Before the first step: what was found in the data, and how long it will take."""
    from castalia.data.report import summary

    expected = run.forecast

    say(
        *(f"{'data: ' if number == 0 else '      '}{line}" for number, line in enumerate(summary(run.about["data"]["report"]))),
        *(
            []
            if expected is None
            else [f"time: about {duration(expected.seconds)} for {expected.steps:,} steps on {threads(expected.threads)}"]
        ),
        "",
        err=True,
    )


def _tuning(folder: Path) -> list[str]:
    """What preferences or a reward did, where the run was tuned by them."""
    path = folder / "eval" / "tuning.json"
    if not path.exists():
        return []
    found = hold(TuningFacts, _read(path), "tuning.json is damaged", path, "remove the file: castalia train --resume writes it anew")
    before, after = found.before, found.after
    if found.kind == "reward":
        return [
            f"{after.texts} fresh samples, before and after tuning:",
            f"  rule met    {_number(before.met, '.1%')} -> {_number(after.met, '.1%')}",
            f"  reward      {_number(before.reward)} -> {_number(after.reward)}",
            f"  KL          {_number(after.kl, '.2f')} nats a text from where it started ({_number(after.kl_low, '.2f')} to {_number(after.kl_high, '.2f')})",
        ]
    return [
        f"{after.pairs} held-out pairs, before and after tuning:",
        f"  told apart  {_number(before.accuracy, '.1%')} -> {_number(after.accuracy, '.1%')}",
        f"  margin      {_number(before.margin)} -> {_number(after.margin)}",
        f"  nats        {_number(before.nats)} -> {_number(after.nats)} per token of what was chosen",
    ]


def _read(path: Path) -> Any:
    return bounded.parse_json(bounded.read_bytes(path, "json_bytes", RunError), path, error=RunError, finite=False)


def _number(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


def _forgetting(folder: Path) -> list[str]:
    """What fine-tuning gained on the new data and lost on the old, where this run was fine-tuned."""
    path = folder / "eval" / "forgetting.json"
    if not path.exists():
        return []
    found = hold(
        ForgettingFacts, _read(path), "forgetting.json is damaged", path, "remove the file: castalia train --resume writes it anew"
    )
    lines = [f"held-out {found.unit}, before and after fine-tuning:"]
    for side, entry in (("new", found.new), ("old", found.old)):
        if entry.before is None or entry.after is None:
            why = entry.why or "not measured: nothing is held out, or the family gives no likelihood"
            lines.append(f"  {side} data  {entry.source}: {why}")
        else:
            lines.append(f"  {side} data  {entry.source}: {entry.before:.4f} -> {entry.after:.4f}")
    return lines
