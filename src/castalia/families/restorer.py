"""Restorer: learn to undo damage of a few kinds by regression, in one pass of a network.

Training items are damaged on purpose: by noise, by means of blocks, by one mean of all channels, by
holes. A network (nn/conditional_network.py) is shown what is left and predicts what is missing, a
residual (Zhang et al. 2017, arXiv:1608.03981), of blocks to cubic interpolation (Kim et al. 2016,
arXiv:1511.04587). How strong noise is, it is told (Zhang et al. 2018, arXiv:1710.04026). What is
known of an item for certain is put back afterwards.

How much of noisy data the residual is added to follows Karras et al. 2022, arXiv:2206.00364,
equation 7, with one change: their variance of the data is here the part of it that neighbours do
not tell (`grain`). In data without correlations both are the same; of smooth pictures hardly
anything is kept, since most of a pixel is known from those around it, and a network that had to
hand on the noise, to take it away at the end, learned more slowly (of blood cells, 33.2 dB after
the time in which it now reaches 35.0).

It draws nothing: the same item always has the same answer, which lies in the middle of all that can
have been there, and is a blur where that differs. families/flow.py draws one of them, from any
damage and without having been trained on it, and comes less near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from castalia.abilities import Damage, Infills, Restores
from castalia.config import DEEPEST, WIDEST
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.backbones import body_kind
from castalia.nn.conditional_network import ConditionalNetwork
from castalia.nn.conv import MEAN_POOL, Norm
from castalia.nn.counter_random import generator
from castalia.nn.data_scale import DataScale
from castalia.nn.solvers import along
from castalia.registry import require_undoing
from castalia.sentences import say
from castalia.spec import Batch, Condition, Dense, Loss, Spec

FACTORS = (2, 4)  # sides of the blocks of which means are left
ROUNDS = 3  # in which interpolation is corrected: of blood cells 0.3 dB
LEAST = 0.01  # of `grain` and `missing`: data may be all alike, or straight
PROBED = 1024  # items on which `missing` is measured
# Errors, of the size that the network is asked for, below which the loss is about quadratic. Of
# blood cells, after a minute, squared errors alone gave 0.1 dB less (image/denoise) and 0.5 dB less
# (image/colourise); at 0.01 what blocks lack, most of it nearly 0, was sometimes never learned.
EDGE = 0.3
KNOWN: tuple[Damage, ...] = ("coarse", "grey", "hole")  # of which something is known for certain


class RestorerConfig(FamilyConfig):
    """What it learns to undo, and what the network is."""

    damages: tuple[Damage, ...] = Field(
        ("noise",),
        min_length=1,
        max_length=len(KNOWN) + 1,
        description="noise, coarse (means of blocks of 2 and 4), grey (a mean of all channels), "
        "hole (a box without data); of several, each item has one",
    )
    noise: tuple[float, float] = Field(
        (0.02, 0.8), description="least and largest deviation of the noise, in the data's unit"
    )
    grey: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = Field(
        None,
        max_length=WIDEST,
        description="how much each channel counts in the grey; null: all alike",
    )
    width: int = Field(32, ge=1, le=WIDEST, description="channels at the finest level")
    depth: int = Field(
        1, ge=1, le=DEEPEST, description="blocks at every level, on the way down and on the way up"
    )
    patch: int = Field(1, ge=1, le=WIDEST, description="side of the patches of the first layer")
    levels: int | None = Field(None, ge=0, le=16, description="halvings; null: down to 4")
    norm: Norm = Field("none", description="what residual blocks begin with")
    condition_width: int = Field(
        64, ge=1, le=WIDEST, description="numbers in the vector that stands for the conditions"
    )
    condition_drop: float = Field(
        0.1, ge=0, le=1, description="chance of hiding a condition in training"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0 < self.noise[0] < self.noise[1] < math.inf:
            raise ValueError(say("noise is two deviations above 0, the smaller one first"))
        if self.grey is not None and not sum(self.grey) > 0:
            raise ValueError(say("some channel has to count in the grey"))
        return self


class Damaged(NamedTuple):
    """What is left of data (B, *shape), in the spec's unit.

    free       (B, *shape) bool: where nothing is known.
    deviation  (B,) of the noise, 0 or more; below 0 where the damage is of another kind.
    """

    left: Tensor
    free: Tensor
    deviation: Tensor


class Restorer(Family):
    """Infills, Restores: what its `damages` are."""

    name: ClassVar[str] = "restorer"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = RestorerConfig

    spec: Dense
    config: RestorerConfig
    # deviations, over that of the data
    grain: Tensor  # () of what neighbours do not tell
    missing: Tensor  # of what a first guess lacks: grey, holes, blocks of each factor

    def __init__(
        self, config: RestorerConfig, spec: Spec, conditions: dict[str, Condition]
    ) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        _check(config, spec)
        self.damages: tuple[Damage, ...] = tuple(dict.fromkeys(config.damages))
        self.factors = _factors(spec)
        self.scale = DataScale(spec)
        self.register_buffer("grain", torch.ones(()))
        self.register_buffer("missing", torch.ones(2 + len(self.factors)))
        self.network = ConditionalNetwork(
            spec,
            conditions,
            times=1,
            # where a hole is, is no colour of its own
            inputs=spec.shape[0] * (2 if "hole" in self.damages else 1),
            body="unet",
            width=config.width,
            depth=config.depth,
            patch=config.patch,
            levels=config.levels,
            norm=config.norm,
            condition_width=config.condition_width,
            condition_drop=config.condition_drop,
        )

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and deviation of the data, `grain` and `missing`: all that the network adds is of
        about one size, whatever the data and the damage.
        """
        alone = torch.zeros(2, dtype=torch.float64)
        lacks = torch.zeros(len(self.missing), 2, dtype=torch.float64)

        def seen() -> Iterator[Batch]:
            items = 0
            for number, batch in enumerate(batches):
                alone.add_(untold(batch.x).cpu())
                if items < PROBED:
                    lacks.add_(self._lacking(batch.x, generator("restorer", number)).cpu())
                items += len(batch.x)
                yield batch

        self.scale.fit(seen())
        for buffer, sums in ((self.grain, alone), (self.missing, lacks)):
            squares, count = sums.unbind(-1)
            share = (squares / count).sqrt() / self.scale.spread.cpu()
            buffer.copy_(torch.where(count > 0, share.clamp(LEAST, 1), 1.0))

    def _lacking(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """(len(missing), 2) float64: the sum of squares of what first guesses lack, and of how many
        numbers. Into holes they put the mean, which lacks all there is, and is not counted.
        """
        damaged = self.damaged(x, rng)
        guess, looks = self._guess(damaged)
        squares = (guess - x).double().square().flatten(1).sum(1)
        rows = torch.stack([squares, torch.full_like(squares, x[0].numel())], 1)
        rows[(damaged.deviation >= 0) | damaged.free.flatten(1).any(1)] = 0.0
        return rows.new_zeros(len(self.missing), 2).index_add(0, looks, rows)

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("network",)),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Charbonnier's loss, a smooth absolute error (Lai et al. 2017, arXiv:1710.01992), per
        number, in units of what the network is asked for. Parts: error, the same error squared.
        """
        self.check(batch)
        damaged = self.damaged(batch.x)
        found, size = self._found(damaged, batch.cond)
        off = (found - self.scale(batch.x)) / along(size, found)
        off = torch.where(_asked(damaged.free), off, 0.0)
        total = (off.square() + EDGE**2).sqrt().mean()
        return Loss(total, {"error": off.detach().square().mean()})

    def damaged(self, x: Tensor, rng: torch.Generator | None = None) -> Damaged:
        """Data (B, *shape) damaged at random, each row in one way, from `rng` (on the CPU; None:
        torch's global generator).
        """
        rows, device = len(x), x.device
        left, free = x.clone(), torch.zeros_like(x, dtype=torch.bool)
        deviation = torch.full((rows,), -1.0)
        kinds = torch.randint(len(self.damages), (rows,), generator=rng)
        for number, kind in enumerate(self.damages):
            chosen = (kinds == number).nonzero()[:, 0]
            if not len(chosen):
                continue
            here = chosen.to(device)
            part = x[here]
            match kind:
                case "noise":
                    low, high = map(math.log, self.config.noise)
                    drawn = torch.rand(len(chosen), generator=rng)
                    deviation[chosen] = (low + (high - low) * drawn).exp()
                    noise = torch.randn(part.shape, generator=rng).to(device)
                    noisy = part + along(deviation[chosen].to(device), part) * noise
                    left[here] = noisy.clamp(*self.spec.limits)
                case "coarse":
                    which = torch.randint(len(self.factors), (len(chosen),), generator=rng)
                    for index, factor in enumerate(self.factors):
                        mine = (which == index).to(device)
                        left[here[mine]] = block_means(part[mine], factor)
                case "grey":
                    left[here] = grey(part, self._shares())
                case "hole":
                    box = boxes(len(chosen), self.spec.shape[1:], rng).to(device)
                    free[here] = box[:, None].expand_as(part)
        return Damaged(torch.where(free, 0.0, left), free, deviation.to(device))

    @torch.no_grad()
    def demonstrate(
        self, x: Tensor, rng: torch.Generator, cond: dict[str, Any]
    ) -> tuple[Tensor, Tensor]:
        """(B, *shape) damaged as in training, and mended."""
        self.check(Batch(x))
        damaged = self.damaged(x, rng)
        with self.evaluating():
            found, _ = self._found(damaged, cond)
        return damaged.left, torch.where(_asked(damaged.free), self._unit(found), damaged.left)

    @torch.no_grad()
    def infill(
        self,
        x: Tensor,
        keep: Tensor,
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """x (B, *shape) filled where `keep`, which broadcasts to it, is False; kept entries come
        back bit-identical. One answer: `rngs` and `temperature` do nothing. Raises AbilityError for
        a run without "hole" in `family.damages`.
        """
        require_undoing(self, Infills, "infill", "hole")
        self.check(Batch(x))
        keep = keep.expand_as(x)
        return self.restore(lambda data: torch.where(keep, x, data), rngs, cond)

    @torch.no_grad()
    def restore(
        self,
        consistent: Callable[[Tensor], Tensor],
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """(len(rngs), *shape): the answer to what `consistent` leaves of zeros, made consistent.
        There is one: the generators' number counts alone, and `temperature` does nothing. Raises
        AbilityError for a run that learned to take noise away alone.
        """
        require_undoing(self, Restores, "restore", *KNOWN)
        empty = torch.zeros(len(rngs), *self.spec.shape, device=self.device)
        left, free = consistent(empty), torch.zeros_like(empty, dtype=torch.bool)
        if "hole" in self.damages:  # what is put there stays there
            free = (consistent(torch.ones_like(empty)) - left) > 0.5
        none = empty.new_full((len(rngs),), -1.0)
        with self.evaluating():
            found, _ = self._found(Damaged(left, free, none), cond)
        return consistent(self._unit(found))

    @torch.no_grad()
    def denoise(self, x: Tensor, deviation: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *shape): the data of x = data + noise of this deviation (B,), in the spec's unit;
        what lies outside its limits is cut off first, as in a file. Beyond the deviations that it
        was trained on, the network is told the nearest one of them. Raises AbilityError for a run
        without "noise" in `family.damages`.
        """
        require_undoing(self, Restores, "denoise", "noise")
        self.check(Batch(x))
        noisy = x.clamp(*self.spec.limits)
        free = torch.zeros_like(x, dtype=torch.bool)
        with self.evaluating():
            found, _ = self._found(Damaged(noisy, free, deviation), cond)
        return self._unit(found)

    def _found(self, damaged: Damaged, cond: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(B, *shape) in units of the data's deviation, a first guess and `size` times what the
        network adds; and that size (B,).
        """
        guess, looks = self._guess(damaged)
        known = torch.where(damaged.free, 0.0, self.scale(guess))
        deviation = damaged.deviation.clamp_min(0)
        low, high = map(math.log, self.config.noise)
        level = ((deviation.log() - low) / (high - low)).clamp(0, 1)  # 0: without noise
        ratio = deviation / self.scale.spread
        seen = known * along((1 + ratio.square()).rsqrt(), known)
        if "hole" in self.damages:
            seen = torch.cat([seen, damaged.free.to(seen)], 1)
        context = self.network.embedding(cond, len(known), known.device)
        added = self.network(seen, (level,), context)
        # of what neighbours do not tell: how much is kept of it, and what remains unknown
        ratio = ratio / self.grain
        kept = 1 / (1 + ratio.square())
        size = torch.where(damaged.deviation >= 0, ratio * kept.sqrt(), self.missing[looks])
        return along(kept, known) * known + along(size, known) * added, size

    def _guess(self, damaged: Damaged) -> tuple[Tensor, Tensor]:
        """(B, *shape) in the spec's unit: rows of blocks, which are told by their looks, as smooth
        surfaces of nearly the same means, others as they are. And looks (B,): a place in `missing`.
        """
        guess, left = damaged.left, damaged.left
        looks = damaged.free.flatten(1).any(1).long()
        plain = (looks == 0) & (damaged.deviation < 0)
        for number, factor in enumerate(self.factors if "coarse" in self.damages else ()):
            # blocks of 4 are blocks of 2, too: the largest come last
            means = left[(..., *[slice(None, None, factor)] * (left.ndim - 2))]
            blocks = (repeated(means, factor) == left).flatten(1).all(1) & plain
            if bool(blocks.any()):
                guess = torch.where(along(blocks, left), smoothed(means, factor), guess)
                looks = torch.where(blocks, 2 + number, looks)
        return guess, looks

    def _shares(self) -> Tensor:
        """(C,) how much each channel counts in the grey; their sum is 1."""
        weights = self.config.grey or (1.0,) * self.spec.shape[0]
        return torch.tensor(weights, device=self.device) / sum(weights)

    def _unit(self, z: Tensor) -> Tensor:
        return self.scale.back(z.float()).clamp(*self.spec.limits)


def _asked(free: Tensor) -> Tensor:
    """(B, *shape) bool: the inside of holes; of rows without a hole, all."""
    return free | ~along(free.flatten(1).any(1), free)


def block_means(x: Tensor, factor: int) -> Tensor:
    """(B, C, *sides): every block of `factor` numbers a side filled with its mean."""
    return repeated(MEAN_POOL[x.ndim - 2](x, factor), factor)


def repeated(x: Tensor, factor: int) -> Tensor:
    """(B, C, *sides): every number as a block of `factor` a side."""
    return F.interpolate(x, scale_factor=float(factor), mode="nearest")


def enlarged(x: Tensor, factor: int) -> Tensor:
    """(B, C, *sides) with `factor` times as many numbers a side, by cubic convolution along one
    axis after the other (Keys 1981).
    """
    for axis in range(2, x.ndim):
        lines = x.movedim(axis, -1)
        flat = lines.reshape(1, -1, 1, lines.shape[-1])
        size = (1, factor * lines.shape[-1])
        large = F.interpolate(flat, size, mode="bicubic", align_corners=False, antialias=True)
        x = large.view(*lines.shape[:-1], size[1]).movedim(-1, axis)
    return x


def smoothed(means: Tensor, factor: int) -> Tensor:
    """(B, C, *sides): a surface whose blocks have about these means, cubic interpolation that is
    corrected by what its own means lack (Irani & Peleg 1991, iterative back-projection).
    """
    pool = MEAN_POOL[means.ndim - 2]
    surface = enlarged(means, factor)
    for _ in range(ROUNDS):
        surface = surface + enlarged(means - pool(surface, factor), factor)
    return surface


def untold(x: Tensor) -> Tensor:
    """(2,) float64 of data (B, C, *sides): the sum of squares of what the two neighbours along an
    axis do not tell of a number, and how many there were. Over 1.5, so that data without
    correlations have their own variance.
    """
    sums = torch.zeros(2, dtype=torch.float64, device=x.device)
    for axis in range(2, x.ndim):
        if x.shape[axis] > 2:
            ways = x.double().movedim(axis, -1)
            rest = ways[..., 1:-1] - (ways[..., 2:] + ways[..., :-2]) / 2
            sums += torch.stack([rest.square().sum() / 1.5, rest.new_tensor(rest.numel())])
    return sums


def grey(x: Tensor, shares: Tensor) -> Tensor:
    """(B, C, *sides): the mean of the channels, weighed by `shares` (C,), in each of them."""
    weights = shares.view(-1, *[1] * (x.ndim - 2))
    return (x * weights).sum(1, keepdim=True).expand_as(x)


def boxes(rows: int, sides: Sequence[int], rng: torch.Generator | None = None) -> Tensor:
    """(rows, *sides) bool: a box in each, from a single number to nearly all. Every axis is taken
    whole in a quarter of them (a gap of a signal, a missing frame), but not all axes at once.
    """
    inside = torch.ones(rows, *sides, dtype=torch.bool)
    whole = torch.rand(rows, len(sides), generator=rng) < 0.25
    whole[torch.arange(rows), torch.randint(len(sides), (rows,), generator=rng)] = False
    for axis, side in enumerate(sides):
        length = 1 + ((side - 1) * torch.rand(rows, generator=rng)).long()
        first = ((side - length + 1) * torch.rand(rows, generator=rng)).long()
        places = torch.arange(side)
        within = (places >= first[:, None]) & (places < (first + length)[:, None])
        within |= whole[:, axis, None]
        inside &= within.view(rows, *(side if one == axis else 1 for one in range(len(sides))))
    return inside


def _factors(spec: Dense) -> tuple[int, ...]:
    """Sides of blocks that the data can be cut into."""
    return tuple(factor for factor in FACTORS if not any(side % factor for side in spec.shape[1:]))


def _check(config: RestorerConfig, spec: Dense) -> None:
    """Raises SpecError for data without a grid, RecipeError for damage that they cannot have."""
    where = say("shape {0}, layout {1}", spec.shape, spec.layout)
    if body_kind(spec, "auto") != "conv":
        raise SpecError(
            say("a restorer needs data on a grid, and these have none"),
            where=where,
            fix="family.name=flow",
        )
    if "coarse" in config.damages and not _factors(spec):
        raise RecipeError(
            say("the sides cannot be cut into blocks of {0}", FACTORS[0]),
            where=where,
            fix=say("even sides (codec.size), or family.damages without '{0}'", "coarse"),
        )
    channels = spec.shape[0]
    if "grey" in config.damages and channels == 1:
        raise RecipeError(
            say("data of one channel have no colours to learn"),
            where=where,
            fix=say("data in colour (codec.channels=3), or family.damages without '{0}'", "grey"),
        )
    if "grey" in config.damages and config.grey is not None and len(config.grey) != channels:
        raise RecipeError(
            say("family.grey has {0} numbers, the data {1} channels", len(config.grey), channels),
            where=f"family.grey={list(config.grey)}",
            fix=say("a number for each channel, or null: all alike"),
        )
