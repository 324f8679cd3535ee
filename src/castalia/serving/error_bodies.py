"""Error responses: bodies in OpenAI's shape, their status codes, and nothing of the server's
internals.

A client's mistake is described in full, in the language that its request accepts, else in the
server's own. A fault of the server is reported with the request's number, under which the log has
the rest. A path of this machine never leaves: neither in an error's `where` (a Path), nor inside
its message.
"""

from __future__ import annotations

import errno
import json
import re
from typing import Any

from starlette.responses import Response

from castalia.errors import CastaliaError, RunError, StorageError
from castalia.language import Voice
from castalia.sentences import say
from castalia.serving.http_errors import Stopping

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_PATH = re.compile(r"(?<![\w/.:])/(?!v1/|api/)[^\s'\",;:()/]+/[^\s'\",;:()]*")


class Json(Response):
    """A document in UTF-8. Half a character, which JSON can bring in, leaves as a question mark."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return as_json(content).encode(errors="replace")


def as_json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def known(error: Exception) -> CastaliaError | None:
    """The error as one that has a status; None for a bug."""
    if isinstance(error, OSError) and error.errno in FULL:
        return StorageError(say("the server's disk is full"))
    return error if isinstance(error, CastaliaError) else None


def status_of(error: Exception) -> int:
    """Of the answer. A run that cannot be read while it is served is the server's fault, and never
    "not found".
    """
    expected = known(error)
    if expected is None or (
        isinstance(expected, RunError) and not isinstance(expected, StorageError)
    ):
        return 500
    return expected.http_status


def problem(error: Exception, number: str, language: str = "en") -> dict[str, Any]:
    """An error in OpenAI's shape. number: the request's."""
    status, expected, voice = status_of(error), known(error), Voice(language)
    if status >= 500 and not isinstance(expected, Stopping):
        what = (
            say("the server cannot store what it makes: its disk is full or cannot be written")
            if status == 507
            else say("an error of ours")
        )
        message = voice.say("{0}; the number of this request is {1}", what, number)
    else:
        assert expected is not None
        words: str = expected.what
        if expected.where and not expected.local:
            words = say("{0} ({1})", words, expected.where)
        if expected.fix:
            words = say("{0}; try: {1}", words, expected.fix)
        message = _PATH.sub(voice.say("a file of the server"), voice(words))
    return {
        "error": {
            "message": message,
            "type": KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": getattr(expected, "param", None),
            "code": getattr(error, "code", None) or type(expected or error).__name__,
        }
    }


def answer(error: Exception, number: str, language: str = "en") -> Json:
    """The whole answer."""
    status, headers = status_of(error), {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status in (429, 503):
        headers["retry-after"] = str(max(1, round(getattr(error, "seconds", 1.0) + 0.5)))
    if status in (408, 413):
        headers["connection"] = "close"
    return Json(problem(error, number, language), status, headers)
