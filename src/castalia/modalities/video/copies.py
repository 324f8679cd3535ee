"""The copy matcher of clips: the nearest training clip, mirrored, reversed or shifted in time.

A clip is looked at as 8 moments of 8 x 8 cells, of mean 0 and length 1 in each channel together, so
brightness and contrast do not matter. What a training clip leaves unexplained of a sample is
sqrt(1 - r^2), r being their correlation, the best over mirror images, direction of time and shifts
in time. `distance` is that over the median of the next 15 training clips, so that a clip of a
crowd is not taken for a copy of its neighbour (Carlini et al. 2023, arXiv:2301.13188).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches, set_against_neighbours
from castalia.modalities.video.clip import Clip

MOMENTS, CELLS = 8, 8
SHIFTS = (-2, -1, 1, 2)  # moments
SAME = 0.01  # unexplained, of a copy that is equal but for rounding
ROWS = 256  # queries at once


class Clips:
    """training (N, C, T, H, W) in the spec's unit, or blocks of it, one after another."""

    name: ClassVar = "clips"
    kinds: ClassVar = ("exact", "near", "flipped", "reversed", "shifted")
    planted: ClassVar = ("exact", "near", "flipped", "reversed", "shifted")
    farthest: ClassVar = 0.6

    def __init__(self, codec: Codec[Any], training: Tensor | Iterable[Tensor]) -> None:
        blocks = [training] if isinstance(training, Tensor) else training
        self.training = torch.cat([described(block) for block in blocks])

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return codec.native is Clip

    def __len__(self) -> int:
        return len(self.training)

    def match(self, queries: Tensor) -> Matches:
        return Matches.joined([self._match(rows) for rows in queries.split(ROWS) if len(rows)])

    def _match(self, queries: Tensor) -> Matches:
        looks = {
            "near": described(queries),
            "flipped": described(queries.flip(4)),
            "reversed": described(queries.flip(2)),
        }
        train = self.training.flatten(1)
        best = torch.full((len(queries), len(train)), -1.0)
        kinds = torch.zeros(best.shape, dtype=torch.int64)
        names = ["near", "flipped", "reversed", "shifted"]
        for number, name in enumerate(names[:3]):
            found = looks[name].flatten(1) @ train.T
            kinds = torch.where(found > best, number, kinds)
            best = torch.maximum(best, found)
        for shift in SHIFTS:
            found = _shifted(looks["near"], self.training, shift)
            kinds = torch.where(found > best + 0.02, 3, kinds)
            best = torch.maximum(best, found)
        left = (1 - best.clamp(-1, 1).square()).clamp_min(0).sqrt()
        left = torch.where(best > 0, left, 1.0)
        places, distance, residual = set_against_neighbours(left, SAME)
        rows = torch.arange(len(left))
        words = [
            "exact" if same <= SAME and kind == 0 else names[kind]
            for same, kind in zip(residual.tolist(), kinds[rows, places].tolist(), strict=True)
        ]
        return Matches(places, distance, residual, words)

    def plant(self, items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """ "near": 3% of the range as noise; "shifted": an eighth of the clip later, the first
        frame held.
        """
        match kind:
            case "near":
                noise = 0.06 * torch.randn(items.shape, generator=rng)
                return (items + noise).clamp(-1, 1)
            case "flipped":
                return items.flip(4)
            case "reversed":
                return items.flip(2)
            case "shifted":
                late = max(1, items.shape[2] // MOMENTS)
                return torch.cat([items[:, :, :1].expand(-1, -1, late, -1, -1), items], 2)[
                    :, :, : items.shape[2]
                ]
        return items.clone()

    @staticmethod
    def as_long(items: Tensor, like: Tensor, codec: Codec[Any]) -> Tensor:
        return items

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {"training": self.training}

    @classmethod
    def restore(cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]) -> Clips:
        matcher = cls.__new__(cls)
        matcher.training = tensors["training"]
        return matcher


def described(x: Tensor) -> Tensor:
    """(N, C, T, H, W) -> (N, C, MOMENTS, CELLS, CELLS) float32 of mean 0 and length 1; 0 where a
    clip is of one colour.
    """
    cells = F.adaptive_avg_pool3d(x.float().nan_to_num(0.0), (MOMENTS, CELLS, CELLS))
    flat = cells.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-3, flat / length.clamp_min(1e-3), 0.0).view_as(cells)


def _shifted(asked: Tensor, train: Tensor, shift: int) -> Tensor:
    """(Q, N) correlation of samples with training clips that run `shift` moments ahead of them,
    over the moments that both have.
    """
    mine = asked[:, :, shift:] if shift > 0 else asked[:, :, :shift]
    theirs = train[:, :, :-shift] if shift > 0 else train[:, :, -shift:]
    return _unit(mine) @ _unit(theirs).T


def _unit(part: Tensor) -> Tensor:
    flat = part.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1, eps=1e-3)
