"""castalia serve RUN [RUN ...] [--host --port --api-key-file FILE --policy FILE]; castalia serve
--new-key NAME --api-key-file FILE.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import echo
from castalia.errors import RecipeError
from castalia.language import constant
from castalia.sentences import plural, say

KEYS = "CASTALIA_API_KEYS"
File = Optional[Path]  # noqa: UP045 - typer reads annotations at run time
Whole = Optional[int]  # noqa: UP045


def command(
    runs: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[NAME=]RUN ...",
            help="folders, prefixes or 'latest'; NAME is what clients call the run",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen at; 0.0.0.0 is every one, and needs keys")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free")] = 8000,
    api_key_file: Annotated[
        File,
        typer.Option(help="hashes of the keys that open the server; default: $CASTALIA_API_KEYS"),
    ] = None,
    new_key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="NAME", help="make a key, print it once, add its hash to the file, and end"
        ),
    ] = None,
    policy: Annotated[
        File, typer.Option(help="what may come in and go out; see docs/provenance.md")
    ] = None,
    ledger: Annotated[
        File,
        typer.Option(help="where what is released is noted; default: ledger.jsonl of each run"),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=1, help="requests that may wait; more are told to come back (429)")
    ] = 256,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="seconds until a result must be there")
    ] = 120.0,
    drain: Annotated[
        float,
        typer.Option(min=0, help="seconds for what runs to finish once the server is told to stop"),
    ] = 30.0,
    requests_per_minute: Annotated[Whole, typer.Option(min=1, help="of each key")] = None,
    tokens_per_minute: Annotated[Whole, typer.Option(min=1, help="of each key")] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="new tokens of a text, and tokens of a prompt")
    ] = 8192,
    constraint_limits: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="let constraints be more work, e.g. nodes=1000000,seconds=60; docs/text.md",
        ),
    ] = "",
    max_items: Annotated[int, typer.Option(min=1, help="items of a request")] = 64,
    max_body: Annotated[int, typer.Option(min=1, help="bytes of a request")] = 8 << 20,
    max_pixels: Annotated[int, typer.Option(min=1, help="of a picture that is sent in")] = 1 << 24,
    threads: Annotated[
        Whole, typer.Option(min=1, help="CPU threads that compute; default: all cores but one")
    ] = None,
    allow_origin: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="ORIGIN",
            help="web pages from there may use the server, e.g. http://localhost:3000; may be "
            "given several times",
        ),
    ] = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="write prompts into the log")
    ] = False,
) -> int:
    """Serve runs over HTTP: OpenAI's completions, chat, images and embeddings, and our own
    generate, edit and score.
    """
    from castalia.verbs.serve import Ready, require_packages, serve

    require_packages()
    from castalia.constraints.budget import limits_from

    file = api_key_file or (Path(os.environ[KEYS]) if os.environ.get(KEYS) else None)
    if new_key is not None:
        from castalia.serving.rate_limits import new_key as make_key

        if file is None:
            raise RecipeError(
                say("a new key needs a file for its hash"),
                where=f"--new-key {new_key}",
                fix="--api-key-file keys.txt",
            )
        key = make_key(file, new_key)
        echo(key)
        echo(say("this is the only time that it is shown; its hash is in {0}", file), err=True)
        return 0

    def ready(at: Ready) -> None:
        from castalia.serving.home_page import curl

        runs = at.table.runs.values()
        took = say("ready in {0:.1f} s, after {1:.1f} s of imports", at.opening, at.imports)
        echo(
            say(
                "castalia serves {0} at {1} ({2})",
                plural("{0} run", "{0} runs", len(runs)),
                at.address,
                took,
            ),
            "",
        )
        for one in runs:
            echo(
                say("  {0}: {1}, can {2}", one.name, one.run.recipe.title, ", ".join(one.features))
            )
        echo(
            "",
            say("try:"),
            say("  {0}", curl(next(iter(runs)), at.address, keyed=at.keyed)),
            "",
            say("stop: Ctrl-C"),
        )

    whole = serve(
        *(runs or ()),
        host=host,
        port=port,
        api_key_file=file,
        policy=policy,
        ledger=ledger,
        queue=queue,
        timeout=timeout,
        drain=drain,
        threads=threads,
        origins=allow_origin or (),
        log_prompts=log_prompts,
        ready=ready,
        say=lambda text: echo(constant(text), err=True),
        constraint=limits_from(constraint_limits),
        body=max_body,
        pixels=max_pixels,
        items=max_items,
        tokens=max_tokens,
        requests=requests_per_minute,
        new_tokens=tokens_per_minute,
    )
    echo(say("stopped") if whole else say("stopped; what still ran was broken off"), err=True)
    return 0
