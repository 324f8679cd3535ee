"""castalia find RUN TEXT FILE... [--top N]."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, TrustCode


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="what is looked for, in words")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="files or folders to look through")
    ],
    top: Annotated[int, typer.Option(help="how many, the best first")] = 10,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Find the files that a text describes, by a run that was trained on captions."""
    from castalia.run import Run
    from castalia.verbs.describe import find

    opened = Run.open(run, trust_code=trust_code)
    found = find(opened, text, inputs, top=top)
    if json:
        say_json({"run": opened.id, "asked": text, "found": [asdict(one) for one in found]})
        return 0
    for one in found:
        echo(f"{one.agreement:6.2f}  {one.source}" + (f" [{one.place}]" if one.place else ""))
    return 0
