"""Autoregressive transformer: the probability of a sequence is the product of the probabilities of
its tokens, each given those before it.

Radford et al. 2018 (generative pre-training); the network is nn/transformer.py in Qwen3's layout.
Three options leave that layout, for small corpora and budgets: `ngrams` adds hashed embeddings of
the last 2, 3, ... tokens to the input (compare Roy et al. 2022, N-Grammer, arXiv:2207.06366);
`counts` mixes the network with an interpolated Kneser-Ney model (nn/kneser_ney.py), p = (1 - g)
p_net + g p_counts, where the gate g (compare Neubig & Dyer 2016, arXiv:1606.00499) learns on
documents that neither part was fitted on; and `order: any` trains on permuted orders (Yang et al.
2019, arXiv:1906.08237; Hoogeboom et al. 2022, arXiv:2110.02037), each an exact factorisation, so
that gaps are filled seeing both sides. Every likelihood is exact.

Not here: sampling rules (nn/decode.py), tokenizers (codecs), orders (families/ar_order.py), the
graph of a step (families/ar_step.py), Qwen3 (export/qwen3.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.families.ar_network import ArConfig, Network
from castalia.families.ar_order import Gaps, training_order
from castalia.families.ar_step import step_graph
from castalia.families.base import Family, Phase
from castalia.nn.decode import draw, draw_rows
from castalia.nn.fixed_rows import slots_of
from castalia.nn.grammar_masks import Masks
from castalia.nn.graph import Graph
from castalia.nn.hashed_ngrams import LONGEST, hashed
from castalia.nn.kneser_ney import Counts
from castalia.nn.mixture_gate import Gate
from castalia.nn.token_losses import NEVER, TINY, cross_entropy, row_blocks
from castalia.nn.transformer import (
    Memory,
    Rotation,
    causal_mask,
    segment_mask,
)
from castalia.sentences import plural, say
from castalia.spec import Batch, Classes, Condition, Loss, Spec, Tokens, Words


class Ordered(NamedTuple):
    """One factorisation of a batch of rows (B, T): what is read, what is predicted, and where both
    stand. All (B, T - 1).
    """

    tokens: Tensor
    targets: Tensor
    rotation: Rotation
    mask: Tensor
    aim: Tensor | None


class Ar(Family):
    """Phase "main" trains the network; with `counts`, phase "gate" trains the mixture on
    development documents.
    """

    name = "ar"
    accepts = (Tokens,)
    Config = ArConfig
    exact = True
    config: ArConfig
    spec: Tokens

    def __init__(self, config: ArConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        _check(config, self.spec, conditions)
        self.network = Network(config, self.spec, conditions)
        self.counts = (
            Counts(self.spec.vocab, config.counts, self.spec.begin) if config.counts else None
        )
        self.gate = Gate(self.counts.features) if self.counts is not None else None

    @classmethod
    def for_new_tokens(cls, config: ArConfig) -> ArConfig:
        """Without the counts, which know nothing of new tokens; the network goes on as it is."""
        return config.model_copy(update={"counts": 0})

    @property
    def vocabulary(self) -> tuple[str, ...]:
        if self.counts is not None:
            return ()
        return (
            ("network.embedding.weight",)
            if self.network.head is None
            else ("network.embedding.weight", "network.head.weight")
        )

    def phases(self) -> Sequence[Phase]:
        main = Phase("main", ("network",))
        return (
            (main,)
            if self.gate is None
            else (main, Phase("gate", ("gate",), every=8, split="development"))
        )

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Counts the training documents, one a batch."""
        if self.counts is not None:
            self.counts.fit(row for batch in batches for row in batch.x.cpu())

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Mean nats of a coded token. Parts: main: nats (of the network); gate: nats (of the
        mixture), share (mean weight of the counts).
        """
        self.check(batch)
        if phase == "gate":
            return self._gate_loss(batch)
        if phase != "main":
            raise SpecError(
                say("'ar' has no phase '{0}'", phase),
                where="forward(batch, phase)",
                fix=say("use 'main' or 'gate'"),
            )
        order = (
            training_order(batch.x, batch.segment, self.spec.begin, self.spec.period)
            if self.config.order == "any"
            else None
        )
        ordered = self._ordered(batch, order)
        logits = self._logits(ordered, batch)
        nats = cross_entropy(self._lawful(logits, batch.x, order), ordered.targets)
        weight = self._weight(batch, order)
        total = (nats * weight).sum() / weight.sum().clamp_min(TINY)
        return Loss(total, {"nats": total.detach()})

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) exact negative log-likelihood of each row's coded tokens, times `batch.weight` where
        there is one; with `order: any`, from left to right.
        """
        return (self.token_nats(batch) * self._weight(batch, None)).sum(1)

    @torch.no_grad()
    def token_nats(
        self, batch: Batch, order: Tensor | None = None, barred: Tensor | None = None
    ) -> Tensor:
        """(B, T - 1) float32 nats of x[:, 1:] in evaluation mode, coded or not, over all tokens but
        `begin`, which no document holds.

        order (B, T - 1): of a model of any order, the positions 1 .. T - 1 as they are predicted;
        the nats come in this order, too. barred (V,) bool: tokens that are known not to come; the
        others share their probability.
        """
        self.check(batch)
        with self.evaluating():
            parts = row_blocks(batch.x, self.spec.vocab)
            return torch.cat(
                [
                    self._exact_nats(
                        batch.rows(part), None if order is None else order[part], barred
                    )[0]
                    for part in parts
                ]
            )

    def token_loss(self, batch: Batch) -> Tensor:
        self.check(batch)
        return self._exact_nats(batch, learns=True)[0]

    def _exact_nats(
        self,
        batch: Batch,
        order: Tensor | None = None,
        barred: Tensor | None = None,
        learns: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(nats of the whole model, logit of the counts' share where there are counts); the network
        has a gradient only if it `learns`.
        """
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            ordered = self._ordered(batch, order)
            logits = self._without_begin(self._logits(ordered, batch))
            logits = self._lawful(logits, batch.x, order)
            if barred is not None:
                logits[..., barred.to(logits.device)] = NEVER
            nats = cross_entropy(logits, ordered.targets)
            if self.gate is None or self.counts is None:
                return nats, None
            log_counts, features = self.counts.score(batch.x, batch.segment)
        gate = self.gate(logits, features)
        return -torch.logaddexp(F.logsigmoid(-gate) - nats, F.logsigmoid(gate) + log_counts), gate

    def _gate_loss(self, batch: Batch) -> Loss:
        if self.gate is None:
            raise SpecError(
                say("'ar' has no phase 'gate' without counts"),
                where="forward(batch, phase)",
                fix="family.counts=5",
            )
        training = self.network.training
        self.network.eval()
        nats, gate = self._exact_nats(batch)
        self.network.train(training)
        assert gate is not None
        weight = self._weight(batch, None)
        weight = weight / weight.sum().clamp_min(TINY)
        total = (nats * weight).sum()
        return Loss(
            total, {"nats": total.detach(), "share": (torch.sigmoid(gate) * weight).sum().detach()}
        )

    # Orders

    def _logits(self, ordered: Ordered, batch: Batch) -> Tensor:
        ngrams = self._ngrams(ordered.tokens, batch.segment)
        vector = self._vector(batch.cond, len(batch.x))
        return self.network.logits(
            self.network(
                ordered.tokens, ngrams, vector, ordered.rotation, ordered.mask, ordered.aim
            )
        )

    def _lawful(self, logits: Tensor, x: Tensor, order: Tensor | None) -> Tensor:
        """Masks logits in place, where the grammar is known for whole rows (`Grammar.along`); in
        another order than from left to right, where it is known for each slot (`Grammar.slots`).
        """
        slots = slots_of(self.spec)
        if order is not None and slots is not None:
            allowed = slots.to(x.device)[(order - 1) % self.spec.period]
            return logits.masked_fill_(~allowed, NEVER)
        along = getattr(self.spec.grammar, "along", None)
        if along is None or order is not None:
            return logits
        return logits.masked_fill_(~along(x), NEVER)

    def _without_begin(self, logits: Tensor) -> Tensor:
        """Changed in place. A finite number, because what stands at `begin` is multiplied by zero
        later.
        """
        logits[..., self.spec.begin] = NEVER
        return logits

    def _ordered(self, batch: Batch, order: Tensor | None) -> Ordered:
        """order None: from left to right."""
        x, segment, steps = batch.x, batch.segment, batch.x.shape[1] - 1
        if self.config.order == "any":
            return self._permuted(
                x,
                segment,
                torch.arange(1, steps + 1, device=x.device).expand(len(x), -1)
                if order is None
                else order,
            )
        mask = (
            causal_mask(steps, steps, x.device)
            if segment is None
            else segment_mask(segment[:, :-1])
        )
        place = torch.arange(steps, device=x.device)
        return Ordered(
            x[:, :-1],
            x[:, 1:],
            self.network.rotary(slice(0, steps)),
            mask,
            self.network.aim(place + 1, place),
        )

    def _permuted(self, x: Tensor, segment: Tensor | None, order: Tensor) -> Ordered:
        """`order` (B, T - 1): the positions 1 .. T - 1 as they are predicted. Each token is read at
        its own place, and its query is turned to the place that is predicted next. Within a segment
        the attention is causal in the order.
        """
        read = torch.cat([torch.zeros_like(order[:, :1]), order[:, :-1]], 1)
        tokens, targets = x.gather(1, read), x.gather(1, order)
        steps = order.shape[1]
        if segment is None:
            mask = causal_mask(steps, steps, x.device)
        else:
            own, wanted = segment.gather(1, read), segment.gather(1, order)
            seen = (wanted[:, :, None] == own[:, None, :]) & torch.ones(
                steps, steps, dtype=torch.bool, device=x.device
            ).tril()
            # `begin`, which is never predicted
            seen |= torch.eye(steps, dtype=torch.bool, device=x.device) & ~seen.any(2, keepdim=True)
            mask = torch.zeros(seen.shape, device=x.device).masked_fill_(~seen, float("-inf"))[
                :, None
            ]
        return Ordered(
            tokens, targets, self.network.rotary(read, order), mask, self.network.aim(order, read)
        )

    def _weight(self, batch: Batch, order: Tensor | None) -> Tensor:
        """(B, T - 1) float32 weights of the targets in their order: zero where nothing is coded."""
        weight = batch.weights(self.spec.begin)
        return weight if order is None else weight.gather(1, order - 1)

    def _vector(self, cond: dict[str, Any], rows: int) -> Tensor | None:
        return self.network.told(cond, rows, self.device).vector if self.conditions else None

    def _ngrams(self, tokens: Tensor, segment: Tensor | None) -> list[Tensor]:
        """Row numbers of the hashed n-grams that end at each token; they do not reach into another
        document.
        """
        if not self.config.ngrams:
            return []
        most = max(self.config.ngrams)
        earlier = [
            F.pad(tokens, (shift, 0), value=self.spec.begin)[:, : tokens.shape[1]]
            for shift in range(most)
        ]
        if segment is not None:
            own = segment[:, : tokens.shape[1]]
            for shift in range(1, most):
                other = F.pad(own, (shift, 0), value=-1)[:, : own.shape[1]] != own
                earlier[shift] = earlier[shift].masked_fill(other, self.spec.begin)
        return hashed(earlier, self.config.ngrams, self.config.ngram_rows)

    # Token by token

    @property
    def _recall(self) -> int:
        """How many of the last tokens a step needs beside its own."""
        return (
            max([0, *self.config.ngrams, self.config.counts]) - 1
            if self.config.ngrams or self.config.counts
            else 0
        )

    @torch.inference_mode()
    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Memory]:
        rows, steps = ids.shape
        if steps > self.spec.length:
            raise SpecError(
                say("the prompt is longer than the context"),
                where=say(
                    "{0} against {1}", plural("{0} token", "{0} tokens", steps), self.spec.length
                ),
                fix=say("cut it"),
            )
        like = self.network.embedding.weight
        config = self.config
        memory = Memory.empty(
            config.depth,
            rows,
            config.kv_heads or config.heads,
            self.spec.length,
            config.width // config.heads,
            like,
            self._recall + 1,
        )
        rotation = self._turned(slice(0, steps), slice(1, steps + 1))
        place = torch.arange(steps, device=ids.device)
        memory.condition = self._vector(cond, rows)
        aim = self.network.aim(place + 1, place)
        h = self.network(
            ids,
            self._ngrams(ids, None),
            memory.condition,
            rotation,
            causal_mask(steps, steps, ids.device),
            aim,
            memory,
        )
        lengths = mask.sum(1)
        memory.grow(lengths)
        if self._recall:
            width = memory.recent.shape[1]
            back = lengths[:, None] - width + torch.arange(width, device=ids.device)
            memory.recent = torch.where(back >= 0, ids.gather(1, back.clamp_min(0)), -1)
        return self._next(h[torch.arange(rows, device=ids.device), lengths - 1], memory), memory

    @torch.inference_mode()
    def step(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        if self._recall:
            memory.remember(tokens)
        ngrams: list[Tensor] = []
        if self.config.ngrams:
            recent = torch.where(memory.recent < 0, self.spec.begin, memory.recent)
            earlier = [
                recent[:, recent.shape[1] - 1 - shift] for shift in range(max(self.config.ngrams))
            ]
            ngrams = hashed(earlier, self.config.ngrams, self.config.ngram_rows)
        if self.config.order == "any":
            ids, rotation = tokens[:, None], self._turned(memory.places(), memory.places(1))
            aim = self.network.aim(memory.lengths[:, None] + 1, memory.lengths[:, None])
            mask = memory.mask()
            h = self.network(ids, ngrams, memory.condition, rotation, mask, aim, memory)[:, 0]
        else:
            h = self.network.step(tokens, ngrams, memory)
        memory.grow(1)
        return self._next(h, memory), memory

    def _turned(self, own: Tensor | slice, wanted: Tensor | slice) -> Rotation:
        return self.network.rotary(own, wanted if self.config.order == "any" else None)

    def _next(self, h: Tensor, memory: Memory) -> Tensor:
        logits = self.network.logits(h)
        if self.gate is None or self.counts is None:
            return logits
        recent = memory.recent[:, memory.recent.shape[1] - (self.config.counts - 1) :]
        probs, features = self.counts.distribution(recent)
        logits = self._without_begin(logits)
        gate = self.gate(logits, features)[:, None]
        return torch.logaddexp(
            F.logsigmoid(-gate) + logits.log_softmax(-1), F.logsigmoid(gate) + probs.log()
        )

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), length + 1) int64: `begin`, the document, `begin` as filling."""
        return draw_rows(self, self.spec, rngs, cond, options, self.device)

    @torch.inference_mode()
    def infill(
        self,
        x: Tensor,
        keep: Tensor,
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
        barred: Tensor | None = None,
    ) -> Tensor:
        """x (B, T) with its tokens drawn anew where `keep` is False, each given all kept ones and
        those drawn before it, from the left. barred (V,) bool: tokens that are not drawn.
        """
        if self.config.order != "any":
            raise AbilityError(
                say("this run reads from left to right only"),
                where="family.order=left",
                fix=say("train with family.order=any"),
            )
        x, keep = x.clone(), keep.clone()
        keep[:, 0] = True
        rows, steps = len(x), x.shape[1] - 1
        place = torch.arange(1, steps + 1, device=x.device)
        order = (place + torch.where(keep[:, 1:], 0, steps)).argsort(1) + 1
        read = torch.cat([torch.zeros_like(order[:, :1]), order[:, :-1]], 1)
        first = int(keep[:, 1:].sum(1).min())  # from here on, some row has a gap
        if first == steps:
            return x
        config, vector = self.config, self._vector(cond, rows)
        like = self.network.embedding.weight
        memory = Memory.empty(
            config.depth,
            rows,
            config.kv_heads or config.heads,
            steps,
            config.width // config.heads,
            like,
            0,
        )
        uniforms = torch.stack([torch.rand(steps, generator=rng) for rng in rngs]).to(x.device)
        barrier = torch.zeros(self.spec.vocab)
        barrier[
            [self.spec.begin] if self.spec.end is None else [self.spec.begin, self.spec.end]
        ] = float("-inf")
        if barred is not None:
            barrier[barred.cpu()] = float("-inf")
        slots = slots_of(self.spec)
        forbidden = None if slots is None else ~slots.to(x.device)
        masks = (
            None
            if self.spec.grammar is None or slots is not None
            else Masks(self.spec.grammar, barrier, self.spec.end)
        )
        cut = (x[:, 0] != self.spec.begin).tolist()
        gaps = (
            [Gaps(masks, *one) for one in zip(keep.tolist(), cut, strict=True)]
            if masks is not None
            else []
        )
        taken = slice(0, first + 1)
        for index in range(first, steps):
            own, wanted = read[:, taken], order[:, taken]
            mask = causal_mask(first + 1, first + 1, x.device) if index == first else None
            h = self.network(
                x.gather(1, own),
                [],
                vector,
                self.network.rotary(own, wanted),
                mask,
                self.network.aim(wanted, own),
                memory,
            )
            memory.grow(own.shape[1])
            target = order[:, index : index + 1]
            if gaps:
                barrier = torch.stack(
                    [
                        gap.barrier(row, int(at))
                        for gap, row, at in zip(gaps, x, target, strict=True)
                    ]
                )
            logits = self.network.logits(h[:, -1]) + barrier.to(x.device)
            if forbidden is not None:
                logits.masked_fill_(forbidden[(target[:, 0] - 1) % self.spec.period], -torch.inf)
            drawn = logits.argmax(-1, keepdim=True)
            if temperature > 0:
                drawn = draw((logits / temperature).softmax(-1), uniforms[:, index : index + 1])
            x.scatter_(1, target, torch.where(keep.gather(1, target), x.gather(1, target), drawn))
            taken = slice(index + 1, index + 2)
        return x

    @torch.inference_mode()
    def predict(self, x: Tensor, place: int, cond: dict[str, Any]) -> Tensor:
        """(B, V) float32 log-probabilities of the token at `place` (1 .. T - 1) of rows x (B, T),
        given all others; what stands there does not matter. Raises AbilityError for a model that
        reads from left to right only.
        """
        if self.config.order != "any":
            raise AbilityError(
                say("this run reads from left to right only"),
                where="family.order=left",
                fix=say("train with family.order=any"),
            )
        steps = x.shape[1] - 1
        others = [one for one in range(1, steps + 1) if one != place]
        order = torch.tensor([*others, place], device=x.device).expand(len(x), -1)
        with self.evaluating():
            ordered = self._ordered(Batch(x), order)
            h = self.network(
                ordered.tokens,
                [],
                self._vector(cond, len(x)),
                ordered.rotation,
                ordered.mask,
                ordered.aim,
            )
            logits = self._without_begin(self.network.logits(h[:, -1:]))
            logits = self._lawful(logits, x, order[:, -1:])
            return logits[:, 0].log_softmax(-1)

    @torch.inference_mode()
    def attention(self, x: Tensor) -> list[Tensor]:
        """Attention weights (B, heads, T, T) of each layer for rows x (B, T), read from left to
        right; row t looks at columns up to t. Raises SpecError for rows longer than the context.
        """
        if x.shape[1] > self.spec.length:
            raise SpecError(
                say("the text is longer than the context"),
                where=say(
                    "{0} against {1}",
                    plural("{0} token", "{0} tokens", x.shape[1]),
                    self.spec.length,
                ),
                fix=say("cut it"),
            )
        vector = self._vector({}, len(x))
        rotation = self._turned(slice(0, x.shape[1]), slice(1, x.shape[1] + 1))
        place = torch.arange(x.shape[1], device=x.device)
        h = self.network.embed(x, self._ngrams(x, None), vector, self.network.aim(place + 1, place))
        mask, maps = causal_mask(x.shape[1], x.shape[1], x.device), []
        for block in self.network.blocks:
            maps.append(block.attention.weights(block.attention_norm(h), rotation, mask))
            h = block(h, rotation, mask)
        return maps

    def graphs(self) -> dict[str, Graph]:
        """One step of logits with its memory."""
        return {"step": step_graph(self.network, self.spec)}


def _check(config: ArConfig, spec: Tokens, conditions: dict[str, Condition]) -> None:
    if config.width % (2 * config.heads):
        raise RecipeError(
            say("each head needs an even number of channels"),
            where=f"family.width={config.width} family.heads={config.heads}",
        )
    if config.heads % (config.kv_heads or config.heads):
        raise RecipeError(
            say("kv_heads must divide heads"),
            where=f"family.heads={config.heads} family.kv_heads={config.kv_heads}",
        )
    if config.order == "any" and (config.ngrams or config.counts):
        raise RecipeError(
            say("n-grams and counts read from left to right"),
            where="family.order=any",
            fix=say("leave family.ngrams and family.counts out"),
        )
    if config.counts and hasattr(spec.grammar, "along"):
        # their share of what is forbidden would be lost, and the mixture be no distribution
        raise RecipeError(
            say("counts know nothing of what the form forbids"),
            where="family.counts",
            fix=say("leave family.counts out"),
        )
    if any(size < 2 or size > LONGEST for size in config.ngrams):
        raise RecipeError(
            say("n-gram sizes lie between 2 and {0}", LONGEST),
            where=f"family.ngrams={list(config.ngrams)}",
        )
    for name, condition in conditions.items():
        if not isinstance(condition, Classes | Words):
            raise SpecError(
                say("'ar' can be told classes and texts only"),
                where=say("condition '{0}'", name),
                fix=say("data.conditional=false, or another family"),
            )
