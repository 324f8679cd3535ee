"""A pretrained causal language model, loaded by `transformers`, to be fine-tuned and used by the
same verbs as our own.

The base (pretrained_cache.py) is named by its digest and lies once in the cache. Fully fine-tuned,
a checkpoint holds all weights; with `training.adapt` (LoRA, Hu et al. 2021, nn/lora.py) it holds
the pairs alone, and the run is read together with its base. Packed documents do not attend to one
another, and positions count from each document's begin. Likelihoods are exact: the distribution is
the model's own over the tokenizer's tokens without `begin`.

Not here: sampling rules (nn/decode.py), tokenizers and chat templates (codecs), how a base is read
(pretrained_cache.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from castalia import pretrained_cache
from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.decode import draw_rows
from castalia.nn.graph import Graph
from castalia.nn.lora import LoraLinear
from castalia.nn.token_losses import NEVER, TINY, cross_entropy, row_blocks
from castalia.nn.transformer import within
from castalia.sentences import plural, say
from castalia.spec import Batch, Condition, Loss, Spec, Tokens


class PretrainedConfig(FamilyConfig):
    """Which model. Everything else is the model's own."""

    base: str | None = Field(
        None,
        description="digest of the model in the cache; start_from=FOLDER, FILE.gguf or smollm2 "
        "finds it",
    )
    source: str | None = Field(None, description="how it was called then, for whoever lacks it")


