"""`castalia.serve`: serve runs by name over HTTP until a signal. The command line and Python call
it.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from castalia import sentences
from castalia.errors import MissingExtra, RecipeError

if TYPE_CHECKING:
    from castalia.serving.loaded_runs import Table

DEFAULT_PORT = 8000


class Ready(NamedTuple):
    """What `ready` is called with once the server answers. imports, opening: seconds that each
    took; keyed: whether clients need a key.
    """

    address: str
    table: Table
    keyed: bool
    imports: float
    opening: float


def serve(
    *runs: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    api_key_file: str | os.PathLike[str] | None = None,
    policy: str | os.PathLike[str] | None = None,
    ledger: str | os.PathLike[str] | None = None,
    queue: int = 256,
    timeout: float = 120.0,
    drain: float = 30.0,
    threads: int | None = None,
    origins: Sequence[str] = (),
    log_prompts: bool = False,
    ready: Callable[[Ready], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    **limits: Any,
) -> bool:
    """Serve runs over HTTP until Ctrl-C or SIGTERM; True when all that ran was finished. Blocks,
    and needs the main thread.

    runs     folders, prefixes or "latest", each also as NAME=RUN.
    queue    requests that may wait; timeout: seconds until a result must be there; drain: seconds
             for what runs once the server is told to stop.
    threads  that compute; None: all cores but one. origins: web pages that may use the server, e.g.
             "http://localhost:3000".
    limits   of serving/rate_limits.py: body, pixels, items, tokens, requests, new_tokens,
             constraint.
    ready    is called once, when the server answers; say: with what happens later, in words.
    Raises MissingExtra without castalia[serving], RecipeError for options that make no sense,
    RunError for a run that is not there or a port that is taken.
    """
    begun = time.perf_counter()
    require_packages()
    if not runs:
        raise RecipeError(
            sentences.say("there is no run to serve"),
            where="castalia serve",
            fix=sentences.say("castalia serve latest, or castalia list runs"),
        )
    if not 0 <= port <= 65535:
        raise RecipeError(
            sentences.say("a port lies between 0 and 65535"),
            where=f"--port {port}",
            fix=sentences.say("{0}, or 0 for any that is free", DEFAULT_PORT),
        )
    from castalia.serving import server
    from castalia.serving.cross_origin import origins_of
    from castalia.serving.rate_limits import Keys, Limits

    bounds, allowed = Limits(seconds=timeout, **limits), origins_of(origins)
    home = server.is_loopback(host)
    if not home and api_key_file is None:
        raise RecipeError(
            sentences.say("a server that others can reach needs keys"),
            where=f"--host {host}",
            fix=sentences.say(
                "castalia serve --new-key NAME --api-key-file keys.txt, then add "
                "--api-key-file keys.txt"
            ),
        )
    keys = Keys(limits=bounds) if api_key_file is None else Keys.load(Path(api_key_file), bounds)
    from castalia.governance.policy import Policy
    from castalia.serving.app import lanes_of, make_app
    from castalia.serving.engine import Engine
    from castalia.serving.loaded_runs import open_runs
    from castalia.serving.middleware import log_to

    imported = time.perf_counter()
    log_to()
    rules = None if policy is None else Policy.load(Path(policy))
    table = open_runs(
        [os.fspath(run) for run in runs],
        policy=rules,
        ledger=None if ledger is None else Path(ledger),
    )
    gc.collect()
    # what is loaded by now stays, so the garbage collector, which stops every thread, need not scan
    # it again
    gc.freeze()
    engine = Engine(
        lanes_of(table), queue=queue, threads=threads or max(1, (os.cpu_count() or 2) - 1)
    )
    app = make_app(
        table,
        engine,
        limits=bounds,
        keys=keys,
        hosts=server.hosts_for(host),
        origins=allowed,
        open_metrics=home,
        log_prompts=log_prompts,
    )

    def answers(address: str) -> None:
        ready(
            Ready(
                address,
                table,
                api_key_file is not None,
                imported - begun,
                time.perf_counter() - imported,
            )
        )

    return server.serve(app, engine, host=host, port=port, drain=drain, ready=answers, say=say)


def require_packages() -> None:
    """Raises MissingExtra unless castalia[serving] is installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serving", where="castalia serve") from error
