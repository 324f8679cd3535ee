"""Decode rows of tokens from any model that `Decodes`, one token of every live row at a time.

In each step a row's logits pass, in this order: penalties, temperature, what is forbidden (`begin`,
`banned`, the grammar, the deadline), top-k, top-p, min-p (token_sampling.py), a watermark's
tournament (tournament.py), and one uniform number of the row's own generator. So a row depends on
its prompt and its generator alone, whoever its neighbours are. Rows that are done leave the batch
and rows may join at any time: sampling, chat and a server's continuous batching are the same
`Decoder`. A grammar that knows its distance to an end (grammar_masks.py) is complete whenever a row
is, at its length at the latest.

Text is not here: stop strings arrive as a function of tokens, and the model's mathematics is its
own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Decodes, DecodeState, SampleOptions
from castalia.errors import RecipeError, SpecError, TrainingError
from castalia.nn import fixed_rows
from castalia.nn.decode_rows import Completion, Late, Reason, Row, Step, Stop, TokenLogprobs
from castalia.nn.grammar_masks import FORBIDDEN, Masks
from castalia.nn.ragged import joined, padded, select
from castalia.nn.token_sampling import Knobs, draw
from castalia.nn.tournament import Tournament, won
from castalia.sentences import plural, say
from castalia.spec import Grammar, Tokens

__all__ = [
    "Completion",
    "Decoder",
    "Reason",
    "Step",
    "Stop",
    "TokenLogprobs",
    "complete",
    "decode",
    "draw_rows",
]


class Decoder:
    """Live rows of one model. `add` takes in prompts, `step` gives one token of every live row,
    `drop` forgets rows.

    A row may take in `spec.length` tokens. To go on (and for a longer prompt) it is prefilled anew
    with its last `spec.length // 2` tokens; the first of these is then context, as in a document
    that was cut. Rows count for themselves, so neighbours do not matter.

    `add` is all or nothing: where it raises, the rows that were there go on as if it had not been
    called. Only an error in the computation that all rows share makes the decoder useless; `sound`
    is then False, and every further call raises TrainingError.
    """

    def __init__(
        self,
        model: Decodes,
        spec: Tokens,
        *,
        banned: Sequence[int] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        """banned: tokens that never come, beside `begin`. device: where the model is."""
        self.model, self.spec, self.device = model, spec, torch.device(device)
        self._forbidden = torch.tensor(sorted({spec.begin, *banned}), device=self.device)
        self._barrier = torch.zeros(spec.vocab, device=self.device).index_fill_(
            0, self._forbidden, -math.inf
        )
        self._masks: dict[int, Masks] = {}
        self._rows: list[Row] = []
        self._late: list[Late] = []  # the next to be worked on first
        self._added = 0
        self._state: DecodeState | None = None
        # (B, V) of each row's next token; None while `_chosen` is not taken in yet
        self._logits: Tensor | None = None
        self._chosen: Tensor | None = None  # (B,)
        self._logprobs: dict[int, TokenLogprobs] = {}
        self._room = 0  # steps until some row has to be prefilled anew
        self.sound = True
        self._settle([])

    @property
    def live(self) -> tuple[int, ...]:
        """Numbers of the rows that go on."""
        return tuple(row.number for row in (*self._rows, *(one.row for one in self._late)))

    @torch.inference_mode()
    def add(
        self,
        prompts: Sequence[Tensor],
        rngs: Sequence[torch.Generator],
        options: SampleOptions,
        *,
        cond: Mapping[str, Any] | None = None,
        grammars: Grammar | Sequence[Grammar | None] | None = None,
        stop: Stop | None = None,
        top_logprobs: int | None = None,
        mark: Tournament | None = None,
    ) -> list[int]:
        """Add prompts, each (n,) int64 with n >= 1, that begin with `begin`; returns the numbers of
        the new rows.

        rngs      one generator a row, for this row alone: numbers are drawn in advance.
        cond      name -> Tensor (B, ...) or Ragged, as `Decodes.prefill` takes it.
        grammars  for the new tokens, one for all rows or one a row; where None, the spec's own,
                  which has followed the prompt.
        stop      gets a row's new tokens after each of them; returns how many to keep when the row
                  is done, else None.
        top_logprobs  how many of the likeliest tokens each step reports of these rows
                      (Step.logprobs); None reports nothing and costs nothing.
        mark      a key by whose tournament the tokens of these rows are drawn.
        Raises RecipeError for a grammar that cannot be completed within the length.
        """
        self._expect_sound()
        if len(rngs) != len(prompts):
            raise SpecError(
                say("one generator a row"),
                where=say(
                    "{0}, {1}",
                    plural("{0} prompt", "{0} prompts", len(prompts)),
                    plural("{0} generator", "{0} generators", len(rngs)),
                ),
                fix=say("see nn/counter_random.py: generators"),
            )
        own = (
            [grammars] * len(prompts)
            if grammars is None or not isinstance(grammars, Sequence)
            else list(grammars)
        )
        if len(own) != len(prompts):
            raise SpecError(
                say("one grammar a row"),
                where=say(
                    "{0}, {1}",
                    plural("{0} prompt", "{0} prompts", len(prompts)),
                    plural("{0} grammar", "{0} grammars", len(own)),
                ),
                fix=say("pass one for all, or one for each"),
            )
        length = self.spec.length if options.length is None else options.length
        own_draws = getattr(self.model, "drawn", None)  # see abilities.Decodes
        fresh = []
        for index, (prompt, rng, grammar) in enumerate(zip(prompts, rngs, own, strict=True)):
            ids = prompt.tolist()
            if not ids or min(ids) < 0 or max(ids) >= self.spec.vocab:
                raise SpecError(
                    say("a prompt has at least `begin`, and tokens of the vocabulary"),
                    where=say("prompt {0}: {1}", index, ids[:8]),
                )
            row_cond = {name: select(value, [index]) for name, value in (cond or {}).items()}
            if own_draws is not None:
                row_cond = {**own_draws(rng), **row_cond}
            state = self._follow(ids) if grammar is None else grammar.start()
            if (
                grammar is not None
                and hasattr(grammar, "distance")
                and grammar.distance(state) > length
            ):
                needs = grammar.distance(state)
                most = say("at least") if getattr(grammar, "exact", True) else say("up to")
                raise RecipeError(
                    say("no text meets the constraint")
                    if needs >= FORBIDDEN
                    else say(
                        "the constraint needs {0} {1}",
                        most,
                        plural("{0} token", "{0} tokens", needs),
                    ),
                    where=say(
                        "prompt {0}: {1} allowed",
                        index,
                        plural("{0} new token", "{0} new tokens", length),
                    ),
                    fix=say("use a tokenizer that has its characters")
                    if needs >= FORBIDDEN
                    else say("set sampling.length to {0} or more", needs),
                )
            rules = self.spec.grammar if grammar is None else grammar
            fresh.append(
                Row(
                    self._added + index,
                    ids,
                    rng,
                    options,
                    length,
                    row_cond,
                    rules,
                    state,
                    stop,
                    top_logprobs,
                    mark,
                )
            )
        if not fresh:
            return []
        logits, state = self._prefill(fresh)
        self._feed()
        rows = [*self._rows, *fresh]
        knobs = self._knobs_of(rows)
        logits = logits if self._logits is None else torch.cat([self._logits, logits])
        # the last thing that may fail
        self._state = state if self._state is None else self._state.join(state)
        self._logits = logits
        self._added += len(fresh)
        self._settle(rows, knobs)
        return [row.number for row in fresh]

    @torch.inference_mode()
    def drop(self, numbers: Sequence[int]) -> None:
        """Remove rows, whatever they have so far."""
        sound, self.sound = self.sound, False
        self._late = [one for one in self._late if one.row.number not in set(numbers)]
        self._keep(
            [index for index, row in enumerate(self._rows) if row.number not in set(numbers)]
        )
        self.sound = sound

    @torch.inference_mode()
    def step(self, seconds: float = math.inf) -> Step:
        """One token of every live row, and the rows that finished or failed with it. Empty when no
        row is live.

        seconds: about how long masks may be computed. A row whose mask is not there by then has no
        token in this step, and none until it is there.
        """
        self._expect_sound()
        self.sound = False  # until all rows have been brought to the same point
        tokens: dict[int, int] = {}
        failed = self._return(time.monotonic() + seconds / 2) if self._late else {}
        finished = self._stuck(time.monotonic() + seconds, failed)
        if not self._rows:
            self.sound = True
            return Step({}, finished, failed=failed)
        self._feed()
        chosen, nats, spent = self._choose()
        logprobs, self._logprobs = self._logprobs, {}
        keep = []
        for index, (row, token, nat, cost) in enumerate(
            zip(self._rows, chosen, nats, spent, strict=True)
        ):
            try:
                done = self._take_in(row, token, nat, cost)
            except Exception as error:
                failed[row.number] = error
                continue
            if token != self.spec.end:
                tokens[row.number] = token
            if done is None:
                keep.append(index)
            else:
                finished[row.number] = done
        self._logits = None
        if len(keep) < len(self._rows):
            self._keep(keep)
        self.sound = True
        return Step(tokens, finished, logprobs, failed)

    # Inside a step

    def _expect_sound(self) -> None:
        if not self.sound:
            raise TrainingError(
                say("an error stopped this decoder in the middle of a step"),
                where="nn/decode.py",
                fix=say("begin with a new one"),
            )

    def _take_in(self, row: Row, token: int, nat: float, cost: float) -> Completion | None:
        """Note a row's token, how likely it was and what the constraint cost; what became of the
        row if that was its last.
        """
        if not nat < math.inf:
            raise TrainingError(
                say("the model's logits are not finite numbers"),
                where=say("row {0}, new token {1}", row.number, len(row.tokens)),
                fix=say("use an earlier checkpoint, or weights in float32"),
            )
        row.nats.append(nat)
        row.spent.append(cost)
        if token == self.spec.end:
            return row.completion("end")
        row.tokens.append(token)
        cut = None if row.stop is None else row.stop(row.tokens)
        if cut is not None:
            return row.completion("stop", cut)
        if len(row.tokens) >= row.length:
            return row.completion("length")
        if row.grammar is not None:
            row.state = row.grammar.advance(row.state, token)
        return None

    def _choose(self) -> tuple[list[int], list[float], list[float]]:
        """A token of every row, its nats under the model, and the nats of what was forbidden."""
        assert self._logits is not None
        knobs, barrier = self._knobs, self._barriers()
        likely = torch.log_softmax(self._logits, 1)
        weights = torch.softmax(
            (likely if knobs.plain else knobs.adjusted(self._logits)) + barrier, 1
        )
        if not self._uniforms:
            self._draw_ahead()
        chosen = draw(self._marked(knobs.filtered(weights)), self._uniforms.pop())
        if knobs.greedy is not None:
            chosen = torch.where(knobs.greedy, weights.argmax(1, keepdim=True), chosen)
        # only NaN gets there, and is reported below
        chosen = chosen.clamp_(max=self.spec.vocab - 1)
        knobs.note(chosen)
        self._chosen = chosen.view(-1)
        nats = likely.gather(1, chosen)
        if self._most_logprobs is not None:
            self._note_logprobs(likely, nats)
        # drawn from the model renormalised over what may come
        if knobs.plain and not knobs.filters:
            cost = weights.gather(1, chosen).log() - nats
        else:
            cost = self._cost(likely, barrier)
        counted, spent = torch.cat([-nats, cost], 1).T.tolist()
        return self._chosen.tolist(), counted, spent

    def _marked(self, weights: Tensor) -> Tensor:
        """(B, V): the weights of rows with a mark after its tournament."""
        seeds = {
            index: row.mark.seed(context)
            for index, row in enumerate(self._rows)
            if row.mark is not None and (context := row.fresh_context(self.spec.begin)) is not None
        }
        if not seeds:
            return weights
        places = torch.tensor(list(seeds), device=self.device)
        seed = torch.tensor(list(seeds.values()), device=self.device)
        return weights.index_copy(0, places, won(weights[places], seed))

    def _note_logprobs(self, likely: Tensor, nats: Tensor) -> None:
        """Log-probabilities for the rows that asked for them, for this step's `Step.logprobs`."""
        assert self._chosen is not None
        best = likely.topk(min(self._most_logprobs or 1, likely.shape[1]))
        rows = zip(
            self._rows,
            self._chosen.tolist(),
            nats[:, 0].tolist(),
            best.indices.tolist(),
            best.values.tolist(),
            strict=True,
        )
        for row, token, logprob, tokens, values in rows:
            if row.top_logprobs is not None:
                self._logprobs[row.number] = TokenLogprobs(
                    token, logprob, list(zip(tokens, values, strict=True))[: row.top_logprobs]
                )

    def _cost(self, likely: Tensor, barrier: Tensor) -> Tensor:
        """(B, 1): -log of the mass that is left."""
        if not self._guided:  # few tokens are forbidden, so count these
            lost = likely[:, self._forbidden].exp().sum(1, keepdim=True)
            if float(lost.max()) < 0.5:
                return -torch.log1p(-lost)
        return -torch.logsumexp(likely + barrier, 1, keepdim=True)

    def _stuck(self, until: float, failed: dict[int, Exception]) -> dict[int, Completion]:
        """Look up what every row may take. Rows that may take nothing leave; so do those whose
        grammar raises, which are added to `failed`, and, for a while, those whose mask is not there
        in time.
        """
        finished: dict[int, Completion] = {}
        late: set[int] = set()
        for row in self._rows if self._guided else ():
            try:
                if row.grammar is not None and not self._masks_of(row.grammar).ready(
                    row.state, until
                ):
                    late.add(row.number)
                elif done := self._ended(row):
                    finished[row.number] = done
            except Exception as error:
                failed[row.number] = error
        if late:
            self._feed()
            assert self._state is not None
            assert self._logits is not None
            for index, row in enumerate(self._rows):
                if row.number in late:
                    place = torch.tensor([index], device=self.device)
                    self._late.append(Late(row, self._state.take(place), self._logits[place]))
        gone = late | finished.keys() | failed.keys()
        if gone:
            self._keep([index for index, row in enumerate(self._rows) if row.number not in gone])
        return finished

    def _ended(self, row: Row) -> Completion | None:
        """Look up what a row may take; how it ended, if that is nothing."""
        if row.grammar is None:
            return None
        masks = self._masks_of(row.grammar)
        row.barrier = masks.row(row.state, row.length - len(row.tokens))
        if row.barrier is not None:
            return None
        # complete, where the spec has no `end` to say so
        return row.completion("end" if masks.complete(row.state) else "constraint")

    def _masks_of(self, grammar: Grammar) -> Masks:
        if id(grammar) not in self._masks:
            self._masks[id(grammar)] = Masks(grammar, self._barrier, self.spec.end)
        return self._masks[id(grammar)]

    def _return(self, until: float) -> dict[int, Exception]:
        """Work on the masks of rows that are late, by turns; those that have theirs go on. Returns
        those that fail.
        """
        failed: dict[int, Exception] = {}
        back: list[Late] = []
        still: list[Late] = []
        begun = False
        while self._late and (not begun or time.monotonic() < until):
            one, begun = self._late.pop(0), True
            assert one.row.grammar is not None
            try:
                (
                    back if self._masks_of(one.row.grammar).ready(one.row.state, until) else still
                ).append(one)
            except Exception as error:
                failed[one.row.number] = error
        self._late += still
        if back:
            self._feed()
            for one in back:
                self._logits = (
                    one.logits if self._logits is None else torch.cat([self._logits, one.logits])
                )
                self._state = one.state if self._state is None else self._state.join(one.state)
        self._settle([*self._rows, *(one.row for one in back)])
        return failed

    def _barriers(self) -> Tensor:
        """(B, V) or (V,), to be added to the logits."""
        if not self._guided:
            return self._barrier
        barriers = [self._barrier if row.barrier is None else row.barrier for row in self._rows]
        first = barriers[0]
        if all(barrier is first for barrier in barriers):
            return first
        return torch.stack(barriers)

    def _feed(self) -> None:
        """Let the model take in what was chosen; rows without room are prefilled anew and move to
        the end of the batch.
        """
        if self._logits is not None or not self._rows:
            return
        assert self._chosen is not None
        assert self._state is not None
        sound, self.sound = self.sound, False  # a model's state may change in place
        if self._room > 0:
            self._room -= 1
            self._logits, self._state = self.model.step(self._chosen, self._state)
            for row in self._rows:
                row.taken += 1
            self.sound = sound
            return
        full = [index for index, row in enumerate(self._rows) if row.taken >= self.spec.length]
        others = [index for index, row in enumerate(self._rows) if row.taken < self.spec.length]
        parts = []
        if others:
            rows = torch.tensor(others, device=self.device)
            parts.append(self.model.step(self._chosen[rows], self._state.take(rows)))
            for index in others:
                self._rows[index].taken += 1
        if full:
            parts.append(self._prefill([self._rows[index] for index in full]))
        self._logits, self._state = parts[0]
        for logits, state in parts[1:]:
            self._logits, self._state = torch.cat([self._logits, logits]), self._state.join(state)
        self._settle([self._rows[index] for index in others + full])
        self.sound = sound

    def _prefill(self, rows: Sequence[Row]) -> tuple[Tensor, DecodeState]:
        tails: list[Tensor] = []
        for row in rows:
            whole = row.prompt + row.tokens
            row.taken = (
                len(whole) if len(whole) <= self.spec.length else max(1, self.spec.length // 2)
            )
            tails.append(torch.tensor(whole[-row.taken :]))
        ids, mask = padded(tails, self.spec.begin)
        cond = {name: joined([row.cond[name] for row in rows]) for name in rows[0].cond}
        return self.model.prefill(ids.to(self.device), mask.to(self.device), cond)

    def _follow(self, prompt: Sequence[int]) -> Any:
        """State of the spec's grammar behind a prompt. It starts again at `begin`, and where a
        prompt breaks the grammar.
        """
        grammar = self.spec.grammar
        if grammar is None:
            return None
        state = grammar.start()
        for token in prompt:
            fits = token != self.spec.begin and bool(grammar.allowed(state)[token])
            state = grammar.advance(state, token) if fits else grammar.start()
        return state

    # Membership

    def _keep(self, indices: list[int]) -> None:
        """Go on with these rows only, given in order. Those from the end fill the holes, so that
        few have to move.
        """
        kept = len(indices)
        last = [index for index in indices if index >= kept]
        staying = {index for index in indices if index < kept}
        indices = [place if place in staying else last.pop() for place in range(kept)]
        if not indices:
            self._state = self._logits = self._chosen = None
        elif self._state is not None:
            rows = torch.tensor(indices, device=self.device)
            self._state = self._state.take(rows)
            self._logits = None if self._logits is None else self._logits[rows]
            self._chosen = (
                None if self._chosen is None or self._logits is not None else self._chosen[rows]
            )
        self._settle([self._rows[index] for index in indices])

    def _knobs_of(self, rows: Sequence[Row]) -> Knobs:
        return Knobs(
            [row.options for row in rows],
            [row.prompt for row in rows],
            [row.tokens for row in rows],
            self.spec.vocab,
            self.device,
        )

    def _settle(self, rows: list[Row], knobs: Knobs | None = None) -> None:
        """Everything that follows from which rows are live, and in which order. knobs: theirs,
        where they are there already.
        """
        self._knobs = self._knobs_of(rows) if knobs is None else knobs
        self._rows = rows
        self._room = min((self.spec.length - row.taken for row in self._rows), default=0)
        self._guided = any(row.grammar is not None for row in self._rows)
        self._most_logprobs = max(
            (row.top_logprobs for row in self._rows if row.top_logprobs is not None), default=None
        )
        in_use = {
            id(self.spec.grammar),
            *(id(row.grammar) for row in (*self._rows, *(one.row for one in self._late))),
        }
        self._masks = {key: masks for key, masks in self._masks.items() if key in in_use}
        self._uniforms: list[Tensor] = []  # (B, 1) each, the next one last

    def _draw_ahead(self) -> None:
        ahead = torch.stack([row.upcoming() for row in self._rows], 1).to(self.device)
        self._uniforms = list(ahead[:, :, None].unbind(0))[::-1]


def decode(
    model: Decodes,
    prompts: Sequence[Tensor],
    rngs: Sequence[torch.Generator],
    options: SampleOptions,
    *,
    spec: Tokens,
    cond: Mapping[str, Any] | None = None,
    grammars: Grammar | Sequence[Grammar | None] | None = None,
    stop: Stop | None = None,
    banned: Sequence[int] = (),
    mark: Tournament | None = None,
) -> Iterator[Step]:
    """Steps of all rows until the last one is finished; arguments as in `Decoder.add`. The prompts'
    device is the model's.
    """
    decoder = Decoder(model, spec, banned=banned, device=prompts[0].device if prompts else "cpu")
    decoder.add(prompts, rngs, options, cond=cond, grammars=grammars, stop=stop, mark=mark)
    while decoder.live:
        yield decoder.step().checked()


def complete(
    model: Decodes,
    prompts: Sequence[Tensor],
    rngs: Sequence[torch.Generator],
    options: SampleOptions,
    *,
    spec: Tokens,
    **more: Any,
) -> list[Completion]:
    """`decode` to the end: one completion a prompt, in their order. Rows of a fixed form are drawn
    together (nn/fixed_rows.py).
    """
    if prompts and fixed_rows.fits(
        model, spec, prompts, options, **{key: one for key, one in more.items() if key != "cond"}
    ):
        cond = more.get("cond") or {}
        return fixed_rows.draw_fixed(model, spec, rngs, cond, options, prompts[0].device)
    finished: dict[int, Completion] = {}
    for step in decode(model, prompts, rngs, options, spec=spec, **more):
        finished |= step.finished
    return [finished[number] for number in range(len(prompts))]


def draw_rows(
    model: Decodes,
    spec: Tokens,
    rngs: Sequence[torch.Generator],
    cond: Mapping[str, Any],
    options: SampleOptions,
    device: torch.device,
) -> Tensor:
    """What a family of tokens samples: (len(rngs), length + 1) int64, `begin`, the document,
    `begin` as filling.
    """
    prompt = torch.tensor([spec.begin], device=device)
    completions = complete(model, [prompt] * len(rngs), rngs, options, spec=spec, cond=cond)
    out = torch.full((len(rngs), spec.length + 1), spec.begin, dtype=torch.int64)
    for row, completion in zip(out, completions, strict=True):
        tokens = torch.tensor(completion.tokens[: spec.length], dtype=torch.int64)
        row[1 : 1 + len(tokens)] = tokens
    return out
