"""OpenAI's API for pictures: generations, edits, variations.

A prompt names a class of the run, or is the text that it is told; an edit makes the transparent
part of a picture anew, or that of its mask; a variation keeps half of what the run's latent says.
Beyond OpenAI's fields: `seed`, `cond`, `temperature`, `guidance`, `steps`, `negative_prompt`.
`revised_prompt` is the prompt in the words that the model knows.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from castalia.errors import RecipeError
from castalia.sampling.generate import Request
from castalia.sampling.prompts import told_by
from castalia.sentences import say
from castalia.serving.editing import EditRequest, edited, options_over_http, prepare
from castalia.serving.error_bodies import Json
from castalia.serving.field_types import (
    Body,
    Cond,
    Count,
    Guidance,
    Negative,
    Short,
    Steps,
    Temperature,
    Whole,
)
from castalia.serving.generation import GenerationService, Released
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted, Table
from castalia.serving.openai_api import form_schema, fresh_seed
from castalia.serving.responses import present

IMAGE_FIELDS = ("n", "size", "response_format", "output_format", "user", "seed")  # of forms
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


class ImageBody(Body):
    model: Short
    prompt: Short = ""
    n: Count = 1
    size: Short | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] = "png"
    user: Short | None = None
    seed: Whole | None = None
    temperature: Temperature | None = None
    guidance: Guidance | None = None
    steps: Steps | None = None
    negative_prompt: Negative = ""
    cond: Cond = Field({})


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.post("/images/generations")
    async def images(body: ImageBody, http: HttpRequest) -> Response:
        hosted = table.able(body.model, "images")
        http.state.note.update(run=hosted.name, prompt=body.prompt)
        _check_form(hosted, body.size, body.response_format)
        if body.n > service.limits.items:
            raise Invalid(say("at most {0} pictures at once", service.limits.items), "n")
        seed = fresh_seed(body.seed)
        given = {name: getattr(body, name) for name in ("temperature", "guidance", "steps")}
        given["negative"] = body.negative_prompt or None
        options = replace(
            hosted.options, **{name: value for name, value in given.items() if value is not None}
        )
        request = Request(
            body.n, seed, {**asked(hosted, body.prompt, body.cond), **body.cond}, options
        )
        suffix = SUFFIXES[body.output_format]
        drawn = await present(http, service.draw(hosted, request, suffix))
        http.state.note["items"] = len(drawn)
        return Json(_images(hosted, drawn, suffix, body.prompt))

    @routes.post(
        "/images/edits",
        openapi_extra=form_schema("model", *IMAGE_FIELDS, "prompt", files=("image", "mask")),
    )
    async def edits(http: HttpRequest) -> Response:
        return await changed(http, "image_edits", "infill", ("prompt", "mask"))

    @routes.post(
        "/images/variations",
        openapi_extra=form_schema("model", *IMAGE_FIELDS, files=("image",)),
    )
    async def variations(http: HttpRequest) -> Response:
        return await changed(http, "image_variations", "vary", ())

    async def changed(
        http: HttpRequest, feature: str, kind: str, more: tuple[str, ...]
    ) -> Response:
        async with http.form(max_files=4, max_fields=16, max_part_size=1 << 16) as form:
            asked = await _image_request(table, form, feature, kind, more)
            http.state.note.update(run=asked.hosted.name, prompt=form.get("prompt") or "")
            await prepare(asked)
            uploads = [
                one
                for name in ("image", "image[]")
                for one in form.getlist(name)
                if isinstance(one, UploadFile)
            ]
            if len(uploads) != 1:
                raise Invalid(say("one picture at a time"), "image")
            contents = [await one.read() for one in uploads]
        inputs = await run_in_threadpool(lambda: [asked.hosted.item(one) for one in contents])
        mine = service.billed(http.state.bill)
        drawn = await present(http, edited(mine, asked, contents, inputs))
        http.state.note["items"] = len(drawn)
        return Json(_images(asked.hosted, drawn, (asked.suffix or ".png")))

    return routes


def _images(
    hosted: Hosted, drawn: Sequence[Released], suffix: str, prompt: str = ""
) -> dict[str, Any]:
    """Pictures as OpenAI's answer has them."""
    _, height, width = hosted.spec.shape  # type: ignore[union-attr] - pictures are dense
    read = hosted.read_of(prompt)
    revised = {} if read is None else {"revised_prompt": read}
    return {
        "created": int(time.time()),
        "data": [
            {"b64_json": base64.b64encode(one.content).decode(), "castalia": one.manifest} | revised
            for one in drawn
        ],
        "output_format": next(name for name, ending in SUFFIXES.items() if ending == suffix),
        "size": f"{width}x{height}",
    }


def _check_form(hosted: Hosted, size: str | None, response_format: str | None) -> None:
    """What a client may say of the form of pictures. Raises Invalid."""
    _, height, width = hosted.spec.shape  # type: ignore[union-attr] - pictures are dense
    if size not in (None, "auto", f"{width}x{height}"):
        raise Invalid(
            say("this run draws {0}x{1}, nothing else", width, height),
            "size",
            say('size="{0}x{1}", or leave it out', width, height),
        )
    if response_format == "url":
        raise Invalid(
            say("this server keeps no pictures to link to"),
            "response_format",
            'response_format="b64_json"',
        )


async def _image_request(
    table: Table, form: FormData, feature: str, kind: str, more: tuple[str, ...]
) -> EditRequest:
    """A form of /images/edits or /images/variations. What has no meaning here is refused."""
    name = form.get("model")
    if not isinstance(name, str):
        raise Invalid(say("the field model says which run"), "model")
    hosted = table.able(name, feature)
    unknown = sorted(set(form) - {"model", "image", "image[]", *IMAGE_FIELDS, *more})
    if unknown:
        raise Invalid(say("the field {0} has no meaning here", unknown[0][:40]), unknown[0][:40])
    fields = {
        key: value for key, value in form.items() if isinstance(value, str) and key != "image"
    }
    _check_form(hosted, fields.get("size"), fields.get("response_format"))
    suffix = SUFFIXES.get(fields.get("output_format", "png"))
    if suffix is None:
        raise Invalid(say("one of: {0}", ", ".join(SUFFIXES)), "output_format")
    options: dict[str, Any] = {"steps": fields.get("n", "1")}
    mask = form.get("mask")
    if isinstance(mask, UploadFile):
        content = base64.b64encode(await mask.read()).decode()
        options["mask"] = f"data:image/png;base64,{content}"
    elif mask is not None:
        raise Invalid(say("the field {0} is a file", "mask"), "mask")
    edit = hosted.edits[kind]
    seed = fields.get("seed")
    if seed is not None and not re.fullmatch(r"-?\d{1,20}", seed, re.ASCII):
        raise Invalid(say("{0} is a number", "seed"), "seed")
    return EditRequest(
        hosted,
        kind,
        edit,
        options_over_http(kind, edit, options),
        fresh_seed(None if seed is None else int(seed)),
        asked(hosted, fields.get("prompt", ""), {}) if "prompt" in more else {},
        suffix,
    )


def asked(hosted: Hosted, prompt: str, cond: Cond) -> dict[str, str | int]:
    """`told_by` of a request. Raises Invalid."""
    try:
        return told_by(prompt, hosted.family.conditions, cond)
    except RecipeError as error:
        raise Invalid(error.what, "prompt", error.fix) from error
