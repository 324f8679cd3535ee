"""castalia reproduce FILE [--run RUN] --out DIR [--inputs FILE ...]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, TrustCode
from castalia.sentences import say


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="what castalia sample or edit wrote")
    ],
    out: Annotated[Path, typer.Option(help="folder for the reproduction; it has the file's name")],
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="default: found by the hash of its weights")
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="of an edit: what it was made from, in that order"),
    ] = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Make a file again from its manifest and compare. Exit 0 if every byte is the same, else 7."""
    from castalia.run import Run
    from castalia.verbs.reproduce import reproduce

    opened = None if run is None else Run.open(run, trust_code=trust_code)
    made = reproduce(file, out, run=opened, inputs=inputs or [], trust_code=trust_code)
    if json:
        facts = {
            "file": str(file),
            "reproduction": str(made.path),
            "run": str(made.run),
            "identical": made.identical,
        }
        say_json(
            facts
            | {
                "same_content": made.same_content,
                "difference": made.difference,
                "causes": made.causes,
            }
        )
        return 0 if made.identical else 7
    if made.identical:
        echo(say("identical, byte for byte: {0}", made.path), say("made again by: {0}", made.run))
        return 0
    echo(
        say("not identical: {0}", made.path),
        say(
            "  difference  {0}{1}",
            made.difference,
            say(" (the same content in other bytes)") if made.same_content else "",
        ),
    )
    for cause in made.causes or [say("versions, CPU and threads are the same as then")]:
        echo(say("  because     {0}", cause))
    return 7
