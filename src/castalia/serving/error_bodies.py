"""Errors as documents: OpenAI's shape, one status each, and nothing of the server's own.

What a client did wrong is said in full. What went wrong on the server is said with the request's
number, under which the log has the rest. A path of this machine never leaves: neither where an
error says where (a Path), nor inside its words.
"""

from __future__ import annotations

import errno
import json
import re
from typing import Any

from starlette.responses import Response

from castalia.errors import CastaliaError, RunError, StorageError
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
    found = known(error)
    if found is None or (isinstance(found, RunError) and not isinstance(found, StorageError)):
        return 500
    return found.http_status


def problem(error: Exception, number: str) -> dict[str, Any]:
    """An error in OpenAI's shape. number: the request's."""
    status, found = status_of(error), known(error)
    if status >= 500 and not isinstance(found, Stopping):
        what = (
            "the server cannot store what it makes: its disk is full or cannot be written"
            if status == 507
            else "an error of ours"
        )
        message = f"{what}; the number of this request is {number}"
    else:
        assert found is not None
        where = "" if found.local or not found.where else f" ({found.where})"
        message = _PATH.sub(
            "a file of the server",
            found.what + where + (f"; try: {found.fix}" if found.fix else ""),
        )
    return {
        "error": {
            "message": message,
            "type": KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": getattr(found, "param", None),
            "code": getattr(error, "code", None) or type(found or error).__name__,
        }
    }


def answer(error: Exception, number: str) -> Json:
    """The whole answer."""
    status, headers = status_of(error), {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status in (429, 503):
        headers["retry-after"] = str(max(1, round(getattr(error, "seconds", 1.0) + 0.5)))
    if status in (408, 413):
        headers["connection"] = "close"
    return Json(problem(error, number), status, headers)
