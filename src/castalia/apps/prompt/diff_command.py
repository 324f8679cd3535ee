"""castalia prompt diff FILE OTHER."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a prompt: NAME.prompt.md")],
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="the other one")],
    json: AsJson = False,
) -> int:
    """Print what differs in meaning, line by line; exit code 0 where nothing does, else 1."""
    from castalia.apps.prompt.template import read, written

    one, two = read(file), read(other)
    lines = list(
        difflib.unified_diff(
            *(written(one).splitlines(), written(two).splitlines()),
            *(f"{file} {one.version}", f"{other} {two.version}"),
            lineterm="",
        )
    )
    same = one.version == two.version
    if json:
        say_json({"versions": [one.version, two.version], "same": same, "diff": lines})
    elif lines:
        echo(*lines)
    else:
        echo(say("both are version {0}", one.version))
    return 0 if same else 1
