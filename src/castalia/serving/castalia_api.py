"""Castalia's own HTTP API, for what OpenAI's has no route for: items of any kind, edits, scores,
and the schema of a run's inputs.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field, TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response
from torch import Tensor

from castalia import bounded
from castalia.abilities import SampleOptions, Scores
from castalia.codecs.protocols import Collects, TakesGiven
from castalia.errors import DataError
from castalia.nn.counter_random import generators
from castalia.registry import require
from castalia.sampling.edit import (
    Edit,
    EditOptions,
    every,
    option_names,
    several,
)
from castalia.sampling.generate import Request, expect, request_of
from castalia.sentences import say
from castalia.serving.editing import (
    MOST_INPUTS,
    EditRequest,
    edited,
    options_over_http,
    prepare,
    served,
)
from castalia.serving.error_bodies import Json
from castalia.serving.field_types import (
    MOST,
    Body,
    Cond,
    Count,
    Ending,
    Frequency,
    Guidance,
    Length,
    Letters,
    MinP,
    Negative,
    Repetition,
    Short,
    Steps,
    Temperature,
    TopK,
    TopP,
    Whole,
)
from castalia.serving.forms import field_of, number_of, text_of, uploads_of
from castalia.serving.generation import GenerationService, Released
from castalia.serving.http_errors import Invalid
from castalia.serving.json_limits import check_json
from castalia.serving.loaded_runs import Hosted, Table, from_base64
from castalia.serving.openai_api import form_schema, fresh_seed
from castalia.serving.responses import present
from castalia.spec import Batch, Dense, Tokens

TOKEN_OPTIONS = (
    "temperature",
    "repetition",
    "frequency",
    "top_k",
    "top_p",
    "min_p",
    "length",
    "stop",
)
DENSE_OPTIONS = ("temperature", "guidance", "steps", "negative")
EDIT_FIELDS = ("run", "kind", "text", "seed", "cond", "ending")
_COND = TypeAdapter(Cond)


class Options(Body):
    """See abilities.SampleOptions; what is left out is the run's own."""

    temperature: Temperature | None = None
    guidance: Guidance | None = None
    steps: Steps | None = None
    negative: Negative | None = None
    repetition: Repetition | None = None
    frequency: Frequency | None = None
    top_k: TopK | None = None
    top_p: TopP | None = None
    min_p: MinP | None = None
    length: Length | None = None
    stop: Annotated[list[Ending], Field(max_length=4, fail_fast=True)] | None = None


class GenerateBody(Body):
    run: Short
    n: Count = 1
    seed: Whole | None = None
    first: int = Field(0, ge=0, lt=2**53)
    cond: Cond = Field({})
    options: Options = Options()
    prompt: Letters | None = None
    constraint: Short | None = None
    given: dict[Short, Short] = Field(
        {}, max_length=MOST, description="parts of every item that are known, by name"
    )
    format: Literal["json", "file"] = "json"
    ending: Short | None = Field(
        None, description="of the files, where the run can write several: musicxml, wav, webp ..."
    )


