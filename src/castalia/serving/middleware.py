"""ASGI middleware around the application: keys, limits of bodies, cross-origin rules, logs.

Plain ASGI, around everything. A body is read whole, within its limit and its time, before anything
parses it; a client that takes too long to read is dropped. What a foreign page sends is refused
(cross_origin.py), and tokens that a request reserved and did not use go back when it ends, however
it ends. Answers carry headers that tell browsers to keep away. A log line has an id of ours and
nothing of the client's but the method and the path, which JSON escapes; prompts only where
`--log-prompts` asks for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from castalia.language import accepted, current
from castalia.sentences import say
from castalia.serving.cross_origin import READS, Origins
from castalia.serving.error_bodies import answer, status_of
from castalia.serving.http_errors import Invalid, Late, TooLarge
from castalia.serving.json_limits import check_json
from castalia.serving.rate_limits import Bill, Key, Keys, Limits
from castalia.serving.responses import Unread

LOG = logging.getLogger("castalia.serving")
# what a supervisor asks without a key, and the page that asks for a key
OPEN = ("/", "/healthz", "/readyz")
FIELDS = 64  # of a form
# bytes of all names and values; the protocol counts only those that come in pieces
HEADERS = 32 << 10
# bytes of a body that are checked at once; a thread would take longer to wake
BRIEF = 1 << 16
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class ServerRules:
    """The rules of one server. open_metrics: without a key."""

    keys: Keys
    limits: Limits
    origins: Origins = field(default_factory=Origins)
    open_metrics: bool = False
    log_prompts: bool = False
    observe: Callable[[Scope, int, float], None] = lambda scope, status, seconds: None


class ServerMiddleware:
    def __init__(self, app: ASGIApp, rules: ServerRules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, method = Headers(scope=scope), scope["method"]
        exchange = _Exchange(
            scope, send, self.rules.limits.patience, self.rules.origins.headers(headers)
        )
        # HEAD is GET without the body, which the protocol leaves out by itself.
        inner = {**scope, "method": "GET"} if method == "HEAD" else scope
        state: MutableMapping[str, Any] = inner.setdefault("state", {})
        language = accepted(headers.get("accept-language", ""), current())
        state |= {"note": exchange.note, "number": exchange.id, "language": language}
        bill: Bill | None = None
        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS:
                raise TooLarge(say("the headers have {0:,} bytes at most", HEADERS))
            self.rules.origins.check(headers, method)
            if method == "OPTIONS" and "access-control-request-method" in headers:
                await exchange.end(self.rules.origins.preflight(headers), scope, receive)
                return
            key = self._admitted(scope, headers)
            state |= {"key": key, "bill": (bill := Bill(key.tokens))}
            exchange.note["key"] = key.name
            body = await self._body(headers, receive)
            await self.app(inner, _replayed(body, receive), exchange.send)
        except Unread:
            exchange.note["error"] = "the client does not read"
            raise  # the server closes the connection
        except Exception as error:
            if status_of(error) >= 500:
                LOG.exception("a request failed", extra={"id": exchange.id})
            await exchange.end(answer(error, exchange.id, language), scope, receive)
        finally:
            if bill is not None:
                bill.settle()
            seconds = time.perf_counter() - exchange.begun
            self.rules.observe(inner, exchange.status, seconds)
            facts = {
                "id": exchange.id,
                "method": method,
                "path": scope["path"][:200],
                "status": exchange.status,
                "seconds": round(seconds, 4),
            }
            private = () if self.rules.log_prompts else ("prompt",)
            LOG.info(
                "request",
                extra={
                    **facts,
                    **{name: value for name, value in exchange.note.items() if name not in private},
                },
            )

    def _admitted(self, scope: Scope, headers: Headers) -> Key:
        path = scope["path"]
        if path in OPEN or (path == "/metrics" and self.rules.open_metrics):
            return self.rules.keys.anyone
        key = self.rules.keys.find(headers.get("authorization", ""))
        if scope["method"] not in READS:
            key.admit()
        return key

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Whole, within its limits, and with nothing in it that must not reach a parser."""
        body = await self._read(headers, receive)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            if body.count(b"&") + body.count(b";") >= FIELDS:
                raise Invalid(say("a form has {0} fields at most", FIELDS))
        elif body and kind != "multipart/form-data":  # whose parts are counted as they are read
            await run_in_threadpool(check_json, body) if len(body) > BRIEF else check_json(body)
        return body

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        most = self.rules.limits.body
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Invalid(
                say("bodies are taken as they are, not compressed"),
                "content-encoding",
                say("send the body without content-encoding"),
            )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise TooLarge(
                say("a body has {0:,} bytes at most", most),
                where="content-length",
                fix=say("send less, or several requests"),
            )
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.rules.limits.patience):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Late(say("the client left before its request was whole"))
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise TooLarge(
                            say("a body has {0:,} bytes at most", most),
                            fix=say("send less, or several requests"),
                        )
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Late(
                say("the body did not come within {0:g} seconds", self.rules.limits.patience),
                fix=say("send it faster"),
            ) from None


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, patience: float, cors: Mapping[str, str]) -> None:
        self.id, self.begun = f"req-{secrets.token_hex(8)}", time.perf_counter()
        self.note: dict[str, Any] = {}
        self.status = 0
        self._send, self._patience, self._cors = send, patience, cors

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", []))
            there = {name.lower() for name, _ in own}
            fixed = (
                (name.encode(), value.encode("latin-1"))
                for name, value in {**SAFE, **self._cors, "x-request-id": self.id}.items()
            )
            message["headers"] = [
                *own,
                *((name, value) for name, value in fixed if name not in there),
            ]
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


class Lines(logging.Formatter):
    """One JSON object a record, ASCII: whatever a client sent cannot end a line or move
    a cursor.
    """

    STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
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
