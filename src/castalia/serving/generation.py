"""From a request to its results: everything between HTTP and the engine, the same for OpenAI's API
and ours.

What comes in passes `Gate.prepare`, what goes out `Gate.emit_bytes` or, as a stream, `Gate.screen`.
Encoding, constraints and files are worked on in threads, so the loop goes on answering; models are
touched by the engine alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from starlette.concurrency import run_in_threadpool
from torch import Tensor

from castalia.abilities import Decodes
from castalia.codecs.conversation import Conversation
from castalia.codecs.protocols import Collects, constrains, middle_of, vets
from castalia.errors import CastaliaError, RecipeError
from castalia.governance.labels.wording import line
from castalia.governance.release_gate import request_facts
from castalia.nn.decode import Completion, TokenLogprobs
from castalia.registry import require
from castalia.sampling.generate import (
    Request,
    Sample,
    collected,
    completed,
    condition,
    generate,
    limits,
    prompt_ids,
)
from castalia.sentences import say
from castalia.serving.batching import Drawing, Drawn, Piece, Writing
from castalia.serving.constraint_compiler import Compiler
from castalia.serving.engine import Engine, Ticket
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted
from castalia.serving.rate_limits import Bill, Limits
from castalia.spec import Tokens

BRIEF = 1000  # characters of a prompt that are worked on at once


@dataclass(frozen=True)
class GenerationService:
    """The engine and what one request may ask of it. bill: what the tokens of one request are
    charged to; see `billed`.
    """

    engine: Engine
    limits: Limits
    compiler: Compiler
    bill: Bill | None = None

    def billed(self, bill: Bill) -> GenerationService:
        """The same for one request."""
        return replace(self, bill=bill)

    def charge(self, tokens: int) -> None:
        """Tokens that are read outside of a lane of texts. Raises Busy where the key has too few
        left.
        """
        if self.bill is not None:
            self.bill.reserve(tokens)
            self.bill.add(tokens)

    def _reserve(self, spec: Tokens, works: Sequence[Writing]) -> None:
        """The most tokens that these may take. Raises Busy where the key has too few left."""
        if self.bill is not None:
            lengths = (
                spec.length if work.options.length is None else work.options.length
                for work in works
            )
            self.bill.reserve(
                sum(
                    len(work.prompt) - 1 + work.rows * length
                    for work, length in zip(works, lengths, strict=True)
                )
            )

    def submit(self, lane: str, work: Any, begun: float | None = None) -> Ticket:
        """begun: when the request's time began, by `time.monotonic()`; now, if it is not given."""
        spent = 0.0 if begun is None else time.monotonic() - begun
        ticket = self.engine.submit(lane, work, seconds=max(0.001, self.limits.seconds - spent))
        if self.bill is not None:
            self.bill.tickets.append(ticket)
        return ticket

    async def call(self, hosted: Hosted, function: Any) -> Any:
        """The result of a function that uses the run's model, computed by the engine."""
        return (await finished([self.submit(f"{hosted.name}/call", function)]))[0][0]

    async def draw(
        self, hosted: Hosted, request: Request, suffix: str | None = None
    ) -> list[Released]:
        """The samples of a request for dense items. suffix: another of the codec's formats, e.g.
        ".webp".
        """
        request = await run_in_threadpool(self._checked, hosted, request)
        work = Drawing(request.n, request.seed, request.options, request.first, request.cond)
        drawn: list[Drawn] = (await finished([self.submit(f"{hosted.name}/draw", work)]))[0]
        return await run_in_threadpool(
            lambda: [_released(hosted, _drawn(hosted, request, one), suffix) for one in drawn]
        )

    async def compose(
        self, hosted: Hosted, request: Request, suffix: str | None = None
    ) -> list[Released]:
        """The samples of a request for tokens that are no text. suffix: another of the codec's
        formats, e.g. ".wav". What the codec vets is drawn in one call, until it passes.
        """
        if vets(hosted.codec):
            return await self.gather(hosted, request, suffix)
        request = await run_in_threadpool(self._checked, hosted, request)
        prompt = prompt_ids(hosted.codec, request.prompt)
        if len(prompt) > _tokens(hosted).length:
            raise Invalid(
                say(
                    "the prompt has {0} tokens, the context {1}",
                    len(prompt),
                    _tokens(hosted).length,
                ),
                "prompt",
                say("shorten it"),
            )
        work = Writing(
            prompt,
            request.n,
            request.seed,
            request.options,
            request.first,
            request.cond,
            mark=request.mark,
        )
        self._reserve(_tokens(hosted), [work])
        pieces: list[Piece] = (await finished([self.submit(f"{hosted.name}/write", work)]))[0]
        return await run_in_threadpool(
            lambda: [
                _released(
                    hosted,
                    completed(
                        hosted.codec,
                        request,
                        prompt,
                        piece.done,
                        request.first + piece.row,
                        request.n,
                        piece.row,
                    ),
                    suffix,
                )
                for piece in sorted(pieces, key=lambda piece: piece.row)
                if piece.done is not None
            ]
        )

    async def gather(
        self, hosted: Hosted, request: Request, suffix: str | None = None
    ) -> list[Released]:
        """The samples of a request for items that one file holds together, or of which parts are
        given: one collection, or an item each.
        """
        request = await run_in_threadpool(self._checked, hosted, request)
        self.charge(request.n * hosted.spec.length if isinstance(hosted.spec, Tokens) else 0)
        drawn: list[Sample] = await self.call(
            hosted, lambda: list(generate(hosted.run, request, model=hosted.family))
        )
        if isinstance(hosted.codec, Collects):
            drawn = [collected(hosted.codec, drawn, request.batch)]
        return await run_in_threadpool(lambda: [_released(hosted, one, suffix) for one in drawn])

    def _checked(self, hosted: Hosted, request: Request) -> Request:
        condition(hosted.family, request.cond, 1, 0)
        return hosted.gate.prepare(request)

    # Texts

    async def prepare(
        self,
        hosted: Hosted,
        request: Request,
        *,
        ids: Sequence[int] | None = None,
        suffix: str | None = None,
    ) -> Text:
        """What one prompt becomes. ids: the prompt as tokens, in place of its text. suffix: what
        stands behind the gap that is to be filled.
        """
        return (await self.prepare_all(hosted, [(request, ids)], suffix))[0]

    async def prepare_all(
        self,
        hosted: Hosted,
        prompts: Sequence[tuple[Request, Sequence[int] | None]],
        suffix: str | None = None,
    ) -> list[Text]:
        """What the prompts of one request become, which differ in nothing else. The constraint,
        compiled once, counts in the request's time.
        """
        begun, texts = time.monotonic(), []
        for request, ids in prompts:
            slow = hosted.renders and isinstance(request.prompt, Conversation)
            # a thread would take longer to wake
            if len(str(request.prompt or "")) <= BRIEF and not slow:
                texts.append(self._text(hosted, request, ids, suffix))
            else:
                texts.append(await run_in_threadpool(self._text, hosted, request, ids, suffix))
        constraint = prompts[0][0].constraint if prompts else None
        if constraint is None:
            return texts
        grammar = await self.compiler.run(
            partial(constrains(hosted.codec, constraint).constrain, constraint),
            self.limits.seconds,
        )
        return [
            replace(text, work=replace(text.work, grammar=grammar), begun=begun) for text in texts
        ]

    def _text(
        self, hosted: Hosted, request: Request, ids: Sequence[int] | None, suffix: str | None
    ) -> Text:
        codec, spec = hosted.codec, _tokens(hosted)
        if ids is not None:
            if any(not 0 <= token < spec.vocab for token in ids):
                raise Invalid(
                    say("tokens of this run lie between 0 and {0}", spec.vocab - 1), "prompt"
                )
            inner = list(ids[1:] if ids[:1] == [spec.begin] else ids)
            prompt = torch.tensor([spec.begin, *inner])
            request = replace(request, prompt=codec.decode(prompt))
        request = hosted.gate.prepare(request)
        if suffix is not None:
            hosted.gate.prepare_text(suffix)
        condition(hosted.family, request.cond, 1, 0)
        kind, _, body = (request.constraint or "").partition(":")
        if kind == "json" and body.strip().startswith("@"):
            raise RecipeError(
                say("a server reads no files of its own for a constraint"),
                where="json:@",
                fix=say("send the schema itself: json:{{...}}"),
            )
        _, stop = limits(codec, replace(request, constraint=None))
        banned: tuple[int, ...] = ()
        if suffix is not None:
            prompt, banned = self._gap(hosted, str(request.prompt or ""), suffix)
        elif ids is None:
            prompt = prompt_ids(codec, request.prompt)
        if len(prompt) > self.limits.tokens:
            raise Invalid(
                say(
                    "the prompt has {0} tokens, this server takes {1}",
                    len(prompt),
                    self.limits.tokens,
                ),
                "prompt",
                say("shorten it"),
            )
        work = Writing(
            prompt,
            request.n,
            request.seed,
            request.options,
            request.first,
            request.cond,
            stop=stop,
            banned=banned,
            mark=request.mark,
        )
        return Text(hosted, request, work, suffix)

    def _gap(self, hosted: Hosted, before: str, after: str) -> tuple[Tensor, tuple[int, ...]]:
        codec, spec = hosted.codec, _tokens(hosted)
        middle = middle_of(codec)
        if middle is None:
            raise Invalid(
                say("this run does not fill in the middle"),
                "suffix",
                say("leave suffix out, or train with codec.fill_middle=true"),
            )
        parts = [codec.encode(part).long()[1:] for part in (before, after)]
        parts = [part if spec.end is None else part[:-1] for part in parts]
        marks = [torch.tensor([mark]) for mark in middle]
        prompt = torch.cat(
            [torch.tensor([spec.begin]), marks[0], parts[0], marks[1], parts[1], marks[2]]
        )
        if len(prompt) > spec.length - 1:
            raise Invalid(
                say("prompt and suffix have {0} tokens, the context {1}", len(prompt), spec.length),
                "suffix",
                say("shorten them"),
            )
        return prompt, middle

    async def write(self, texts: Sequence[Text]) -> list[list[FinishedText]]:
        """All samples of all texts, once they are whole."""
        self._reserve(_tokens(texts[0].hosted), [text.work for text in texts])
        tickets: list[Ticket] = []
        try:
            for text in texts:
                tickets.append(self.submit(f"{text.hosted.name}/write", text.work, text.begun))
        except CastaliaError:  # the queue is full: those that are in it leave
            for ticket in tickets:
                ticket.cancel()
            raise
        results = await finished(tickets)
        return await run_in_threadpool(
            lambda: [
                [_written(text, piece) for piece in sorted(pieces)]
                for text, pieces in zip(texts, results, strict=True)
            ]
        )

    async def stream(self, texts: Sequence[Text]) -> AsyncGenerator[Chunk, None]:
        """What may go out of all texts, as it comes. Closing the iterator drops what is not
        finished; the ledger records it.
        """
        chunks: asyncio.Queue[Chunk | BaseException | None] = asyncio.Queue(maxsize=64)
        tickets: list[Ticket] = []
        tasks: list[asyncio.Task[None]] = []
        self._reserve(_tokens(texts[0].hosted), [text.work for text in texts])
        try:
            for text in texts:
                tickets.append(
                    self.submit(
                        f"{text.hosted.name}/write", replace(text.work, stream=True), text.begun
                    )
                )
            tasks = [
                asyncio.create_task(_follow(number, text, ticket, chunks))
                for number, (text, ticket) in enumerate(zip(texts, tickets, strict=True))
            ]
            going = len(tasks)
            while going:
                chunk = await chunks.get()
                if isinstance(chunk, BaseException):
                    raise chunk
                if chunk is None:
                    going -= 1
                else:
                    yield chunk
        finally:
            for ticket in tickets:
                ticket.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def logprobs(self, text: Text, count: int) -> list[TokenLogprobs]:
        """Log-probabilities of the prompt's tokens, but for `begin`."""
        ids, spec = text.work.prompt, _tokens(text.hosted)
        if len(ids) > spec.length:
            raise Invalid(
                say(
                    "with echo and logprobs the prompt must fit the context: {0} tokens, {1}",
                    len(ids),
                    spec.length,
                ),
                "prompt",
                say("shorten it"),
            )
        cond = condition(text.hosted.family, text.request.cond, 1, text.request.first)
        logprobs: list[TokenLogprobs] = await self.call(
            text.hosted, lambda: _prompt_logprobs(text.hosted, ids, cond, count)
        )
        return logprobs


