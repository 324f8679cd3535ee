"""castalia predict RUN FILE... [--column NAME] --out DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, LedgerFile, PolicyFile, TrustCode
from castalia.sentences import plural, say

ODD = 5  # of the least likely items that are shown


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="files that the run's codec reads")
    ],
    out: Annotated[Path, typer.Option(help="folder for the rows with their predictions")],
    column: Annotated[
        str | None,
        typer.Option(help="what to predict from all others; default: how likely each row is"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of draws of what a row lacks")] = 0,
    policy: PolicyFile = None,
    ledger: LedgerFile = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Predict a column of given rows with probabilities, or rate how likely each row is."""
    from castalia.cli.output_folder import Batch
    from castalia.codecs.protocols import Collects
    from castalia.data.file_discovery import given_files
    from castalia.governance import provenance
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.verbs.predict import predict

    opened = Run.open(run, trust_code=trust_code)
    files = given_files(inputs, opened.codec)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    asked = {"predict": column or "", "seed": seed}
    gate.prepare_options(asked)
    found = predict(opened, files, column, seed=seed, model=gate.model())
    batch = Batch(gate, out)
    facts = gate.facts_of(index=0, **asked, inputs=provenance.describe(gate, files))
    codec = opened.codec
    made = [codec.collected(found.items)] if isinstance(codec, Collects) else found.items
    for index, item in enumerate(made):
        batch.emit(index, item, facts)
    document = batch.document(say("predicted: {0}", column) if column else say("rated"))
    if json:
        say_json({"run": opened.id, **document, "scores": found.scores})
        return batch.code()
    for name, value in found.scores.items():
        echo(f"{name:26} {value:.4g}")
    if found.nats is not None and len(found.nats):
        order = found.nats.argsort(descending=True)[:ODD].tolist()
        echo(say("the least likely rows:"))
        for place in order:
            echo(f"  {place + 1:>7,}  {float(found.nats[place]):8.2f} nats  {found.items[place]!r}")
    echo(
        say("{0} in {1}", plural("{0} row", "{0} rows", len(found.items)), out),
        say("look at: {0}", out / document["sheet"]),
    )
    return batch.code()
