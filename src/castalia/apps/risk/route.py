"""POST /api/risk: a file of prices or returns in, its risk and a page out."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia.apps.risk.assessing import risk
from castalia.apps.risk.command import numbers_in, rule_of, weights_in
from castalia.errors import RecipeError
from castalia.language import Voice
from castalia.sentences import say
from castalia.serving.error_bodies import Json
from castalia.serving.forms import files_in, number_of, text_of
from castalia.serving.openai_api import form_schema
from castalia.serving.responses import present

FIELDS = (
    *("kind", "time", "value", "asset", "weights", "worth", "levels", "horizons", "methods"),
    *("window", "test", "paths", "rule", "cost", "seed", "language"),
)
# a server has others to answer
MOST_HTTP_PATHS, MOST_HTTP_TEST, MOST_HTTP_HORIZONS = 20_000, 2000, 3


def router(table: Any, service: Any) -> APIRouter:
    """The route; it needs neither runs nor the engine."""
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/risk", openapi_extra=form_schema(*FIELDS, files=("data",)))
    async def risk_of(http: HttpRequest) -> Response:
        limits = {"max_files": 1, "max_fields": len(FIELDS), "max_part_size": 1 << 14}
        async with http.form(**limits) as form:
            return Json(await present(http, _assessed(form)))

    return routes


async def _assessed(form: FormData) -> dict[str, Any]:
    """risk.json, and the page."""
    language = text_of(form, "language") or "en"
    Voice(language)  # a wrong one is said before the work
    kind = text_of(form, "kind")
    if kind not in (None, "prices", "returns"):
        raise RecipeError(say("numbers are prices or returns"), f"kind={kind[:40]}", "kind=prices")
    paths = number_of(form, "paths", 10_000, int)
    if paths > MOST_HTTP_PATHS:
        raise RecipeError(
            say("the number of paths is out of range"),
            f"paths={paths}",
            say("100 to {0:,}", MOST_HTTP_PATHS),
        )
    test = number_of(form, "test", None, int)
    if test is not None and test > MOST_HTTP_TEST:
        raise RecipeError(
            say("the back-test of {0} steps does not fit", test),
            f"test={test}",
            say("{0} at most", MOST_HTTP_TEST),
        )
    horizons = numbers_in(text_of(form, "horizons") or "1,10", "horizons", whole=True)
    if len(horizons) > MOST_HTTP_HORIZONS:
        raise RecipeError(
            say("there are too many levels or horizons"),
            f"horizons: {len(horizons)}",
            say("{0} at most", MOST_HTTP_HORIZONS),
        )
    asked: dict[str, Any] = {
        "kind": kind,
        "time": text_of(form, "time"),
        "asset": text_of(form, "asset"),
        "values": _listed(text_of(form, "value")),
        "weights": weights_in(_listed(text_of(form, "weights"))),
        "value": number_of(form, "worth", None, float),
        "levels": numbers_in(text_of(form, "levels") or "0.95,0.975,0.99", "levels"),
        "horizons": [int(one) for one in horizons],
        "methods": _listed(text_of(form, "methods")),
        "window": number_of(form, "window", None, int),
        "test": test,
        "paths": paths,
        "rule": rule_of(
            text_of(form, "rule") or "20/100", number_of(form, "cost", 0.001, float), None
        ),
        "seed": number_of(form, "seed", 0, int),
    }
    with TemporaryDirectory() as folder:
        file = (await files_in(form, "data", 1, Path(folder)))[0]

        def done() -> dict[str, Any]:
            made = risk(file, progress=False, **asked)
            return {**made.document(), "page": made.page(language)}

        return await run_in_threadpool(done)


def _listed(text: str | None) -> list[str]:
    return [] if text is None else [one.strip() for one in re.split(r"[,;]", text) if one.strip()]
