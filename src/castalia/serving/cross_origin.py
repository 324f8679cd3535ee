"""Cross-origin rules: which web pages may call the server, its own and those of named origins.

A browser sends every page's requests, also to a server on the reader's own machine, and names the
page's origin: `Origin` with each that is not a plain GET, and `Sec-Fetch-Site`. A page that is not
ours must neither write nor compute; programs (curl, the SDKs) send neither header and are not
concerned. The name in `Host` is checked where only this machine can reach the server, because a
page may give its own name this machine's address (DNS rebinding). Named origins get CORS headers;
there is no wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.serving.http_errors import Forbidden, Invalid

READS = ("GET", "HEAD", "OPTIONS")
ONCE = (
    "host",
    "origin",
    "sec-fetch-site",
    "authorization",
    "content-type",
    "content-encoding",
    "content-length",
)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
LONG = "86400"  # seconds that a browser may remember the answer to a preflight


def origins_of(given: Iterable[str]) -> frozenset[str]:
    """Origins as browsers write them. Raises RecipeError for what is none."""
    origins = frozenset(one.lower().rstrip("/") for one in given)
    for one in origins:
        if not _ORIGIN.fullmatch(one):
            raise RecipeError(
                say("this is no origin of web pages"),
                where=f"--allow-origin {one[:80]}",
                fix=say("https://example.com or http://localhost:3000"),
            )
    return origins


@dataclass(frozen=True)
class Origins:
    """hosts: names by which the server may be called, None where any will do; allowed: origins of
    pages that may call it beside its own.
    """

    hosts: frozenset[str] | None = None
    allowed: frozenset[str] = frozenset()

    def check(self, headers: Headers, method: str) -> None:
        """Raises Forbidden for a request that a foreign page made, or under a foreign name; Invalid
        for a header that is there twice.
        """
        for name in ONCE:
            if len(headers.getlist(name)) > 1:
                raise Invalid(say("the header {0} is there twice", name), name, say("send it once"))
        host = headers.get("host", "")
        name = _HOST.fullmatch(host)
        if self.hosts is not None and (name is None or name[1].lower() not in self.hosts):
            raise Forbidden(
                say("this server is not called that"),
                where="Host",
                fix=say("use the address that it printed when it started"),
            )
        if method in READS or self.allows(headers):
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none").lower()
        if origin is not None and (origin.lower().partition("://")[2] != host.lower() or not host):
            raise Forbidden(
                say("a page of another origin may not use this server"),
                where="Origin",
                fix="castalia serve --allow-origin ORIGIN",
            )
        if site not in ("none", "same-origin"):
            raise Forbidden(
                say("a page of another site may not use this server"),
                where="Sec-Fetch-Site",
                fix="castalia serve --allow-origin ORIGIN",
            )

    def allows(self, headers: Headers) -> bool:
        """Whether the request's page is one of those that were named."""
        return headers.get("origin", "").lower() in self.allowed

    def headers(self, headers: Headers) -> dict[str, str]:
        """CORS headers that let a named page read the answer."""
        if not self.allows(headers):
            return {"vary": "origin"} if self.allowed else {}
        return {
            "access-control-allow-origin": headers["origin"],
            "access-control-expose-headers": "x-request-id, retry-after",
            "vary": "origin",
        }

    def preflight(self, headers: Headers) -> Response:
        """The answer to a preflight request. Raises Forbidden for pages that were not named."""
        if not self.allows(headers):
            raise Forbidden(
                say("a page of another origin may not use this server"),
                where="Origin",
                fix="castalia serve --allow-origin ORIGIN",
            )
        granted = {
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "authorization, content-type",
            "access-control-max-age": LONG,
        }
        asked = headers.get("access-control-request-headers", "")
        # the SDKs send a dozen headers about themselves
        if re.fullmatch(r"[A-Za-z0-9, -]{1,1000}", asked):
            granted["access-control-allow-headers"] = asked
        if headers.get("access-control-request-private-network") == "true":
            granted["access-control-allow-private-network"] = "true"
        return Response(status_code=204, headers=granted)