class ScoreBody(Body):
    run: Short
    items: Annotated[list[Letters], Field(min_length=1, max_length=MOST, fail_fast=True)]
    cond: Cond = Field({})


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["Castalia"])

    @routes.get("/runs")
    async def runs() -> Response:
        return Json({"runs": [one.about() for one in table.runs.values()]})

    @routes.get("/schema/{run}")
    async def schema(run: str) -> Response:
        return Json(schema_of(table.able(run, "generate"), service))

    @routes.get("/schema/{run}/{kind}")
    async def schema_of_edit(run: str, kind: str) -> Response:
        hosted, edit = table.editing(run, kind)
        return Json(edit_schema(hosted, kind, edit, service))

    @routes.post("/generate")
    async def generate(body: GenerateBody, http: HttpRequest) -> Response:
        hosted, mine = table.able(body.run, "generate"), service.billed(http.state.bill)
        http.state.note.update(run=hosted.name, prompt=body.prompt)
        request = _request(hosted, body, service)
        suffix = suffix_of(hosted, body.ending)
        if body.format == "file" and (body.n != 1 or hosted.codec.sidecar):
            raise Invalid(
                say("one file is one item, and has its manifest inside"),
                "format",
                say('n=1 and a run whose files hold one, or format="json"'),
            )
        if isinstance(hosted.codec, Collects) or request.given:
            released = await present(http, mine.gather(hosted, request, suffix))
            http.state.note["items"] = request.n
        elif hosted.writes:
            text = await present(http, mine.prepare(hosted, request))
            written = (await present(http, mine.write([text])))[0]
            new = sum(len(one.done.tokens) for one in written)
            http.state.note["tokens"] = new
            released = [one.released for one in written]
        else:
            if (
                request.prompt is not None and not isinstance(hosted.spec, Tokens)
            ) or request.constraint is not None:
                raise Invalid(
                    say("only models of texts take a prompt or a constraint"),
                    "prompt",
                    say("leave it out; `cond` says what to make"),
                )
            if isinstance(hosted.spec, Tokens):
                if request.prompt is not None:
                    given = request.prompt
                    item = await run_in_threadpool(
                        lambda: hosted.item(from_base64(given, "prompt"))
                    )
                    request = replace(request, prompt=item)
                http.state.note["prompt"] = None
                released = await present(http, mine.compose(hosted, request, suffix))
            else:
                released = await present(http, service.draw(hosted, request, suffix))
            http.state.note["items"] = len(released)
        if body.format == "file":
            return Response(released[0].content, media_type=hosted.media_type_of(suffix))
        return Json({"run": hosted.name, "items": [shown(hosted, one, suffix) for one in released]})

    @routes.post(
        "/edit", openapi_extra=form_schema(*EDIT_FIELDS, files=("inputs",), others=edit_fields())
    )
    async def edit(http: HttpRequest) -> Response:
        async with http.form(max_files=MOST_INPUTS, max_fields=32, max_part_size=1 << 18) as form:
            hosted, suffix, released = await present(
                http, _edited(table, service.billed(http.state.bill), form)
            )
            kind = field_of(form, "kind")
        http.state.note.update(run=hosted.name, items=len(released))
        return Json(
            {
                "run": hosted.name,
                "kind": kind,
                "items": [shown(hosted, one, suffix) for one in released],
            }
        )

    @routes.post("/score")
    async def score(body: ScoreBody, http: HttpRequest) -> Response:
        hosted = table.able(body.run, "score")
        http.state.note.update(run=hosted.name)
        if len(body.items) > service.limits.items:
            raise Invalid(say("at most {0} items at once", service.limits.items), "items")
        scores = await present(http, _scored(hosted, service.billed(http.state.bill), body))
        return Json(
            {
                "run": hosted.name,
                "exact": require(hosted.family, Scores, "score").exact,
                "scores": scores,
            }
        )

    return routes


def shown(hosted: Hosted, one: Released, suffix: str | None = None) -> dict[str, Any]:
    """An item in a document: a text as it is, anything else as the base64 of its file; its manifest
    beside it.
    """
    if hosted.writes:
        return {"text": one.content.decode(), "manifest": one.manifest}
    return {
        "data": base64.b64encode(one.content).decode(),
        "type": hosted.media_type_of(suffix),
        "manifest": one.manifest,
    }


# Generate -----------------------------------------------------------------------------------------


def suffix_of(hosted: Hosted, ending: str | None) -> str | None:
    """The ending with its dot; None for the codec's own."""
    if ending is None:
        return None
    suffix = f".{ending.lower().lstrip('.')}"
    known = _endings(hosted)
    if suffix not in known:
        raise Invalid(
            say("this run does not write '{0}'", ending[:40]),
            "ending",
            say("one of: {0}", ", ".join(one.lstrip(".") for one in known)),
        )
    return suffix


def _endings(hosted: Hosted) -> tuple[str, ...]:
    return (hosted.codec.suffix, *hosted.codec.formats)


