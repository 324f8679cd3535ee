"""OpenAI's chat API: /v1/chat/completions, for runs that were tuned on conversations.

The messages become tokens by the run's own template, and the reply is written by the same engine as
every text, beside others. `response_format` is kept by a grammar: a json_schema holds for every
reply that is not cut at its length, whatever the model is. What the context has no room for is
refused (context_length_exceeded), never dropped in silence; a reply ends where the context does.
Tools are not here.

Beyond OpenAI's fields: `top_k`, `min_p`, `repetition_penalty`, `constraint`. Each choice carries
its manifest under `castalia`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from castalia.codecs.conversation import Conversation
from castalia.errors import DataError, RecipeError
from castalia.nn.decode import Completion, TokenLogprobs
from castalia.sampling.chat import reply_to, talk_of
from castalia.sentences import say
from castalia.serving.error_bodies import Json, as_json
from castalia.serving.field_types import Asking, Body, Count, Letters, Short, StreamOptions
from castalia.serving.generation import BRIEF, GenerationService, Text
from castalia.serving.http_errors import Invalid, TooLong
from castalia.serving.loaded_runs import Hosted, Table
from castalia.serving.openai_api import CAUSES, asked, name_of
from castalia.serving.responses import Events, present

PATH = "/v1/chat/completions"
TOOLS = say("this server calls no tools; `response_format` gives replies that a program can read")
UNSUPPORTED = {
    "tools": TOOLS,
    "tool_choice": TOOLS,
    "functions": TOOLS,
    "function_call": TOOLS,
    "parallel_tool_calls": TOOLS,
    "audio": say("runs here write, they do not speak"),
    "modalities": say("runs here write text and nothing else"),
    "prediction": say("predicted outputs are not known here"),
    "web_search_options": say("this server asks nobody else"),
    "reasoning_effort": say("runs here have no reasoning to adjust"),
    "store": say("this server keeps no replies"),
    "metadata": say("this server keeps no replies"),
    "service_tier": say("there is one service"),
    "verbosity": say("say in the messages how long a reply should be"),
}


class Part(Body):
    type: Literal["text"]
    text: Letters


class ChatMessage(Body):
    """Fields that are null come back with replies that clients send again; they are ignored."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Letters | Annotated[list[Part], Field(min_length=1, max_length=256, fail_fast=True)]
    name: None = None
    refusal: None = None
    audio: None = None
    annotations: None = None
    function_call: None = None
    tool_calls: None = None


