"""castalia forecast RUN FILE... --horizon N --out DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, LedgerFile, PolicyFile, TrustCode
from castalia.errors import RecipeError
from castalia.sentences import plural, say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="histories, which the run's codec reads")
    ],
    horizon: Annotated[int, typer.Option(metavar="N", help="steps beyond the end of each")],
    out: Annotated[Path, typer.Option(help="folder for quantiles, paths, a plot and manifests")],
    paths: Annotated[int, typer.Option(metavar="N", help="courses that are drawn of each")] = 100,
    levels: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="of the quantiles, such as 0.1,0.5,0.9"),
    ] = None,
    members: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="what is joined, such as network,theta; default: all"),
    ] = None,
    format: Annotated[
        str, typer.Option(metavar="ENDING", help="of the tables: csv, tsv, parquet or jsonl")
    ] = "csv",
    seed: Annotated[int, typer.Option(help="of the draws")] = 0,
    policy: PolicyFile = None,
    ledger: LedgerFile = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Continue given series: quantiles and paths as tables, and a plot."""
    from castalia.cli.output_folder import endings
    from castalia.data.file_discovery import given_files
    from castalia.governance import provenance
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.sampling.continuations import LEVELS
    from castalia.verbs.forecast import forecast

    opened = Run.open(run, trust_code=trust_code)
    files = given_files(inputs, opened.codec)
    ending = endings(opened.codec, [format])[0]
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    asked = {"forecast": horizon, "paths": paths, "seed": seed}
    gate.prepare_options(asked)
    made = forecast(
        opened,
        files,
        horizon,
        paths=paths,
        levels=LEVELS if levels is None else _numbers(levels),
        seed=seed,
        members=[] if members is None else [name.strip() for name in members.split(",")],
        model=gate.model(),
    )
    facts = {**asked, **made.facts(), "inputs": provenance.describe(gate, files)}
    written = []
    for index, (name, part) in enumerate(made.parts().items()):
        path = out / (name if "." in name else f"{name}{ending}")
        written.append(gate.emit(part, path, gate.facts_of(index=index, part=name, **facts)))
    if json:
        names = [path.name for path in written]
        say_json({"run": opened.id, "folder": str(out), "files": names, **made.facts()})
        return 0
    for line in made.summary():
        echo(line)
    echo(
        say(
            "{0} in {1}",
            plural("{0} series continued", "{0} series continued", len(made.histories)),
            out,
        )
    )
    return 0


def _numbers(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError as error:
        raise RecipeError(
            say("levels of quantiles lie between 0 and 1"),
            where=f"--levels {text[:80]}",
            fix=say("such as 0.1,0.5,0.9"),
        ) from error
