"""castalia copy compare PAIRS.csv [--key FILE]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import say


def command(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="pairs.csv with its column preferred filled in")
    ],
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="which tone is where; default: pairs-key.csv beside it"),
    ] = None,
    json: AsJson = False,
) -> int:
    """Say which of two tones is preferred, by an exact paired test."""
    from castalia.apps.copy.pairs import compared

    found = compared(pairs, key)
    if json:
        say_json(found.document())
        return 0
    echo(
        found.sentence(),
        say(
            "share of “{0}”: {1:.1%} ({2:.1%} to {3:.1%}); {4} without a preference",
            found.first,
            found.share,
            found.low,
            found.high,
            found.ties,
        ),
    )
    return 0
