"""A model over what a trained autoencoder makes of data: its latents, or its codes.

Latent models: Rombach et al. 2022, arXiv:2112.10752; transformers over codes: Esser et al. 2021,
arXiv:2012.09841. To everybody else the pair is one model of the data: what is given to it is
compressed first, what it draws is expanded last, and the autoencoder (`coder`), whose copy is a
part of the run, never moves. Which run it is a copy of is written in run.json.

Not a family of the registry: a recipe asks for it by `codec.chain: [CODEC, RUN]`, whatever the
family is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from castalia.abilities import (
    Compresses,
    Encodes,
    Generates,
    Quantises,
    SampleOptions,
    Samples,
)
from castalia.errors import AbilityError
from castalia.families.base import Family, Phase
from castalia.nn.graph import Graph
from castalia.registry import families_that, require
from castalia.sentences import say
from castalia.spec import Batch, Dense, Loss, Spec, Tokens


def spec_between(coder: Family, family: type[Family]) -> Spec:
    """What the family is trained on: the coder's codes if it takes tokens, else its latents. Raises
    AbilityError where the coder has neither.
    """
    wants = Quantises if Tokens in family.accepts else Compresses
    if not isinstance(coder, wants):
        having = families_that(wants.__name__.lower())
        raise AbilityError(
            say("a '{0}' model makes no codes", coder.name)
            if wants is Quantises
            else say("a '{0}' model makes no latents", coder.name),
            where="codec.chain",
            fix=say("use a run of a family that can: {0}", ", ".join(having)),
        )
    return (
        coder.tokens_spec
        if isinstance(coder, Quantises) and wants is Quantises
        else coder.latent_spec
    )  # type: ignore[union-attr, return-value]


def chained(coder: Family, family: Family) -> Chained:
    """The pair as one model, which encodes, or makes data of latents, if the family does. Raises
    AbilityError for a family that draws nothing.
    """
    require(family, Samples, "sample")
    if isinstance(family, Encodes):
        return ChainedEncoder(coder, family)
    kind = ChainedGenerator if isinstance(family, Generates) else Chained
    return kind(coder, family)


class Chained(Family):
    """Samples. The family is `inner`, and its phases are the pair's."""

    name: ClassVar[str] = "chained"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)

    def __init__(self, coder: Family, inner: Family) -> None:
        nn.Module.__init__(
            self
        )  # there is no config, and no spec to refuse: both parts have theirs
        self.config, self.spec, self.conditions = inner.config, coder.spec, inner.conditions
        self.coder = coder.eval().requires_grad_(False)
        self.inner = inner

    def train(self, mode: bool = True) -> Chained:
        """The coder stays in evaluation mode."""
        super().train(mode)
        self.coder.eval()
        return self

    def phases(self) -> Sequence[Phase]:
        return [
            replace(phase, trains=tuple(f"inner.{name}" for name in phase.trains))
            for phase in self.inner.phases()
        ]

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """The loss of the family on what is between. Parts: the family's."""
        return self.inner(self._between(batch), phase)  # type: ignore[no-any-return]

    def prepare(self, batches: Iterable[Batch]) -> None:
        def between() -> Iterator[Batch]:
            for batch in batches:
                yield self._between(batch)

        self.inner.prepare(between())

    def schedule(self, step: int, steps: int) -> None:
        self.inner.schedule(step, steps)

    def refresh(self, rngs: Sequence[torch.Generator]) -> None:
        self.inner.refresh(rngs)

    @torch.no_grad()
    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape) float32 in the spec's unit; options as the family reads them."""
        sampler = require(self.inner, Samples, "sample")
        return self.expand(sampler.sample(rngs, cond, options))

    def compress(self, x: Tensor) -> Tensor:
        """(B, *shape) -> what the family sees of it."""
        coder: Any = self.coder
        return coder.to_tokens(x) if isinstance(self.inner.spec, Tokens) else coder.compress(x)  # type: ignore[no-any-return]

    def expand(self, z: Tensor) -> Tensor:
        """What the family gives -> (B, *shape)."""
        coder: Any = self.coder
        return coder.from_tokens(z) if isinstance(self.inner.spec, Tokens) else coder.expand(z)  # type: ignore[no-any-return]

    def graphs(self) -> dict[str, Graph]:
        raise AbilityError(
            say("a chain of two models cannot be exported as a graph yet"),
            where="codec.chain",
            fix="castalia export RUN --to safetensors DIR",
        )

    @torch.no_grad()
    def _between(self, batch: Batch) -> Batch:
        self.check(batch)
        return batch._replace(x=self.compress(batch.x))


class ChainedGenerator(Chained):
    """Samples, Generates. The latent is the family's."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self._latents.latent_shape
        return shape

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """Latent of the family -> (B, *shape); with gradient where coder and family have one."""
        return self.expand(self._latents.from_latent(z, cond))

    @property
    def _latents(self) -> Any:
        return self.inner


class ChainedEncoder(ChainedGenerator):
    """Samples, Encodes, Generates. The latent is the family's."""

    @torch.no_grad()
    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> the family's latent of what is between."""
        latent: Tensor = self._latents.to_latent(self.compress(x), cond, rngs)
        return latent
