"""Edits in the latent space of a model that encodes: interpolation between items, and variants.

Which edits these are part of: edit.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Encodes
from castalia.codecs.base import Codec
from castalia.data.stream import rows_of
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.nn.counter_random import generators, randn_rows
from castalia.registry import require
from castalia.sentences import say


@torch.inference_mode()
def interpolate(model: Family, x: Tensor, cond: dict[str, Any], *, steps: int) -> Tensor:
    """((K - 1) * (steps - 1) + 1, *shape): from each of K >= 2 items to the next, `steps` pictures
    with both ends.

    Latent means are joined by great circles (Shoemake 1985): a straight line would pass through a
    region of the prior that holds almost no mass.
    """
    encoder = require(model, Encodes, "interpolate")
    if len(x) < 2:
        raise RecipeError(
            say("interpolation needs at least two inputs"),
            where="edit interpolate",
            fix=say("name two files or more"),
        )
    z = encoder.to_latent(x, cond)
    path = [
        slerp(z[index], z[index + 1], t)
        for index in range(len(z) - 1)
        for t in torch.linspace(0, 1, steps)[:-1]
    ]
    path.append(z[-1])
    rows = {name: value[:1].repeat_interleave(len(path), dim=0) for name, value in cond.items()}
    return encoder.from_latent(torch.stack(path), rows)


@torch.inference_mode()
def vary(
    model: Family, x: Tensor, cond: dict[str, Any], *, steps: int, seed: int, strength: float
) -> Tensor:
    """(K * steps, *shape): `steps` variants of each item.

    z' = sqrt(1 - s^2) z + s * noise keeps a standard normal latent standard normal; s = 0 is the
    reconstruction, s = 1 forgets the item.
    """
    encoder = require(model, Encodes, "vary")
    z = encoder.to_latent(x, cond).repeat_interleave(steps, dim=0)
    noise = randn_rows(generators(seed, 0, len(z)), *z.shape[1:], device=z.device)
    rows = {name: value.repeat_interleave(steps, dim=0) for name, value in cond.items()}
    return encoder.from_latent(math.sqrt(1 - strength**2) * z + strength * noise, rows)


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Spherical interpolation of two latents of any shape; linear where they are nearly
    parallel.
    """
    flat_a, flat_b = a.flatten(), b.flatten()
    cosine = (flat_a @ flat_b / (flat_a.norm() * flat_b.norm()).clamp_min(1e-12)).clamp(-1, 1)
    angle = torch.arccos(cosine)
    if angle.sin().abs() < 1e-4:
        return torch.lerp(a, b, float(t))
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def encoded(model: Family, codec: Codec[Any], items: Sequence[Any]) -> Tensor:
    """(K, *shape): items as the model takes them in."""
    return rows_of(codec.spec, [codec.encode(item) for item in items]).to(model.device)
