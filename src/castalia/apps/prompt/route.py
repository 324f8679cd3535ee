"""POST /api/prompt/render: a prompt and values in, the messages that a model would be told out.
POST /api/prompt/lint: a prompt in, findings out.

Nobody is asked: what the messages are for goes to /v1/chat/completions. The template runs in the
sandbox, so a stranger's may be sent.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from castalia.apps.prompt.lint.finding import RULES
from castalia.apps.prompt.template import parse
from castalia.serving.error_bodies import Json
from castalia.serving.field_types import Body, Letters, Short
from castalia.serving.responses import present


class RenderBody(Body):
    prompt: Letters
    values: dict[Short, Any] = Field({}, max_length=256)


class LintBody(Body):
    prompt: Annotated[str, StringConstraints(max_length=1 << 16)]
    select: list[Short] = Field(list(RULES), max_length=len(RULES))
    ignore: list[Short] = Field([], max_length=len(RULES))


def router(table: Any, service: Any) -> APIRouter:
    """The route; it needs neither runs nor the engine."""
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/prompt/render")
    async def render(body: RenderBody, http: HttpRequest) -> Response:
        return Json(await present(http, run_in_threadpool(_rendered, body)))

    @routes.post("/prompt/lint")
    async def linted(body: LintBody, http: HttpRequest) -> Response:
        return Json(await present(http, run_in_threadpool(_linted, body)))

    return routes


def _linted(body: LintBody) -> dict[str, Any]:
    from castalia.apps.prompt.lint import judged, lint

    text = body.prompt.replace("\r\n", "\n")
    found = lint(text, select=body.select, ignore=body.ignore)
    return {"findings": [one.document(text) for one in found], "judged": judged(text)}


def _rendered(body: RenderBody) -> dict[str, Any]:
    prompt = parse(body.prompt, "prompt")
    return {"version": prompt.version, **prompt.render(body.values).document()}
