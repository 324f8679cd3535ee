"""castalia show RUN."""

from __future__ import annotations

from typing import Annotated

import typer

from castalia.cli.console import say, say_json


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """What a run is, how far it got, and what to do with it next."""
    from castalia import registry
    from castalia.run import Run

    opened = Run.open(run)
    about, recipe = opened.about, opened.recipe
    rows = [row for row in opened.metrics() if "seconds" in row]
    entry = registry.FAMILIES.get(recipe.family.name)
    facts = {
        "run": opened.id,
        "folder": str(opened.folder),
        "recipe": recipe.title,
        "family": recipe.family.name,
        "can": list(entry.abilities) if entry else [],
        "steps": opened.last_step or 0,
        "of": recipe.training.steps,
        "finished": opened.finished,
        "parameters": about["parameters"],
        "precision": about["precision"],
        "data": about["data"],
        "conditions": {name: len(condition.get("names", [])) for name, condition in about["conditions"].items()},
        "versions": about["versions"],
        "last": rows[-1] if rows else None,
        "argv": about["argv"],
    }
    if json:
        say_json(facts)
        return 0
    done = "finished" if opened.finished else "not finished"
    say(
        f"{opened.id}  ({done}: {facts['steps']} of {facts['of']} steps)",
        f"  folder      {opened.folder}",
        f"  command     {' '.join(about['argv'])}",
    )
    say(f"  family      {recipe.family.name}, {about['parameters']:,} parameters, {about['precision']}; can: {', '.join(facts['can'])}")
    data, report = about["data"], about["data"]["report"]
    split = f"{report['train']} for training, {report['validation']} held out"
    say(f"  data        {recipe.data.source}: {split}, fingerprint {data['fingerprint'][:12]}")
    if rows:
        losses = "  ".join(f"{name} {value:.4g}" for name, value in rows[-1].items() if "/" in name)
        say(f"  last log    {losses}")
    report_page = opened.folder / "eval" / "report.html"
    say("  report      " + (str(report_page) if report_page.exists() else f"none yet: castalia evaluate {opened.folder}"))
    return 0
