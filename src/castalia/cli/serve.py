"""castalia serve RUN [RUN ...] [--host --port --api-key-file FILE --policy FILE]; castalia serve --new-key NAME --api-key-file FILE."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Annotated, Optional

import typer

from castalia.cli.console import say
from castalia.errors import MissingExtra, RecipeError

KEYS = "CASTALIA_API_KEYS"
File = Optional[Path]  # noqa: UP045 - typer reads annotations at run time
Whole = Optional[int]  # noqa: UP045


def command(
    runs: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[NAME=]RUN ...", help="folders, prefixes or 'latest'; NAME is what clients call the run"),
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0 is every one, and needs keys")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free")] = 8000,
    api_key_file: Annotated[File, typer.Option(help=f"hashes of the keys that open the server; default: ${KEYS}")] = None,
    new_key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="make a key, print it once, add its hash to the file, and end"),
    ] = None,
    policy: Annotated[File, typer.Option(help="what may come in and go out; see docs/provenance.md")] = None,
    ledger: Annotated[File, typer.Option(help="where what is released is noted; default: ledger.jsonl of each run")] = None,
    queue: Annotated[int, typer.Option(min=1, help="requests that may wait; more are told to come back (429)")] = 256,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds until a result must be there")] = 120.0,
    drain: Annotated[float, typer.Option(min=0, help="seconds for what runs to finish once the server is told to stop")] = 30.0,
    requests_per_minute: Annotated[Whole, typer.Option(min=1, help="of each key")] = None,
    tokens_per_minute: Annotated[Whole, typer.Option(min=1, help="of each key")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="new tokens of a text, and tokens of a prompt")] = 8192,
    constraint_limits: Annotated[
        str, typer.Option(metavar="NAME=VALUE,...", help="let constraints be more work, e.g. nodes=1000000,seconds=60; docs/text.md")
    ] = "",
    max_items: Annotated[int, typer.Option(min=1, help="items of a request")] = 64,
    max_body: Annotated[int, typer.Option(min=1, help="bytes of a request")] = 8 << 20,
    max_pixels: Annotated[int, typer.Option(min=1, help="of a picture that is sent in")] = 1 << 24,
    threads: Annotated[Whole, typer.Option(min=1, help="CPU threads that compute; default: all cores but one")] = None,
    allow_origin: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="ORIGIN", help="web pages from there may use the server, e.g. http://localhost:3000; may be given several times"
        ),
    ] = None,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="write prompts into the log")] = False,
) -> int:
    """Serve runs over HTTP: OpenAI's completions, chat, images and embeddings, and our own generate, edit and score."""
    begun = time.perf_counter()
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serving", where="castalia serve") from error
    from castalia.codecs.budget import limits_from
    from castalia.serving.limits import Keys, Limits
    from castalia.serving.limits import new_key as make_key
    from castalia.serving.origins import origins_of

    file = api_key_file or (Path(os.environ[KEYS]) if os.environ.get(KEYS) else None)
    if new_key is not None:
        if file is None:
            raise RecipeError("a new key needs a file for its hash", where=f"--new-key {new_key}", fix="--api-key-file keys.txt")
        key = make_key(file, new_key)
        say(key)
        say(f"this is the only time that it is shown; its hash is in {file}", err=True)
        return 0
    if not runs:
        raise RecipeError("there is no run to serve", where="castalia serve", fix="castalia serve latest, or castalia list runs")
    if not 0 <= port <= 65535:
        raise RecipeError("a port lies between 0 and 65535", where=f"--port {port}", fix="8000, or 0 for any that is free")
    limits = Limits(
        constraint=limits_from(constraint_limits), body=max_body, pixels=max_pixels, items=max_items, tokens=max_tokens, seconds=timeout,
        requests=requests_per_minute, new_tokens=tokens_per_minute,
    )  # fmt: skip
    origins = origins_of(allow_origin or ())
    keys = Keys(limits=limits) if file is None else Keys.load(file, limits)
    from castalia.serving import server

    home = server.is_loopback(host)
    if not home and file is None:
        raise RecipeError(
            "a server that others can reach needs keys",
            where=f"--host {host}",
            fix="castalia serve --new-key NAME --api-key-file keys.txt, then add --api-key-file keys.txt",
        )
    from castalia.governance.policy import Policy
    from castalia.serving.app import lanes_of, make_app
    from castalia.serving.border import log_to
    from castalia.serving.engine import Engine
    from castalia.serving.hosted import open_runs
    from castalia.serving.welcome import curl

    imported = time.perf_counter()
    log_to()
    table = open_runs(runs, policy=None if policy is None else Policy.load(policy), ledger=ledger)
    gc.collect()
    gc.freeze()  # what is loaded by now stays, so the collector of garbage, which stops everybody, need not look at it again
    engine = Engine(lanes_of(table), queue=queue, threads=threads or max(1, (os.cpu_count() or 2) - 1))
    app = make_app(
        table, engine, limits=limits, keys=keys, hosts=server.hosts_for(host), origins=origins, open_metrics=home, log_prompts=log_prompts
    )

    def ready(address: str) -> None:
        took = f"ready in {time.perf_counter() - imported:.1f} s, after {imported - begun:.1f} s of imports"
        say(f"castalia serves {len(table.runs)} run{'s' if len(table.runs) > 1 else ''} at {address} ({took})", "")
        for one in table.runs.values():
            say(f"  {one.name}: {one.run.recipe.title}, can {', '.join(one.features)}")
        say("", "try:", f"  {curl(next(iter(table.runs.values())), address, keyed=file is not None)}", "", "stop: Ctrl-C")

    whole = server.serve(app, engine, host=host, port=port, drain=drain, ready=ready, say=lambda text: say(text, err=True))
    say("stopped" if whole else "stopped; what still ran was broken off", err=True)
    return 0
