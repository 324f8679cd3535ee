"""Castalia's own HTTP API of questions: what items show, what a part of them is likely to be, how
they go on. Making and editing items is in castalia_api.py; apps bring routes of their own.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from castalia import bounded
from castalia.codecs.protocols import Collects
from castalia.sampling.continuations import continued, continuing
from castalia.sampling.descriptions import MOST as MOST_CAPTIONS
from castalia.sampling.descriptions import Said, captions_of
from castalia.sampling.predictions import predicted
from castalia.sentences import say
from castalia.serving.castalia_api import shown, suffix_of
from castalia.serving.editing import MOST_INPUTS, inputs_of
from castalia.serving.error_bodies import Json
from castalia.serving.field_types import MOST, Body, Letters, Short, Temperature, Whole
from castalia.serving.forms import field_of, number_of, text_of, uploads_of
from castalia.serving.generation import GenerationService, Released
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted, Table, from_base64
from castalia.serving.openai_api import form_schema, fresh_seed
from castalia.serving.responses import present
from castalia.spec import Tokens

PREDICT_FIELDS = ("run", "column", "seed", "ending")
FORECAST_FIELDS = ("run", "horizon", "paths", "members", "seed", "ending")
MOST_PREDICTED = 10_000  # items of a request


class DescribeBody(Body):
    run: Short
    items: Annotated[list[Letters], Field(min_length=1, max_length=MOST, fail_fast=True)]
    n: int = Field(1, ge=1, le=MOST_CAPTIONS)
    language: Literal["en", "zh"] | None = None
    temperature: Temperature | None = None
    seed: Whole | None = None


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.post("/predict", openapi_extra=form_schema(*PREDICT_FIELDS, files=("inputs",)))
    async def predict(http: HttpRequest) -> Response:
        async with http.form(max_files=MOST_INPUTS, max_fields=8, max_part_size=1 << 18) as form:
            hosted, suffix, released, scores = await present(
                http, _predicted(table, service.billed(http.state.bill), form)
            )
        http.state.note.update(run=hosted.name, items=len(released))
        return Json(
            {
                "run": hosted.name,
                "items": [shown(hosted, one, suffix) for one in released],
                "scores": scores,
            }
        )

    @routes.post("/forecast", openapi_extra=form_schema(*FORECAST_FIELDS, files=("inputs",)))
    async def forecast(http: HttpRequest) -> Response:
        async with http.form(max_files=MOST_INPUTS, max_fields=8, max_part_size=1 << 18) as form:
            hosted, document = await present(
                http, _forecast(table, service.billed(http.state.bill), form)
            )
        http.state.note.update(run=hosted.name)
        return Json(document)

    @routes.post("/describe")
    async def describe(body: DescribeBody, http: HttpRequest) -> Response:
        hosted = table.able(body.run, "describe")
        http.state.note.update(run=hosted.name, items=len(body.items))
        if len(body.items) * body.n > service.limits.items:
            raise Invalid(say("at most {0} captions at once", service.limits.items), "n")
        described = await present(http, _described(hosted, service.billed(http.state.bill), body))
        return Json({"run": hosted.name, "items": described})

    return routes


# Forecast -----------------------------------------------------------------------------------------


async def _forecast(
    table: Table, service: GenerationService, form: FormData
) -> tuple[Hosted, dict[str, Any]]:
    """(the run, the parts of a forecast as files with their manifests, and what is said of it)."""
    hosted = table.able(field_of(form, "run"), "forecast")
    horizon, paths = number_of(form, "horizon", 0, int), number_of(form, "paths", 100, int)
    seed, suffix = number_of(form, "seed", 0, int), suffix_of(hosted, text_of(form, "ending"))
    members = [one.strip() for one in (text_of(form, "members") or "").split(",") if one.strip()]
    uploads = uploads_of(form, "inputs", 1, MOST_INPUTS)
    if paths > service.limits.items * 16:
        raise Invalid(say("at most {0} paths at once", service.limits.items * 16), "paths")
    contents = [await one.read() for one in uploads]
    asked = {"forecast": horizon, "paths": paths, "seed": seed}

    def histories() -> list[Any]:
        hosted.gate.prepare_options(asked)
        with TemporaryDirectory() as folder, bounded.using(hosted.reads):
            items: list[Any] = []
            for number, content in enumerate(contents):
                path = Path(folder) / f"history-{number}{hosted.codec.suffix}"
                path.write_bytes(content)
                items += continuing(hosted.codec).histories(path)
        if len(items) > service.limits.items:
            raise Invalid(say("at most {0} items at once", service.limits.items), "inputs")
        return items

    items = await run_in_threadpool(histories)
    service.charge(len(items) * paths * max(0, horizon))
    made = await service.call(
        hosted,
        lambda: continued(
            hosted.family,
            hosted.codec,
            items,
            horizon,
            paths=paths,
            seed=seed,
            members=members,
        ),
    )

    def released() -> dict[str, Any]:
        given = inputs_of(contents)
        files = {}
        for index, (name, part) in enumerate(made.parts().items()):
            facts = hosted.gate.facts_of(
                index=index, part=name, **asked, **made.facts(), inputs=given
            )
            ending = Path(name).suffix or suffix or hosted.codec.suffix
            content = hosted.gate.emit_bytes(part, facts, ending)
            files[name] = shown(hosted, Released(content, facts), ending)
        return {"run": hosted.name, "parts": files, **made.facts()}

    return hosted, await run_in_threadpool(released)


# Predict ------------------------------------------------------------------------------------------


async def _predicted(
    table: Table, service: GenerationService, form: FormData
) -> tuple[Hosted, str | None, list[Released], dict[str, float]]:
    """(the run, the ending of its answers, the items with their predictions, scores)."""
    hosted = table.able(field_of(form, "run"), "predict")
    column, seed = text_of(form, "column"), number_of(form, "seed", 0, int)
    suffix = suffix_of(hosted, text_of(form, "ending"))
    uploads = uploads_of(form, "inputs", 1, MOST_INPUTS)
    contents = [await one.read() for one in uploads]
    asked = {"predict": column or "", "seed": seed}

    def prepared() -> list[Any]:
        hosted.gate.prepare_options(asked)
        items = [one for content in contents for one in hosted.items(content, MOST_PREDICTED + 1)]
        if len(items) > MOST_PREDICTED:
            raise Invalid(say("at most {0} items at once", MOST_PREDICTED), "inputs")
        return items

    items = await run_in_threadpool(prepared)
    spec = hosted.spec
    service.charge(len(items) * spec.length if isinstance(spec, Tokens) else 0)
    found = await service.call(
        hosted, lambda: predicted(hosted.family, hosted.codec, items, column, seed)
    )

    def released() -> list[Released]:
        given = inputs_of(contents)
        codec = hosted.codec
        made = [codec.collected(found.items)] if isinstance(codec, Collects) else found.items
        written = []
        for index, item in enumerate(made):
            facts = hosted.gate.facts_of(index=index, **asked, inputs=given)
            written.append(Released(hosted.gate.emit_bytes(item, facts, suffix), facts))
        return written

    return hosted, suffix, await run_in_threadpool(released), found.scores


# Describe -----------------------------------------------------------------------------------------


async def _described(
    hosted: Hosted, service: GenerationService, body: DescribeBody
) -> list[dict[str, Any]]:
    """The captions of each item, the best first, each with its manifest."""
    seed = fresh_seed(body.seed)
    asked = {"n": body.n, "seed": seed, "temperature": body.temperature}

    def prepared() -> list[Any]:
        hosted.gate.prepare_options(asked)
        return [hosted.item(from_base64(text, "items")) for text in body.items]

    items = await run_in_threadpool(prepared)
    said: list[list[Said]] = await service.call(
        hosted,
        lambda: captions_of(hosted.family, hosted.codec, items, language=body.language, **asked),
    )

    def released() -> list[dict[str, Any]]:
        rows = []
        for captions in said:
            row = []
            for index, one in enumerate(captions):
                facts = hosted.gate.facts_of(seed=seed, index=index, described=True)
                text = hosted.gate.emit_text(one.text, facts)
                row.append({"caption": text, "agreement": one.agreement, "manifest": facts})
            rows.append({"captions": row})
        return rows

    return await run_in_threadpool(released)
