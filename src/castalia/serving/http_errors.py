"""Errors that only the server raises: too many requests, too large, too late, unknown key,
stopping.

Bugs alone give 500. 503 is answered only while the server stops.
"""

from __future__ import annotations

from typing import ClassVar

from castalia.errors import CastaliaError


class Busy(CastaliaError):
    """The queue is full, or a key has used up its rate. `seconds`: when to try again."""

    exit_code, http_status = 1, 429

    def __init__(self, what: str, where: object = "", fix: str = "", seconds: float = 1.0) -> None:
        super().__init__(what, where, fix)
        self.seconds = seconds


class Unknown(CastaliaError):
    """No key, or one that is not in the file."""

    exit_code, http_status = 1, 401


class Forbidden(CastaliaError):
    """Another host's name in the Host header: a page that reaches for a server on this machine."""

    exit_code, http_status = 1, 403


class TooLarge(CastaliaError):
    """More bytes than one request may bring."""

    exit_code, http_status = 1, 413


class Late(CastaliaError):
    """A body that trickled in, or a result that did not come before the deadline."""

    exit_code, http_status = 1, 408


class Stopping(CastaliaError):
    """The server finishes what runs and takes nothing new."""

    exit_code, http_status = 1, 503


class Invalid(CastaliaError):
    """A request that makes no sense; `param` is the field."""

    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 400

    def __init__(self, what: str, param: str = "", fix: str = "") -> None:
        super().__init__(what, param, fix)
        self.param = param or None


class TooLong(Invalid):
    """A conversation that the context has no room for; OpenAI calls it context_length_exceeded."""

    code = "context_length_exceeded"


class NotFound(CastaliaError):
    """No such run or address."""

    exit_code, http_status = 1, 404