class Named(BaseModel):
    """A schema by name; `strict` is always kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Short
    schema_: dict[str, Any] = Field(alias="schema")
    description: Letters | None = None
    strict: bool | None = None


class Format(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Named | None = None


class ChatBody(Asking):
    model: Short
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096, fail_fast=True)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: Format | None = None
    user: Short | None = None


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(PATH)
    async def chat(body: ChatBody, http: HttpRequest) -> Response:
        hosted = table.able(body.model, "chat")
        mine = service.billed(http.state.bill)
        talk = _talk(body.messages)
        http.state.note.update(run=hosted.name, prompt=str(talk))
        request = _request(hosted, body, service)
        if len(talk) <= BRIEF and not hosted.renders:
            request = _fitting(hosted, talk, request)
        else:
            request = await run_in_threadpool(_fitting, hosted, talk, request)
        try:
            text = await present(http, mine.prepare(hosted, request))
        except RecipeError as error:
            if body.response_format is None:
                raise
            raise Invalid(f"{error.what}: {error.where}", "response_format", error.fix) from error
        if body.logprobs:
            text = replace(text, work=replace(text.work, top_logprobs=body.top_logprobs or 0))
        whole = _Replies(mine, hosted, body, text, http)
        if body.stream:
            return await Events.begun(http, whole.chunks())
        return Json(await present(http, whole.document()))

    return routes


class _Replies:
    """One request for replies, as a document or in chunks."""

    def __init__(
        self,
        service: GenerationService,
        hosted: Hosted,
        body: ChatBody,
        text: Text,
        http: HttpRequest,
    ) -> None:
        self.service, self.hosted, self.body, self.text, self.http = (
            service,
            hosted,
            body,
            text,
            http,
        )
        self.counted = body.stream_options is not None and body.stream_options.include_usage
        self.head = {
            "id": f"chatcmpl-{os.urandom(12).hex()}",
            "object": "chat.completion.chunk" if body.stream else "chat.completion",
            "created": int(time.time()),
            "model": hosted.name,
            "system_fingerprint": f"castalia_{hosted.gate.origin.model[:16]}",
        }

    async def document(self) -> dict[str, Any]:
        choices, new = [], 0
        for row, one in enumerate((await self.service.write([self.text]))[0]):
            new += len(one.done.tokens)
            choices.append(
                {
                    "index": row,
                    "message": {"role": "assistant", "content": one.text, "refusal": None},
                    "logprobs": self._logprobs(one.logprobs[: len(one.done.tokens)]),
                    "finish_reason": _reason(one.done),
                    "castalia": one.released.manifest,
                }
            )
        return {**self.head, "choices": choices, "usage": self._usage(new)}

    async def chunks(self) -> AsyncGenerator[str, None]:
        new, stream, begun = 0, self.service.stream([self.text]), set[int]()
        try:
            async for chunk in stream:
                if chunk.row not in begun:
                    begun.add(chunk.row)
                    yield self._chunk(
                        chunk.row, {"role": "assistant", "content": "", "refusal": None}
                    )
                if chunk.text or chunk.logprobs:
                    yield self._chunk(chunk.row, {"content": chunk.text}, logprobs=chunk.logprobs)
                if chunk.done is not None:
                    new += len(chunk.done.tokens)
                    yield self._chunk(chunk.row, {}, done=chunk.done, manifest=chunk.manifest)
        finally:
            await stream.aclose()
        usage = self._usage(new)
        if self.counted:
            yield as_json({**self.head, "choices": [], "usage": usage})
        yield "[DONE]"

    def _chunk(
        self,
        row: int,
        delta: dict[str, Any],
        *,
        logprobs: Sequence[TokenLogprobs] = (),
        done: Completion | None = None,
        manifest: dict[str, Any] | None = None,
    ) -> str:
        choice: dict[str, Any] = {
            "index": row,
            "delta": delta,
            "logprobs": self._logprobs(logprobs) if logprobs else None,
            "finish_reason": None if done is None else _reason(done),
        }
        choice |= {} if manifest is None else {"castalia": manifest}
        return as_json(
            {**self.head, "choices": [choice], **({"usage": None} if self.counted else {})}
        )

    def _logprobs(self, logprobs: Sequence[TokenLogprobs]) -> dict[str, Any] | None:
        if not self.body.logprobs:
            return None
        content = [
            {
                **self._place(entry.token, entry.logprob),
                "top_logprobs": [self._place(token, value) for token, value in entry.likeliest],
            }
            for entry in logprobs
        ]
        return {"content": content, "refusal": None}

    def _place(self, token: int, logprob: float) -> dict[str, Any]:
        raw: bytes = self.hosted.codec.token_bytes[token]  # type: ignore[attr-defined] - a codec of texts
        return {
            "token": name_of(self.hosted, token),
            "logprob": max(logprob, -9999.0),
            "bytes": list(raw) or None,
        }

    def _usage(self, new: int) -> dict[str, int]:
        prompt = self.text.prompt_tokens
        self.http.state.note["tokens"] = new
        return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


def _reason(done: Completion) -> str:
    return CAUSES.get(done.reason, "stop")


def _talk(messages: Sequence[ChatMessage]) -> Conversation:
    try:
        return talk_of([one.model_dump(include={"role", "content"}) for one in messages])
    except DataError as error:
        raise Invalid(error.what, "messages", error.fix) from error


def _request(hosted: Hosted, body: ChatBody, service: GenerationService) -> Any:
    if body.top_logprobs is not None and not body.logprobs:
        raise Invalid(
            say("top_logprobs asks for more of what logprobs gives"),
            "top_logprobs",
            "logprobs=true",
        )
    if (
        None not in (body.max_tokens, body.max_completion_tokens)
        and body.max_tokens != body.max_completion_tokens
    ):
        raise Invalid(
            say("max_tokens is the old name of max_completion_tokens, and both differ"),
            "max_tokens",
            say("leave it out"),
        )
    field = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    request = asked(hosted, body, 1, service, body.max_completion_tokens or body.max_tokens, field)
    constraint = _constraint(body.response_format)
    if constraint is not None and body.constraint is not None:
        raise Invalid(
            say("response_format and constraint say both what a reply must be"),
            "constraint",
            say("leave one of them out"),
        )
    return request if constraint is None else replace(request, constraint=constraint)


def _constraint(form: Format | None) -> str | None:
    """What a response format asks for, in the words of constraints/parse.py."""
    if form is None or form.type == "text":
        wanted = None
    elif form.type == "json_object":
        wanted = "json:object"
    elif form.json_schema is None:
        raise Invalid(
            say("there is no schema"),
            "response_format.json_schema",
            '{"name": "...", "schema": {"type": "object", ...}}',
        )
    else:
        return "json:" + json.dumps(form.json_schema.schema_, ensure_ascii=False)
    if form is not None and form.json_schema is not None:
        raise Invalid(
            say("a schema is kept with type json_schema only"),
            "response_format.type",
            'type="json_schema"',
        )
    return wanted


def _fitting(hosted: Hosted, talk: Conversation, request: Any) -> Any:
    """Raises TooLong where the context has no room for a reply."""
    try:
        return reply_to(hosted.codec, talk, request)
    except DataError as error:
        if error.where == "messages":
            raise TooLong(f"{error.what} ({hosted.name})", "messages", error.fix) from error
        raise Invalid(error.what, "messages", error.fix) from error
