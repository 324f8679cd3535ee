"""Directions of a latent space along which items change: towards a class of the training data, or
the strongest ones at an item.

Towards a class: the mean latent of its items minus that of all others (Larsen et al. 2016,
arXiv:1512.09300, section 4.2). Latents are of a model that is told nothing, because what it is told
it leaves out of the latent. A discriminant in the place of the difference, the shortest way across
the border, changed the attribute less: it is chosen to tell classes apart, not to change items.

The strongest at an item: the right singular vectors of the decoder's Jacobian there, along which
the item changes most for the length of the step (Park et al. 2023, arXiv:2307.12868; for the first
layer of a generator alone, in closed form, Shen & Zhou 2021, arXiv:2007.06600).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from castalia.abilities import Encodes, Generates
from castalia.errors import AbilityError, RecipeError
from castalia.families.base import Family
from castalia.nn.counter_random import generators, randn_rows
from castalia.progress import tracked
from castalia.registry import require
from castalia.sampling.edit import Examples
from castalia.sampling.latent_search import Latents
from castalia.sentences import say

ROUNDS = 6  # of the subspace iteration
SPARE = 3  # directions beside those asked for: how fast the iteration converges
STEP = 0.05  # of a difference, in deviations of the latent
BLOCK = 64  # items that are encoded together


@torch.inference_mode()
def between_means(model: Family, examples: Examples) -> Tensor:
    """(*latent_shape): from the mean latent of the items outside the class to that of those
    inside; added to a latent it leads so far. Raises AbilityError for a model that does not encode:
    hundreds of searches would take too long.
    """
    encoder = require(model, Encodes, say("learn a direction from a class"))

    def mean(side: Tensor) -> Tensor:
        firsts = range(0, len(side), BLOCK)
        parts = [
            encoder.to_latent(side[first : first + BLOCK].to(model.device), {}).double().sum(0)
            for first in tracked(firsts, "encoding", len(firsts), "batches")
        ]
        return torch.stack(parts).sum(0) / len(side)

    return (mean(examples.inside) - mean(examples.outside)).float()


def strongest(model: Family, latents: Latents, number: int) -> Tensor:
    """(B, *latent_shape): for each latent the direction, of length 1, that is `number`-th in how
    much the item changes along it; of both signs the one along which values grow on the whole.

    By subspace iteration (Halko et al. 2011, arXiv:0909.4061, algorithm 4.4) with the Jacobian J as
    central differences and its transpose by reverse derivatives. Raises AbilityError for a model
    whose items have no derivative (texts), RecipeError for a number above the latent's size.
    """
    size = latents.z[0].numel()
    if number > size:
        raise RecipeError(
            say("the latent has {0} directions", size),
            where=f"number={number}",
            fix=say("a number up to {0}", size),
        )
    # derivatives do not work on tensors of inference mode
    with torch.inference_mode(False), torch.no_grad(), model.evaluating():
        axes = [
            _strongest(
                cast("Encodes | Generates", model),
                latents.z[row : row + 1].clone(),
                {name: value[row : row + 1].clone() for name, value in latents.cond.items()},
                number,
            )
            for row in tracked(
                range(len(latents.z)), "looking for directions", len(latents.z), "items"
            )
        ]
    return torch.stack(axes)


def _strongest(maker: Encodes | Generates, z: Tensor, cond: dict[str, Any], number: int) -> Tensor:
    """(*latent_shape) at one latent (1, *latent_shape)."""
    many = min(number + SPARE, z.numel())
    told = {name: value.repeat_interleave(many, 0) for name, value in cond.items()}
    points = z.repeat_interleave(many, 0).requires_grad_()
    with torch.enable_grad():
        made = maker.from_latent(points, told)
    if not made.requires_grad:
        raise AbilityError(
            say("items of this model have no derivative in the latent"),
            where="edit direction",
            fix=say("--along CLASS, which needs none"),
        )

    def changes(axes: Tensor) -> Tensor:
        """J v (many, *shape) of each direction v (many, *latent_shape)."""
        ahead, behind = (maker.from_latent(z + step * axes, told) for step in (STEP, -STEP))
        return (ahead - behind) / (2 * STEP)

    # always the same, whatever the edit's seed
    axes = _orthonormal(randn_rows(generators(0, 0, many), *z.shape[1:], device=z.device))
    for _ in range(ROUNDS):
        (back,) = torch.autograd.grad(made, points, changes(axes), retain_graph=True)
        axes = _orthonormal(back)
    seen = changes(axes).flatten(1).double()
    # singular vectors within the subspace, by the eigenvectors of a small matrix, ascending
    mixing = torch.linalg.eigh(seen @ seen.T).eigenvectors[:, -number]
    sign = 1.0 if float(mixing @ seen.sum(1)) >= 0 else -1.0
    axis = (mixing.to(axes) @ axes.flatten(1)).view(z.shape[1:])
    return sign * axis / axis.norm()


def _orthonormal(axes: Tensor) -> Tensor:
    """An orthonormal basis (N, ...) of what N directions (N, ...) span."""
    return torch.linalg.qr(axes.flatten(1).double().T).Q.T.to(axes).view(axes.shape)
