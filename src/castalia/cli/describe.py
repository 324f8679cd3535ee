"""castalia describe RUN FILE... [-n N] [--language zh] [--out captions.jsonl]."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson, LedgerFile, PolicyFile, TrustCode
from castalia.sentences import say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="files that the run's codec reads")
    ],
    n: Annotated[
        int, typer.Option("-n", help="captions of each; several are drawn, the best first")
    ] = 1,
    language: Annotated[
        str | None, typer.Option(metavar="en|zh", help="of captions, where training had both")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="0: the likeliest words; default: 0 for one caption, 1 for several"),
    ] = None,
    seed: Annotated[int, typer.Option(help="of drawn captions")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="a .jsonl that data.caption=caption reads"),
    ] = None,
    policy: PolicyFile = None,
    ledger: LedgerFile = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Say in words what files show, by a run that was trained on captions."""
    from castalia import atomic
    from castalia.codecs.base import is_file
    from castalia.errors import Refused
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.verbs.describe import describe

    opened = Run.open(run, trust_code=trust_code)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    gate.prepare_options({"n": n, "temperature": temperature, "seed": seed})
    found = describe(
        opened,
        inputs,
        n=n,
        language=language,
        temperature=temperature,
        seed=seed,
        model=gate.model(),
    )
    rows, refusals = [], []
    for one in found:
        captions = []
        for index, said in enumerate(one.captions):
            facts = gate.facts_of(seed=seed, index=index, described=True)
            try:
                gate.emit_text(said.text, facts)
            except Refused as refusal:
                refusals.append(refusal)
                continue
            captions.append({"caption": said.text, "agreement": said.agreement})
        if captions:
            rows.append(
                {
                    "file": Path(one.source).name if is_file(one.source) else one.source,
                    "caption": captions[0]["caption"],
                    "captions": captions,
                    "synthetic": True,
                    "run": opened.id,
                }
            )
    if refusals and not rows:
        raise refusals[0]
    if out is not None:
        lines = [jsonlib.dumps(row, ensure_ascii=False) for row in rows]
        atomic.write(out, "\n".join(lines) + "\n")
    if json:
        say_json({"run": opened.id, "items": rows})
        return Refused.exit_code if refusals else 0
    for row in rows:
        for number, said in enumerate(row["captions"]):
            score = said["agreement"]
            mark = "" if score is None else f"  ({score:.2f})"
            echo(f"{row['file'] if not number else ''}\t{said['caption']}{mark}")
    if out is not None:
        echo(say("written to {0}", out))
    if refusals:
        echo(say("captions that the policy refused: {0}", len(refusals)), err=True)
        return Refused.exit_code
    return 0
