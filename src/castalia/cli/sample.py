"""castalia sample RUN -n N --seed S [--cond label=..] [--prompt TEXT] [--constraint ...] [--out
DIR].
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from castalia import bounded, progress
from castalia.cli.console import conditions, constraint_of, echo, pairs_of, say_json
from castalia.cli.options import AsJson, LedgerFile, PolicyFile, TrustCode
from castalia.errors import DataError, RecipeError, Refused
from castalia.escapes import printable
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from castalia.codecs.base import Codec
    from castalia.governance.release_gate import Gate
    from castalia.sampling.generate import Request, Sample

Text = Optional[str]  # noqa: UP045 - typer reads annotations at run time
Whole = Optional[int]  # noqa: UP045
Number = Optional[float]  # noqa: UP045
TERMINAL = 3  # texts that are shown on the terminal


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    n: Annotated[
        int | None, typer.Option("-n", help="how many; default: the recipe's sampling.n")
    ] = None,
    seed: Annotated[int, typer.Option(help="sample i depends on (seed, i) alone")] = 0,
    cond: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="a condition, e.g. label=3; may be given several times"
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="scale of the noise; below 1 safer, above 1 wilder")
    ] = None,
    guidance: Annotated[
        Number,
        typer.Option(help="flows: above 1 follows the condition more strictly, with less variety"),
    ] = None,
    steps: Annotated[Whole, typer.Option(help="flows: steps of the solver")] = None,
    prompt: Annotated[
        Text,
        typer.Option(
            help="text that every sample begins with, or that says what it shows; @FILE reads one, "
            "or a score"
        ),
    ] = None,
    negative: Annotated[
        Text, typer.Option(help="a text that samples should be unlike; needs --guidance above 1")
    ] = None,
    length: Annotated[Whole, typer.Option(help="most new tokens")] = None,
    top_k: Annotated[Whole, typer.Option(help="only the k likeliest tokens")] = None,
    top_p: Annotated[
        Number, typer.Option(help="the likeliest tokens that hold this much mass")
    ] = None,
    min_p: Annotated[
        Number,
        typer.Option(help="only tokens of at least this share of the likeliest one's probability"),
    ] = None,
    repetition: Annotated[
        Number, typer.Option(help="above 1: tokens seen so far become less likely")
    ] = None,
    frequency: Annotated[
        Number, typer.Option(help="taken off a logit for each time its token was drawn")
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="a string that ends a text; may be given several times"),
    ] = None,
    constraint: Annotated[
        Text,
        typer.Option(
            help="what every text must be: regex:..., json:SCHEMA, json:@FILE, verse:7x4, "
            "verse:5x4+rhyme"
        ),
    ] = None,
    constraint_limits: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="let a constraint be more work, e.g. nodes=1000000,seconds=60; docs/text.md",
        ),
    ] = "",
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="a part of every sample that is known, such as a column; may be given several "
            "times",
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="print one text as it comes; write no file")
    ] = False,
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--format",
            metavar="ENDING",
            help="of the files, e.g. mid, musicxml, wav; may be given several times",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="folder for 00000.png ... and sheet.html; default RUN/samples/seed-S"),
    ] = None,
    policy: PolicyFile = None,
    ledger: LedgerFile = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Draw new items from a run: one file each, with a manifest inside, and a contact sheet."""
    from dataclasses import replace

    from castalia.cli.output_folder import Batch, class_caption
    from castalia.codecs.protocols import Collects
    from castalia.constraints.budget import limits_from
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.sampling.generate import collected, generate, request_of
    from castalia.sampling.prompts import told_by
    from castalia.spec import Dense

    opened = Run.open(run, trust_code=trust_code)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    request = request_of(opened, n, seed, conditions(cond or []))
    chosen = {
        "temperature": temperature,
        "guidance": guidance,
        "steps": steps,
        "negative": negative,
        "length": length,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition": repetition,
        "frequency": frequency,
        "stop": tuple(unescaped(text) for text in stop) if stop else None,
    }
    options = replace(
        request.options, **{name: value for name, value in chosen.items() if value is not None}
    )
    if prompt is not None and isinstance(opened.spec, Dense):
        told = told_by(_text(prompt), opened.conditions, request.cond)
        request, prompt = replace(request, cond={**request.cond, **told}), None
    request = replace(
        request,
        options=options,
        prompt=None if prompt is None else _prompt(prompt, opened.codec),
        constraint=constraint_of(constraint),
        budget=limits_from(constraint_limits),
        given=pairs_of(
            given or [], say("what is given is written name=value"), "--given city=Basel"
        ),
    )
    request = gate.prepare(request)
    if stream:
        return _stream(gate, request)
    folder = out or opened.folder / "samples" / f"seed-{seed}"
    batch, texts = Batch(gate, folder, formats), []
    drawn: Iterable[Sample] = generate(opened, request, model=gate.model())
    number = 0
    if isinstance(opened.codec, Collects):
        everything = list(drawn)
        drawn, number = [collected(opened.codec, everything, request.batch)], len(everything)
    for sample in drawn:
        caption = class_caption(opened, sample.cond, sample.index)
        if batch.emit(sample.index, sample.item, gate.facts(sample), caption) and isinstance(
            sample.item, str
        ):
            texts.append(sample.item)
    document = batch.document(
        say(
            "{0} of {1}, seed {2}",
            plural("{0} sample", "{0} samples", number or batch.items),
            opened.id,
            seed,
        )
    )
    if json:
        say_json({"run": opened.id, **document} | ({"texts": texts} if texts else {}))
    else:
        for text in texts[:TERMINAL]:
            echo(text.rstrip(), "-" * 40)
        echo(
            say("{0} in {1}", plural("{0} sample", "{0} samples", number or batch.items), folder),
            say("look at: {0}", folder / document["sheet"]),
        )
    return batch.code()


