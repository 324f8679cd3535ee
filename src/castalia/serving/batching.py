"""Lanes of the engine: continuous batching of texts, batches of dense items, single calls.

Texts: continuous batching. One Decoder a run; a request joins it between two tokens, its rows leave
when they are done or unwanted. A prompt is taken in by itself, as in `castalia sample`, so its
arithmetic does not depend on who else is there; of a token's, the last bit does (see nn/decode.py).
Pictures, and all other dense items: rows of several requests with the same options make one batch.
Calls: anything else, one at a time.

What goes wrong ends the requests that it concerns and no other: a request whose own work raises,
the rows of one batch where its shared computation does. A lane that has had an unexpected error
reports it (`fault`) until a computation succeeds again; `probe` is a smallest one, for an idle
lane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from castalia.abilities import Decodes, SampleOptions
from castalia.families.base import Family
from castalia.nn.counter_random import generators
from castalia.nn.decode import Completion, Decoder, Stop, TokenLogprobs
from castalia.nn.tournament import Tournament
from castalia.registry import require
from castalia.sampling.generate import Stretch, condition, draw_block
from castalia.sentences import say
from castalia.serving.engine import Lane, Ticket
from castalia.spec import Grammar, Tokens

ROWS = 64  # texts that are written at the same time
PREFILL = 512  # prompt tokens that are taken in between two steps of the others, or one prompt
TOGETHER = 16  # pictures of a batch: texts wait for one at most
# seconds of a step in which constraints are worked on; rows whose constraint needs longer wait, the
# others go on
MASKING = 0.02
PATIENCE = 0.05  # seconds in which a row's tokens are collected before its reader is woken


# Texts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Writing:
    """`rows` texts behind one prompt; row i draws from (seed, first + i). stream: tokens are wanted
    as they come. banned: never drawn. mark: a watermark's key.
    """

    prompt: Tensor
    rows: int
    seed: int
    options: SampleOptions
    first: int = 0
    cond: Mapping[str, Any] = field(default_factory=dict)
    grammar: Grammar | None = None
    stop: Stop | None = None
    mark: Tournament | None = None
    top_logprobs: int | None = None
    stream: bool = False
    banned: tuple[int, ...] = ()


class Piece(NamedTuple):
    """Of row `row` of a Writing: tokens since the last piece, their log-probabilities, and the
    result with the last one.
    """

    row: int
    tokens: list[int]
    logprobs: list[TokenLogprobs]
    done: Completion | None


@dataclass
class _Row:
    ticket: Ticket
    index: int
    stream: bool
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    sent_at: float = 0.0
    count: int = 0  # tokens so far


class _Batch:
    """A Decoder and whose rows are in it."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.rows: dict[int, _Row] = {}
        self.left: dict[Ticket, int] = {}  # rows that a ticket still waits for


