"""castalia sample RUN -n N --seed S [--cond label=..] [--out DIR]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import conditions, say, say_json


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    n: Annotated[Optional[int], typer.Option("-n", help="how many; default: the recipe's sampling.n")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="sample i depends on (seed, i) alone")] = 0,
    cond: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="a condition, e.g. label=3; may be given several times")
    ] = None,
    temperature: Annotated[Optional[float], typer.Option(help="scale of the noise; below 1 safer, above 1 wilder")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="folder for 00000.png ... and sheet.html; default RUN/samples/seed-S")] = None,  # noqa: UP045
    trust_code: Annotated[bool, typer.Option("--trust-code", help="allow the run to execute its own Python file")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")] = False,
) -> int:
    """Draw new items from a run: one file each, with a manifest inside, and a contact sheet."""
    from dataclasses import replace

    from castalia.cli.sheet import write_sheet
    from castalia.governance import release
    from castalia.run import Run
    from castalia.sampling.generate import generate
    from castalia.workflow import request_of

    opened = Run.open(run, trust_code=trust_code)
    request = request_of(opened, n, seed, conditions(cond or []))
    if temperature is not None:
        request = replace(request, options=replace(request.options, temperature=temperature))
    folder = out or opened.folder / "samples" / f"seed-{seed}"
    source, codec = release.origin(opened), opened.codec
    files = []
    for sample in generate(opened, request):
        path = folder / f"{sample.index:05d}{codec.suffix}"
        files.append(release.emit(sample.item, codec, path, release.manifest(source, **release.sample_facts(sample))))
    sheet = write_sheet(folder, files, f"{len(files)} samples of {opened.id}, seed {seed}")
    if json:
        say_json({"run": opened.id, "folder": str(folder), "files": [path.name for path in files], "sheet": sheet.name})
    else:
        say(f"{len(files)} samples in {folder}", f"look at: {sheet}")
    return 0
