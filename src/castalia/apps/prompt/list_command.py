"""castalia prompt list [FILE...]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045 - typer reads annotations at run time
        typer.Argument(metavar="[FILE...]", help="prompts, or folders of them; default: here"),
    ] = None,
    json: AsJson = False,
) -> int:
    """List prompts with their versions, variables and tests."""
    from castalia.apps.prompt import template

    prompts = [template.read(path) for path in template.files(files or [Path()])]
    if json:
        say_json([one.document() for one in prompts])
        return 0
    head = [say("prompt"), say("version"), say("variables"), say("tests"), say("about")]
    rows = [
        [
            *(one.name, one.version, ", ".join(one.variables) or "–"),
            *(len(one.head.tests), one.head.about),
        ]
        for one in prompts
    ]
    echo(table(head, rows))
    return 0
