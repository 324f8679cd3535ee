"""The ASGI application: routes, error handlers, and the middleware around them.

    table = open_runs(["runs/plays"])
    app = make_app(table, Engine(lanes_of(table)))

Not here: sockets, signals and draining (server.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

import castalia
from castalia import app as apps
from castalia.errors import CastaliaError
from castalia.language import Voice, recognised
from castalia.sentences import say
from castalia.serving import (
    answers_api,
    castalia_api,
    openai_api,
    openai_chat,
    openai_images,
    openai_speech,
)
from castalia.serving.constraint_compiler import Compiler
from castalia.serving.cross_origin import Origins
from castalia.serving.engine import Engine, Lane
from castalia.serving.error_bodies import Json, answer, problem, status_of
from castalia.serving.generation import GenerationService
from castalia.serving.home_page import welcome
from castalia.serving.http_errors import Invalid, Unknown
from castalia.serving.loaded_runs import Table
from castalia.serving.middleware import ServerMiddleware, ServerRules
from castalia.serving.prometheus import Metrics
from castalia.serving.rate_limits import Keys, Limits

LOG = logging.getLogger("castalia.serving")
INFLATED = 256 << 20  # bytes that a file which comes in may unpack to


def lanes_of(table: Table) -> dict[str, Lane]:
    return {name: lane for one in table.runs.values() for name, lane in one.lanes().items()}


def make_app(
    table: Table,
    engine: Engine,
    *,
    limits: Limits | None = None,
    keys: Keys | None = None,
    hosts: frozenset[str] | None = None,
    origins: frozenset[str] = frozenset(),
    open_metrics: bool = False,
    log_prompts: bool = False,
    first: Sequence[APIRouter] = (),
) -> ServerMiddleware:
    """The whole ASGI application. hosts: by which names it may be called; None: by any. origins: of
    pages that may call it beside its own. first: routes that come before those of runs, of an app
    that serves something else.
    """
    limits = limits or Limits()
    for one in table.runs.values():
        one.reads = one.reads.model_copy(
            update={"pixels": limits.pixels, "inflated_bytes": INFLATED, "array_bytes": INFLATED}
        )
    metrics, service = (
        Metrics(engine),
        GenerationService(
            engine, limits, Compiler(limits.constraint, stopping=lambda: engine.draining)
        ),
    )
    app = FastAPI(
        title="Castalia",
        version=castalia.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for routes in first:
        app.include_router(routes)
    app.include_router(openai_api.router(table, service))
    app.include_router(openai_chat.router(table, service))
    app.include_router(openai_images.router(table, service))
    app.include_router(openai_speech.router(table, service))
    app.include_router(castalia_api.router(table, service))
    app.include_router(answers_api.router(table, service))
    for one in apps.every().values():
        if one.router:
            app.include_router(one.load("router")(table, service))

    keys = keys or Keys(limits=limits)

    @app.get("/", include_in_schema=False)
    async def index(http: HttpRequest, lang: str | None = None) -> Response:
        try:
            keys.find(http.headers.get("authorization", ""))
            known = True
        except Unknown:
            known = False
        return welcome(
            table, http.headers, lang, http.url.scheme, keyed=bool(keys.keys), known=known
        )

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        """Whether the engine's thread lives."""
        return Json(
            {"status": "ok"} if engine.alive else {"status": "dead"}, 200 if engine.alive else 503
        )

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """Whether new requests are taken, and every lane can work on them."""
        failing = list(engine.failing)
        status = "stopping" if engine.draining else "failing" if failing else "ready"
        return Json(
            {"status": status, **({"lanes": failing} if failing else {})},
            200 if status == "ready" else 503,
        )

    @app.get("/metrics", include_in_schema=False)
    async def page() -> Response:
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_exception_handler(CastaliaError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _foreign)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _bug)
    rules = ServerRules(
        keys, limits, Origins(hosts, origins), open_metrics, log_prompts, metrics.observe
    )
    return ServerMiddleware(app, rules)


async def _ours(http: HttpRequest, error: Any) -> Response:
    if status_of(error) >= 500:
        LOG.error("a request failed", exc_info=error, extra={"id": http.state.number})
    return answer(error, http.state.number, http.state.language)


async def _invalid(http: HttpRequest, error: Any) -> Response:
    """What is wrong and where, without the values that were sent."""
    voice, problems = Voice(http.state.language), error.errors()
    place, what = "", voice.say("the body does not fit")
    if problems:
        place, what = _place(problems[0]["loc"]), _described(problems[0], http.url.path, voice)
    if len(problems) > 1:
        what = voice.say("{0} (and {1} more)", what, len(problems) - 1)
    found = Invalid(what[:500], place[:200], say("see /openapi.json"))
    return answer(found, http.state.number, voice.language)


async def _foreign(http: HttpRequest, error: Any) -> Response:
    status = error.status_code
    words = {
        404: say("there is nothing at this address"),
        405: say("this address takes another method"),
    }
    found = Invalid(words.get(status) or str(error.detail)[:300])
    shape = problem(found, http.state.number, http.state.language)
    shape["error"]["code"] = "NotFound" if status == 404 else "Invalid"
    return Json(shape, status, headers=error.headers)


async def _bug(http: HttpRequest, error: Any) -> Response:
    """The framework raises it again once this is sent; the middleware logs it."""
    return answer(error, http.state.number, http.state.language)


async def _left(http: HttpRequest, error: Any) -> Response:
    """Nobody reads this; the log says that the client left."""
    http.state.note["error"] = "the client left"
    return Response(status_code=499)


def _described(one: Any, path: str, voice: Voice) -> str:
    if one["type"] != "extra_forbidden":
        return voice(recognised(str(one["msg"]))).lower()
    known = openai_chat.UNSUPPORTED if path == openai_chat.PATH else {}
    return voice(known.get(_place(one["loc"])) or say("unknown field"))


def _place(parts: Sequence[str | int]) -> str:
    """The field; what pydantic calls the branches of a union is left out."""
    return ".".join(
        str(part)
        for part in parts
        if part != "body" and (isinstance(part, int) or part.isidentifier())
    )