class TextLane(Lane):
    def __init__(
        self, name: str, family: Family, spec: Tokens, *, rows: int = ROWS, prefill: int = PREFILL
    ) -> None:
        super().__init__(name)
        self.family, self.spec, self.rows, self.prefill = family, spec, rows, prefill
        self.model = require(family, Decodes, say("be read out token by token"))
        self.tokens = self.steps = 0
        self._batches: dict[tuple[int, ...], _Batch] = {}

    @property
    def live(self) -> int:
        return sum(len(batch.rows) for batch in list(self._batches.values()))

    @property
    def busy(self) -> bool:
        return bool(self.waiting) or self.live > 0

    def turn(self) -> None:
        for batch in list(self._batches.values()):
            self._guarded(batch, self._drop)
        self._admit()
        for batch in list(self._batches.values()):
            if batch.rows:
                self._guarded(batch, self._step)

    def probe(self) -> None:
        decoder = Decoder(self.model, self.spec, device=self.family.device)
        cond = condition(self.family, {}, 1, 0)
        decoder.add(
            [torch.tensor([self.spec.begin])],
            generators(0, 0, 1),
            SampleOptions(length=1),
            cond=cond,
        )
        decoder.step().checked()

    def fail(self, error: Exception) -> None:
        for batch in list(self._batches.values()):
            self._break(batch, error)
        # no other request can have caused what happened outside of all batches
        ticket = self.next()
        if ticket is not None:
            ticket.finish(error)

    def _guarded(self, batch: _Batch, work: Callable[[_Batch], None]) -> None:
        """An error in what all rows of a batch share ends these, and no other batch."""
        try:
            work(batch)
        except Exception as error:
            self.note(error)
            self._break(batch, error)

    def _break(self, batch: _Batch, error: Exception) -> None:
        self._batches = {key: other for key, other in self._batches.items() if other is not batch}
        for ticket in batch.left:
            ticket.finish(error)

    def _drop(self, batch: _Batch) -> None:
        self._forget(batch, [ticket for ticket in batch.left if ticket.gone])

    def _forget(self, batch: _Batch, tickets: Sequence[Ticket]) -> None:
        """Take the rows of these tickets out of the batch."""
        if tickets:
            numbers = [number for number, row in batch.rows.items() if row.ticket in tickets]
            batch.decoder.drop(numbers)
            for number in numbers:
                del batch.rows[number]
            for ticket in tickets:
                del batch.left[ticket]

    def _admit(self) -> None:
        taken, live = 0, self.live
        while self.waiting:
            try:
                work: Writing = self.waiting[0].work
            except IndexError:  # cancelled this moment
                return
            size = work.rows * min(len(work.prompt), self.spec.length)
            if live and (live + work.rows > self.rows or (taken and taken + size > self.prefill)):
                return
            ticket = self.next()
            if ticket is None or ticket.gone:
                continue
            try:
                live += self._add(ticket, ticket.work)
            # a constraint that cannot be met in time, say: the fault of this request alone
            except Exception as error:
                self.note(error)
                ticket.finish(error)
                for batch in [batch for batch in self._batches.values() if not batch.decoder.sound]:
                    self._break(batch, error)
                live = self.live
            taken += size

    def _add(self, ticket: Ticket, work: Writing) -> int:
        if work.banned not in self._batches:
            self._batches[work.banned] = _Batch(
                Decoder(self.model, self.spec, banned=work.banned, device=self.family.device)
            )
        batch = self._batches[work.banned]
        rngs, cond = (
            generators(work.seed, work.first, work.rows),
            condition(self.family, work.cond, work.rows, work.first),
        )
        numbers = batch.decoder.add(
            [work.prompt] * work.rows,
            rngs,
            work.options,
            cond=cond,
            grammars=work.grammar,
            stop=work.stop,
            top_logprobs=work.top_logprobs,
            mark=work.mark,
        )
        batch.rows |= {
            number: _Row(ticket, index, work.stream) for index, number in enumerate(numbers)
        }
        batch.left[ticket] = work.rows
        ticket.used += len(work.prompt) - 1  # without `begin`, which is not part of the prompt
        return work.rows

    def _step(self, batch: _Batch) -> None:
        step = batch.decoder.step(MASKING)
        self.steps += 1
        self.tokens += len(step.tokens)
        now = time.monotonic()
        for number, entry in step.logprobs.items():
            batch.rows[number].logprobs.append(entry)
        for number, token in step.tokens.items():
            row = batch.rows[number]
            row.count += 1
            row.ticket.used += 1
            if row.stream:
                row.tokens.append(token)
                if now - row.sent_at >= PATIENCE and number not in step.finished:
                    row.ticket.put(Piece(row.index, row.tokens, row.logprobs, None))
                    row.tokens, row.logprobs, row.sent_at = [], [], now
        for number, done in step.finished.items():
            row = batch.rows.pop(number)
            # what a stop string cut off is not charged
            row.ticket.used += len(done.tokens) - row.count
            row.ticket.put(Piece(row.index, row.tokens, row.logprobs, done))
            batch.left[row.ticket] -= 1
            if not batch.left[row.ticket]:
                del batch.left[row.ticket]
                row.ticket.finish()
        if step.failed:
            self._fail_rows(batch, step.failed)
        else:
            self.fault = None

    def _fail_rows(self, batch: _Batch, failed: Mapping[int, Exception]) -> None:
        """Rows that the decoder has given up end their requests, with the other rows of these."""
        errors: dict[Ticket, Exception] = {}
        for number, error in failed.items():
            self.note(error)
            errors.setdefault(batch.rows.pop(number).ticket, error)
        self._forget(batch, list(errors))
        for ticket, error in errors.items():
            ticket.finish(error)


# Dense items --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """Samples first .. first + rows - 1 of a seed."""

    rows: int
    seed: int
    options: SampleOptions
    first: int = 0
    cond: Mapping[str, Any] = field(default_factory=dict)


