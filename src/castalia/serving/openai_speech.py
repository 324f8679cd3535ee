"""OpenAI's API for speech: a text in, a sound out.

`input` is said in the voice of the run, of which there is one. The answer is the bytes of a WAV,
the one form that carries the manifest and the label of synthetic speech; it is also the answer
where `response_format` is left out. Beyond OpenAI's fields: `seed`, `temperature`, `guidance`,
`steps`. What the model does not know of the text is named in the header `x-castalia-passed-over`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field, StringConstraints
from starlette.responses import Response

from castalia.captions import Caption, letters_in
from castalia.errors import RecipeError
from castalia.sampling.generate import Request
from castalia.sentences import say
from castalia.serving.field_types import Body, Guidance, Short, Steps, Temperature, Whole
from castalia.serving.generation import GenerationService
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted, Table
from castalia.serving.openai_api import fresh_seed
from castalia.serving.responses import present
from castalia.spec import Words

OWN_VOICE = "default"


class Named(Body):
    """A voice as OpenAI's client may also give it."""

    id: Short


class SpeechBody(Body):
    model: Short
    input: Annotated[str, StringConstraints(max_length=4096)]
    voice: Short | Named = OWN_VOICE
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4.0)] = 1.0
    stream_format: Literal["sse", "audio"] = "audio"
    instructions: Short | None = None
    seed: Whole | None = None
    temperature: Temperature | None = None
    guidance: Guidance | None = None
    steps: Steps | None = None


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.post("/audio/speech", response_class=Response)
    async def speech(body: SpeechBody, http: HttpRequest) -> Response:
        hosted = table.able(body.model, "speech")
        http.state.note.update(run=hosted.name, prompt=body.input)
        _check_form(hosted, body)
        name, words = _told(hosted)
        if not letters_in(body.input):
            raise Invalid(say("there is nothing to say"), "input")
        try:
            Caption(words).asked(name, body.input)
        except RecipeError as error:
            raise Invalid(error.what, "input", error.fix) from error
        given = {name: getattr(body, name) for name in ("temperature", "guidance", "steps")}
        options = replace(
            hosted.options, **{name: value for name, value in given.items() if value is not None}
        )
        request = Request(1, fresh_seed(body.seed), {name: body.input}, options)
        said = (await present(http, service.draw(hosted, request)))[0]
        http.state.note["items"] = 1
        unknown = Caption(words).unknown(body.input)
        headers = {"x-castalia-passed-over": quote("".join(unknown))} if unknown else {}
        return Response(said.content, media_type=hosted.media_type, headers=headers)

    return routes


def _told(hosted: Hosted) -> tuple[str, Words]:
    """The name of the condition that is a text, and what it is in."""
    name = hosted.caption or ""
    words = hosted.family.conditions[name]
    assert isinstance(words, Words)  # the run has the feature
    return name, words


def _check_form(hosted: Hosted, body: SpeechBody) -> None:
    """What a client may say of voice and form. Raises Invalid."""
    suffix = hosted.codec.suffix.removeprefix(".")
    if body.response_format not in (None, suffix):
        raise Invalid(
            say(
                "speech leaves as {0} alone: other forms cannot carry its manifest and its label",
                suffix.upper(),
            ),
            "response_format",
            f'response_format="{suffix}"',
        )
    voice = body.voice.id if isinstance(body.voice, Named) else body.voice
    if voice not in (OWN_VOICE, hosted.name):
        raise Invalid(
            say("this run has one voice, and imitates no other"),
            "voice",
            f'voice="{OWN_VOICE}"',
        )
    if body.speed != 1.0:
        raise Invalid(say("this run speaks at the speed that it learned"), "speed", "speed=1.0")
    if body.stream_format != "audio":
        raise Invalid(
            say("speech is sent whole, not as events"), "stream_format", 'stream_format="audio"'
        )
    if body.instructions:
        raise Invalid(
            say("this run takes no instructions on how to speak"),
            "instructions",
            say("leave it out"),
        )
