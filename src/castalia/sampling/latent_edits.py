"""Edits in the latent space of a model: ways between items, variants, mixtures, another class, and
steps along a direction.

Which edits these are part of: edit.py; where latents come from: latent_search.py; directions:
latent_directions.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from castalia.abilities import Encodes, Generates
from castalia.codecs.base import Codec
from castalia.data.stream import rows_of
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.nn.counter_random import generators, randn_rows
from castalia.sampling.edit import Examples
from castalia.sampling.latent_directions import between_means, strongest
from castalia.sampling.latent_search import Latents, latents
from castalia.sampling.prompts import class_named
from castalia.sentences import say
from castalia.spec import Classes

MOST_ROUNDS = 100  # of a spherical mean; a few are enough
Cond = Mapping[str, Tensor]  # condition -> (K, ...), of K items


@torch.inference_mode()
def interpolate(model: Family, x: Tensor, cond: Cond, *, steps: int) -> Tensor:
    """((K - 1) * (steps - 1) + 1, *shape): from each of K >= 2 items to the next, `steps` pictures
    with both ends.

    Latent means are joined by great circles (Shoemake 1985): a straight line would pass through a
    region of the prior that holds almost no mass.
    """
    if len(x) < 2:
        raise RecipeError(
            say("interpolation needs at least two inputs"),
            where="edit interpolate",
            fix=say("name two files or more"),
        )
    z, told = latents(model, x, cond, "interpolate")
    path = [
        slerp(z[index], z[index + 1], t)
        for index in range(len(z) - 1)
        for t in torch.linspace(0, 1, steps)[:-1]
    ]
    path.append(z[-1])
    rows = {name: value[:1].repeat_interleave(len(path), dim=0) for name, value in told.items()}
    return made(model, Latents(torch.stack(path), rows))


@torch.inference_mode()
def vary(model: Family, x: Tensor, cond: Cond, *, steps: int, seed: int, strength: float) -> Tensor:
    """(K * steps, *shape): `steps` variants of each item.

    z' = sqrt(1 - s^2) z + s * noise keeps a standard normal latent standard normal; s = 0 is the
    reconstruction, s = 1 forgets the item.
    """
    z, told = latents(model, x, cond, "vary").repeated(steps)
    noise = randn_rows(generators(seed, 0, len(z)), *z.shape[1:], device=z.device)
    return made(model, Latents(math.sqrt(1 - strength**2) * z + strength * noise, told))


@torch.inference_mode()
def mix(model: Family, x: Tensor, cond: Cond, *, shares: Sequence[float] | None) -> Tensor:
    """(1, *shape): one item of K >= 2, each with its share (0 or more, None: all alike), under the
    conditions of the item with the largest, the first of several.
    """
    if len(x) < 2:
        raise RecipeError(
            say("a mixture needs at least two inputs"),
            where="edit mix",
            fix=say("name two files or more"),
        )
    if shares is not None and len(shares) != len(x):
        raise RecipeError(
            say("there are {0} shares for {1} inputs", len(shares), len(x)),
            where=f"shares={','.join(map(str, shares))[:80]}",
            fix=say("one number for each input, or leave it out"),
        )
    weights = torch.tensor([1.0] * len(x) if shares is None else shares, dtype=torch.float64)
    z, told = latents(model, x, cond, say("mix items"))
    # not argmax, which may take any of several
    first = weights.tolist().index(float(weights.max()))
    middle = spherical_mean(z, weights.to(z.device))
    rows = {name: value[first : first + 1] for name, value in told.items()}
    return made(model, Latents(middle[None], rows))


@torch.inference_mode()
def invert(model: Family, x: Tensor, cond: Cond) -> Tensor:
    """(K, *shape): what the model makes of each item's latent."""
    return made(model, latents(model, x, cond, say("show what it makes of items")))


@torch.inference_mode()
def style(model: Family, x: Tensor, cond: Cond, *, to: str) -> Tensor:
    """(K, *shape): each item's latent under its own class, made to an item of the class `to`. See
    latent_kinds.Style. Raises RecipeError where the model is told no class, none of this name, or
    does not know the class of an item.
    """
    name, number = class_named(model.conditions, to, "edit style")
    kind = model.conditions[name]
    for row, own in enumerate(cond[name].tolist()):
        if isinstance(kind, Classes) and own == len(kind):
            raise RecipeError(
                say("the class of input {0} is not known", row + 1),
                where="edit style",
                fix=say(
                    "put it into a folder named like its class, or: {0}", f"--cond {name}=CLASS"
                ),
            )
    z, told = latents(model, x, cond, say("make items over as another class"))
    return made(model, Latents(z, {**told, name: torch.full_like(told[name], number)}))


@torch.inference_mode()
def along(
    model: Family,
    x: Tensor,
    cond: Cond,
    *,
    amount: float,
    steps: int,
    number: int,
    examples: Examples | None,
) -> Tensor:
    """(K * steps, *shape): each item moved by -amount to `amount` along a direction, at even
    distances; of one step by `amount`. The direction leads towards the class of the examples, whose
    distance from the others is 1, or is the `number`-th strongest at the item, in deviations of
    the latent.
    """
    purpose = say("move items along a direction")
    if examples is None:
        found = latents(model, x, cond, purpose)
        axes = strongest(model, found, number)
    else:
        axis = between_means(model, examples)
        found = latents(model, x, {}, purpose)
        axes = axis.expand_as(found.z)
    far = torch.linspace(-amount, amount, steps) if steps > 1 else torch.tensor([amount])
    places = far.to(axes).repeat(len(x)).view(-1, *[1] * (axes.dim() - 1))
    z, told = found.repeated(steps)
    return made(model, Latents(z + places * axes.repeat_interleave(steps, 0), told))


def made(model: Family, latents: Latents) -> Tensor:
    """(B, *shape): the items of latents."""
    return cast("Encodes | Generates", model).from_latent(latents.z, latents.cond)


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


def spherical_mean(points: Tensor, weights: Tensor) -> Tensor:
    """(...): the mean of N latents (N, ...) with weights (N,), 0 or more, some above 0: on the
    sphere of their directions the point whose weighted squared angles are least (Buss & Fillmore
    2001, algorithm A1), at the weighted mean of their lengths. Of two of one length, what `slerp`
    gives. Where the directions cancel out there is no such point: the plain mean.
    """
    flat, shares = points.flatten(1).double(), weights.double() / weights.double().sum()
    lengths = flat.norm(dim=1, keepdim=True)
    units = flat / lengths.clamp_min(1e-12)
    mean = shares @ units
    if float(mean.norm()) < 1e-6:
        return (shares @ flat).to(points).view(points.shape[1:])
    for _ in range(MOST_ROUNDS):
        mean = mean / mean.norm()
        cosines = (units @ mean).clamp(-1, 1)
        # the way to each point, in the plane that touches the sphere at the mean
        ways = units - cosines[:, None] * mean
        scale = torch.arccos(cosines) / ways.norm(dim=1).clamp_min(1e-12)
        step = shares @ (scale[:, None] * ways)
        angle = step.norm()
        mean = angle.cos() * mean + torch.sinc(angle / math.pi) * step
        if float(angle) < 1e-9:
            break
    return (mean * (shares @ lengths)).to(points).view(points.shape[1:])


def encoded(model: Family, codec: Codec[Any], items: Sequence[Any]) -> Tensor:
    """(K, *shape): items as the model takes them in."""
    return rows_of(codec.spec, [codec.encode(item) for item in items]).to(model.device)