class Drawn(NamedTuple):
    """Sample `number` of its seed, x (*shape) in the spec's unit, with the size of its block and
    its place in it; see sampling.generate.Sample.
    """

    number: int
    x: Tensor
    rows: int
    row: int
    seconds: float


class DenseLane(Lane):
    def __init__(self, name: str, family: Family, *, together: int = TOGETHER) -> None:
        super().__init__(name)
        self.family, self.together = family, together
        self.items = 0
        # rows that a ticket at the head of the queue already has
        self._done: dict[Ticket, int] = {}
        self._computing: list[Ticket] = []

    @property
    def live(self) -> int:
        return len(self._computing)

    def turn(self) -> None:
        chosen = self._choose()
        self._computing = [ticket for ticket, _ in chosen]
        whole = True
        try:
            self._draw(chosen)
        except Exception:
            if len(chosen) < 2:
                raise
            whole = False
        if not whole:
            self._draw_apart(chosen)
        self._computing = []

    def probe(self) -> None:
        draw_block(self.family, [Stretch(0, 0, 1, {})], SampleOptions())

    def fail(self, error: Exception) -> None:
        tickets, self._computing = self._computing, []
        self._end(tickets, error)

    def _draw(self, chosen: Sequence[tuple[Ticket, int]]) -> None:
        if not chosen:
            return
        begun = time.perf_counter()
        stretches = [
            Stretch(
                ticket.work.seed,
                ticket.work.first + self._done.get(ticket, 0),
                rows,
                ticket.work.cond,
            )
            for ticket, rows in chosen
        ]
        x = draw_block(self.family, stretches, chosen[0][0].work.options)
        self._hand_out(chosen, x, (time.perf_counter() - begun) / len(x))
        self.fault = None

    def _draw_apart(self, chosen: Sequence[tuple[Ticket, int]]) -> None:
        """Each request by itself, so that only those fail that must."""
        for one in chosen:
            try:
                self._draw([one])
            except Exception as error:
                self.note(error)
                self._end([one[0]], error)

    def _end(self, tickets: Sequence[Ticket], error: Exception) -> None:
        self._leave(tickets)
        for ticket in tickets:
            ticket.finish(error)

    def _choose(self) -> list[tuple[Ticket, int]]:
        """Who gets how many rows of the next batch: in order of arrival, all with the options of
        the first.
        """
        with self.lock:
            self._done = {ticket: rows for ticket, rows in self._done.items() if not ticket.gone}
            room, chosen = self.together, []
            for ticket in self.waiting:
                if not room or ticket.work.options != self.waiting[0].work.options:
                    break
                rows = min(room, ticket.work.rows - self._done.get(ticket, 0))
                chosen.append((ticket, rows))
                ticket.started = True
                room -= rows
            return chosen

    def _hand_out(self, chosen: Sequence[tuple[Ticket, int]], x: Tensor, seconds: float) -> None:
        place, whole = 0, []
        for ticket, rows in chosen:
            done = self._done.get(ticket, 0)
            for number in range(rows):
                ticket.put(
                    Drawn(ticket.work.first + done + number, x[place], len(x), place, seconds)
                )
                place += 1
            self._done[ticket] = done + rows
            self.items += rows
            if self._done[ticket] == ticket.work.rows:
                whole.append(ticket)
        self._leave(whole)
        for ticket in whole:
            ticket.finish()

    def _leave(self, tickets: Sequence[Ticket]) -> None:
        with self.lock:
            for ticket in tickets:
                self._done.pop(ticket, None)
                if ticket in self.waiting:
                    self.waiting.remove(ticket)


# Anything else ------------------------------------------------------------------------------------


class CallLane(Lane):
    """Work is a function without arguments; its result is the ticket's only one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._current: Ticket | None = None

    @property
    def live(self) -> int:
        return int(self._current is not None)

    @torch.inference_mode()
    def turn(self) -> None:
        self._current = ticket = self.next()
        if ticket is not None and not ticket.gone:
            work: Callable[[], Any] = ticket.work
            ticket.put(work())
            ticket.finish()
        self._current = None

    def note(self, error: Exception) -> None:
        """What failed was one call; the next is another function."""
        super().note(error)
        self.fault = None

    def fail(self, error: Exception) -> None:
        ticket, self._current = self._current, None
        if ticket is not None:
            ticket.finish(error)
