"""Send results to the client as they come (server-sent events), and cancel the work when the client
has left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Self, TypeVar

from fastapi import Request as HttpRequest
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from castalia.serving.error_bodies import as_json, problem, status_of


class Unread(Exception):
    """The client does not take what it is sent."""


LOG = logging.getLogger("castalia.serving")
T = TypeVar("T")


async def present(http: HttpRequest, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; if the client leaves meanwhile, the work is cancelled and
    ClientDisconnect raised.
    """
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(http.receive))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for one in (task, left):
            one.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events(Response):
    """Server-sent events, one for each text of `chunks`. `begun` waits for the first, so an error
    before it has its own status.
    """

    media_type = "text/event-stream"

    def __init__(self, first: str, chunks: AsyncGenerator[str, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.first, self.chunks = first, chunks

    @classmethod
    async def begun(cls, http: HttpRequest, chunks: AsyncGenerator[str, None]) -> Self:
        try:
            return cls(await present(http, anext(chunks)), chunks)  # type: ignore[arg-type] - anext gives an awaitable
        except BaseException:
            await chunks.aclose()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left, sending = (
            asyncio.ensure_future(_left(receive)),
            asyncio.ensure_future(self._send(scope, send)),
        )
        try:
            await asyncio.wait({left, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                scope["state"]["note"]["error"] = "the client left"
                return
            sending.result()
        finally:
            for task in (left, sending):
                task.cancel()
            await asyncio.gather(left, sending, return_exceptions=True)
            await self.chunks.aclose()

    async def _send(self, scope: Scope, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        try:
            await send(_event(self.first))
            async for chunk in self.chunks:
                await send(_event(chunk))
        except Exception as error:  # too late for a status
            if isinstance(error, Unread):
                raise
            number, language = scope["state"]["number"], scope["state"]["language"]
            scope["state"]["note"]["error"] = type(error).__name__
            if status_of(error) >= 500:
                LOG.exception("a stream failed", extra={"id": number})
            await send(_event(as_json(problem(error, number, language))))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _event(text: str) -> dict[str, Any]:
    return {
        "type": "http.response.body",
        "body": f"data: {text}\n\n".encode(errors="replace"),
        "more_body": True,
    }
