"""castalia show RUN [--film FILE.gif] [--attention TEXT]."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, TrustCode
from castalia.language import current
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.evaluation.sheet_distance import Distance
    from castalia.run import Run


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    attention: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="write RUN/attention.html: where each token of TEXT looks"
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.gif", help="write the samples that were drawn while it trained as a film"
        ),
    ] = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """What a run is, how far it got, and what to do with it next."""
    from castalia import registry
    from castalia.data.data_report import summary
    from castalia.evaluation.training_page import NAME as PAGE
    from castalia.run import Run
    from castalia.sampling.previews import files

    opened = Run.open(run, trust_code=trust_code)
    if attention is not None:
        return _attention(opened, attention, json)
    if film is not None:
        return _film(opened, film, json)
    about, recipe = opened.about, opened.recipe
    rows = [row for row in opened.metrics() if row.get("seconds") is not None]
    held_out = _held_out(opened)
    distance, sheets = _distance(opened), list(files(opened.folder / "samples").values())
    entry = registry.FAMILIES.get(recipe.family.name)
    facts = {
        "run": opened.id,
        "folder": str(opened.folder),
        "recipe": recipe.title,
        "family": recipe.family.name,
        "can": list(entry.abilities) if entry else [],
        "steps": opened.last_step or 0,
        "of": opened.total_steps,
        "finished": opened.finished,
        "parameters": about["parameters"],
        "precision": about["precision"],
        "data": about["data"],
        "conditions": {
            name: len(condition.get("names", [])) for name, condition in about["conditions"].items()
        },
        "versions": about["versions"],
        "last": rows[-1] if rows else None,
        "held_out": None
        if held_out is None
        else dict(zip(("step", "loss", "unit"), held_out, strict=True)),
        "distance": None if distance is None else asdict(distance[1]) | {"step": distance[0]},
        "sheets": len(sheets),
        "argv": about["argv"],
    }
    if json:
        say_json(facts)
        return 0
    done = say("finished") if opened.finished else say("not finished")
    echo(
        say(
            "{0}  ({1}: {2} of {3})",
            opened.id,
            done,
            facts["steps"],
            plural("{0} step", "{0} steps", facts["of"]),
        ),
        say("  folder      {0}", opened.folder),
        say("  command     {0}", " ".join(about["argv"])),
    )
    echo(
        say(
            "  family      {0}, {1}, {2}; can: {3}",
            recipe.family.name,
            plural("{0:,} parameter", "{0:,} parameters", about["parameters"]),
            about["precision"],
            registry.named_abilities(facts["can"]),
        )
    )
    data, report = about["data"], about["data"]["report"]
    echo(
        say("  data        {0}, fingerprint {1}", recipe.data.named, data["fingerprint"][:12]),
        *(say("              {0}", line) for line in summary(report)),
    )
    if rows:
        losses = "  ".join(
            f"{name} {value:.4g}"
            for name, value in rows[-1].items()
            if "/" in name and isinstance(value, int | float)
        )
        echo(say("  last log    {0}", losses))
    if held_out is not None:
        echo(say("  held out    {0:.4g} {1}, at step {2:,}", held_out[1], held_out[2], held_out[0]))
    if distance is not None:
        echo(say("  distance    {0}; at step {1:,}, rough", distance[1].words(), distance[0]))
    if sheets:
        count = plural("{0:,} sheet", "{0:,} sheets", len(sheets))
        echo(say("  samples     {0}, the last: {1}", count, sheets[-1]))
    if (opened.folder / PAGE).exists():
        echo(say("  training    {0}", opened.folder / PAGE))
    report_page = opened.folder / "eval" / "report.html"
    echo(
        say(
            "  report      {0}",
            str(report_page)
            if report_page.exists()
            else say("none yet: castalia evaluate {0}", opened.folder),
        )
    )
    echo(*curves(opened.metrics(), shutil.get_terminal_size().columns))
    return 0


def _distance(run: Run) -> tuple[int, Distance] | None:
    """The distance of the last sheet of samples, and its step."""
    from castalia.evaluation.sheet_distance import Distance

    found = [(row["step"], Distance.of(row)) for row in run.metrics()]
    return next(((step, one) for step, one in reversed(found) if one is not None), None)


def _film(run: Run, path: Path, json: bool) -> int:
    from castalia.sampling.film import write_film

    frames = write_film(run, path)
    if json:
        say_json({"run": run.id, "film": str(path), "frames": frames})
    else:
        echo(say("{0}: {1}", path, plural("{0:,} sheet", "{0:,} sheets", frames)))
    return 0


def _held_out(run: Run) -> tuple[int, float, str] | None:
    """(step, loss, unit) of the last measurement on held-out data while it trained; None where
    nothing was measured.
    """
    from castalia.spec import Tokens

    unit = say("nats per token") if isinstance(run.spec, Tokens) else say("nats per item")
    for row in reversed(run.metrics()):
        if "held_out" in row or "validation" in row:
            stop = run.recipe.training.early_stop
            return (
                row["step"],
                row.get("held_out", row.get("validation")),
                unit if "held_out" in row or stop is None else stop.part,
            )
    return None


CURVES = {"held out": say("held out"), "loss": say("loss")}


def curves(rows: list[dict[str, Any]], width: int) -> list[str]:
    """The loss over the steps, and below it the loss on held-out data, where there are at least two
    measurements of each.
    """
    from castalia.cli.terminal_curve import curve
    from castalia.training.hooks import headlines

    series: dict[str, list[tuple[float, float]]] = {}
    several = len({key for row in rows for key in row if key.endswith("/total")}) > 1
    for row in rows:
        for name, value in headlines(
            {key: value for key, value in row.items() if "/" in key}, several=several
        ).items():
            series.setdefault(name, []).append((row["step"], value))
        for key in ("held_out", "validation"):
            if key in row:
                series.setdefault("held out", []).append((row["step"], row[key]))
    lines = []
    for name, points in series.items():
        drawn = curve(points, min(width, 120) - 2)
        lines += (
            ["", say("  {0}", CURVES.get(name, name)), *(say("  {0}", line) for line in drawn)]
            if drawn
            else []
        )
    return lines


def _attention(run: Run, text: str, json: bool) -> int:
    from castalia.evaluation.attention_page import write_page

    page = run.folder / "attention.html"
    title = f"{run.recipe.title} · {run.id}"
    write_page(run.model(), run.codec, text, page, title=title, language=current())
    if json:
        say_json({"run": run.id, "attention": str(page)})
    else:
        echo(say("look at: {0}", page))
    return 0
