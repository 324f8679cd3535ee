"""castalia simulate EXPERIMENT.yaml --out DIR [--answer-key]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page, say_json
from castalia.cli.options import AsJson, OpenPage
from castalia.errors import RecipeError
from castalia.sentences import N_, plural, say


def command(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT.yaml",
            help=N_("what is drawn, what is declared; docs/simulate.md"),
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help=N_("of a table, in place of the one in the file")),
    ] = None,
    cases: Annotated[
        int | None, typer.Option(metavar="N", help=N_("of each arm, in place of those in the file"))
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help=N_("of the draws, in place of the one in the file"))
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=N_("folder for simulated.csv, its manifest and a page")),
    ] = None,
    answer_key: Annotated[
        bool,
        typer.Option(
            "--answer-key",
            help=N_("for teaching: what was declared lies in a folder of its own"),
        ),
    ] = False,
    show: OpenPage = False,
    json: AsJson = False,
) -> int:
    """Draw the cases of an experiment from a model of a table; every row says it is simulated."""
    from castalia.apps.simulate.document import WARNING
    from castalia.apps.simulate.simulating import simulate

    if out is None:
        raise RecipeError(
            say("simulated cases are written into a folder"), where="--out", fix=say("--out DIR")
        )
    made = simulate(experiment, run=run, cases=cases, seed=seed, out=out)
    page = made.write(out, answer_key=answer_key)
    if json:
        say_json({**made.document(), "folder": str(out)})
        return 0
    for note in made.notes:
        echo(note)
    for group in made.groups:
        echo(
            plural(
                "{1}: {0:,} simulated case",
                "{1}: {0:,} simulated cases",
                len(group.drawn.rows),
                group.name,
            )
        )
    compare, found, power = made.sheet.experiment.compare, made.comparison, made.power
    if compare is not None and found is not None:
        echo(
            say(
                "{0}, {1} against {2}: difference {3:+.4g} ({4:+.4g} to {5:+.4g}), p {6}",
                compare.column,
                compare.between[1],
                compare.between[0],
                found.difference,
                found.low,
                found.high,
                "< 0.001" if found.p < 0.001 else f"{found.p:.3f}",
            )
        )
    if power is not None:
        echo(
            say(
                "power: {0:.1%} in {1:,} simulated experiments, {2:.1%} in closed form",
                power.simulated,
                power.experiments,
                power.exact,
            )
        )
    echo("", WARNING, "", say("look at: {0}", page))
    if show:
        open_page(page)
    return 0
