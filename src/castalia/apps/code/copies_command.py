"""castalia code copies RUN FILE [--json]."""

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
    file: Annotated[Path, typer.Argument(metavar="FILE", help=N_("any text, whoever wrote it"))],
    json: AsJson = False,
) -> int:
    """Lines of a file that stand in the code that a run was trained on. Exit 7 where there are."""
    from castalia.apps.code.copied_lines import lines_of, shown
    from castalia.run import Run

    text = bounded.read_text(file)
    found = lines_of(Run.open(run)).copied(text)
    if json:
        say_json({"copied": [one.document() for one in found]})
    else:
        echo(
            say("{0} of {1} lines stand in the training code", len(found), len(text.splitlines())),
            *shown(found),
        )
    return 7 if found else 0
