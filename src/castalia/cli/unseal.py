"""castalia unseal FILE DIR [--identity FILE]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="what castalia export --encrypt wrote")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder")],
    identity: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="a private key of age or ssh; default: your own"),
    ] = None,
    json: AsJson = False,
) -> int:
    """Open a run that was sealed for you."""
    from castalia.export.sealed import unseal

    unseal(file, folder, identity)
    if json:
        say_json({"file": str(file), "folder": str(folder)})
    else:
        echo(say("opened: {0}", folder))
    return 0