def _prompt(given: str, codec: Codec[Any]) -> Any:
    """The prompt itself, or the content of the file after @: a text, or the first item that the
    codec reads from it.
    """
    from castalia.codecs.protocols import Streams

    if not given.startswith("@"):
        if not isinstance(codec, Streams):
            raise RecipeError(
                say("a prompt for the codec '{0}' is a file", codec.name),
                "--prompt",
                f"--prompt @FILE{codec.suffix}",
            )
        return unescaped(given)
    path = Path(given[1:])
    if not isinstance(codec, Streams):
        if not path.is_file() or not codec.claims(path.name):
            raise DataError(
                say("the prompt is no file that the codec reads"),
                path,
                say("it reads {0}", ", ".join(codec.extensions)),
            )
        return next(iter(codec.read(path)))
    return _text(given)


def _text(given: str) -> str:
    """A text, or that of the file after @."""
    if not given.startswith("@"):
        return unescaped(given)
    path = Path(given[1:])
    try:
        return bounded.read_text(path, "document_bytes")
    except DataError as error:
        raise DataError(
            say("the prompt cannot be read: {0}", error.what),
            path,
            say("check the path; --prompt TEXT gives it directly"),
        ) from error


def unescaped(text: str) -> str:
    """A shell has no easy way to write a line end, so \\n means one."""
    return text.replace("\\n", "\n")


def _stream(gate: Gate, request: Request) -> int:
    """One text as it comes; what the policy forbids never reaches the terminal."""
    from contextlib import closing

    from castalia.verbs.sample import stream

    with progress.paused():  # the text has the terminal to itself
        if request.prompt:
            print(printable(request.prompt), end="", flush=True)
        try:
            with closing(stream(gate, request)) as pieces:
                for piece in pieces:
                    print(printable(piece), end="", flush=True)
        except Refused:
            print(flush=True)
            raise
        print(flush=True)
    return 0
