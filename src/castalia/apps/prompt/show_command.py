"""castalia prompt show FILE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a prompt: NAME.prompt.md")],
    json: AsJson = False,
) -> int:
    """Show what a prompt asks for, and its body."""
    from castalia.apps.prompt.template import read

    prompt = read(file)
    if json:
        say_json({**prompt.document(), "body": prompt.body})
        return 0
    echo(say("{0}, version {1}", prompt.name, prompt.version))
    if prompt.head.about:
        echo(prompt.head.about)
    head = [say("variable"), say("type"), say("default"), say("about")]
    rows = [
        [
            name,
            ", ".join(one.choices) or one.type,
            *("–" if one.default is None else str(one.default), one.about),
        ]
        for name, one in prompt.variables.items()
    ]
    if rows:
        echo("", table(head, rows))
    for name, texts in prompt.head.alternatives.items():
        echo("", say("{0}, one of:", name), *(f"  {text}" for text in texts))
    settings = prompt.head.sampling.given()
    if settings:
        echo("", ", ".join(f"{name}={value}" for name, value in settings.items()))
    echo("", prompt.body.rstrip("\n"))
    return 0
