"""A causal language model that others trained, as `transformers` loads it, to be fine-tuned and used by the same verbs as our own.

The base (bases.py) is named by its digest and lies once in the cache. Fully fine-tuned, a checkpoint holds all weights; with `training.adapt` (LoRA, Hu et
al. 2021, nn/lora.py) it holds the pairs alone, and the run is read together with its base. Packed documents do not attend to one another, and
positions count from each document's begin. Likelihoods are exact: the distribution is the model's own over the tokenizer's tokens without `begin`.

Not here: sampling rules (nn/decode.py), tokenizers and chat templates (codecs), how a base is read (bases.py).
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

from castalia import bases
from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.decode import draw_rows
from castalia.nn.graph import Graph
from castalia.nn.lora import LoraLinear
from castalia.spec import Batch, Condition, Loss, Spec, Tokens

LOGITS_AT_ONCE = 2**25  # numbers; rows of `nats` are cut into chunks below this
NEVER = -1e4  # a logit whose probability is zero
TINY = 1e-9


class PretrainedConfig(FamilyConfig):
    """Which model. Everything else is the model's own."""

    base: str | None = Field(None, description="digest of the model in the cache; start_from=FOLDER, FILE.gguf or smollm2 finds it")
    source: str | None = Field(None, description="how it was called then, for whoever lacks it")


