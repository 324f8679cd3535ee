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
from castalia.cli.console import duration, echo, open_page, say_json
from castalia.cli.options import AsJson
from castalia.config import hold
from castalia.errors import RecipeError, RunError
from castalia.language import constant, recognised
from castalia.progress import stage
from castalia.progress.views import often
from castalia.run_files import ForgettingFacts, TuningFacts
from castalia.sentences import plural, say

STARTED = time.perf_counter()  # minutes are counted from here: little has happened yet
Text = Optional[str]  # noqa: UP045 - typer reads annotations at run time


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE [DATA]... [KEY=VALUE]...", help="a recipe, data and overrides"
        ),
    ] = None,
    out: Annotated[
        Text, typer.Option(help="folder of the new run; default runs/<date>-<recipe>-<4 hex>")
    ] = None,
    resume: Annotated[
        Text,
        typer.Option(metavar="RUN", help="continue a run, bit-exactly, from its last checkpoint"),
    ] = None,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="M",
            help="train for so long: the steps, and when the rate falls, are planned from the "
            "speed; the same as training.minutes=M",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="estimate time and memory from a few steps; train nothing"),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="open RUN/training.html in a browser where there is a screen: samples beside real "
            "data, as training goes on",
        ),
    ] = False,
    show_recipe: Annotated[
        bool,
        typer.Option("--show-recipe", help="print the resolved recipe whole, not in two lines"),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="print errors and the folder of the run, nothing else"),
    ] = False,
    allow_inexact: Annotated[
        bool, typer.Option("--allow-inexact", help="resume on another CPU, torch or thread count")
    ] = False,
    trust_code: Annotated[
        bool,
        typer.Option("--trust-code", help="allow a resumed run to execute its own Python file"),
    ] = False,
    json: AsJson = False,
) -> int:
    """Train a recipe on your files, or resume a run."""
    if resume is not None:
        if words or minutes is not None:
            raise RecipeError(
                say("--resume takes no recipe, data, minutes or overrides: a run keeps its own"),
                where=" ".join(words or ["--minutes"]),
                fix=say("castalia train --resume {0}, or train a new run", resume),
            )
        return _train(None, resume, out, allow_inexact, trust_code, quiet, watch, show_recipe, json)
    recipe, data, overrides = split_words(words or [])
    overrides += [] if minutes is None else [f"training.minutes={minutes}"]
    if dry_run:
        often()
    with progress.listening(None) if quiet else nullcontext(), stage("starting"):
        from castalia.training.plan import plan_of

        plan = plan_of(recipe, data, overrides)
    if dry_run:
        return _rehearse(plan, show_recipe, json)
    return _train(plan, None, out, allow_inexact, trust_code, quiet, watch, show_recipe, json)


def split_words(words: list[str]) -> tuple[str, list[str] | None, list[str]]:
    """RECIPE [DATA ...] [key=value ...]. A word with "=" is an override unless it is a path that
    exists.
    """
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    names = [word for word in words if word not in overrides]
    if not names:
        raise RecipeError(
            say("expected a recipe"),
            where=" ".join(words),
            fix="castalia train image/gan photos/ training.steps=4000",
        )
    return names[0], names[1:] or None, overrides


def _rehearse(plan: Any, show_recipe: bool, json: bool) -> int:
    from castalia.verbs.dry_run import rehearse

    startup = time.process_time()  # this process has imported what a run imports
    forecast = rehearse(plan)
    facts = {
        "recipe": plan.as_dict(),
        "spec": str(forecast.spec),
        "parameters": forecast.parameters,
        "steps": forecast.steps,
        "threads": forecast.threads,
        "items": forecast.items,
        "precision": forecast.precision,
        "cpu_seconds": round(forecast.cpu_seconds + startup, 2),
        "wall_seconds": round(forecast.wall_seconds + startup, 2),
        "memory_mb": round(forecast.memory_mb, 1),
    }
    if json:
        say_json(facts)
        return 0
    echo(*([plan.to_yaml().rstrip()] if show_recipe else recipe_lines(plan)), "")
    echo(
        say("spec        {0}", forecast.spec),
        say("parameters  {0:,}", forecast.parameters),
        say("items       {0:,} for training", forecast.items),
        say("precision   {0}", forecast.precision),
    )
    echo(
        say(
            "time        about {0} for {1} on {2} ({3:.0f} CPU seconds)",
            duration(facts["wall_seconds"]),
            plural("{0:,} step", "{0:,} steps", forecast.steps),
            threads(forecast.threads),
            facts["cpu_seconds"],
        ),
        say("memory      about {0:.0f} MB", forecast.memory_mb),
    )
    return 0


