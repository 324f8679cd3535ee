"""castalia export RUN --to transformers DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import say, say_json


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, or an earlier export, which is replaced")],
    to: Annotated[str, typer.Option(help="transformers: for AutoModelForCausalLM and AutoTokenizer")],
    trust_code: Annotated[bool, typer.Option("--trust-code", help="allow the run to execute its own Python file")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """Write a run in the format of another program."""
    from castalia.export.targets import export
    from castalia.run import Run

    opened = Run.open(run, trust_code=trust_code)
    files = export(opened, to, folder)
    if json:
        say_json({"run": opened.id, "to": to, "folder": str(folder), "files": files})
    else:
        say(f"{opened.id} for {to} in {folder}: {', '.join(files)}", f"next: {folder / 'README.md'} says how to load it")
    return 0
