"""castalia assistant serve DESK [--host --port --api-key-file FILE --allow-origin ORIGIN]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from castalia.apps.assistant.options import Desk, ModelName, PhrasedBy
from castalia.cli.console import echo
from castalia.errors import RecipeError
from castalia.language import constant
from castalia.sentences import say


def command(
    desk: Desk,
    host: Annotated[
        str, typer.Option(help="address to listen at; 0.0.0.0 is every one, and needs keys")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free")] = 8000,
    api_key_file: Annotated[
        Path | None, typer.Option(help="hashes of the keys that open the server; castalia serve")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="of each key")] = None,
    max_body: Annotated[int, typer.Option(min=1, help="bytes of a request")] = 1 << 20,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="web pages from there may use the desk, e.g. https://shop.example; may be given "
            "several times",
        ),
    ] = None,
    llm: PhrasedBy = "",
    model: ModelName = "",
) -> int:
    """Serve a desk: for chat clients of OpenAI's API, and as a widget of web pages."""
    from castalia.apps.assistant.desk import open_desk
    from castalia.verbs.serve import require_packages

    require_packages()
    from castalia.apps.assistant.http import application
    from castalia.apps.assistant.phrasing import phrased_by
    from castalia.serving import server
    from castalia.serving.cross_origin import origins_of
    from castalia.serving.middleware import log_to
    from castalia.serving.rate_limits import Keys, Limits

    if not server.is_loopback(host) and api_key_file is None:
        raise RecipeError(
            say("a server that others can reach needs keys"),
            f"--host {host}",
            "castalia serve --new-key NAME --api-key-file keys.txt",
        )
    limits = Limits(body=max_body, requests=requests_per_minute)
    opened = open_desk(desk)
    log_to()
    app, engine = application(
        opened,
        desk.resolve().name,
        phrased_by(llm, model) if llm else None,
        limits=limits,
        keys=None if api_key_file is None else Keys.load(api_key_file, limits),
        hosts=server.hosts_for(host),
        origins=origins_of(allow_origin or ()),
        open_metrics=server.is_loopback(host),
    )

    def ready(address: str) -> None:
        echo(
            say("the desk {0} answers at {1}", desk.name, address),
            say('in a web page: <script src="{0}/widget.js"></script>', address),
            say("stop: Ctrl-C"),
        )

    whole = server.serve(
        app,
        engine,
        host=host,
        port=port,
        ready=ready,
        say=lambda text: echo(constant(text), err=True),
    )
    echo(say("stopped") if whole else say("stopped; what still ran was broken off"), err=True)
    return 0