def _train(
    plan: Any,
    resume: str | None,
    out: str | None,
    allow_inexact: bool,
    trust_code: bool,
    quiet: bool,
    watch: bool,
    show_recipe: bool,
    json: bool,
) -> int:
    import castalia
    from castalia.training.loop import Interrupted

    def begun(run: Any) -> None:
        if not quiet and plan is not None:
            _found(run)
        _watched(run, watch, quiet)

    follows = int(os.environ.get("RANK", "0")) > 0  # not the first of several processes
    with progress.listening(None) if quiet else nullcontext():
        try:
            if plan is not None:
                if not quiet and not follows:
                    echo(
                        *([plan.to_yaml().rstrip(), ""] if show_recipe else recipe_lines(plan)),
                        err=True,
                    )
                run = castalia.train(plan, out=out, begun=begun, started=STARTED)
            else:
                run = castalia.resume(
                    resume or "",
                    allow_inexact=allow_inexact,
                    trust_code=trust_code,
                    begun=begun,
                )
        except Interrupted as stop:
            echo(
                say("{0}; nothing is lost", stop),
                say("go on with: castalia train --resume {0}", resume or out or "latest"),
                err=True,
            )
            return 128 + (stop.signal or signal.SIGTERM)
    if follows:
        return 0
    if json:
        say_json(
            {
                "run": run.id,
                "folder": str(run.folder),
                "steps": run.last_step,
                "finished": run.finished,
            }
        )
    elif quiet:
        echo(str(run.folder))
    else:
        for line in [*_tuning(run.folder), *_forgetting(run.folder)]:
            echo(line)
        echo(
            say("run: {0}", run.folder),
            *next_steps(run),
        )
    return 0


def next_steps(run: Any) -> list[str]:
    """What one does with the run now; one that only makes codes is there for another training, one
    that describes for items to be described.
    """
    from castalia.recipe import read_yaml, shipped
    from castalia.registry import families_that, mends_only

    family = run.recipe.family.name
    if family in families_that("describes"):
        return [
            say("next: castalia describe {0} FILE...", run.folder),
            say('      castalia find {0} "WORDS" FOLDER', run.folder),
            say("      castalia evaluate {0}", run.folder),
        ]
    if mends_only(family):
        return [
            say("next: castalia evaluate {0} --edits", run.folder),
            *(
                say("      castalia edit {0} {1} FILE --out DIR", run.folder, kind)
                for kind in able(run)
            ),
        ]
    if family in families_that("samples") or family not in families_that("compresses"):
        return [
            say("next: castalia sample {0}", run.folder),
            say("      castalia evaluate {0}", run.folder),
        ]
    codecs = {name: read_yaml(name).get("codec", {}) for name in shipped()}
    over = [
        name
        for name, codec in codecs.items()
        if codec.get("name") == run.recipe.codec.name and codec.get("chain", "") is None
    ]
    return [
        say("next: castalia train {0} {1} codec.chain={2}", name, run.recipe.data.named, run.folder)
        for name in over
    ]


def able(run: Any) -> list[str]:
    """The kinds of edits that a finished run can do."""
    from castalia.sampling.edit import edits_of

    model = run.model()
    return [kind for kind, one in edits_of(run.codec).items() if one.possible(model, run.codec)]


def recipe_lines(plan: Any) -> list[str]:
    """What a recipe comes to, in two lines; --show-recipe prints every key."""
    training, codec, family = plan.training, plan.codec.as_dict(), plan.family.as_dict()
    size = next(
        (f"{key} {codec[key]}" for key in ("size", "length", "bars") if codec.get(key) is not None),
        "",
    )
    network = ", ".join(
        f"{key} {family[key]}"
        for key in ("width", "depth", "latent", "heads")
        if family.get(key) is not None
    )
    optimiser = training.optimiser
    return [
        say(
            "recipe: {0} on {1}  ({2}{3}{4}; {5}: {6})",
            plan.title,
            plan.data.source or say("no data"),
            codec["name"],
            ", " if size else "",
            size,
            family["name"],
            network,
        ),
        say(
            "        {0} of {1}, {2} at {3:g}, schedule {4}, seed {5}; --show-recipe "
            "prints every key",
            length(training),
            plural("{0} item", "{0} items", training.batch * training.accumulate),
            optimiser.name,
            optimiser.rate,
            training.schedule.name,
            training.seed,
        ),
    ]


