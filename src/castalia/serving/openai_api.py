"""OpenAI's API: models, completions, embeddings.

What a run cannot do is a 404 with the reason and the runs that can; what has no meaning here is
refused, never ignored. Beyond OpenAI's fields: `cond`, `constraint`, `top_k`, `min_p`,
`repetition_penalty` for texts. What is left out is the
run's own default. Answers carry the manifest of each item under `castalia`. Chat is in
openai_chat.py, pictures are in openai_images.py.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from torch import Tensor

from castalia.abilities import LARGEST, Encodes, Matches
from castalia.captions import Caption
from castalia.codecs.protocols import WritesBytes
from castalia.nn.decode import Completion, TokenLogprobs
from castalia.registry import require
from castalia.sampling.generate import Request
from castalia.sentences import say
from castalia.serving.error_bodies import Json, as_json
from castalia.serving.field_types import (
    MOST,
    Asking,
    Body,
    Cond,
    Count,
    File,
    Letters,
    Short,
    StreamOptions,
    Tokens,
)
from castalia.serving.generation import FinishedText, GenerationService, Text
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted, Table, from_base64
from castalia.serving.responses import Events, present
from castalia.spec import Tokens as TokenSpec

CAUSES = {"length": "length"}  # every other end is "stop"


class CompletionBody(Asking):
    model: Short
    prompt: (
        Letters
        | Annotated[list[Letters], Field(max_length=MOST, fail_fast=True)]
        | Tokens
        | Annotated[list[Tokens], Field(max_length=MOST, fail_fast=True)]
    ) = ""
    suffix: Letters | None = None
    max_tokens: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    best_of: Count | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False
    user: Short | None = None
    cond: Cond = Field({})


class EmbeddingBody(Body):
    model: Short
    input: File | Annotated[list[File], Field(max_length=MOST, fail_fast=True)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None
    user: Short | None = None
    cond: Cond = Field({})


def router(table: Table, service: GenerationService) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["OpenAI"])

    @routes.get("/models")
    async def models() -> Response:
        return Json({"object": "list", "data": [_model(one) for one in table.runs.values()]})

    @routes.get("/models/{model}")
    async def model(model: str) -> Response:
        return Json(_model(table[model]))

    @routes.post("/completions")
    async def completions(body: CompletionBody, http: HttpRequest) -> Response:
        hosted = table.able(body.model, "completions")
        prompts = _prompts(body.prompt)
        http.state.note.update(run=hosted.name, prompt=body.prompt)
        request = _text_request(hosted, body, len(prompts), service)
        mine = service.billed(http.state.bill)
        each = [(replace(request, prompt=text or None), ids) for text, ids in prompts]
        texts = await present(http, mine.prepare_all(hosted, each, body.suffix))
        if body.logprobs is not None:
            texts = [
                replace(text, work=replace(text.work, top_logprobs=body.logprobs)) for text in texts
            ]
        whole = _Completions(mine, hosted, body, texts, http)
        if body.stream:
            return await Events.begun(http, whole.chunks())
        return Json(await present(http, whole.document()))

    @routes.post("/embeddings")
    async def embeddings(body: EmbeddingBody, http: HttpRequest) -> Response:
        hosted = table.able(body.model, "embeddings")
        http.state.note.update(run=hosted.name)
        given = [body.input] if isinstance(body.input, str) else body.input
        if not 1 <= len(given) <= service.limits.items:
            raise Invalid(say("between 1 and {0} items at once", service.limits.items), "input")
        vectors = await present(
            http, _embedded(hosted, service.billed(http.state.bill), given, body.cond)
        )
        if body.dimensions not in (None, vectors.shape[1]):
            raise Invalid(
                say("this run's vectors have {0} numbers", vectors.shape[1]),
                "dimensions",
                say("leave it out"),
            )
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _vector(row.numpy(), body.encoding_format),
            }
            for index, row in enumerate(vectors)
        ]
        return Json(
            {
                "object": "list",
                "data": data,
                "model": hosted.name,
                "usage": {"prompt_tokens": 0, "total_tokens": 0},
            }
        )

    return routes


# Completions --------------------------------------------------------------------------------------


class _Completions:
    """One request for completions, as a document or in chunks."""

    def __init__(
        self,
        service: GenerationService,
        hosted: Hosted,
        body: CompletionBody,
        texts: Sequence[Text],
        http: HttpRequest,
    ) -> None:
        self.service, self.hosted, self.body, self.texts, self.http = (
            service,
            hosted,
            body,
            texts,
            http,
        )
        self.head = {
            "id": f"cmpl-{os.urandom(12).hex()}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": hosted.name,
        }

    async def document(self) -> dict[str, Any]:
        choices, new = [], 0
        if self.body.max_tokens == 0:
            self._charge_prompts()
        written: Sequence[Sequence[FinishedText | None]]
        written = (
            [[None] * self.body.n for _ in self.texts]
            if self.body.max_tokens == 0
            else await self.service.write(self.texts)
        )
        for number, (text, rows) in enumerate(zip(self.texts, written, strict=True)):
            echo, logprobs = await self._echo(text)
            for row, one in enumerate(rows):
                new_text, all_logprobs, done = echo, list(logprobs), None
                if one is not None:
                    done = one.done
                    new_text, all_logprobs, new = (
                        echo + one.text,
                        [*logprobs, *one.logprobs[: len(done.tokens)]],
                        new + len(done.tokens),
                    )
                choice = self._choice(
                    number * self.body.n + row,
                    new_text,
                    Places(self.hosted).logprobs(all_logprobs),
                    done,
                    self.body.max_tokens == 0,
                )
                choices.append(
                    choice | ({} if one is None else {"castalia": one.released.manifest})
                )
        return {**self.head, "choices": choices, "usage": self._usage(new)}

    async def chunks(self) -> AsyncGenerator[str, None]:
        new, begun = 0, dict[int, Places]()
        if self.body.max_tokens == 0:
            self._charge_prompts()
        if self.body.echo:
            for number, text in enumerate(self.texts):
                echo, logprobs = await self._echo(text)
                for row in range(self.body.n):
                    index = number * self.body.n + row
                    begun[index] = Places(self.hosted)
                    yield self._chunk(
                        [self._choice(index, echo, begun[index].logprobs(logprobs), None)]
                    )
        if self.body.max_tokens != 0:
            stream = self.service.stream(self.texts)
            try:
                async for chunk in stream:
                    index = chunk.prompt * self.body.n + chunk.row
                    places = begun.setdefault(index, Places(self.hosted))
                    choice = self._choice(
                        index, chunk.text, places.logprobs(chunk.logprobs), chunk.done
                    )
                    new += 0 if chunk.done is None else len(chunk.done.tokens)
                    yield self._chunk(
                        [choice | ({} if chunk.manifest is None else {"castalia": chunk.manifest})]
                    )
            finally:
                await stream.aclose()
        usage = self._usage(new)
        if self.body.stream_options is not None and self.body.stream_options.include_usage:
            yield self._chunk([], usage)
        yield "[DONE]"

    def _charge_prompts(self) -> None:
        """Charges the prompts where no token is written."""
        for text in self.texts:
            self.service.charge(text.prompt_tokens)

    async def _echo(self, text: Text) -> tuple[str, list[TokenLogprobs]]:
        if not self.body.echo:
            return "", []
        logprobs = (
            []
            if self.body.logprobs is None
            else await self.service.logprobs(text, self.body.logprobs)
        )
        return str(text.request.prompt or ""), logprobs

    def _choice(
        self,
        index: int,
        text: str,
        logprobs: dict[str, Any],
        done: Completion | None,
        empty: bool = False,
    ) -> dict[str, Any]:
        reason = "length" if empty else None if done is None else CAUSES.get(done.reason, "stop")
        return {
            "index": index,
            "text": text,
            "logprobs": None if self.body.logprobs is None else logprobs,
            "finish_reason": reason,
        }

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> str:
        wanted = self.body.stream_options is not None and self.body.stream_options.include_usage
        return as_json({**self.head, "choices": choices, **({"usage": usage} if wanted else {})})

    def _usage(self, new: int) -> dict[str, int]:
        prompt = sum(text.prompt_tokens for text in self.texts)
        self.http.state.note["tokens"] = new
        return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


class Places:
    """Log-probabilities in the layout of the completions API, with the offset of each token in the
    text.
    """

    def __init__(self, hosted: Hosted) -> None:
        self.hosted, self.offset = hosted, 0

    def logprobs(self, entries: Sequence[TokenLogprobs]) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {
            "tokens": [],
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": [],
        }
        for entry in entries:
            name = self._name(entry.token)
            columns["tokens"].append(name)
            columns["token_logprobs"].append(entry.logprob)
            columns["top_logprobs"].append(
                {self._name(token): value for token, value in reversed(entry.likeliest)}
            )
            columns["text_offset"].append(self.offset)
            self.offset += 0 if name.startswith("bytes:") else len(name)
        return columns

    def _name(self, token: int) -> str:
        return name_of(self.hosted, token)


def name_of(hosted: Hosted, token: int) -> str:
    """What a token writes; a part of a character as OpenAI writes it, "bytes:\\xe4\\xbd"; a special
    by its label.
    """
    raw = hosted.codec.token_bytes[token] if isinstance(hosted.codec, WritesBytes) else b""
    if not raw:
        import torch

        return hosted.codec.labels(torch.tensor([token]))[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def _text_request(
    hosted: Hosted, body: CompletionBody, prompts: int, service: GenerationService
) -> Request:
    """The body as a request, the run's own defaults where a field is missing."""
    if body.best_of not in (None, body.n):
        raise Invalid(
            say("best_of is not known here"), "best_of", say("ask for n texts and choose")
        )
    if body.max_tokens == 0 and not body.echo:
        raise Invalid(
            say("without echo there is nothing to say in no tokens"),
            "max_tokens",
            say("max_tokens=1 or more, or echo=true"),
        )
    if body.suffix is not None and body.echo:
        raise Invalid(say("echo and suffix do not go together"), "echo")
    return replace(asked(hosted, body, prompts, service, body.max_tokens), cond=dict(body.cond))


