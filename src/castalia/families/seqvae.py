"""A variational autoencoder of sequences: an encoder that reads a whole row, a latent, and a
decoder that writes the row token by token.

Bowman et al. 2016, arXiv:1511.06349; over bars of music it is Roberts et al. 2018,
arXiv:1803.05428. Both sides are transformers (nn/transformer.py): the encoder sees both ways and is
pooled by an attention of its own; the decoder is causal and is given the latent with each token
that it reads. A decoder so strong needs no latent, and the bound alone lets it switch the latent
off (posterior collapse). Against that: free bits (Kingma et al. 2016) on the divergence as a whole,
a cyclical weight on it (Fu et al. 2019, arXiv:1903.10145), and words that are hidden from the
decoder while the encoder learns to speak; later hidden words would only loosen the bound.

Rows are taken as they come, whatever they hold; `data.pack=false` gives each document a row of its
own. Not here: sampling rules (nn/decode.py), Gaussians (nn/gaussian_latent.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.abilities import SampleOptions
from castalia.config import DEEPEST, MOST_ROWS, MOST_STEPS, WIDEST
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.condition_embedding import ConditionEmbedding
from castalia.nn.counter_random import generator, randn_rows
from castalia.nn.decode import draw_rows
from castalia.nn.gaussian_latent import Posterior, active_units, log_prior, mutual_information
from castalia.nn.graph import Graph
from castalia.nn.incremental_step import advance
from castalia.nn.token_losses import NEVER, TINY, cross_entropy, row_blocks
from castalia.nn.transformer import Block, Memory, Rotary, Rotation, causal_mask
from castalia.sentences import plural, say
from castalia.spec import Batch, Classes, Condition, Loss, Spec, Tokens

LATENT = "latent"  # what `cond` calls a row's latent while it is written


class SeqVaeConfig(FamilyConfig):
    """The networks, the latent, and what keeps it in use."""

    width: int = Field(
        192, ge=8, le=WIDEST, description="numbers that stand for a token between layers"
    )
    depth: int = Field(3, ge=1, le=DEEPEST, description="blocks of the decoder")
    encoder_depth: int = Field(1, ge=1, le=DEEPEST, description="blocks of the encoder")
    heads: int = Field(
        6,
        ge=1,
        le=WIDEST,
        description="attention heads; each has width / heads numbers, an even count",
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="in the residual branches and the embeddings"
    )
    latent: int = Field(32, ge=1, le=WIDEST, description="numbers of the latent")
    free_bits: float = Field(
        4.8, ge=0, description="nats per row below which the divergence is not pressed further"
    )
    beta: float = Field(1.0, ge=0, description="weight of the divergence; 1 is the bound itself")
    kl_cycles: int = Field(
        4,
        ge=0,
        le=MOST_STEPS,
        description="times that this weight climbs from 0; 0: it is constant",
    )
    word_dropout: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the tokens that training hides from the decoder at first; none from "
        "its middle on",
    )
    importance: int = Field(32, ge=1, le=MOST_ROWS, description="draws per row in `nats`")


class SeqVae(Family):
    """Samples, Encodes, Generates, Scores, Decodes. The latent is (B, latent), standard normal
    under the prior.
    """

    name = "seqvae"
    accepts = (Tokens,)
    Config = SeqVaeConfig
    exact = False  # importance sampling bounds the nats from above, on average
    config: SeqVaeConfig
    spec: Tokens

    def __init__(self, config: SeqVaeConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        if config.width % (2 * config.heads):
            where = f"family.width={config.width} family.heads={config.heads}"
            raise RecipeError(say("each head needs an even number of channels"), where=where)
        for name, condition in conditions.items():
            if not isinstance(condition, Classes):
                raise SpecError(
                    say("'seqvae' can be told classes only"),
                    where=say("condition '{0}'", name),
                    fix="data.conditional=false",
                )
        self.encoder = Encoder(config, self.spec, conditions)
        self.decoder = Decoder(config, self.spec, conditions)
        # of the divergence; share of hidden words: set by `schedule`
        self.weight_now, self.hidden_now = 1.0, 0.0

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("encoder", "decoder")),)

    def schedule(self, step: int, steps: int) -> None:
        """Each cycle climbs over its first half and stays (Fu et al. 2019, eq. 6 with R = 0.5); the
        last one ends at the full weight.
        """
        if self.config.kl_cycles:
            progress = step * self.config.kl_cycles / steps % 1.0
            self.weight_now = min(1.0, 2 * progress)
        self.hidden_now = self.config.word_dropout * max(0.0, 1 - 2 * step / steps)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Nats per coded token. Parts, per row: nelbo = reconstruction + kl, always the plain
        bound; nats: the bound per coded token.
        """
        if phase != "main":
            raise SpecError(
                say("'seqvae' has no phase '{0}'", phase),
                where="forward(batch, phase)",
                fix=say("use 'main'"),
            )
        self.check(batch)
        posterior = self.encoder(batch.x, batch.cond)
        z = posterior.draw(torch.randn_like(posterior.mean))
        read = batch.x[:, :-1]
        if self.training and self.hidden_now:
            hidden = torch.rand(read.shape, device=read.device) < self.hidden_now
            hidden[:, 0] = False
            read = read.masked_fill(hidden, self.spec.begin)
        weight = batch.weights(self.spec.begin)
        losses = self._cross_entropy(read, batch.x[:, 1:], z, batch.cond)
        reconstruction, kl = (losses * weight).sum(1).mean(), posterior.divergence().sum(1).mean()
        pressed = kl.clamp_min(self.config.free_bits)
        coded = weight.sum(1).mean().clamp_min(TINY)
        beta = self.config.beta * (self.weight_now if self.training else 1.0)
        total = (reconstruction + beta * pressed) / coded
        nelbo = reconstruction + kl
        parts = {"nelbo": nelbo, "reconstruction": reconstruction, "kl": kl, "nats": nelbo / coded}
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    # Likelihood

    @torch.no_grad()
    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) upper bound (on average) on the negative log-likelihood of each row, by `importance`
        draws (Burda et al. 2016, eq. 8).

        Without `rngs` the noise is a function of the row number.
        """
        weights = self._draws(batch, self.config.importance, rngs)
        return math.log(self.config.importance) - weights.logsumexp(0)

    @torch.no_grad()
    def nelbo(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) negative evidence lower bound: one draw, the divergence in closed form."""
        with self.evaluating():
            posterior = self.encoder(batch.x, batch.cond)
            z = posterior.draw(
                randn_rows(rngs or _by_row(len(batch.x)), self.config.latent, device=batch.x.device)
            )
            return self._reconstruction(batch, z) + posterior.divergence().sum(1)

    def _draws(self, batch: Batch, count: int, rngs: Sequence[torch.Generator] | None) -> Tensor:
        """(count, B) of log p(x | z) + log p(z) - log q(z | x), in evaluation mode."""
        self.check(batch)
        with self.evaluating():
            posterior = self.encoder(batch.x, batch.cond)
            noise = randn_rows(
                rngs or _by_row(len(batch.x)), count, self.config.latent, device=batch.x.device
            ).transpose(0, 1)
            z = posterior.draw(noise)
            ratio = (log_prior(z) - posterior.log_density(z)).sum(2)
            return ratio - torch.stack([self._reconstruction(batch, one) for one in z])

    def _reconstruction(self, batch: Batch, z: Tensor) -> Tensor:
        """(B,) -log p(x | z) of the coded tokens."""
        weight = batch._replace(weight=None).weights(self.spec.begin)
        nats = []
        for part in row_blocks(batch.x, self.spec.vocab):
            own = batch.rows(part)
            nats.append(
                (
                    self._cross_entropy(own.x[:, :-1], own.x[:, 1:], z[part], own.cond)
                    * weight[part]
                ).sum(1)
            )
        return torch.cat(nats)

    def _cross_entropy(
        self, read: Tensor, targets: Tensor, z: Tensor, cond: dict[str, Any]
    ) -> Tensor:
        """(B, T) nats of the targets."""
        return cross_entropy(
            self._next(self.decoder(read, self.decoder.condition(z, cond))), targets
        )

    @torch.no_grad()
    def report(self, batch: Batch) -> dict[str, float]:
        """Facts about held-out rows (two or more): per row nelbo, nats, kl and mutual information
        in nats; active units; accuracy: the share of coded tokens that come first when the decoder
        reads the true ones before them.
        """
        with self.evaluating():
            posterior = self.encoder(batch.x, batch.cond)
            logits = self._next(
                self.decoder(batch.x[:, :-1], self.decoder.condition(posterior.mean, batch.cond))
            )
            weight = batch._replace(weight=None).weights(self.spec.begin)
            z = posterior.draw(
                randn_rows(_by_row(len(batch.x)), self.config.latent, device=batch.x.device)
            )
            return {
                "nelbo": float(self.nelbo(batch).mean()),
                "nats": float(self.nats(batch).mean()),
                "kl": float(posterior.divergence().sum(1).mean()),
                "mutual_information": mutual_information(posterior, z),
                "active_units": float(active_units(posterior.mean)),
                "latent": float(self.config.latent),
                "accuracy": float(
                    ((logits.argmax(-1) == batch.x[:, 1:]) * weight).sum() / weight.sum()
                ),
            }

    # Latents

    @torch.no_grad()
    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """x (B, T) -> (B, latent): the posterior's mean, or one draw per row."""
        self.check(Batch(x))
        posterior = self.encoder(x, cond)
        return (
            posterior.mean
            if rngs is None
            else posterior.draw(randn_rows(rngs, self.config.latent, device=x.device))
        )

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """z (B, latent) -> (B, length + 1): the likeliest next token again and again, `begin` as
        filling.
        """
        # decide nothing at temperature 0
        rngs = [generator("likeliest", row) for row in range(len(z))]
        return draw_rows(
            self,
            self.spec,
            rngs,
            {**cond, LATENT: z.to(self.device)},
            SampleOptions(temperature=0.0),
            self.device,
        )

    def drawn(self, rng: torch.Generator) -> dict[str, Tensor]:
        """What a row draws before its first token, as `cond` for `prefill`: its latent, (1,
        latent).
        """
        return {LATENT: torch.randn(1, self.config.latent, generator=rng).to(self.device)}

    # Token by token

    @torch.inference_mode()
    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Memory]:
        """cond["latent"] (B, latent): what the rows are about; the prior's mean where it is not
        given.
        """
        rows, steps = ids.shape
        if steps > self.spec.length:
            raise SpecError(
                say("the prompt is longer than the context"),
                where=say(
                    "{0} against {1}", plural("{0} token", "{0} tokens", steps), self.spec.length
                ),
                fix=say("cut it"),
            )
        config, like = self.config, self.decoder.embedding.weight
        memory = Memory.empty(
            config.depth,
            rows,
            config.heads,
            self.spec.length,
            config.width // config.heads,
            like,
            0,
        )
        z = cond.get(LATENT)
        z = torch.zeros(rows, config.latent, device=ids.device) if z is None else z
        memory.condition = self.decoder.condition(z, cond)
        h = self.decoder(ids, memory.condition, memory)
        lengths = mask.sum(1)
        memory.grow(lengths)
        return self._next(h[torch.arange(rows, device=ids.device), lengths - 1]), memory

    @torch.inference_mode()
    def step(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        decoder = self.decoder
        h = F.embedding(tokens, decoder.embedding.weight) + memory.condition
        h = advance(h, decoder.blocks, decoder.norm.weight, decoder.rotary, memory)
        memory.grow(1)
        return self._next(h), memory

    def _next(self, h: Tensor) -> Tensor:
        """(..., width) -> logits (..., V) of what comes next: no `begin`, which no
        document holds.
        """
        logits = self.decoder.logits(h)
        logits[..., self.spec.begin] = NEVER
        return logits

    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), length + 1) int64: `begin`, the document, `begin` as filling."""
        return draw_rows(self, self.spec, rngs, cond, options, self.device)

    def graphs(self) -> dict[str, Graph]:
        raise AbilityError(
            say("a 'seqvae' model has no graph to export"),
            where="Family.graphs",
            fix="castalia export RUN --to safetensors",
        )


class Encoder(nn.Module):
    """Rows (B, T) to a posterior over (B, latent): blocks that see both ways, then a weighted mean
    of what stands behind them.
    """

    def __init__(
        self, config: SeqVaeConfig, spec: Tokens, conditions: dict[str, Condition]
    ) -> None:
        super().__init__()
        self.begin, self.dropout = spec.begin, config.dropout
        self.embedding = _embedding(spec.vocab, config.width)
        self.conditions = ConditionEmbedding(conditions, config.width)
        self.blocks = _blocks(config, config.encoder_depth)
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.score = nn.Linear(config.width, config.heads)
        self.out = nn.Linear(config.heads * config.width, 2 * config.latent)
        self.out.is_head = True  # type: ignore[assignment] - Muon leaves it to AdamW
        nn.init.normal_(self.out.weight, std=0.02)
        self.rotary = Rotary(config.width // config.heads, spec.length + 1, 10_000.0)

    def forward(self, x: Tensor, cond: dict[str, Any]) -> Posterior:
        real = x != self.begin
        real[:, 0] = True  # context, and never nothing
        h = self.embedding(x)
        condition = self.conditions(cond, len(x), x.device).vector
        h = h if condition is None else h + condition[:, None]
        h = F.dropout(h, self.dropout, self.training)
        mask = (
            torch.zeros(real.shape, device=x.device)
            .masked_fill_(~real, float("-inf"))[:, None, None]
            .expand(-1, 1, x.shape[1], -1)
        )
        rotation = self.rotary(slice(0, x.shape[1]))
        for block in self.blocks:
            h = block(h, rotation, mask)
        h = self.norm(h)
        # (B, T, heads)
        weights = self.score(h).float().masked_fill(~real[..., None], float("-inf")).softmax(1)
        pooled = torch.einsum("bth,btw->bhw", weights, h.float()).flatten(1)
        return Posterior.of(self.out(pooled).float())


class Decoder(nn.Module):
    """Tokens (B, T) and a vector a row (latent and classes) to the hidden states of logits."""

    def __init__(
        self, config: SeqVaeConfig, spec: Tokens, conditions: dict[str, Condition]
    ) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.embedding = _embedding(spec.vocab, config.width)
        self.conditions = ConditionEmbedding(conditions, config.width)
        self.of_latent = nn.Linear(config.latent, config.width)
        self.of_latent.is_head = True  # type: ignore[assignment] - Muon leaves it to AdamW
        # as loud as a token, not louder
        nn.init.normal_(self.of_latent.weight, std=0.02 * config.latent**-0.5)
        nn.init.zeros_(self.of_latent.bias)
        self.blocks = _blocks(config, config.depth)
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.rotary = Rotary(config.width // config.heads, spec.length, 10_000.0)

    def condition(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, width) that is added to every token of a row: its latent, and its classes."""
        latent: Tensor = self.of_latent(z).float()
        classes = self.conditions(cond, len(z), z.device).vector
        return latent if classes is None else latent + classes

    def forward(self, tokens: Tensor, condition: Tensor, memory: Memory | None = None) -> Tensor:
        """(B, T, width) after the last norm."""
        steps = tokens.shape[1]
        h = F.dropout(self.embedding(tokens) + condition[:, None], self.dropout, self.training)
        rotation: Rotation = self.rotary(slice(0, steps))
        mask = causal_mask(steps, steps, tokens.device)
        for index, block in enumerate(self.blocks):
            h = block(h, rotation, mask, None if memory is None else memory.layers[index])
        out: Tensor = self.norm(h)
        return out

    def logits(self, h: Tensor) -> Tensor:
        """(..., width) -> (..., V) float32; the matrix is that of the embeddings."""
        return F.linear(h, self.embedding.weight).float()


def _embedding(vocab: int, width: int) -> nn.Embedding:
    table = nn.Embedding(vocab, width)
    nn.init.normal_(table.weight, std=0.02)
    return table


def _blocks(config: SeqVaeConfig, depth: int) -> nn.ModuleList:
    width, heads = config.width, config.heads
    blocks = nn.ModuleList(
        Block(width, heads, heads, width // heads, 32 * round(width / 12), "swiglu", config.dropout)
        for _ in range(depth)
    )
    for block in blocks:
        for layer in (block.attention.qkv, block.feed_forward.into):
            nn.init.normal_(layer.weight, std=width**-0.5)
    return blocks


def _by_row(rows: int) -> list[torch.Generator]:
    return [generator("nats", row) for row in range(rows)]
