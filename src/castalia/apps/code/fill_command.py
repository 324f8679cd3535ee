"""castalia code fill RUN FILE [--at LINE] [--n 3] [--json]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia import bounded
from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import N_, say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help=N_("a run of text/code"))],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=N_("Python with one gap [[]], or see --at"))
    ],
    at: Annotated[
        int | None, typer.Option(metavar="LINE", help=N_("the line that the gap replaces"))
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=1, max=64, help=N_("how many versions"))] = 3,
    seed: Annotated[int, typer.Option(help=N_("the same seed gives the same versions"))] = 0,
    temperature: Annotated[
        float, typer.Option(min=0.0, max=2.0, help=N_("below 1 safer, above 1 wilder"))
    ] = 0.7,
    json: AsJson = False,
) -> int:
    """Fill a gap of a file of Python: versions that parse, with copied lines and their licence."""
    from castalia.apps.code.copied_lines import shown
    from castalia.apps.code.filling import fill, with_gap
    from castalia.run import Run

    text = with_gap(bounded.read_text(file), at)
    made, refused = fill(Run.open(run), text, count=n, seed=seed, temperature=temperature)
    if not made:
        raise refused[0]
    if json:
        say_json({"versions": [one.document() for one in made], "refused": len(refused)})
        return 0
    for one in made:
        echo(one.filled.rstrip() or "⟨⟩")
        if one.copied:
            echo(say("copied from the training code:"), *shown(one.copied))
        echo("-" * 40)
    echo(say("A small model of these files, no general coder: read what it wrote."))
    return 0