class Pretrained(Family):
    """One phase, "main". Accepts the tokens of the base's own tokenizer."""

    name = "pretrained"
    accepts = (Tokens,)
    from_files = True
    Config = PretrainedConfig
    exact = True
    config: PretrainedConfig
    spec: Tokens

    def __init__(
        self, config: PretrainedConfig, spec: Spec, conditions: dict[str, Condition]
    ) -> None:
        super().__init__(config, spec, conditions)
        if config.base is None:
            raise SpecError(
                say("no model is named to start from"),
                "family.base",
                say("start_from=FOLDER, FILE.gguf or smollm2"),
            )
        if conditions:
            raise SpecError(
                say("'pretrained' can be told nothing but text"),
                say("condition '{0}'", next(iter(conditions))),
                "data.conditional=false",
            )
        self.network = pretrained_cache.network(pretrained_cache.find(config.base, config.source))
        settings = self.network.config.get_text_config()
        self.known = int(settings.vocab_size)
        most = getattr(settings, "max_position_embeddings", None)
        if most is not None and self.spec.length > most:
            raise SpecError(
                say("the context is longer than the model's"),
                f"codec.length={self.spec.length}",
                say("codec.length={0} or less", most),
            )
        if self.spec.end is not None and self.spec.end >= self.known:
            raise SpecError(
                say("the model has no token that ends a text"),
                "codec.close=true",
                "codec.close=false",
            )
        # tokens of roles, which stand behind all others
        if self.spec.vocab > max(self.known, self.spec.begin + 1) + 2:
            raise SpecError(
                say("the model has no chat template to learn conversations by"),
                "codec.chat",
                say("an Instruct or Chat model; or codec.chat=false"),
            )
        head = self.network.get_output_embeddings()
        if head is not None:
            head.is_head = True  # nn/lora.py and Muon leave it alone
        # A `begin` that the tokenizer did not have is read as what stood between documents when the
        # base was trained.
        self.opening = (
            self.spec.begin
            if self.spec.begin < self.known
            else self.spec.end
            if self.spec.end is not None
            else 0
        )
        # whole keys and values of every layer, also of models that attend within windows
        self.memory = pretrained_cache.library().DynamicCache
        # transformers calls it `cache` since 5.30
        self.remembers = (
            "cache"
            if "cache" in inspect.signature(self.network.forward).parameters
            else "past_key_values"
        )
        self.as_base = True  # the weights, pairs of low rank aside, are the base's

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("network",)),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Mean nats of a coded token, weighted by batch.weight. Parts: nats."""
        if phase != "main":
            raise SpecError(
                say("'pretrained' has no phase '{0}'", phase),
                where="forward(batch, phase)",
                fix=say("use 'main'"),
            )
        self.check(batch)
        nats, weight = self._nats(batch), batch.weights(self.spec.begin)
        total = (nats * weight).sum() / weight.sum().clamp_min(TINY)
        return Loss(total, {"nats": total.detach()})

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) exact negative log-likelihood of each row's coded tokens, times `batch.weight` where
        there is one.
        """
        return (self.token_nats(batch) * batch.weights(self.spec.begin)).sum(1)

    @torch.no_grad()
    def token_nats(self, batch: Batch) -> Tensor:
        """(B, T - 1) float32 nats of x[:, 1:], coded or not, in evaluation mode."""
        self.check(batch)
        with self.evaluating():
            return torch.cat(
                [self._nats(batch.rows(part)) for part in row_blocks(batch.x, self.spec.vocab)]
            )

    def token_loss(self, batch: Batch) -> Tensor:
        self.check(batch)
        return self._nats(batch)

    def _nats(self, batch: Batch) -> Tensor:
        tokens, targets = batch.x[:, :-1], batch.x[:, 1:]
        segments = {} if batch.segment is None else _apart(batch.segment[:, :-1])
        logits = self._known(
            self.network(input_ids=self._read(tokens), use_cache=False, **segments).logits
        )
        # never coded; `begin` may be no token of the model
        targets = targets.masked_fill(targets == self.spec.begin, 0)
        return cross_entropy(logits, targets)

    def _read(self, tokens: Tensor) -> Tensor:
        return tokens.masked_fill(tokens == self.spec.begin, self.opening)

    def _known(self, logits: Tensor) -> Tensor:
        """(..., known) -> float32 logits of the tokens that the model and the tokenizer both know;
        `begin` is never predicted.
        """
        logits = logits[..., : self.spec.vocab].float()
        if self.spec.begin < self.known:
            logits[..., self.spec.begin] = NEVER
        return logits

    def _logits(self, logits: Tensor) -> Tensor:
        """(B, known) -> (B, vocab) float32."""
        return F.pad(self._known(logits), (0, max(0, self.spec.vocab - self.known)), value=NEVER)

    # Token by token

    @torch.inference_mode()
    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Recall]:
        if ids.shape[1] > self.spec.length:
            raise SpecError(
                say("the prompt is longer than the context"),
                say(
                    "{0} against {1}",
                    plural("{0} token", "{0} tokens", ids.shape[1]),
                    self.spec.length,
                ),
                say("cut it"),
            )
        lengths, cache = mask.sum(1), self.memory()
        # What fills a row up stands behind its own tokens, which do not see it.
        output = self.network(input_ids=self._read(ids), use_cache=True, **{self.remembers: cache})
        logits = output.logits[torch.arange(len(ids), device=ids.device), lengths - 1]
        return self._logits(logits), Recall(cache, mask, lengths)

    @torch.inference_mode()
    def step(self, tokens: Tensor, state: Recall) -> tuple[Tensor, Recall]:
        seen = F.pad(state.seen, (0, 1), value=True)
        output = self.network(
            input_ids=self._read(tokens)[:, None],
            attention_mask=seen[:, None, None, :],
            position_ids=state.lengths[:, None],
            use_cache=True,
            **{self.remembers: state.cache},
        )
        return self._logits(output.logits[:, -1]), Recall(state.cache, seen, state.lengths + 1)

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), length + 1) int64: `begin`, the document, `begin` as filling."""
        return draw_rows(self, self.spec, rngs, cond, options, self.device)

    def graphs(self) -> dict[str, Graph]:
        raise AbilityError(
            say("a model of others is written by its own library"),
            where="Family.graphs",
            fix="castalia export RUN --to transformers",
        )

    # Checkpoints

    def _pairs(self) -> set[str]:
        """Names of the pairs of low rank; none in a model that is not adapted."""
        layers = [name for name, module in self.named_modules() if isinstance(module, LoraLinear)]
        return {f"{name}.{side}" for name in layers for side in ("a", "b")}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Tied matrices once; of an adapted base the pairs alone."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        pairs = self._pairs()
        own = {name for name, _ in self.named_parameters()} | {
            name for name, _ in self.named_buffers()
        }
        names = pairs if pairs and self.as_base else own
        return {name: value for name, value in state.items() if name in names}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """What `state_dict` gave. Raises RuntimeError where something is missing that the base does
        not have, or does not belong here.
        """
        wanted = set(self.state_dict())
        # the base's own, and tied matrices
        rest = {name: value for name, value in super().state_dict().items() if name not in wanted}
        self.as_base = self.as_base and set(state_dict) <= self._pairs()
        return super().load_state_dict({**rest, **state_dict}, strict=True, assign=assign)


@dataclass(frozen=True)
class Recall:
    """cache: the library's own memory, keys and values (B, heads, S, D) of each layer; a step adds
    to it in place. seen (B, S) bool: which of the S columns are a row's own. lengths (B,).
    """

    cache: Any
    seen: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> Recall:
        return self._made(
            [(keys[rows], values[rows]) for keys, values in self._layers()],
            self.seen[rows],
            self.lengths[rows],
        )

    def join(self, other: Recall) -> Recall:
        width = max(self.seen.shape[1], other.seen.shape[1])
        mine, theirs = (
            [[_wide(each, width) for each in layer] for layer in one._layers()]
            for one in (self, other)
        )
        layers = [
            (torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]]))
            for a, b in zip(mine, theirs, strict=True)
        ]
        seen = torch.cat(
            [F.pad(one.seen, (0, width - one.seen.shape[1]), value=False) for one in (self, other)]
        )
        return self._made(layers, seen, torch.cat([self.lengths, other.lengths]))

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        return [(layer.keys, layer.values) for layer in self.cache.layers]

    def _made(
        self, layers: Sequence[tuple[Tensor, Tensor]], seen: Tensor, lengths: Tensor
    ) -> Recall:
        """Without the columns that no row needs: each row's own to the left, in their order."""
        width = int(lengths.max()) if len(lengths) else 0
        if width < seen.shape[1]:
            places = (~seen).to(torch.uint8).argsort(dim=1, stable=True)[:, :width]
            layers, seen = (
                [(_gathered(keys, places), _gathered(values, places)) for keys, values in layers],
                seen.gather(1, places),
            )
        cache = type(self.cache)()
        for number, (keys, values) in enumerate(layers):
            cache.update(keys, values, number)
        return Recall(cache, seen, lengths)


def _wide(each: Tensor, width: int) -> Tensor:
    """(B, heads, S, D) with columns up to `width`."""
    return F.pad(each, (0, 0, 0, width - each.shape[2]))


def _gathered(each: Tensor, places: Tensor) -> Tensor:
    """Columns (B, W) of (B, heads, S, D)."""
    return each.gather(2, places[:, None, :, None].expand(-1, each.shape[1], -1, each.shape[3]))


def _apart(segment: Tensor) -> dict[str, Tensor]:
    """What keeps packed documents apart: segment (B, T), rising -> mask (B, 1, T, T), True where a
    token looks, and positions (B, T).
    """
    place = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    starts = F.pad(segment[:, 1:] != segment[:, :-1], (1, 0), value=True)
    return {
        "attention_mask": within(segment),
        "position_ids": place - torch.where(starts, place, 0).cummax(1).values,
    }
