"""castalia export RUN --to bundle|onnx|safetensors|transformers DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.sentences import say
from castalia.units import size


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="a new folder, or an earlier export, which is replaced"),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="bundle: runs without Castalia; onnx: for any ONNX runtime; safetensors: "
            "weights and tables; "
            "transformers: for AutoModelForCausalLM and AutoTokenizer"
        ),
    ],
    json: AsJson = False,
) -> int:
    """Write a run in the format of another program."""
    from castalia.run import Run
    from castalia.verbs.export import export

    opened = Run.open(run)
    made = export(opened, to, folder)
    if json:
        sizes = {"files": list(made.sizes), "bytes": made.sizes, "difference": made.difference}
        say_json({"run": opened.id, "to": to, "folder": str(folder), **sizes})
        return 0
    echo(
        say("{0} as {1} in {2}", opened.id, to, folder),
        table(
            (say("file"), say("size")), [(name, size(count)) for name, count in made.sizes.items()]
        ),
    )
    if made.difference is not None:
        echo(
            say("largest difference from the run: {0:.1e}", made.difference)
            if made.difference
            else say("the same numbers as the run's")
        )
    echo(say("next: {0}", made.after))
    return 0
