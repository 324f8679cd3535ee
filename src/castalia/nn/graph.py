"""A trained network as a function of named tensors: what export writes, whatever the family.

A graph has no generator, no options and no loop. Its noise comes in as tensors, which the caller
draws, and may scale: that is the temperature. What a class is called, and what a tensor holds,
stands beside the tensor's name. Formats and files are in export/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from castalia.errors import AbilityError
from castalia.nn.condition_embedding import ConditionEmbedding, is_vector
from castalia.nn.counter_random import Noise
from castalia.nn.gaussian_latent import Posterior
from castalia.sentences import say
from castalia.spec import Classes, Dense, Words

Kind: TypeAlias = Noise | Literal["class", "token", "data", "memory"]


@dataclass(frozen=True)
class Port:
    """A tensor that goes into a graph: float32; int64 where it holds classes or tokens. For kinds
    of noise see nn/counter_random.py.

    shape   its sizes. An axis that varies has a name instead, which all ports share; "rows" is
            always the first.
    about    what it is, for people.
    below   class and token: the numbers lie in [0, below).
    labels  class: what the first of them are called.
    """

    name: str
    shape: tuple[int | str, ...]
    kind: Kind
    about: str
    below: int = 0
    labels: tuple[str, ...] = ()

    def draw(self, sizes: Mapping[str, int], rng: torch.Generator) -> Tensor:
        """Values of this kind with these sizes of the axes that vary, to try the graph with."""
        shape = [sizes[side] if isinstance(side, str) else side for side in self.shape]
        match self.kind:
            case "class" | "token":
                return torch.randint(0, self.below, shape, generator=rng)
            case "uniform":
                return torch.rand(shape, generator=rng)
            case _:
                return torch.randn(shape, generator=rng).clamp(-3, 3)


@dataclass(frozen=True)
class Graph:
    """module(*inputs), in evaluation mode, gives one tensor for each of `outputs` (name -> what it
    is), in a tuple, a row for each row.

    axes  least and most of every axis that varies beside "rows"; together they may be at most
          `room`, if that is not None.
    An input past_x is the memory that the output present_x of the call before becomes.
    """

    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: Mapping[str, str]
    axes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    room: int | None = None

    def draw(self, sizes: Mapping[str, int], rng: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs to try the graph with, e.g. draw({"rows": 2}, rng)."""
        return tuple(port.draw(sizes, rng) for port in self.inputs)


def condition_ports(embedding: ConditionEmbedding, *, droppable: bool = True) -> tuple[Port, ...]:
    """A port for each condition that moves the embedding's vector. droppable: the number after the
    last class means "none of them".
    """
    ports = []
    for name, condition in embedding.conditions.items():
        match condition:
            case Classes(names=names):
                about = f"the class of each row: 0 to {len(names) - 1}" + (
                    f", or {len(names)} for none" if droppable else ""
                )
                ports.append(Port(name, ("rows",), "class", about, len(names) + droppable, names))
            case Words():
                raise AbilityError(
                    say("a model that is told texts cannot be exported as a graph yet"),
                    where=say("condition '{0}'", name),
                    fix="castalia export RUN --to safetensors DIR",
                )
            case Dense(shape=shape) if is_vector(condition):
                ports.append(Port(name, ("rows", *shape), "data", "the condition of each row"))
    return tuple(ports)


class ConditionVector(nn.Module):
    """Tensors in the order of `condition_ports` to the vector (B, D) that they move a network by;
    None where there are no conditions.
    """

    def __init__(self, embedding: ConditionEmbedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.names = tuple(port.name for port in condition_ports(embedding))

    def forward(self, given: tuple[Tensor, ...], rows: int) -> Tensor | None:
        cond: dict[str, Any] = dict(zip(self.names, given, strict=True))
        vector: Tensor | None = self.embedding(cond, rows).vector
        return vector


class Encoding(nn.Module):
    """(data, *conditions) -> mean and log-variance of a Gaussian posterior over latents; with the
    flow of a learned prior, the noise that it maps to that mean.
    """

    def __init__(
        self, encoder: nn.Module, embedding: ConditionEmbedding, flow: nn.Module | None
    ) -> None:
        super().__init__()
        self.encoder, self.condition, self.flow = encoder, ConditionVector(embedding), flow

    def forward(self, x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        vector = self.condition(given, x.shape[0])
        posterior = Posterior.of(self.encoder(x, vector))
        if self.flow is not None:
            return (self.flow(posterior.mean, vector)[0],)
        return posterior.mean, posterior.log_variance


def encoding(
    encoder: nn.Module,
    embedding: ConditionEmbedding,
    spec: Dense,
    flow: nn.Module | None = None,
) -> Graph:
    """The graph of an encoder: data to latent. flow: (latent, vector) -> (noise, ...), where the
    prior is learned.
    """
    low, high = spec.limits
    about = "data in the model's unit: " + (
        "zero mean, unit variance" if spec.unit == "standard" else f"{low:g} to {high:g}"
    )
    outputs = {"latent": "mean of the posterior"}
    if flow is None:
        outputs["log_variance"] = (
            "of the posterior: draws are latent + exp(log_variance / 2) * noise"
        )
    return Graph(
        Encoding(encoder, embedding, flow).eval(),
        (Port("data", ("rows", *spec.shape), "data", about), *condition_ports(embedding)),
        outputs,
    )
