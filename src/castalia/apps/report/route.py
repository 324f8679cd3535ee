"""POST /api/report: tables in, a report with its facts and their cells out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia.apps.report.writing import report
from castalia.language import Voice
from castalia.serving.editing import MOST_INPUTS
from castalia.serving.error_bodies import Json
from castalia.serving.forms import files_in, text_of
from castalia.serving.openai_api import form_schema
from castalia.serving.responses import present

FIELDS = ("template", "language")


def router(table: Any, service: Any) -> APIRouter:
    """The route; it needs neither runs nor the engine."""
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/report", openapi_extra=form_schema(*FIELDS, files=("data",)))
    async def report_on(http: HttpRequest) -> Response:
        async with http.form(max_files=MOST_INPUTS, max_fields=4, max_part_size=1 << 18) as form:
            return Json(await present(http, _reported(form)))

    return routes


async def _reported(form: FormData) -> dict[str, Any]:
    """Markdown, a page, and the facts with their cells."""
    template, language = text_of(form, "template"), text_of(form, "language") or "en"
    Voice(language)  # a wrong one is said before the work

    with TemporaryDirectory() as folder:
        files = await files_in(form, "data", MOST_INPUTS, Path(folder))

        def written() -> dict[str, Any]:
            marks = None
            if template is not None:
                marks = Path(folder) / "template.md"
                marks.write_text(template, encoding="utf-8")
            made = report(files, marks, language=language)
            page = made.page(files[0].stem, language)
            return {"markdown": made.text, "page": page, **made.document()}

        return await run_in_threadpool(written)
