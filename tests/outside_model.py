"""A small server that speaks OpenAI's chat API, or misbehaves in one of the ways that real ones do.

It is a real HTTP server on a free port, in a thread of the test process.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

Answers = Callable[[dict[str, Any]], str]


@dataclass
class Fake:
    """answers: from a request's document to the reply's text. manner: what is wrong with the
    server, by turns; the last holds for all further calls: "fine", an HTTP status such as "429" or
    "429 after 0" (Retry-After), "garbage", "html", "huge", "slow", "trickle", "endless", "cut",
    "not-http", "null", "list", "gone", "redirect".
    """

    address: str
    answers: Answers
    manner: list[str]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    fake: Fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, form: str, *values: Any) -> None:
        pass

    def do_POST(self) -> None:
        fake = self.server.fake
        document = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        with fake.lock:
            fake.asked.append(document)
            fake.headers.append(dict(self.headers))
            fake.paths.append(self.path)
            manner = fake.manner.pop(0) if len(fake.manner) > 1 else fake.manner[0]
        self.close_connection = True
        with suppress(OSError):
            self._behave(manner, document)

    def _behave(self, manner: str, document: dict[str, Any]) -> None:
        fake = self.server.fake
        if manner[:3].isdigit():
            status, _, after = manner.partition(" after ")
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            body = json.dumps({"error": {"message": f"status {status}; your key is {key}"}})
            self._send(body.encode(), int(status), {"Retry-After": after} if after else {})
        elif manner == "garbage":
            self._send(bytes(range(256)))
        elif manner == "html":
            self._send(b"<html><body>It works!</body></html>")
        elif manner == "null":
            self._send(b'{"choices": [{"message": {"role": "assistant", "content": null}}]}')
        elif manner == "list":
            self._send(b"[1, 2, 3]")
        elif manner == "redirect":
            self._send(b"", 307, {"Location": "http://192.0.2.1/v1/chat/completions"})
        elif manner == "huge":
            self._send(b'{"choices": "' + b"x" * (20 << 20) + b'"}')
        elif manner == "slow":
            fake.over.wait(20)
        elif manner == "trickle":  # header lines without end, one byte at a time
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not fake.over.wait(0.05):
                self.wfile.write(b"x")
        elif manner == "endless":  # a body without a length, a byte at a time
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": "')
            while not fake.over.wait(0.05):
                self.wfile.write(b"x")
        elif manner == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
        elif manner == "not-http":
            self.wfile.write(b"220 mail.example ESMTP\r\n" * 3)
        elif manner == "gone":
            self.connection.close()
        else:
            text = fake.answers(document)
            self._send(json.dumps(reply(text, document["model"])).encode())

    def _send(self, body: bytes, status: int = 200, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def reply(text: str, model: str) -> dict[str, Any]:
    """The document of an answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


@contextmanager
def outside(answers: Answers = lambda document: "yes", *manner: str) -> Iterator[Fake]:
    """The server, while the block runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.fake = Fake(address, answers, list(manner or ("fine",)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.fake
    finally:
        server.fake.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