class Released(NamedTuple):
    """One item as it may leave: the bytes of its file and its manifest."""

    content: bytes
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Text:
    """One prompt on its way."""

    hosted: Hosted
    request: Request
    work: Writing
    suffix: str | None
    begun: float | None = None  # when the request's time began, if some of it has been used

    @property
    def continues(self) -> bool:
        """Whether what is new goes on where the prompt ends: it does not in a gap, nor after
        another speaker's turn.
        """
        return self.suffix is None and not isinstance(self.request.prompt, Conversation)

    @property
    def plain(self) -> bool:
        """Whether it is for programs, and has no visible label."""
        return self.suffix is not None or self.request.constraint is not None

    @property
    def prompt_tokens(self) -> int:
        return len(self.work.prompt) - 1  # without `begin`, which is not part of the prompt


class FinishedText(NamedTuple):
    """One finished text: what is new in it, and all of it with its manifest. names, logprobs: what
    each new token writes, and its place.
    """

    text: str
    released: Released
    done: Completion
    logprobs: list[TokenLogprobs]


class Chunk(NamedTuple):
    """A part of one stream. prompt: which text; row: which of its samples. done and manifest come
    with the last part.
    """

    prompt: int
    row: int
    text: str
    logprobs: list[TokenLogprobs]
    done: Completion | None = None
    manifest: dict[str, Any] | None = None