def asked(
    hosted: Hosted,
    body: Asking,
    prompts: int,
    service: GenerationService,
    length: int | None,
    field: str = "max_tokens",
) -> Request:
    """The request for n texts of each prompt. length: most new tokens, None or 0 for the run's own;
    field: what the client calls it.
    """
    if body.presence_penalty:
        raise Invalid(
            say("there is no presence_penalty here"),
            "presence_penalty",
            say("frequency_penalty, or repetition_penalty"),
        )
    if body.logit_bias:
        raise Invalid(
            say("there is no logit_bias here"),
            "logit_bias",
            say("leave it out; `constraint` says what a text must be"),
        )
    if body.n * prompts > service.limits.items:
        raise Invalid(say("at most {0} texts at once, over all prompts", service.limits.items), "n")
    if length is not None and length > service.limits.tokens:
        raise Invalid(say("at most {0} new tokens", service.limits.tokens), field)
    stop = [body.stop] if isinstance(body.stop, str) else body.stop
    if stop is not None and (len(stop) > 4 or not all(stop)):
        raise Invalid(say("stop takes up to four strings, none of them empty"), "stop")
    given: dict[str, Any] = {
        "temperature": body.temperature,
        "top_p": body.top_p,
        "frequency": body.frequency_penalty,
        "top_k": body.top_k,
        "min_p": body.min_p,
        "repetition": body.repetition_penalty,
        "length": length or None,
        "stop": None if stop is None else tuple(stop),
    }
    options = replace(
        hosted.options, **{name: value for name, value in given.items() if value is not None}
    )
    return Request(body.n, fresh_seed(body.seed), {}, options, constraint=body.constraint)


