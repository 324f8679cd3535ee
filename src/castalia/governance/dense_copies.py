"""The copy matcher of vectors, signals and all other dense data: the nearest training item, by
Euclidean distance of standardised numbers.

`residual` is that distance per number, in standard deviations of the training items. `distance` is
the same divided by the median over the next AROUND training items, so that an item of a crowd is
not taken for a copy of its neighbour (Carlini et al. 2023, arXiv:2301.13188).
Not here: shifts, mirror images or scaling, which mean something else in each kind of signal:
a modality that knows them has a matcher of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.evaluation.nearest_neighbours import nearest
from castalia.governance.copy_matcher import Matches
from castalia.spec import Dense

AROUND = 15
SAME = 1e-3  # standard deviations a number: equal but for rounding


class Numbers:
    """training (N, *shape) float, or blocks of it, one after another."""

    name: ClassVar = "numbers"
    kinds: ClassVar = ("exact", "near")
    planted: ClassVar = ("exact", "near")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Tensor | Iterable[Tensor]) -> None:
        flat = torch.cat(
            [
                block.flatten(1).float()
                for block in ([training] if isinstance(training, Tensor) else training)
            ]
        )
        self.mean, self.scale = flat.mean(0), flat.std(0, unbiased=False).clamp_min(1e-6)
        self.training = (flat - self.mean) / self.scale

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return isinstance(codec.spec, Dense)

    def __len__(self) -> int:
        return len(self.training)

    def match(self, queries: Tensor) -> Matches:
        if not len(queries):
            return Matches.joined([])
        asked = (queries.flatten(1).float().nan_to_num(0.0) - self.mean) / self.scale
        distances, places = nearest(asked, self.training, min(1 + AROUND, len(self.training)))
        distances = distances / asked.shape[1] ** 0.5
        around = (
            distances[:, 1:].median(1).values
            if distances.shape[1] > 1
            else torch.ones(len(distances), dtype=torch.float64)
        )
        residual = distances[:, 0]
        distance = torch.where(residual <= SAME, residual, residual / around.clamp_min(1e-9)).clamp(
            0, 1
        )
        return Matches(
            places[:, 0],
            distance,
            residual,
            ["exact" if value <= SAME else "near" for value in residual.tolist()],
        )

    def plant(self, items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """ "near": 2% of a standard deviation of noise on every number."""
        if kind == "exact":
            return items.clone()
        noise = torch.randn(items.shape, generator=rng).flatten(1) * self.scale * 0.02
        return items + noise.view_as(items)

    @staticmethod
    def as_long(items: Tensor, like: Tensor, codec: Codec[Any]) -> Tensor:
        return items

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {"training": self.training, "mean": self.mean, "scale": self.scale}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Numbers:
        matcher = cls.__new__(cls)
        matcher.training, matcher.mean, matcher.scale = (
            tensors["training"],
            tensors["mean"],
            tensors["scale"],
        )
        return matcher