async def finished(tickets: Sequence[Ticket]) -> list[list[Any]]:
    """The results of all; when one fails or the caller is cancelled, all are."""
    try:
        return [await ticket.all() for ticket in tickets]
    finally:
        for ticket in tickets:
            ticket.cancel()


class _Writer:
    """One row's tokens as text that may go out: whole characters, nothing that may still become a
    stop string, nothing that is blocked.
    """

    def __init__(self, text: Text, index: int) -> None:
        self.text, self.index = text, index
        self.streamer = text.hosted.codec.streamer()
        for token in text.work.prompt.tolist() if text.continues else ():
            self.streamer.push(token)  # so that the first new token is written as what follows
        self.screen = text.hosted.gate.screen(
            str(text.request.prompt or "") if text.continues else "",
            plain=text.plain,
        )
        self.behind = max((len(stop.encode()) for stop in text.request.options.stop), default=0)
        self.tokens: list[int] = []
        self.given, self.closed = 0, False

    def push(self, tokens: Sequence[int], done: Completion | None) -> str:
        self.tokens += tokens
        if done is not None:
            self.tokens = done.tokens
        most = (
            len(self.tokens)
            if done is not None
            else max(self.given, len(self.tokens) - self.behind)
        )
        text = "".join(self.streamer.push(token) for token in self.tokens[self.given : most])
        self.given = most
        text = self.screen.push(text + self.streamer.finish() if done is not None else text)
        return text + self.screen.finish() if done is not None else text

    def close(self, done: Completion | None) -> dict[str, Any]:
        """The ledger's line; the manifest of what went out."""
        self.closed = True
        gate, request = self.text.hosted.gate, self.text.request
        more: dict[str, Any] = (
            {}
            if done is None
            else {
                "ended": done.reason,
                "tokens": len(done.tokens),
                "nats": done.nats,
                "constraint_nats": done.constraint_nats,
            }
        )
        more |= {} if self.text.suffix is None else {"edit": "infill"}
        own = request_facts(replace(request, n=1, first=request.first + self.index))
        facts = gate.facts_of(**{**own, "rows": request.n, "row": self.index, **more})
        gate.close(self.screen, facts)
        return facts


