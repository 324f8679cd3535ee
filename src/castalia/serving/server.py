"""Run the server on a port, and drain it at the end.

SIGTERM or Ctrl-C once: /readyz turns false, what runs is finished, then the process ends with 0.
Twice, or after the drain's time: at once. A connection that does not bring its headers in time is
closed, which uvicorn by itself would leave open.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from castalia import sentences
from castalia.errors import RunError
from castalia.serving.engine import Engine

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_for(host: str) -> frozenset[str] | None:
    """By which names a server bound to `host` may be called: on this machine by its own only, so
    that no page of the web can (DNS rebinding).
    """
    return (
        frozenset({"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host})
        if is_loopback(host)
        else None
    )


class _Server(uvicorn.Server):
    """uvicorn, but for signals: it would close the door before the work is done, and end with the
    signal.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    app: Any,
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    drain: float = 30.0,
    patience: float = 20.0,
    ready: Callable[[str], None] = lambda address: None,
    say: Callable[[str], None] = lambda text: None,
) -> bool:
    """Serve until a signal; True when all that ran was finished. ready: called once with the
    address. Raises RunError when the port is taken.
    """
    return asyncio.run(_serve(app, engine, host, port, drain, patience, ready, say))


async def _serve(
    app: Any,
    engine: Engine,
    host: str,
    port: int,
    drain: float,
    patience: float,
    ready: Callable[[str], None],
    say: Callable[[str], None],
) -> bool:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_protocol(patience),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=32 << 10,
    )
    listening = bound(host, port)
    server = _Server(config)
    loop, signals, open_ = asyncio.get_running_loop(), 0, [True]

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            engine.draining = True
            say("stopping: what runs is finished first; once more to stop at once")
        else:
            server.should_exit = server.force_exit = True
            open_[0] = False

    # elsewhere, setting engine.draining stops the server
    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, stop)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not running.done():
        await asyncio.sleep(0.005)
    if not running.done():
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
    whole = await _until_done(server, engine, running, drain, open_)
    server.should_exit = True
    server.force_exit = server.force_exit or not whole
    await running
    await asyncio.to_thread(engine.stop)
    return whole


async def _until_done(
    server: uvicorn.Server,
    engine: Engine,
    running: asyncio.Task[None],
    drain: float,
    open_: list[bool],
) -> bool:
    """Until a signal and then until nothing runs, or the drain's time is over."""
    while not engine.draining and not running.done():
        await asyncio.sleep(0.05)
    last = time.monotonic() + drain
    while open_[0] and time.monotonic() < last and not running.done():
        if engine.idle and not server.server_state.tasks:
            return True
        await asyncio.sleep(0.02)
    return engine.idle and not server.server_state.tasks


def bound(host: str, port: int) -> socket.socket:
    """A socket at the address. Raises RunError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise RunError(
            sentences.say("cannot listen there: {0}", error.strerror or error),
            where=f"{host}:{port}",
            fix=sentences.say("choose another --port, or 0 for a free one"),
        ) from error
    return listening


def _protocol(patience: float) -> type[H11Protocol]:
    class Patient(H11Protocol):
        """Closes a connection whose headers do not come within `patience` seconds, be it the first
        request's or a later one's.
        """

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._alarm: asyncio.TimerHandle | None = self.loop.call_later(patience, self._overdue)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            if self._idle() and self._alarm is None:
                self._alarm = self.loop.call_later(patience, self._overdue)
            super().data_received(data)
            if self.cycle is not before and self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

        def connection_lost(self, exc: Exception | None) -> None:
            if self._alarm is not None:
                self._alarm.cancel()
            super().connection_lost(exc)

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _overdue(self) -> None:
            self._alarm = None
            if self._idle() and not self.transport.is_closing():
                self.transport.close()

    return Patient