def _prompts(
    prompt: str | list[str] | list[int] | list[list[int]],
) -> list[tuple[str, list[int] | None]]:
    """Each prompt as text, or as tokens."""
    if isinstance(prompt, str):
        return [(prompt, None)]
    if not prompt:
        raise Invalid(say("there is no prompt in the list"), "prompt")
    if all(isinstance(one, int) for one in prompt):
        return [("", prompt)]  # type: ignore[list-item] - just looked
    return [(one, None) if isinstance(one, str) else ("", one) for one in prompt]  # type: ignore[misc,list-item]


def fresh_seed(seed: int | None) -> int:
    """As given, else a fresh one; the manifest names it."""
    return int.from_bytes(os.urandom(4)) if seed is None else seed


# Embeddings ---------------------------------------------------------------------------------------


async def _embedded(
    hosted: Hosted, service: GenerationService, given: Sequence[str], cond: Cond
) -> Tensor:
    """(B, D) float32: latent means; of a model that matches items and captions, vectors of length 1
    of both: a data URI is an item, anything else a caption.
    """
    if isinstance(hosted.family, Matches):
        return await _placed(hosted, service, hosted.family, given)
    encoder = require(hosted.family, Encodes, say("turn items into vectors"))

    def prepared() -> tuple[Tensor, dict[str, Tensor]]:
        items = [hosted.item(from_base64(text, "input")) for text in given]
        return hosted.tensor(items), hosted.known(cond, items)

    x, known = await run_in_threadpool(prepared)
    service.charge(x.numel() if isinstance(hosted.spec, TokenSpec) else 0)
    vectors: Tensor = await service.call(
        hosted, lambda: encoder.to_latent(x, known).flatten(1).float().cpu()
    )
    return vectors