async def _follow(
    number: int, text: Text, ticket: Ticket, chunks: asyncio.Queue[Chunk | BaseException | None]
) -> None:
    """One ticket's pieces to the queue of chunks, then None; or the error that ended it."""
    writers: dict[int, _Writer] = {}
    try:
        for index in range(text.work.rows):
            writers[index] = _Writer(text, index)
        while pieces := await ticket.take():
            for piece in pieces:
                writer = writers[piece.row]
                new = writer.push(piece.tokens, piece.done)
                manifest = None
                if piece.done is not None:
                    manifest = await run_in_threadpool(writer.close, piece.done)
                if new or piece.done is not None or piece.logprobs:
                    await chunks.put(
                        Chunk(number, piece.row, new, piece.logprobs, piece.done, manifest)
                    )
        await chunks.put(None)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        ticket.cancel()
        await chunks.put(error)
    finally:
        for writer in writers.values():
            if not writer.closed:
                with suppress(CastaliaError):
                    writer.close(None)


def _drawn(hosted: Hosted, request: Request, one: Drawn) -> Sample:
    return Sample(
        hosted.codec.decode(one.x),
        one.x,
        one.number,
        request.seed,
        one.rows,
        one.row,
        request.cond,
        request.options,
        one.seconds,
    )


def _written(text: Text, piece: Piece) -> FinishedText:
    """The text behind the prompt; the manifest is that of prompt and text together, which `castalia
    sample` would write.
    """
    assert piece.done is not None
    hosted, request, done = text.hosted, text.request, piece.done
    streamer = hosted.codec.streamer()
    for token in text.work.prompt.tolist() if text.continues else ():
        streamer.push(token)
    new = "".join(map(streamer.push, done.tokens)) + streamer.finish()
    index = request.first + piece.row
    if text.suffix is None:
        released = _released(
            hosted,
            completed(hosted.codec, request, text.work.prompt, done, index, request.n, piece.row),
        )
    else:
        facts = hosted.gate.facts_of(
            edit="infill",
            **{**request_facts(request), "index": index, "rows": request.n, "row": piece.row},
        )
        whole = f"{request.prompt or ''}{new}{text.suffix}"
        released = Released(hosted.gate.emit_bytes(whole, facts), facts)
    labels = hosted.gate.policy.labels
    label = "" if labels is None or text.plain else line(labels.language)
    return FinishedText(label + new, released, done, piece.logprobs)


