"""castalia export RUN --to bundle|onnx|safetensors|transformers DIR; castalia export RUN FILE
--encrypt RECIPIENT.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.units import size


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="a new folder, or an earlier export, which is replaced; with --encrypt: "
            "a new file",
        ),
    ],
    to: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="bundle: runs without Castalia; onnx: for any ONNX runtime; safetensors: "
            "weights and tables; "
            "transformers: for AutoModelForCausalLM and AutoTokenizer"
        ),
    ] = None,
    encrypt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="RECIPIENT",
            help="seal it for the owner of this key (age1..., ssh-...); without --to: the run "
            "itself with its ledger; may be given several times",
        ),
    ] = None,
    json: AsJson = False,
) -> int:
    """Write a run in the format of another program, or sealed for somebody."""
    from castalia.run import Run
    from castalia.verbs.export import export

    if encrypt is not None:
        return _sealed(run, to, folder, encrypt, json)
    if to is None:
        raise RecipeError(
            say("an export has a format, or somebody for whom the run is sealed"),
            where="castalia export",
            fix="--to bundle, --encrypt age1...",
        )
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


def _sealed(run: str, to: str | None, file: Path, recipients: list[str], json: bool) -> int:
    """The run itself, or what `to` makes of it, as one file that only the recipients open."""
    from tempfile import TemporaryDirectory

    from castalia.export.sealed import seal
    from castalia.run import Run
    from castalia.verbs.export import export

    opened = Run.open(run)
    with TemporaryDirectory() as place:
        folder = opened.folder if to is None else export(opened, to, Path(place) / "run").folder
        seal(folder, file, recipients)
    if json:
        say_json({"run": opened.id, "to": to, "file": str(file), "bytes": file.stat().st_size})
    else:
        echo(
            say("sealed: {0}, {1}", file, size(file.stat().st_size)),
            say("its recipient opens it by: {0}", f"castalia unseal {file.name} DIR"),
        )
    return 0
