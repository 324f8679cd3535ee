"""POST /api/recommend: a file of events in, suggestions and their page out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia.apps.recommend.suggesting import recommend
from castalia.apps.recommend.writing import document, page
from castalia.language import Voice
from castalia.serving.error_bodies import Json
from castalia.serving.forms import field_of, files_in, number_of, text_of
from castalia.serving.openai_api import form_schema
from castalia.serving.responses import present

FIELDS = ("user", "item", "time", "name", "weight", "for", "n", "method", "seed", "language")


def router(table: Any, service: Any) -> APIRouter:
    """The route. It trains nothing: a server's one thread of computing is for its runs, so the
    transformer has no part.
    """
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/recommend", openapi_extra=form_schema(*FIELDS, files=("data", "without")))
    async def recommended(http: HttpRequest) -> Response:
        limits = {"max_files": 2, "max_fields": len(FIELDS), "max_part_size": 1 << 14}
        async with http.form(**limits) as form:
            return Json(await present(http, _suggested(form)))

    return routes


async def _suggested(form: FormData) -> dict[str, Any]:
    """The document with its suggestions, and the page."""
    language = text_of(form, "language") or "en"
    Voice(language)  # a wrong one is said before the work
    one = text_of(form, "for")
    asked: dict[str, Any] = {
        "user": field_of(form, "user"),
        "item": field_of(form, "item"),
        "time": field_of(form, "time"),
        "name": text_of(form, "name"),
        "weight": text_of(form, "weight"),
        "users": [] if one is None else [one],
        "n": number_of(form, "n", 10, int),
        "method": text_of(form, "method") or "blend",
        "seed": number_of(form, "seed", 0, int),
    }
    with TemporaryDirectory() as folder:
        events = (await files_in(form, "data", 1, Path(folder) / "data"))[0]
        without = None
        if form.getlist("without"):
            without = (await files_in(form, "without", 1, Path(folder) / "without"))[0]

        def done() -> dict[str, Any]:
            made = recommend(events, without=without, minutes=0, progress=False, **asked)
            return {**document(made), "page": page(made, language)}

        return await run_in_threadpool(done)