def threads(count: int) -> str:
    return plural("{0} thread", "{0} threads", count)


def length(training: Any) -> str:
    """How long a recipe trains, in words."""
    if training.minutes is None:
        return plural("{0:,} step", "{0:,} steps", training.steps)
    return plural(
        "{0:g} minute of steps{1}",
        "{0:g} minutes of steps{1}",
        training.minutes,
        "" if training.steps is None else say(", at most {0:,}", training.steps),
    )


def _found(run: Any) -> None:
    """Before the first step: what was found in the data, and how long it will take."""
    from castalia.data.data_report import summary

    expected = run.forecast

    echo(
        *(
            say("{0}{1}", say("data: ") if number == 0 else "      ", line)
            for number, line in enumerate(summary(run.about["data"]["report"]))
        ),
        *(
            []
            if expected is None
            else [
                say(
                    "time: about {0} for {1} on {2}",
                    duration(expected.seconds),
                    plural("{0:,} step", "{0:,} steps", expected.steps),
                    threads(expected.threads),
                )
            ]
        ),
        *(say("note: {0}", line) for line in run.advice),
        err=True,
    )


def _watched(run: Any, watch: bool, quiet: bool) -> None:
    """Where it can be watched; with `watch`, in a browser."""
    from castalia.evaluation.training_page import NAME

    page = run.folder / NAME
    lines = [say("watch: {0}", page)]
    if not page.exists():
        lines = [say("nothing to watch: training.sample_every=0 makes no samples")] * watch
    elif watch:
        open_page(page)
    if not quiet:
        echo(*lines, "", err=True)


def _tuning(folder: Path) -> list[str]:
    """What preferences or a reward did, where the run was tuned by them."""
    path = folder / "eval" / "tuning.json"
    if not path.exists():
        return []
    facts = hold(
        TuningFacts,
        _read(path),
        say("tuning.json is damaged"),
        path,
        say("remove the file: castalia train --resume writes it anew"),
    )
    before, after = facts.before, facts.after
    if facts.kind == "reward":
        return [
            say(
                "{0}, before and after tuning:",
                plural("{0} fresh sample", "{0} fresh samples", after.texts),
            ),
            say("  rule met    {0} -> {1}", _number(before.met, ".1%"), _number(after.met, ".1%")),
            say("  reward      {0} -> {1}", _number(before.reward), _number(after.reward)),
            say(
                "  KL          {0} nats a text from where it started ({1} to {2})",
                _number(after.kl, ".2f"),
                _number(after.kl_low, ".2f"),
                _number(after.kl_high, ".2f"),
            ),
        ]
    return [
        say(
            "{0}, before and after tuning:",
            plural("{0} held-out pair", "{0} held-out pairs", after.pairs),
        ),
        say(
            "  told apart  {0} -> {1}",
            _number(before.accuracy, ".1%"),
            _number(after.accuracy, ".1%"),
        ),
        say("  margin      {0} -> {1}", _number(before.margin), _number(after.margin)),
        say(
            "  nats        {0} -> {1} per token of what was chosen",
            _number(before.nats),
            _number(after.nats),
        ),
    ]


def _read(path: Path) -> Any:
    return bounded.parse_json(
        bounded.read_bytes(path, "json_bytes", RunError), path, error=RunError, finite=False
    )


def _number(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


SIDES = {"new": say("new"), "old": say("old")}


def _forgetting(folder: Path) -> list[str]:
    """What fine-tuning gained on the new data and lost on the old, where this run was
    fine-tuned.
    """
    path = folder / "eval" / "forgetting.json"
    if not path.exists():
        return []
    facts = hold(
        ForgettingFacts,
        _read(path),
        say("forgetting.json is damaged"),
        path,
        say("remove the file: castalia train --resume writes it anew"),
    )
    lines = [say("held-out {0}, before and after fine-tuning:", constant(facts.unit))]
    for side, entry in (("new", facts.new), ("old", facts.old)):
        if entry.before is None or entry.after is None:
            why = (
                recognised(entry.why)
                if entry.why
                else say("not measured: nothing is held out, or the family gives no likelihood")
            )
            lines.append(say("  {0} data  {1}: {2}", SIDES[side], entry.source, why))
        else:
            lines.append(
                say(
                    "  {0} data  {1}: {2:.4f} -> {3:.4f}",
                    SIDES[side],
                    entry.source,
                    entry.before,
                    entry.after,
                )
            )
    return lines
