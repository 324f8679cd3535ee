"""POST /api/demand: a file of sales in, a plan and its page out."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia.apps.demand.page import page
from castalia.apps.demand.plan import demand
from castalia.language import Voice
from castalia.serving.error_bodies import Json
from castalia.serving.forms import field_of, files_in, number_of, text_of
from castalia.serving.openai_api import form_schema
from castalia.serving.responses import present

NUMBERS = ("lead", "review", "service", "under", "over")
FIELDS = ("item", "time", "units", "name", "period", *NUMBERS, "seed", "language")


def router(table: Any, service: Any) -> APIRouter:
    """The route; it needs neither runs nor the engine."""
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/demand", openapi_extra=form_schema(*FIELDS, files=("data", "stock")))
    async def demand_of(http: HttpRequest) -> Response:
        limits = {"max_files": 2, "max_fields": len(FIELDS), "max_part_size": 1 << 14}
        async with http.form(**limits) as form:
            return Json(await present(http, _planned(form)))

    return routes


async def _planned(form: FormData) -> dict[str, Any]:
    """plan.json, and the page."""
    language = text_of(form, "language") or "en"
    Voice(language)  # a wrong one is said before the work
    asked: dict[str, Any] = {
        "item": field_of(form, "item"),
        "time": field_of(form, "time"),
        "units": text_of(form, "units"),
        "name": text_of(form, "name"),
        "period": text_of(form, "period"),
        "seed": number_of(form, "seed", 0, int),
    }
    usual = {"lead": 7.0, "review": 7.0}
    asked |= {name: number_of(form, name, usual.get(name), float) for name in NUMBERS}
    with TemporaryDirectory() as folder:
        sales = (await files_in(form, "data", 1, Path(folder) / "data"))[0]
        stock = None
        if form.getlist("stock"):
            stock = (await files_in(form, "stock", 1, Path(folder) / "stock"))[0]

        def done() -> dict[str, Any]:
            made = demand(sales, stock=stock, progress=False, **asked)
            return {**made.document(), "page": page(made, language)}

        return await run_in_threadpool(done)