async def _placed(
    hosted: Hosted, service: GenerationService, matcher: Matches, given: Sequence[str]
) -> Tensor:
    caption = Caption(matcher.words)
    is_item = [text.startswith("data:") for text in given]

    def prepared() -> tuple[Tensor, Tensor]:
        files = [text for text, item in zip(given, is_item, strict=True) if item]
        texts = [text for text, item in zip(given, is_item, strict=True) if not item]
        for text in texts:
            hosted.gate.prepare_text(text)
        numbers = [caption.asked("input", text) for text in texts]
        items = [hosted.item(from_base64(one, "input")) for one in files]
        spec: Any = hosted.spec
        x = hosted.tensor(items) if items else torch.zeros(0, *spec.shape)
        return x, torch.tensor(numbers, dtype=torch.int64).view(len(texts), -1)

    x, ids = await run_in_threadpool(prepared)

    def computed() -> Tensor:
        items = iter(matcher.item_vectors(x.to(hosted.family.device)) if len(x) else ())
        captions = iter(matcher.caption_vectors(ids) if len(ids) else ())
        return torch.stack([next(items if item else captions) for item in is_item]).cpu()

    vectors: Tensor = await service.call(hosted, computed)
    return vectors


def _vector(row: np.ndarray[Any, Any], form: str) -> Any:
    return (
        row.tolist() if form == "float" else base64.b64encode(row.astype("<f4").tobytes()).decode()
    )


def _model(hosted: Hosted) -> dict[str, Any]:
    return {
        "id": hosted.name,
        "object": "model",
        "created": hosted.created,
        "owned_by": "castalia",
        "castalia": hosted.about(),
    }


def form_schema(
    *fields: str, files: Sequence[str] = (), others: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The schema of a form that is read by hand, so that its parts are counted first. fields: of
    text; others: with a schema of their own.
    """
    properties: dict[str, Any] = {name: {"type": "string"} for name in fields}
    properties |= {name: {"type": "string", "format": "binary"} for name in files}
    properties |= others or {}
    schema = {"type": "object", "properties": properties, "required": list(fields[:1])}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }
