"""The studio's web application: a page in each language, files that jobs wrote, and uploads.

    /en/  /zh/                       the page (page.py)
    /language/zh                     remembers the language, and goes there
    /files/studio/...  /files/runs/...
    PUT /upload/BATCH/PLACE          one file of what was dropped

It answers pages of its own origin only, under the name it was started with; see
serving/cross_origin.py. Where other machines can reach it, it wants the token that it printed.
"""

from __future__ import annotations

import hmac
import re
import shutil
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from castalia.apps.studio.desk import Desk
from castalia.apps.studio.page import STYLE, THEME, head, make_page
from castalia.apps.studio.workspace import Workspace
from castalia.errors import CastaliaError
from castalia.language import LANGUAGES, Voice, accepted, current, translate
from castalia.sentences import say
from castalia.serving.cross_origin import Origins
from castalia.units import size

COOKIE, REMEMBERED = "castalia-studio", "castalia-language"
YEAR = 365 * 24 * 3600
SPARE = 1 << 30  # bytes of the disk that uploads leave free
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" '
    'fill="#0f6e84"/><path d="M8 3v10M4 6c4 0 4 4 8 4" stroke="#fff" fill="none"/></svg>'
)
_BATCH = re.compile(r"[0-9a-f]{16}")
# what a page that a job wrote may do: run its own scripts, apart from the studio
SHOWN = {
    "content-security-policy": "sandbox allow-scripts allow-downloads allow-popups",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


def make_site(
    space: Workspace, *, hosts: frozenset[str] | None, token: str, largest: int
) -> ASGIApp:
    """The whole application. hosts: by which names it may be called; token: "" for none; largest:
    bytes of an upload.
    """
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    first = Desk(space, Voice("en"))

    @site.get("/")
    async def index(request: Request) -> Response:
        asked = request.cookies.get(REMEMBERED, "")
        if asked not in LANGUAGES:
            asked = accepted(request.headers.get("accept-language", ""), current())
        return RedirectResponse(f"/{asked}/", 303)

    @site.get("/favicon.ico")
    async def icon() -> Response:
        return Response(ICON, media_type="image/svg+xml")

    @site.get("/language/{language}")
    async def language(language: str) -> Response:
        answer = RedirectResponse(f"/{language if language in LANGUAGES else 'en'}/", 303)
        answer.set_cookie(REMEMBERED, language, max_age=YEAR, samesite="lax", httponly=True)
        return answer

    @site.get("/files/{root}/{place:path}")
    async def file(root: str, place: str) -> Response:
        folder = first.roots().get(root)
        path = None if folder is None else (folder / place).resolve()
        if path is None or not space.inside(path) or not path.is_file():
            return PlainTextResponse("404", 404)
        return FileResponse(path, headers=SHOWN)

    @site.put("/upload/{batch}/{place:path}")
    async def upload(batch: str, place: str, request: Request) -> Response:
        voice = Voice(accepted(request.headers.get("accept-language", ""), current()))
        if not _BATCH.fullmatch(batch):
            return PlainTextResponse("400", 400)
        refused = _too_large(int(request.headers.get("content-length") or 0), largest, space.root)
        if refused:
            return PlainTextResponse(translate(refused, voice.language), 413)
        try:
            with space.receiving(batch, place) as sink:
                written = 0
                async for part in request.stream():
                    written += len(part)
                    if written > largest:
                        raise OSError(translate(say("too large"), voice.language))
                    sink.write(part)
        except (OSError, CastaliaError) as error:
            return PlainTextResponse(str(error), 507)
        return PlainTextResponse("")

    application: Any = site
    for code in LANGUAGES:
        desk = Desk(space, Voice(code))
        application = gr.mount_gradio_app(
            application,
            make_page(desk),
            f"/{code}",
            footer_links=[],
            theme=THEME,
            css=STYLE,
            head=head(code),
            ssr_mode=False,
            show_error=True,
            max_file_size=largest,
            enable_monitoring=False,
            allowed_paths=[str(space.root.resolve())],
        )
    return _Guard(application, Origins(hosts), token)


def _too_large(length: int, largest: int, folder: Path) -> str:
    """Why a file of so many bytes is not taken; "" where it is."""
    if length > largest:
        return say(
            "it has {0}, {1} at most: castalia studio --max-upload", size(length), size(largest)
        )
    free = shutil.disk_usage(folder).free - SPARE
    if length > free:
        return say("it has {0}, and the disk has room for {1}", size(length), size(max(0, free)))
    return ""


class _Guard:
    """Refuses requests of foreign pages, and those without the token."""

    def __init__(self, app: ASGIApp, origins: Origins, token: str) -> None:
        self.app, self.origins, self.token = app, origins, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer: Response | None = None
        try:
            self.origins.check(headers, scope["method"])
        except CastaliaError as error:
            answer = PlainTextResponse(str(error), error.http_status)
        if answer is None and self.token:
            answer = self._entry(scope, headers)
        await (answer or self.app)(scope, receive, send)

    def _entry(self, scope: Scope, headers: Headers) -> Response | None:
        """None for somebody who has the token; the address with it gives a cookie."""
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        if cookie is not None and hmac.compare_digest(cookie.value.encode(), self.token.encode()):
            return None
        query = parse_qs(scope["query_string"].decode(errors="replace"))
        given = query.pop("token", [""])[0]
        if hmac.compare_digest(given.encode(), self.token.encode()):
            rest = urlencode(query, doseq=True)
            answer = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(COOKIE, self.token, max_age=YEAR, samesite="strict", httponly=True)
            return answer
        words = say("open the address that the studio printed when it started: it has a token")
        return PlainTextResponse(
            translate(words, accepted(headers.get("accept-language", ""), current())), 403
        )
