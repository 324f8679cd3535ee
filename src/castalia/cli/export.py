"""castalia export RUN --to bundle|onnx|safetensors|transformers DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import say, say_json, table


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new folder, or an earlier export, which is replaced")],
    to: Annotated[
        str,
        typer.Option(
            help="bundle: runs without Castalia; onnx: for any ONNX runtime; safetensors: weights and tables; "
            "transformers: for AutoModelForCausalLM and AutoTokenizer"
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """Write a run in the format of another program."""
    from castalia.export.targets import export
    from castalia.run import Run

    opened = Run.open(run)
    made = export(opened, to, folder)
    if json:
        sizes = {"files": list(made.sizes), "bytes": made.sizes, "difference": made.difference}
        say_json({"run": opened.id, "to": to, "folder": str(folder), **sizes})
        return 0
    say(f"{opened.id} as {to} in {folder}", table(("file", "size"), [(name, _size(size)) for name, size in made.sizes.items()]))
    if made.difference is not None:
        say(f"largest difference from the run: {made.difference:.1e}" if made.difference else "the same numbers as the run's")
    say(f"next: {made.after}")
    return 0


def _size(count: int) -> str:
    """ "812 B", "3.4 kB", "21.0 MB"."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