def _released(hosted: Hosted, sample: Sample, suffix: str | None = None) -> Released:
    facts = hosted.gate.facts(sample)
    return Released(hosted.gate.emit_bytes(sample.item, facts, suffix), facts)


@torch.inference_mode()
def _prompt_logprobs(
    hosted: Hosted, ids: Tensor, cond: dict[str, Any], count: int
) -> list[TokenLogprobs]:
    """Token by token, as the row would be written: the ability asks for no more than a step."""
    model = require(hosted.family, Decodes, say("be read token by token"))
    ids = ids.to(hosted.family.device)
    logits, state = model.prefill(
        ids[None, :1], torch.ones(1, 1, dtype=torch.bool, device=ids.device), cond
    )
    logprobs = []
    for place in range(1, len(ids)):
        likely = logits[0].log_softmax(0)
        best = likely.topk(min(max(1, count), len(likely)))
        token = int(ids[place])
        logprobs.append(
            TokenLogprobs(
                token,
                float(likely[token]),
                list(zip(best.indices.tolist(), best.values.tolist(), strict=True))[:count],
            )
        )
        if place + 1 < len(ids):
            logits, state = model.step(ids[place : place + 1], state)
    return logprobs


def _tokens(hosted: Hosted) -> Tokens:
    assert isinstance(hosted.spec, Tokens)
    return hosted.spec
