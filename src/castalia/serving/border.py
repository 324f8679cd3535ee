"""What stands between the network and the application: who may come in, how much they may bring, and what is written down.

Plain ASGI, around everything. A body is read whole, within its limit and its time, before anything parses it; a client that takes too long to
read is dropped. Answers carry headers that tell browsers to keep away. A log line has an id of ours and nothing of the client's but the
method and the path, which JSON escapes; prompts only where `--log-prompts` asks for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from castalia.errors import CastaliaError
from castalia.serving.limits import Keys, Limits
from castalia.serving.refusals import Forbidden, Invalid, Late, TooLarge

LOG = logging.getLogger("castalia.serving")
OPEN = ("/healthz", "/readyz")  # what a supervisor asks without a key
KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 408: "timeout_error", 429: "rate_limit_error"}
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Json(Response):
    """A document in UTF-8. Half a character, which JSON can bring in, leaves as a question mark."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content).encode(errors="replace")


def as_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def problem(error: CastaliaError) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    message = error.what + (f" ({error.where})" if error.where else "") + (f"; try: {error.fix}" if error.fix else "")
    kind = KINDS.get(error.http_status, "server_error" if error.http_status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": message,
            "type": kind,
            "param": getattr(error, "param", None),
            "code": getattr(error, "code", type(error).__name__),
        }
    }


def answer(error: CastaliaError) -> Json:
    headers = {}
    if error.http_status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.http_status in (429, 503):
        headers["retry-after"] = str(max(1, round(getattr(error, "seconds", 1.0) + 0.5)))
    if error.http_status in (408, 413):
        headers["connection"] = "close"
    return Json(problem(error), error.http_status, headers)


@dataclass(frozen=True)
class House:
    """The rules of one server. hosts: names by which it may be called, None where any will do; open_metrics: without a key."""

    keys: Keys
    limits: Limits
    hosts: frozenset[str] | None = None
    open_metrics: bool = False
    log_prompts: bool = False
    observe: Callable[[Scope, int, float], None] = lambda scope, status, seconds: None


class Unread(Exception):
    """The client does not take what it is sent."""


class Border:
    def __init__(self, app: ASGIApp, house: House) -> None:
        self.app, self.house = app, house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(scope, send, self.house.limits.patience)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["note"] = visit.note
        try:
            key = self._admitted(scope)
            state["key"] = key
            visit.note["key"] = key.name
            body = await self._body(scope, receive)
            await self.app(scope, _replayed(body, receive), visit.send)
        except CastaliaError as error:
            await visit.end(answer(error), scope, receive)
        except Unread:
            visit.note["error"] = "the client does not read"
            raise  # the server closes the connection
        except Exception as error:
            LOG.exception("a request failed", extra={"id": visit.id})
            internal = {"message": f"an error of ours; its number is {visit.id}", "type": "server_error", "param": None}
            await visit.end(Json({"error": {**internal, "code": getattr(error, "code", type(error).__name__)}}, 500), scope, receive)
        finally:
            seconds = time.perf_counter() - visit.begun
            self.house.observe(scope, visit.status, seconds)
            facts = {
                "id": visit.id,
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": visit.status,
                "seconds": round(seconds, 4),
            }
            private = () if self.house.log_prompts else ("prompt",)
            LOG.info("request", extra={**facts, **{name: value for name, value in visit.note.items() if name not in private}})

    def _admitted(self, scope: Scope) -> Any:
        headers, path = Headers(scope=scope), scope["path"]
        if self.house.hosts is not None and _host(headers.get("host", "")) not in self.house.hosts:
            raise Forbidden("this server is not called that", where="Host", fix="use the address that it printed when it started")
        if path in OPEN or (path == "/metrics" and self.house.open_metrics):
            return self.house.keys.anyone
        key = self.house.keys.find(headers.get("authorization", ""))
        if scope["method"] == "POST":
            key.admit()
        return key

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        headers, most = Headers(scope=scope), self.house.limits.body
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Invalid("bodies are taken as they are, not compressed", "content-encoding", "send the body without content-encoding")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise TooLarge(f"a body has {most:,} bytes at most", where="content-length", fix="send less, or several requests")
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.house.limits.patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Late("the client left before its request was whole")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise TooLarge(f"a body has {most:,} bytes at most", fix="send less, or several requests")
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Late(f"the body did not come within {self.house.limits.patience:g} seconds", fix="send it faster") from None


class _Visit:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, patience: float) -> None:
        self.id, self.begun = f"req-{secrets.token_hex(8)}", time.perf_counter()
        self.note: dict[str, Any] = {}
        self.status = 0
        self._send, self._patience = send, patience

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            fixed = {**SAFE, "x-request-id": self.id}
            message["headers"] = [*message.get("headers", []), *((name.encode(), value.encode()) for name, value in fixed.items())]
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except TimeoutError:
            raise Unread from None

    async def end(self, response: Response, scope: Scope, receive: Receive) -> None:
        if not self.status:  # else an answer has begun, and only breaking it off is honest
            await response(scope, receive, self.send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """First the body, then whatever comes after: that the client left."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    return header[: header.index("]") + 1].lower() if header.startswith("[") and "]" in header else header.partition(":")[0].lower()


class Lines(logging.Formatter):
    """One JSON object a record, ASCII: whatever a client sent cannot end a line or move a cursor."""

    STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in self.STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(stream: Any = None, level: int = logging.INFO) -> None:
    """Send the server's lines to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines())
    LOG.handlers[:] = [handler]
    LOG.setLevel(level)
    LOG.propagate = False
