"""The copy matcher of shapes: the training shape that fills most nearly the same space, whatever
its size and place in the box, turned by quarters about the upward axis or mirrored.

`residual` is 1 minus Dice's coefficient of the two, brought to one place and size (pose.py).
`distance` is the same divided by the median over the next 15 training shapes, at most 1, so
that a shape of a crowd (tables) is not taken for a copy of its neighbour (Carlini et al. 2023,
arXiv:2301.13188). Not here: parts of shapes, other angles, stretching along one axis.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches, set_against_neighbours
from castalia.modalities.shape3d.point_clouds import GRID, field_of
from castalia.modalities.shape3d.pose import posed, poses, unlike
from castalia.modalities.shape3d.shape import Shape
from castalia.spec import Dense

SAME = 1e-3
KINDS = ("near", "turned", "turned", "turned", "flipped", "flipped", "flipped", "flipped")
ROWS = 256


class Solids:
    """training (N, 1, n, n, n) float in [-1, 1], or blocks of it, one after another."""

    name: ClassVar = "solids"
    kinds: ClassVar = ("exact", "near", "turned", "flipped", "resized")
    planted: ClassVar = ("exact", "near", "turned", "flipped", "resized")
    farthest: ClassVar = 0.7

    def __init__(self, codec: Codec[Any], training: Tensor | Iterable[Tensor]) -> None:
        blocks = [training] if isinstance(training, Tensor) else training
        self.training = torch.cat([posed(_fields(block)).flatten(1) for block in blocks])

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return (
            issubclass(codec.native, Shape)
            and isinstance(codec.spec, Dense)
            and codec.spec.layout in ("grid", "set")
        )

    def __len__(self) -> int:
        return len(self.training)

    @torch.inference_mode()
    def match(self, queries: Tensor) -> Matches:
        blocks = queries.split(ROWS) if len(queries) else ()
        return Matches.joined([self._match(block) for block in blocks])

    def _match(self, queries: Tensor) -> Matches:
        distances = torch.stack(
            [unlike(pose.flatten(1), self.training) for pose in poses(posed(_fields(queries)))]
        ).double()
        best, pose = distances.min(0)
        place, distance, residual = set_against_neighbours(best, SAME)
        kinds = [
            "exact" if value <= SAME else KINDS[number]
            for value, number in zip(
                residual.tolist(),
                pose.gather(1, place[:, None])[:, 0].tolist(),
                strict=True,
            )
        ]
        return Matches(place, distance, residual, kinds)

    def plant(self, items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """ "near": noise of a tenth of a voxel on the surface, and what that does to the field;
        "resized": 0.8 to 0.95 as large, elsewhere in the box.
        """
        if items.ndim == 3:
            return _planted_points(items, kind, rng)
        match kind:
            case "near":
                noise = torch.randn(items.shape, generator=rng)
                return (items + 0.05 * noise).clamp(-1, 1)
            case "turned":
                return torch.rot90(items, 1 + int(torch.randint(3, (1,), generator=rng)), (2, 4))
            case "flipped":
                return items.flip(2)
            case "resized":
                factor = 0.8 + 0.15 * torch.rand(len(items), generator=rng)
                moved = 0.1 * (torch.rand(len(items), 3, generator=rng) - 0.5)
                matrix = torch.eye(3)[None] / factor[:, None, None]
                grid = torch.nn.functional.affine_grid(
                    torch.cat([matrix, moved[:, :, None]], 2), list(items.shape), align_corners=True
                )
                return torch.nn.functional.grid_sample(
                    items, grid, padding_mode="border", align_corners=True
                )
            case _:
                return items.clone()

    @staticmethod
    def as_long(items: Tensor, like: Tensor, codec: Codec[Any]) -> Tensor:
        return items

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {"training": self.training}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Solids:
        matcher = cls.__new__(cls)
        matcher.training = tensors["training"]
        return matcher


def _fields(items: Tensor) -> Tensor:
    """Fields (N, 1, n, n, n) of fields, or of sets of points (N, 3, P)."""
    return field_of(items.nan_to_num(0.0).clamp(-1, 1)) if items.ndim == 3 else items


def _planted_points(items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """As `Solids.plant`, of sets (N, 3, P); "near": noise of a fifth of a voxel on every point."""
    x, y, z = items.unbind(1)
    match kind:
        case "near":
            noise = torch.randn(items.shape, generator=rng)
            return (items + 0.4 / GRID * noise).clamp(-1, 1)
        case "turned":
            quarters = 1 + int(torch.randint(3, (1,), generator=rng))
            turned = [(x, z), (-z, x), (-x, -z), (z, -x)][quarters]
            return torch.stack([turned[0], y, turned[1]], 1)
        case "flipped":
            return torch.stack([-x, y, z], 1)
        case "resized":
            factor = 0.8 + 0.15 * torch.rand(len(items), 1, 1, generator=rng)
            moved = 0.1 * (torch.rand(len(items), 3, 1, generator=rng) - 0.5)
            return (items * factor + moved).clamp(-1, 1)
        case _:
            return items.clone()
