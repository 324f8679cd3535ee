"""What a trained model can do. Callers ask for an ability, never for a family.

A family has an ability when it has its methods. `registry.require` turns a missing one into an AbilityError that names
the families which have it. Importing this file does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from castalia.spec import Batch, Tokens


@dataclass(frozen=True)
class SampleOptions:
    """How to sample. A family ignores what has no meaning for it.

    temperature  scale of the noise (Dense) or of the logits' inverse (Tokens); 1.0 = the model as trained.
    guidance     classifier-free guidance scale (Ho & Salimans 2022); 1.0 = off.
    steps        solver steps of iterative samplers; None = the family's default.
    """

    temperature: float = 1.0
    guidance: float = 1.0
    steps: int | None = None


@runtime_checkable
class Samples(Protocol):
    def sample(self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions) -> Tensor:
        """One row per generator, (len(rngs), *shape); row i draws its noise from rngs[i] alone."""
        ...


@runtime_checkable
class Encodes(Protocol):
    def to_latent(self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B, *shape) -> (B, ...) latent; the posterior's mean when `rngs` is None, else one draw per row."""
        ...

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """Latent -> (B, *shape)."""
        ...


@runtime_checkable
class Quantises(Protocol):
    tokens_spec: Tokens

    def to_tokens(self, x: Tensor) -> Tensor: ...

    def from_tokens(self, tokens: Tensor) -> Tensor: ...


@runtime_checkable
class Scores(Protocol):
    exact: bool  # False: `nats` is an upper bound

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) negative log-likelihood of each item in nats, of the data as stored (levels counted)."""
        ...


@runtime_checkable
class Infills(Protocol):
    def infill(self, x: Tensor, keep: Tensor, rngs: Sequence[torch.Generator], cond: dict[str, Any]) -> Tensor:
        """Fill x where `keep` is False; kept entries come back bit-identical."""
        ...


@runtime_checkable
class Decodes(Protocol):
    def prefill(self, ids: Tensor, mask: Tensor, cond: dict[str, Any]) -> tuple[Tensor, Any]: ...

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]: ...


ABILITIES: dict[str, type] = {
    "samples": Samples,
    "encodes": Encodes,
    "quantises": Quantises,
    "scores": Scores,
    "infills": Infills,
    "decodes": Decodes,
}


def abilities_of(model: object) -> tuple[str, ...]:
    """Names of the abilities that `model` has, in the order of `ABILITIES`."""
    return tuple(name for name, protocol in ABILITIES.items() if isinstance(model, protocol))