def _request(hosted: Hosted, body: GenerateBody, service: GenerationService) -> Request:
    given = {name: value for name, value in body.options.model_dump().items() if value is not None}
    fitting = TOKEN_OPTIONS if isinstance(hosted.spec, Tokens) else DENSE_OPTIONS
    other = sorted(set(given) - set(fitting))
    if other:
        raise Invalid(
            say("this run has no option '{0}'", other[0]),
            f"options.{other[0]}",
            say("one of: {0}", ", ".join(fitting)),
        )
    if body.n > service.limits.items:
        raise Invalid(say("at most {0} items at once", service.limits.items), "n")
    if (body.options.length or 0) > service.limits.tokens:
        raise Invalid(say("at most {0} new tokens", service.limits.tokens), "options.length")
    if "stop" in given:
        given["stop"] = tuple(given["stop"])
    options: SampleOptions = replace(hosted.options, **given)
    cond, prompt = dict(body.cond), body.prompt or None
    if hosted.caption is not None and prompt is not None:
        cond.setdefault(hosted.caption, prompt)
        prompt = None
    return Request(
        body.n,
        fresh_seed(body.seed),
        cond,
        options,
        body.first,
        prompt=prompt,
        constraint=body.constraint,
        batch=request_of(hosted.run).batch,
        given=body.given,
    )


def schema_of(hosted: Hosted, service: GenerationService) -> dict[str, Any]:
    """The JSON schema of a body for /api/generate that names this run."""
    properties: dict[str, Any] = GenerateBody.model_json_schema()["properties"]
    every = Options.model_json_schema()["properties"]
    tokens = isinstance(hosted.spec, Tokens)
    own = asdict(hosted.options)
    options = {
        name: {**every[name], "default": own[name]}
        for name in (TOKEN_OPTIONS if tokens else DENSE_OPTIONS)
    }
    properties["run"] = {"const": hosted.name}
    properties["n"]["maximum"] = service.limits.items
    properties["options"] = {"type": "object", "properties": options, "additionalProperties": False}
    properties["cond"] = {
        "type": "object",
        "properties": {
            name: {"enum": [*names, *range(len(names))]} for name, names in hosted.classes.items()
        },
        "additionalProperties": False,
    }
    if hosted.caption is not None:
        properties["cond"]["properties"][hosted.caption] = {"type": "string"}
    elif not tokens:
        del properties["prompt"]
    if not tokens:
        del properties["constraint"]
    if not isinstance(hosted.codec, TakesGiven):
        del properties["given"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What {hosted.name} takes",
        "type": "object",
        "properties": properties,
        "required": ["run"],
        "additionalProperties": False,
    }


# Edit ---------------------------------------------------------------------------------------------


async def _edited(
    table: Table, service: GenerationService, form: FormData
) -> tuple[Hosted, str | None, list[Released]]:
    """(the run, the ending of its answers, what came out)."""
    kind = field_of(form, "kind")
    hosted, edit = table.editing(field_of(form, "run"), kind)
    request = EditRequest(
        hosted,
        kind,
        edit,
        _options(form, kind, edit),
        number_of(form, "seed", 0, int),
        _conditions(form),
        suffix_of(hosted, text_of(form, "ending")),
    )
    await prepare(request)
    contents, inputs = await _inputs(hosted, service, form, edit)
    return hosted, request.suffix, await edited(service, request, contents, inputs)


async def _inputs(
    hosted: Hosted, service: GenerationService, form: FormData, edit: Edit
) -> tuple[list[bytes], list[Any]]:
    """(the bytes, the items) of what is to be edited: texts in the field `text`, else files."""
    if hosted.writes:
        texts = [one for one in form.getlist("text") if isinstance(one, str) and one]
        if not edit.least <= len(texts) <= MOST_INPUTS:
            raise Invalid(say("between {0} and {1} texts", edit.least, MOST_INPUTS), "text")
        for text in texts:
            if len(text) > 4 * service.limits.tokens:
                raise Invalid(say("the text is too long"), "text")
            await run_in_threadpool(hosted.gate.prepare_text, text)
        return [text.encode() for text in texts], texts
    uploads = uploads_of(form, "inputs", edit.least, MOST_INPUTS)
    contents = [await one.read() for one in uploads]
    return contents, await run_in_threadpool(lambda: [hosted.item(one) for one in contents])


def _options(form: FormData, kind: str, edit: Edit) -> EditOptions:
    """The options of an edit as the form has them. Raises RecipeError for those of another edit."""
    given: dict[str, Any] = {}
    for name in option_names():
        values = [one for one in form.getlist(name) if isinstance(one, str) and one]
        if values:
            field = edit.Options.model_fields.get(name)
            given[name] = values if field is not None and several(field) else values[0]
    return options_over_http(kind, edit, given)


