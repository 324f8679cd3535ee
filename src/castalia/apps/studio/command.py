"""castalia studio [RUN ...] [--folder DIR] [--host --port] [--no-open]."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from castalia.cli.console import echo, open_page
from castalia.cli.options import PolicyFile
from castalia.errors import MissingExtra
from castalia.sentences import say


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="runs that are elsewhere than in runs/"),
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="of data, jobs and what is made; runs are beside it, in runs/")
    ] = Path("studio"),
    host: Annotated[
        str, typer.Option(help="address to listen at; where others can reach it, it wants a token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free")] = 7860,
    policy: PolicyFile = None,
    max_upload: Annotated[
        int, typer.Option(min=1, metavar="GB", help="of one file that is dropped")
    ] = 4,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="open a browser where there is a screen")
    ] = True,
) -> int:
    """Everything in the browser: data, training, judging, making, editing, voting, shipping."""
    # what gradio reads before it is imported: nothing leaves the machine
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1")
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("gradio", "studio", where="castalia studio") from error
    from castalia.apps.studio.marks import FIRST, choose
    from castalia.apps.studio.site import make_site
    from castalia.apps.studio.workspace import Workspace
    from castalia.governance.policy import Policy
    from castalia.language import current
    from castalia.run import Run
    from castalia.serving import server

    given = [Run.open(one).folder for one in runs or ()]
    token = "" if server.is_loopback(host) else secrets.token_urlsafe(24)
    if policy is not None:
        Policy.load(policy)  # a wrong one is said now
    space = Workspace(folder, given, policy)
    if policy is None and not (folder / space.RULES).exists():
        choose(space, FIRST, current())
    try:
        import uvicorn

        site = make_site(space, hosts=server.hosts_for(host), token=token, largest=max_upload << 30)
        listening = server.bound(host, port)
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}/"
        address += f"?token={token}" if token else ""
        echo(
            say("the studio is at {0}", address),
            say("stop: Ctrl-C; trainings go on, and are there when it starts again"),
        )
        if show:
            open_page(address)
        config = uvicorn.Config(site, log_level="critical", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        space.close()
    return 0
