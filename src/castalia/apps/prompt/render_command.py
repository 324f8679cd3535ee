"""castalia prompt render FILE --var NAME=VALUE."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia import bounded
from castalia.cli.console import echo, pairs_of, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a prompt: NAME.prompt.md")],
    var: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads annotations at run time
        typer.Option(
            metavar="NAME=VALUE", help="a variable; @FILE reads it; may be given several times"
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Print what a model would be told; ask nobody."""
    from castalia.apps.prompt.template import read

    values = pairs_of(var or [], say("a variable is written NAME=VALUE"), "--var question=...")
    rendered = read(file).render({name: _value(value) for name, value in values.items()})
    if json:
        say_json(rendered.document())
    else:
        echo(rendered.text)
    return 0


def _value(given: str) -> str:
    """The value itself, or the content of the file after @."""
    if given.startswith("@"):
        return bounded.read_text(given[1:], "settings_bytes")
    return given.replace("\\n", "\n")
