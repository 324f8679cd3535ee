"""castalia edit RUN interpolate|vary|infill INPUT... [--seed S] --out DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import conditions, echo, say_json
from castalia.sentences import plural, say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="interpolate: from each input to the next; vary: variants of each; infill: "
            "fill a text's gaps, [[12]] or [[]], or a score's parts",
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="files that the run's codec reads, or the texts themselves"
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder for the results and sheet.html")],
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--format",
            metavar="ENDING",
            help="of the files, e.g. mid, musicxml, wav; may be given several times",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the noise in vary")] = 0,
    steps: Annotated[
        int, typer.Option(help="items per pair (interpolate) or per input (vary, infill)")
    ] = 8,
    strength: Annotated[float, typer.Option(help="vary: 0 = reconstruction, 1 = unrelated")] = 0.5,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="infill: a part of the score that stays, e.g. soprano"),
    ] = None,
    bars: Annotated[
        str | None,
        typer.Option(
            metavar="A-B", help="infill: bars of the score that are made anew; default: all"
        ),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(help="infill: below 1 safer, above 1 wilder; 0: the likeliest each time"),
    ] = 1.0,
    redraw: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="infill: bars of the score with parallels, crossings or notes out of range "
            "are drawn anew up to N times",
        ),
    ] = 0,
    cond: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="a condition; default: the input's folder name"),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="what must not come in or go out; docs/provenance.md"),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="where it is noted; default RUN/ledger.jsonl"),
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="allow the run to execute its own Python file")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="one JSON document on stdout, all else on stderr")
    ] = False,
) -> int:
    """Edit given items with a run whose family encodes (VAE, VAE-GAN, VAE of sentences), or fill
    the gaps of texts and scores (ar).
    """
    from castalia.cli.output_folder import Batch, inputs_of
    from castalia.codecs.base import is_file
    from castalia.data.file_discovery import given_files
    from castalia.governance import provenance
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.sampling.edit import span_of
    from castalia.verbs.edit import edit, folder_labels

    opened = Run.open(run, trust_code=trust_code)
    inputs = given_files(inputs, opened.codec)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    given = conditions(cond or [])
    span = span_of(bars)
    asked = {"edit": kind, "seed": seed, "steps": steps, "strength": strength, "cond": given}
    asked |= ({"keep": keep} if keep else {}) | ({"bars": list(span)} if span else {})
    asked |= ({"temperature": temperature} if temperature != 1 else {}) | (
        {"redraw": redraw} if redraw else {}
    )
    gate.prepare_options(asked, given)
    facts = {
        **asked,
        "inputs": provenance.describe(gate, inputs),
        "labels": folder_labels(opened, inputs),
    }
    edited = edit(
        opened,
        kind,
        inputs,
        seed=seed,
        steps=steps,
        strength=strength,
        cond=given,
        model=gate.model(),
        keep=keep or [],
        bars=span,
        temperature=temperature,
        redraw=redraw,
    )
    batch = Batch(gate, out, formats)
    for index, item in enumerate(edited):
        batch.emit(index, item, gate.facts_of(index=index, **facts))
    title = f"{kind}: {', '.join(Path(one).name if is_file(one) else one for one in inputs)}"
    found = batch.document(title, inputs_of(opened.codec, inputs), together=kind == "interpolate")
    if json:
        say_json({"run": opened.id, **found})
    else:
        echo(
            say("{0} in {1}", plural("{0} item", "{0} items", batch.items), out),
            say("look at: {0}", out / found["sheet"]),
        )
    return batch.code()
