"""A desk over HTTP: OpenAI's chat completions, our own question and answer, and a web widget.

    POST /v1/chat/completions      any chat client; choices[0].message.castalia has the citations,
                                   in a stream the last chunk's choices[0].castalia
    POST /api/assistant/ask        {"question", "history"} -> {"answered", "answer", ...}
    GET  /api/assistant/passages/N the passage that a citation names, as plain text
    GET  /widget.js, /             the widget, and a page with it

The last message of the user is the question, the user's before it are the history; a system's
message is not obeyed. Sampling settings change nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from castalia import bounded
from castalia.apps.assistant.answering import LONGEST, MOST_TURNS, Answer, ask
from castalia.apps.assistant.desk import Desk
from castalia.apps.assistant.phrasing import Phrase
from castalia.language import accepted
from castalia.pages.render import render
from castalia.sentences import say
from castalia.serving.error_bodies import Json, as_json
from castalia.serving.field_types import Body
from castalia.serving.http_errors import Invalid
from castalia.serving.responses import Events

HERE = Path(__file__).parent
Question = Annotated[str, Field(max_length=LONGEST)]


class AskBody(Body):
    question: Question
    history: Annotated[list[Question], Field(max_length=MOST_TURNS)] = Field(default_factory=list)


class Message(BaseModel):
    """content: text, or OpenAI's parts, of which those of text are read."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def words(self) -> str:
        if isinstance(self.content, list):
            parts = [one.get("text") for one in self.content]
            return "\n".join(part for part in parts if isinstance(part, str))
        return self.content or ""


class ChatBody(BaseModel):
    """Settings of sampling are read over: nothing is sampled here."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    model: str = ""
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    stream: bool = False


def router(desk: Desk, name: str, phrase: Phrase | None = None) -> APIRouter:
    """The routes. name: of the desk, which clients call the model."""
    routes = APIRouter()

    async def answered(question: str, history: Sequence[str]) -> Answer:
        return await run_in_threadpool(ask, desk, question, history, phrase=phrase)

    @routes.post("/api/assistant/ask")
    async def asked(body: AskBody) -> Response:
        return Json((await answered(body.question, body.history)).document())

    @routes.get("/api/assistant/passages/{number}")
    async def passage(number: int) -> Response:
        if not 0 <= number < len(desk.passages):
            raise Invalid(say("there is no such passage"), str(number))
        one = desk.passages[number]
        head = "\n".join(filter(None, (one.source, one.heading, *one.questions[:1])))
        return Response(f"{head}\n\n{one.text}\n", media_type="text/plain; charset=utf-8")

    @routes.get("/v1/models")
    async def models() -> Response:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "castalia"}
        return Json({"object": "list", "data": [model]})

    @routes.post("/v1/chat/completions")
    async def chat(body: ChatBody, http: HttpRequest) -> Response:
        turns = [one.words for one in body.messages if one.role == "user"]
        if not turns:
            raise Invalid(say("there is no message of the user"), "messages")
        answer = await answered(turns[-1], turns[:-1][-MOST_TURNS:])
        head = {
            "id": f"chatcmpl-{os.urandom(12).hex()}",
            "created": int(time.time()),
            "model": name,
        }
        if body.stream:
            return await Events.begun(http, _chunks(answer, head))
        message = {
            "role": "assistant",
            "content": answer.answer,
            "refusal": None,
            "castalia": answer.document(),
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return Json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    @routes.get("/widget.js", include_in_schema=False)
    async def widget() -> Response:
        script = bounded.read_text(HERE / "widget.js")
        return Response(script, media_type="text/javascript; charset=utf-8")

    @routes.get("/", include_in_schema=False)
    async def page(http: HttpRequest) -> Response:
        language = accepted(http.headers.get("accept-language", ""))
        text = render("desk.html.j2", language, title=name)
        return Response(text, media_type="text/html; charset=utf-8", headers={
            "content-security-policy": "default-src 'none'; script-src 'self'; "
            "connect-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        })  # fmt: skip

    return routes


async def _chunks(answer: Answer, head: dict[str, Any]) -> AsyncGenerator[str, None]:
    """The answer in one piece, which a stream may be, with its citations at the end."""

    def chunk(delta: dict[str, Any], **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}
        return as_json({**head, "object": "chat.completion.chunk", "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    yield chunk({"content": answer.answer})
    yield chunk({}, finish_reason="stop", castalia=answer.document())
    yield "[DONE]"


def application(
    desk: Desk, name: str, phrase: Phrase | None = None, **rules: Any
) -> tuple[Any, Any]:
    """(ASGI application, engine) of a desk. rules: limits, keys, hosts and origins of
    `castalia.serving.app.make_app`.
    """
    from castalia.serving.app import make_app
    from castalia.serving.engine import Engine
    from castalia.serving.loaded_runs import Table

    engine = Engine({})
    return make_app(Table([]), engine, first=[router(desk, name, phrase)], **rules), engine