def _properties(edit: Edit) -> dict[str, Any]:
    """The JSON schemas of an edit's options over HTTP."""
    properties: dict[str, Any] = edit.Options.model_json_schema()["properties"]
    return {
        name: about | ({"maximum": most} if (most := served(edit).get(name)) is not None else {})
        for name, about in properties.items()
    }


def edit_schema(
    hosted: Hosted, kind: str, edit: Edit, service: GenerationService
) -> dict[str, Any]:
    """The JSON schema of a form for /api/edit that names this run and this edit. A field with an
    array may stand in the form several times.
    """
    count = {"minItems": edit.least, "maxItems": MOST_INPUTS}
    given = {"type": "string"} if hosted.writes else {"type": "string", "format": "binary"}
    name = "text" if hosted.writes else "inputs"
    properties: dict[str, Any] = {
        "run": {"const": hosted.name},
        "kind": {"const": kind},
        name: {"type": "array", "items": given, **count},
        "seed": {"type": "integer", "default": 0},
        **_properties(edit),
        "cond": {"type": "string", "contentMediaType": "application/json"},
        "ending": {"enum": [one.lstrip(".") for one in _endings(hosted)]},
    }
    if steps := properties.get("steps"):
        steps["maximum"] = min(steps["maximum"], service.limits.items)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What {kind} of {hosted.name} takes",
        "type": "object",
        "properties": properties,
        "required": ["run", "kind", name],
        "additionalProperties": False,
    }


def edit_fields() -> dict[str, Any]:
    """The schemas of the options of all edits by name."""
    fields: dict[str, list[Any]] = {}
    for _, edit in every():
        for name, schema in _properties(edit()).items():
            known = fields.setdefault(name, [])
            known += [] if schema in known else [schema]
    return {name: one[0] if len(one) == 1 else {"anyOf": one} for name, one in fields.items()}


def _conditions(form: FormData) -> dict[str, str | int]:
    value = form.get("cond")
    if not isinstance(value, str) or not value:
        return {}
    try:
        check_json(value.encode(errors="replace"))
        given = _COND.validate_python(bounded.parse_json(value))
    except (DataError, Invalid, ValueError):
        given = None
    if given is None:
        raise Invalid(
            say("cond is a JSON object of names or numbers of classes"), "cond", '{"label": "3"}'
        )
    return given


# Score --------------------------------------------------------------------------------------------


async def _scored(
    hosted: Hosted, service: GenerationService, body: ScoreBody
) -> list[dict[str, Any]]:
    scorer = require(hosted.family, Scores, "score")
    expect(hosted.family.conditions, body.cond)

    def prepared() -> tuple[list[Any], list[Tensor]]:
        items: list[Any] = (
            list(body.items)
            if hosted.writes
            else [hosted.item(from_base64(text, "items")) for text in body.items]
        )
        for item in items if hosted.writes else ():
            hosted.gate.prepare_text(item)
        rows = (
            [hosted.codec.encode(item).long() for item in items]
            if isinstance(hosted.spec, Tokens)
            else [*hosted.tensor(items)]
        )
        for index, row in enumerate(rows):
            if isinstance(hosted.spec, Tokens) and not 2 <= len(row) <= hosted.spec.length + 1:
                raise Invalid(
                    say("a text has between 1 and {0} tokens here", hosted.spec.length),
                    f"items.{index}",
                    say("score its parts one by one"),
                )
        return items, rows

    def computed(rows: Sequence[Tensor], known: Mapping[str, Tensor]) -> list[float]:
        conditions = [
            {name: value[index, None] for name, value in known.items()}
            for index in range(len(rows))
        ]
        return [
            float(
                scorer.nats(
                    Batch(row[None], cond=conditions[index]),
                    None if scorer.exact else generators(0, index, 1),
                )
            )
            for index, row in enumerate(rows)
        ]

    items, rows = await run_in_threadpool(prepared)
    known = hosted.known(body.cond, items)
    service.charge(sum(len(row) - 1 for row in rows) if isinstance(hosted.spec, Tokens) else 0)
    nats = await service.call(hosted, lambda: computed(rows, known))
    units = [
        hosted.codec.units(item)
        if not isinstance(hosted.spec, Dense)
        else {"dimension": rows[0].numel()}
        for item in items
    ]
    return [
        {"nats": value if math.isfinite(value) else None, "units": unit}
        for value, unit in zip(nats, units, strict=True)
    ]
