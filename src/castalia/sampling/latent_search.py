"""Latents of given items: from the encoder of a model that has one, else searched for by gradient
descent.

The search is Zhu et al. 2016, arXiv:1609.03552, section 3.1, without their network's guess: of some
random latents those whose items are nearest to the given one descend on the distance, and the best
at the end wins. Distances are of values, at several scales, so that an edge that is off by a little
still has a slope; no network judges, so any kind of dense data can be searched for. A latent far
from the prior can make more than samples show, and edits lead from there to nothing known: hence a
small price on its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from castalia.abilities import Encodes, Generates
from castalia.families.base import Family
from castalia.nn.conv import MEAN_POOL
from castalia.nn.counter_random import generators, randn_rows
from castalia.progress import tracked
from castalia.registry import require
from castalia.spec import Classes, Condition, Dense

STARTS, KEPT, STEPS = 64, 4, 150  # random latents, those of them that descend, their steps
RATE = 0.1  # of Adam, at the beginning; it falls along half a cosine
PRIOR = 0.01  # weight of a latent's mean square, beside the distance
BLOCK = 16  # starts that are tried together
COARSEST = 4  # numbers along an axis, below which it is not halved


class Latents(NamedTuple):
    """z (B, *latent_shape), and the conditions under which it stands for the items."""

    z: Tensor
    cond: dict[str, Tensor]

    def rows(self, part: slice) -> Latents:
        return Latents(self.z[part], {name: value[part] for name, value in self.cond.items()})

    def repeated(self, times: int) -> Latents:
        """Each row so many times, one behind the other."""
        return Latents(
            self.z.repeat_interleave(times, 0),
            {name: value.repeat_interleave(times, 0) for name, value in self.cond.items()},
        )


def latents(model: Family, x: Tensor, cond: Mapping[str, Tensor], purpose: str) -> Latents:
    """Of items (B, *shape). A search finds the class of an item, too, where `cond` does not know
    it. Raises AbilityError, naming the purpose, for a model that has no latents.
    """
    if isinstance(model, Encodes) or not isinstance(model.spec, Dense):
        return Latents(require(model, Encodes, purpose).to_latent(x, dict(cond)), dict(cond))
    maker = require(model, Generates, purpose)
    # each alone, so that what is found does not depend on the others
    rows = [
        _searched(maker, model, model.spec, x[row : row + 1], _row(cond, row))
        for row in tracked(range(len(x)), "searching latents", len(x), "items")
    ]
    told = {name: torch.cat([row.cond[name] for row in rows]) for name in rows[0].cond}
    return Latents(torch.cat([row.z for row in rows]), told)


def distance(made: Tensor, x: Tensor, spec: Dense) -> Tensor:
    """(B,): the mean square of made - x (B, *shape) in half ranges of the unit, added up over
    scales: as they are, and averaged over 2, 4, ... neighbours of a grid.
    """
    low, high = spec.limits
    apart = (made - x) / ((high - low) / 2 if math.isfinite(high - low) else 1.0)
    total = apart.square().flatten(1).mean(1)
    pool = MEAN_POOL.get(apart.dim() - 2) if spec.layout == "grid" else None
    while pool is not None:
        halves = [2 if side >= 2 * COARSEST else 1 for side in apart.shape[2:]]
        if max(halves) == 1:
            break
        apart = pool(apart, halves)
        total = total + apart.square().flatten(1).mean(1)
    return total


def _searched(
    maker: Generates, model: Family, spec: Dense, x: Tensor, cond: dict[str, Tensor]
) -> Latents:
    """Of one item (1, *shape). A function of the arguments alone."""
    # the caller's tensors may be of inference mode, which have no derivatives
    with torch.inference_mode(False), torch.enable_grad(), model.evaluating():
        x = x.clone()
        # always the same: an edit's seed is of its own noise
        starts = Latents(
            randn_rows(generators(0, 0, STARTS), *maker.latent_shape, device=x.device),
            _each_class(model.conditions, cond, x.device),
        )
        with torch.no_grad():
            blocks = [starts.rows(slice(first, first + BLOCK)) for first in range(0, STARTS, BLOCK)]
            far = torch.cat(
                [distance(maker.from_latent(one.z, one.cond), x, spec) for one in blocks]
            )
        chosen = far.argsort(stable=True)[:KEPT]
        z = starts.z[chosen].requires_grad_()
        told = {name: value[chosen] for name, value in starts.cond.items()}
        optimiser = torch.optim.Adam([z], betas=(0.9, 0.99))
        for step in range(STEPS):
            optimiser.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * step / STEPS)) / 2
            far = distance(maker.from_latent(z, told), x, spec)
            price = far + PRIOR * z.square().flatten(1).mean(1)
            # not .backward(), which would leave gradients in the model
            (z.grad,) = torch.autograd.grad(price.sum(), z)
            optimiser.step()
        with torch.no_grad():
            best = distance(maker.from_latent(z, told), x, spec).argmin()
        return Latents(
            z.detach()[best][None], {name: value[best][None] for name, value in told.items()}
        )


def _row(cond: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: value[row : row + 1] for name, value in cond.items()}


def _each_class(
    conditions: Mapping[str, Condition], cond: dict[str, Tensor], device: torch.device
) -> dict[str, Tensor]:
    """The conditions (1, ...) of an item for each start; a class that is not known is every one by
    turns.
    """
    told = {
        name: value.to(device, copy=True).repeat_interleave(STARTS, 0)
        for name, value in cond.items()
    }
    for name, kind in conditions.items():
        if isinstance(kind, Classes) and (name not in cond or int(cond[name]) == len(kind)):
            told[name] = torch.arange(STARTS, device=device) % len(kind)
    return told
