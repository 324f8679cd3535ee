"""castalia compare RUN RUN ... [-n N] [--lang zh] [--json]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson
from castalia.language import current
from castalia.sentences import row, say


def command(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN ...", help="folders or prefixes of runs of the same data"),
    ],
    n: Annotated[
        int | None,
        typer.Option(
            "-n", help="samples of each run; default: as many as the real data allow, at most 2000"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the judged samples")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="folder of the page; default: compare/ beside the first run")
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="allow the runs to execute their own Python files")
    ] = False,
    json: AsJson = False,
) -> int:
    """Judge runs of the same data side by side: differences with intervals, fidelity against cost,
    one page.
    """
    from castalia.run import Run
    from castalia.verbs.compare import compare

    opened = [Run.open(run, trust_code=trust_code) for run in runs]
    document = compare(opened, n=n, seed=seed, out=out, language=current())
    if json:
        say_json(document)
        return 0
    echo(
        _table(document),
        "",
        *document["verdict"],
        "",
        say("look at: {0}", Path(document["folder"]) / "compare.html"),
    )
    return 0


def _table(document: dict[str, Any]) -> str:
    """A row per score: the value of each run, and the pairs of runs that differ."""
    shown: dict[str, list[str]] = {}
    tested = {one["score"] for one in document["differences"]}
    for one in document["differences"]:
        if one["shown"]:
            worse = one["other"] if one["better"] == one["one"] else one["one"]
            shown.setdefault(one["score"], []).append(
                say("{0} better than {1}", one["better"], worse)
            )
    rows = []
    for name, values_of in document["scores"].items():
        values = [
            "-"
            if run not in values_of or values_of[run]["value"] is None
            else f"{values_of[run]['value']:.4g}"
            for run in document["runs"]
        ]
        differences = row("; ", shown.get(name, [])) or (
            say("no difference shown") if name in tested else "-"
        )
        rows.append([name, *values, differences])
    return table([say("score"), *document["runs"], say("difference")], rows)
