"""A language model of the user's own choice, behind any address that speaks OpenAI's chat API.

    model = OutsideModel("http://localhost:11434/v1", "qwen3:8b", key=key_from_environment())
    reply = model.chat([{"role": "user", "content": "..."}], temperature=0.0, most_tokens=200)

The one place that connects to anything, and only to the address that the user gave: no proxies, no
redirects. A call has an end: `patience` seconds for each attempt, from the connection to the last
byte, however slowly bytes trickle, and 8 MiB of answer. What may pass by itself (429, 5xx, a
connection that was refused or broke) is tried again after a pause that doubles, or after what the
server asks for; what will not (400, 401, 404, silence) is an error at once. The key is sent to that
address, and appears in no error, no `repr` and no file.

Not here: streamed replies, tools, embeddings; servers whose API is not OpenAI's.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from castalia.bounded import parse_json
from castalia.errors import OutsideModelError, RecipeError
from castalia.sentences import say

KEY = "CASTALIA_LLM_KEY"  # the environment variable
MOST_BYTES = 8 << 20  # of an answer
MOST_SENT = 8 << 20  # of a question
LONGEST_PAUSE = 60.0  # seconds between attempts, whatever a server asks for
AGAIN = frozenset((408, 409, 425, 429, 500, 502, 503, 504))


class Unreachable(OutsideModelError):
    """Nobody answers at the address, or the connection breaks."""


class TooSlow(OutsideModelError):
    """There was no whole answer within the time."""

    http_status = 504


class Declined(OutsideModelError):
    """The server answered with an error. status: its HTTP status."""

    def __init__(self, what: str, where: object = "", fix: str = "", status: int = 0) -> None:
        super().__init__(what, where, fix)
        self.status = status


class Unreadable(OutsideModelError):
    """The answer is no answer of a chat API, or too large."""


@dataclass(frozen=True)
class Reply:
    """text: what the model says. tokens_in, tokens_out: as the server counts them, None where it
    does not. ended: "stop", "length", ... seconds: of the attempt that succeeded.
    """

    text: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    ended: str
    seconds: float


@dataclass(frozen=True)
class OutsideModel:
    """address: up to and without /chat/completions. name: of the model there. key: "" for none.
    patience: seconds for one attempt. tries: attempts. pause: seconds before the second one.

    Raises RecipeError for an address or a key that cannot be one. May be used by several threads.
    """

    address: str
    name: str
    key: str = field(default="", repr=False)
    patience: float = 60.0
    tries: int = 4
    pause: float = 0.5

    def __post_init__(self) -> None:
        _place(self.address)
        if not self.name.strip():
            raise RecipeError(
                say("an outside model has a name"), self.address, say("give it: --model NAME")
            )
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise RecipeError(
                say("the key in {0} cannot be one: it holds line ends or strange characters", KEY),
                self.address,
                say("set it again, without spaces around it"),
            )

    def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        most_tokens: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        more: Mapping[str, Any] | None = None,
    ) -> Reply:
        """The reply to messages {"role", "content"}. None leaves a setting to the server. more:
        further fields of the request, as they are.

        Raises OutsideModelError: Unreachable, TooSlow, Declined, Unreadable.
        """
        asked: dict[str, Any] = {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": most_tokens,
            "seed": seed,
            "stop": list(stop) or None,
        }
        document = {
            "model": self.name,
            "messages": [dict(one) for one in messages],
            **{name: value for name, value in asked.items() if value is not None},
            **(more or {}),
        }
        begun = time.monotonic()
        answer, seconds = self.post("/chat/completions", document), time.monotonic() - begun
        return _reply(answer, self.name, seconds, self.address)

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """The JSON that `address + path` answers to a JSON document. Raises as `chat`."""
        body = json.dumps(document, ensure_ascii=False).encode(errors="replace")
        data = self.send(path, body, "application/json")
        return parse_json(
            data,
            self.address,
            say("check that the address is that of an OpenAI-compatible server"),
            Unreadable,
        )

    def send(self, path: str, body: bytes, kind: str) -> bytes:
        """The body of the answer to a POST of `body`, whose media type is `kind`. Raises as
        `chat`.
        """
        if len(body) > MOST_SENT:
            raise Declined(
                say("the question is too large: {0:,} bytes", len(body)),
                self.address,
                say("{0:,} bytes at most: shorten the prompt", MOST_SENT),
            )
        for attempt in range(1, self.tries + 1):
            wait = self.pause * 2 ** (attempt - 1)
            try:
                return self._attempt(path, body, kind)
            except _Passing as failure:
                if attempt == self.tries:
                    raise failure.error from failure.__cause__
                time.sleep(min(max(wait, failure.after), LONGEST_PAUSE))
        raise RecipeError(say("a model is asked at least once"), "tries", "tries=1")

    def _attempt(self, path: str, body: bytes, kind: str) -> bytes:
        place = _place(self.address)
        secure = place.scheme == "https"
        maker = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        line = maker(str(place.hostname), place.port, timeout=self.patience)
        headers = {
            "Content-Type": kind,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "castalia",
            **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
        }
        late = threading.Event()
        end = time.monotonic() + self.patience
        watch: threading.Timer | None = None
        try:
            line.connect()
            watch = threading.Timer(max(0.0, end - time.monotonic()), _cut, (line.sock, late))
            watch.daemon = True
            watch.start()
            line.request("POST", place.path.rstrip("/") + path, body, headers)
            answer = line.getresponse()
            data = answer.read(MOST_BYTES + 1)
            if late.is_set():  # a body without a length ends where the line was cut
                raise TimeoutError
            if answer.length and len(data) <= MOST_BYTES:  # fewer bytes than were promised
                raise http.client.IncompleteRead(data, answer.length)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            raise self._broken(failure, late.is_set()) from failure
        finally:
            if watch is not None:
                watch.cancel()
            line.close()
        if len(data) > MOST_BYTES:
            raise Unreadable(
                say("the answer is too large: more than {0:,} bytes", MOST_BYTES),
                self.address,
                say("ask for fewer tokens, or check the address"),
            )
        if answer.status != 200:
            raise self._declined(answer.status, answer.headers.get("Retry-After"), data)
        return data

    def _broken(self, failure: Exception, late: bool) -> Exception:
        if late or isinstance(failure, TimeoutError):
            return TooSlow(
                say("the outside model gave no whole answer in {0:g} s", self.patience),
                self.address,
                say("wait longer, choose a smaller model, or ask for fewer tokens"),
            )
        if isinstance(failure, ssl.SSLError):
            return Unreachable(
                say("no safe connection: {0}", failure.reason or type(failure).__name__),
                self.address,
                say("check the certificate of the server, or http:// for one on this machine"),
            )
        reason = getattr(failure, "strerror", None) or type(failure).__name__
        if isinstance(failure, http.client.HTTPException | ValueError) and not isinstance(
            failure, ConnectionError | http.client.IncompleteRead
        ):
            return Unreadable(
                say("the server does not speak HTTP: {0}", type(failure).__name__),
                self.address,
                say("check that the address is that of an OpenAI-compatible server"),
            )
        return _Passing(
            Unreachable(
                say("the outside model cannot be reached: {0}", reason),
                self.address,
                say("start its server, or check the address; what was done so far is kept"),
            )
        )

    def _declined(self, status: int, after: str | None, data: bytes) -> Exception:
        words = self._words(data)
        if status in (401, 403):
            fix = say("put the key of the server into the environment variable {0}", KEY)
        elif status == 404:
            fix = say("check the model's name, and that the address ends as the server wants (/v1)")
        elif status == 429:
            fix = say("wait, or ask for less at once; what was done so far is kept")
        elif 300 <= status < 400:
            fix = say("give the address that it leads to: redirections are not followed")
        else:
            fix = say("look at the server's log")
        what = say("the outside model's server answers with the error {0}", status)
        error = Declined(say("{0}: {1}", what, words) if words else what, self.address, fix, status)
        pause = float(after) if after and after.isascii() and after.isdigit() else 0.0
        # a server that asks for an hour is not waited for
        return _Passing(error, pause) if status in AGAIN and pause <= LONGEST_PAUSE else error

    def _words(self, data: bytes) -> str:
        """What a server says of its error, in one line, without the key."""
        text = data[:2000].decode(errors="replace")
        try:
            told = parse_json(data, error=Unreadable)
        except OutsideModelError:
            told = None
        if isinstance(told, dict):
            inner = told.get("error", told)
            found = inner.get("message") if isinstance(inner, dict) else inner
            text = found if isinstance(found, str) else text
        text = text.replace(self.key, "***") if self.key else text
        return " ".join(text.split())[:200]


def key_from_environment() -> str:
    """The key in $CASTALIA_LLM_KEY; "" where there is none."""
    return os.environ.get(KEY, "").strip()


class _Passing(Exception):
    """A failure that may pass by itself. after: seconds that the server asks to wait."""

    def __init__(self, error: OutsideModelError, after: float = 0.0) -> None:
        super().__init__(error)
        self.error, self.after = error, after


def _cut(line: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has just ended
        return


def _place(address: str) -> SplitResult:
    """Raises RecipeError for what is no address of a server."""
    fix = say("for example {0}", "http://localhost:11434/v1")
    try:
        place = urlsplit(address.strip())
        port = place.port
    except ValueError as failure:
        raise RecipeError(say("this is no address of a server"), address[:80], fix) from failure
    if place.username is not None or place.password is not None:
        raise RecipeError(
            say("the address holds a name or a password"),
            place.hostname or "",
            say("put the key of the server into the environment variable {0}", KEY),
        )
    if place.scheme not in ("http", "https") or not place.hostname or port == 0:
        raise RecipeError(say("this is no address of a server"), address[:80], fix)
    if place.query or place.fragment or not place.path.isprintable() or " " in place.path:
        raise RecipeError(say("this is no address of a server"), address.partition("?")[0], fix)
    return place._replace(path=place.path.removesuffix("/").removesuffix("/chat/completions"))


def _reply(answer: Any, name: str, seconds: float, where: str) -> Reply:
    fix = say("check that the address is that of an OpenAI-compatible server")
    choices = answer.get("choices") if isinstance(answer, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        raise Unreadable(say("the answer holds no message of a chat"), where, fix)
    content = message.get("content")
    if isinstance(content, list):  # parts
        texts = [one.get("text") for one in content if isinstance(one, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if content is None and isinstance(message.get("refusal"), str):
        content = message["refusal"]
    if not isinstance(content, str):
        raise Unreadable(say("the answer holds no text"), where, fix)
    used = answer.get("usage")
    used = used if isinstance(used, dict) else {}
    counts = [
        value if isinstance(value := used.get(one), int) and not isinstance(value, bool) else None
        for one in ("prompt_tokens", "completion_tokens")
    ]
    ended = first.get("finish_reason")  # type: ignore[union-attr]
    model = answer.get("model")
    return Reply(
        content,
        model if isinstance(model, str) else name,
        counts[0],
        counts[1],
        ended if isinstance(ended, str) else "",
        seconds,
    )