class Pretrained(Family):
    """One phase, "main". Accepts the tokens of the base's own tokenizer."""

    name = "pretrained"
    accepts = (Tokens,)
    Config = PretrainedConfig
    exact = True
    config: PretrainedConfig
    spec: Tokens

    def __init__(self, config: PretrainedConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        if config.base is None:
            raise SpecError("no model is named to start from", "family.base", "start_from=FOLDER, FILE.gguf or smollm2")
        if conditions:
            raise SpecError("'pretrained' can be told nothing but text", f"condition '{next(iter(conditions))}'", "data.conditional=false")
        self.network = bases.network(bases.find(config.base, config.source))
        settings = self.network.config.get_text_config()
        self.known = int(settings.vocab_size)
        most = getattr(settings, "max_position_embeddings", None)
        if most is not None and self.spec.length > most:
            raise SpecError("the context is longer than the model's", f"codec.length={self.spec.length}", f"codec.length={most} or less")
        if self.spec.end is not None and self.spec.end >= self.known:
            raise SpecError("the model has no token that ends a text", "codec.close=true", "codec.close=false")
        if self.spec.vocab > max(self.known, self.spec.begin + 1) + 2:  # tokens of roles, which stand behind all others
            raise SpecError(
                "the model has no chat template to learn conversations by", "codec.chat", "an Instruct or Chat model; or codec.chat=false"
            )
        head = self.network.get_output_embeddings()
        if head is not None:
            head.is_head = True  # nn/lora.py and Muon leave it alone
        # A `begin` that the tokenizer did not have is read as what stood between documents when the base was trained.
        self.opening = self.spec.begin if self.spec.begin < self.known else self.spec.end if self.spec.end is not None else 0
        # transformers calls it `cache` since 5.30
        self.remembers = "cache" if "cache" in inspect.signature(self.network.forward).parameters else "past_key_values"
        self.as_base = True  # the weights, pairs of low rank aside, are the base's

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("network",)),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Mean nats of a coded token, weighted by batch.weight. Parts: nats."""
        if phase != "main":
            raise SpecError(f"'pretrained' has no phase '{phase}'", where="forward(batch, phase)", fix="use 'main'")
        self.check(batch)
        nats, weight = self._nats(batch), self._weight(batch)
        total = (nats * weight).sum() / weight.sum().clamp_min(TINY)
        return Loss(total, {"nats": total.detach()})

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) exact negative log-likelihood of each row's coded tokens, times `batch.weight` where there is one."""
        return (self.token_nats(batch) * self._weight(batch)).sum(1)

    @torch.no_grad()
    def token_nats(self, batch: Batch) -> Tensor:
        """(B, T - 1) float32 nats of x[:, 1:], coded or not, in evaluation mode."""
        self.check(batch)
        rows = max(1, LOGITS_AT_ONCE // (batch.x.shape[1] * self.spec.vocab))
        training = self.training
        self.eval()
        try:
            parts = [slice(at, at + rows) for at in range(0, len(batch.x), rows)]
            segment = batch.segment
            return torch.cat([self._nats(Batch(batch.x[part], segment=None if segment is None else segment[part])) for part in parts])
        finally:
            self.train(training)

    def token_loss(self, batch: Batch) -> Tensor:
        self.check(batch)
        return self._nats(batch)

    def _nats(self, batch: Batch) -> Tensor:
        tokens, targets = batch.x[:, :-1], batch.x[:, 1:]
        told = {} if batch.segment is None else _apart(batch.segment[:, :-1])
        logits = self._known(self.network(input_ids=self._read(tokens), use_cache=False, **told).logits)
        targets = targets.masked_fill(targets == self.spec.begin, 0)  # never coded; `begin` may be no token of the model
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)

    def _read(self, tokens: Tensor) -> Tensor:
        return tokens.masked_fill(tokens == self.spec.begin, self.opening)

    def _known(self, logits: Tensor) -> Tensor:
        """(..., known) -> float32 logits of the tokens that the model and the tokenizer both know; `begin` is never predicted."""
        logits = logits[..., : self.spec.vocab].float()
        if self.spec.begin < self.known:
            logits[..., self.spec.begin] = NEVER
        return logits

    def _logits(self, logits: Tensor) -> Tensor:
        """(B, known) -> (B, vocab) float32."""
        return F.pad(self._known(logits), (0, max(0, self.spec.vocab - self.known)), value=NEVER)

    def _weight(self, batch: Batch) -> Tensor:
        """(B, T - 1) float32 weights of the targets: zero where nothing is coded."""
        weight = (batch.x != self.spec.begin).float()
        for given in (batch.mask, batch.weight):
            weight = weight if given is None else weight * given
        return weight[:, 1:]

    # Token by token

    @torch.inference_mode()
    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Recall]:
        if ids.shape[1] > self.spec.length:
            raise SpecError("the prompt is longer than the context", f"{ids.shape[1]} tokens against {self.spec.length}", "cut it")
        lengths = mask.sum(1)
        found = self.network(
            input_ids=self._read(ids), use_cache=True
        )  # what fills a row up stands behind its own tokens, which do not see it
        logits = found.logits[torch.arange(len(ids), device=ids.device), lengths - 1]
        return self._logits(logits), Recall(*self._remembered(found), mask, lengths)

    @torch.inference_mode()
    def step(self, tokens: Tensor, state: Recall) -> tuple[Tensor, Recall]:
        cache = bases.library().DynamicCache()
        for layer, (keys, values) in enumerate(zip(state.keys, state.values, strict=True)):
            cache.update(keys, values, layer)
        seen = F.pad(state.seen, (0, 1), value=True)
        found = self.network(
            input_ids=self._read(tokens)[:, None],
            attention_mask=seen[:, None, None, :],
            position_ids=state.lengths[:, None],
            use_cache=True,
            **{self.remembers: cache},
        )
        return self._logits(found.logits[:, -1]), Recall(*self._remembered(found), seen, state.lengths + 1)

    def _remembered(self, found: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and values of each layer in what the network gave back."""
        layers = getattr(found, self.remembers).layers
        return [layer.keys for layer in layers], [layer.values for layer in layers]

    def sample(self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions) -> Tensor:
        """(len(rngs), length + 1) int64: `begin`, the document, `begin` as filling."""
        return draw_rows(self, self.spec, rngs, cond, options, self.device)

    def graphs(self) -> dict[str, Graph]:
        raise AbilityError(
            "a model of others is written by its own library", where="Family.graphs", fix="castalia export RUN --to transformers"
        )

    # Checkpoints

    def _pairs(self) -> set[str]:
        """Names of the pairs of low rank; none in a model that is not adapted."""
        found = [name for name, module in self.named_modules() if isinstance(module, LoraLinear)]
        return {f"{name}.{side}" for name in found for side in ("a", "b")}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Tied matrices once; of an adapted base the pairs alone."""
        found: dict[str, Any] = super().state_dict(*args, **kwargs)
        pairs = self._pairs()
        own = {name for name, _ in self.named_parameters()} | {name for name, _ in self.named_buffers()}
        names = pairs if pairs and self.as_base else own
        return {name: value for name, value in found.items() if name in names}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """What `state_dict` gave. Raises RuntimeError where something is missing that the base does not have, or does not belong here."""
        wanted = set(self.state_dict())
        rest = {name: value for name, value in super().state_dict().items() if name not in wanted}  # the base's own, and tied matrices
        self.as_base = self.as_base and set(state_dict) <= self._pairs()
        return super().load_state_dict({**rest, **state_dict}, strict=True, assign=assign)

    def check(self, batch: Batch) -> None:
        x = batch.x
        if x.ndim != 2 or not 2 <= x.shape[1] <= self.spec.length + 1:
            raise SpecError(
                "the batch has another shape than the model", where=f"{tuple(x.shape)} against (rows, 2 to {self.spec.length + 1})"
            )
        if x.dtype != torch.int64 or int(x.min()) < 0 or int(x.max()) >= self.spec.vocab:
            raise SpecError("tokens must be int64 below the vocabulary's size", where=f"{x.dtype}, {int(x.max())} of {self.spec.vocab}")


@dataclass(frozen=True)
class Recall:
    """Keys and values (B, heads, S, D) of each layer, and which of the S columns are a row's own: seen (B, S) bool. lengths (B,)."""

    keys: list[Tensor]
    values: list[Tensor]
    seen: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> Recall:
        kept = Recall([each[rows] for each in self.keys], [each[rows] for each in self.values], self.seen[rows], self.lengths[rows])
        return kept._close()

    def join(self, other: Recall) -> Recall:
        width = max(self.seen.shape[1], other.seen.shape[1])
        one, two = self._wide(width), other._wide(width)
        keys = [torch.cat(pair) for pair in zip(one.keys, two.keys, strict=True)]
        values = [torch.cat(pair) for pair in zip(one.values, two.values, strict=True)]
        return Recall(keys, values, torch.cat([one.seen, two.seen]), torch.cat([one.lengths, two.lengths]))._close()

    def _wide(self, width: int) -> Recall:
        more = width - self.seen.shape[1]
        keys, values = ([F.pad(each, (0, 0, 0, more)) for each in part] for part in (self.keys, self.values))
        return Recall(keys, values, F.pad(self.seen, (0, more), value=False), self.lengths)

    def _close(self) -> Recall:
        """Without the columns that no row needs: each row's own to the left, in their order."""
        width = int(self.lengths.max()) if len(self.lengths) else 0
        if width == self.seen.shape[1]:
            return self
        places = (~self.seen).to(torch.uint8).argsort(dim=1, stable=True)[:, :width]

        def close(each: Tensor) -> Tensor:
            return each.gather(2, places[:, None, :, None].expand(-1, each.shape[1], -1, each.shape[3]))

        return Recall(list(map(close, self.keys)), list(map(close, self.values)), self.seen.gather(1, places), self.lengths)


def _apart(segment: Tensor) -> dict[str, Tensor]:
    """What keeps packed documents apart: segment (B, T), rising -> mask (B, 1, T, T), True where a token looks, and positions (B, T)."""
    steps = segment.shape[1]
    own = (segment[:, :, None] == segment[:, None, :]) & torch.ones(steps, steps, dtype=torch.bool, device=segment.device).tril()
    place = torch.arange(steps, device=segment.device).expand_as(segment)
    starts = F.pad(segment[:, 1:] != segment[:, :-1], (1, 0), value=True)
    return {"attention_mask": own[:, None], "position_ids": place - torch.where(starts, place, 0).cummax(1).values}
