"""Random generators seeded by counters: the same numbers give the same noise, whatever happened
before.

So a run resumes bit-exactly without saving any generator's state (compare NVlabs/edm2, where noise
is a function of the images seen), and sample i of seed s is the same picture however many others
were asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

# Standard normal, standard logistic and standard Gumbel noise is scaled by a temperature; uniform
# noise, in [0, 1), is not.
Noise: TypeAlias = Literal["normal", "logistic", "gumbel", "uniform"]


def counter_seed(*counters: int | str) -> int:
    """A 63-bit seed from any counters and labels; different tuples give independent seeds
    (BLAKE2b).
    """
    digest = hashlib.blake2b("/".join(map(str, counters)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*counters: int | str) -> torch.Generator:
    """A CPU generator seeded by `counter_seed`. Noise is always drawn on the CPU, so that every
    device sees the same.
    """
    return torch.Generator().manual_seed(counter_seed(*counters))


def generators(seed: int, first: int, count: int) -> list[torch.Generator]:
    """One generator per sample index first .. first + count - 1."""
    return [generator("sample", seed, index) for index in range(first, first + count)]


def randn_rows(
    rngs: Sequence[torch.Generator], *shape: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(len(rngs), *shape) standard normal float32; row i from rngs[i] alone."""
    return torch.stack([torch.randn(*shape, generator=rng) for rng in rngs]).to(device)


def noise_rows(
    kind: Noise, rngs: Sequence[torch.Generator], *shape: int, device: torch.device | str = "cpu"
) -> Tensor:
    """(len(rngs), *shape) float32 noise of a kind; row i from rngs[i] alone."""
    if kind == "normal":
        return randn_rows(rngs, *shape, device=device)
    uniform = torch.stack([torch.rand(shape, generator=rng) for rng in rngs])
    match kind:
        case "logistic":
            uniform = uniform.clamp(1e-6, 1 - 1e-6).logit()
        case "gumbel":
            uniform = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
    return uniform.to(device)
