"""Shapes and damage of known strength, by which metrics of shapes are checked
(testing.check_metric): tables and stools of boxes, whose distances are known in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from castalia.evaluation.base import Evidence
from castalia.modalities.shape3d.codec import ShapeCodec, levels_of
from castalia.modalities.shape3d.mesh import Mesh
from castalia.modalities.shape3d.shape import Shape
from castalia.nn.counter_random import counter_seed

SIDE = 16  # voxels
MOST_SHOWN = 18  # shapes of each side: pairs are what takes time
Change = Callable[[Shape], Shape]


def box(centre: np.ndarray, half: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(side, side, side) float64: signed distance to a box, in voxels (Quilez)."""
    place = np.stack(np.mgrid[0:side, 0:side, 0:side], -1)
    away = np.abs(place - centre) - half
    outside = np.linalg.norm(np.maximum(away, 0), axis=-1)
    return outside + np.minimum(away.max(-1), 0)


def furniture(*counters: int | str) -> Shape:
    """A table of a top and four legs, a function of the counters."""
    rng = np.random.default_rng(counter_seed("furniture", *counters))
    width, depth = rng.uniform(3.0, 6.0, 2)
    height, thick, leg = rng.uniform(5.0, 11.0), rng.uniform(0.8, 1.8), rng.uniform(0.8, 1.4)
    middle = (SIDE - 1) / 2
    parts = [
        box(np.array([middle, 2 + height, middle]), np.array([width, thick, depth])),
        *(
            box(
                np.array([middle + x * (width - leg), 2 + height / 2, middle + z * (depth - leg)]),
                np.array([leg, height / 2, leg]),
            )
            for x in (-1, 1)
            for z in (-1, 1)
        ),
    ]
    return shape_of(np.minimum.reduce(parts))


def shape_of(distance: np.ndarray) -> Shape:
    """The shape with this field, in voxels."""
    return ShapeCodec().shape_of(levels_of(distance))


def shape_evidence(shown: Any, n: int) -> Evidence:
    """`shown` with n shapes on each side (MOST_SHOWN at most): a perfect model, a memoriser that
    replays the training shapes.
    """
    count = min(n, MOST_SHOWN)
    sides = {
        side: [furniture(side, number) for number in range(count)]
        for side in ("model", "floor", "reference", "training")
    }
    items: Mapping[str, list[Shape]] = {
        **sides,
        "unseen": sides["reference"],
        "memoriser": sides["training"],
    }
    return replace(shown, items=items)  # type: ignore[no-any-return]


def _same(item: Shape) -> Shape:
    """One and the same shape in the place of many: no variety."""
    return furniture("model", 0)


def _holes(item: Shape) -> Shape:
    """A hole in the mesh."""
    return replace(item, mesh=Mesh(item.mesh.vertices, item.mesh.faces[5:]))


def _split(item: Shape) -> Shape:
    """A loose part in a corner."""
    assert item.field is not None
    loose = box(np.array([1.0, 14.0, 1.0]), np.array([0.6, 0.6, 0.6]))
    return ShapeCodec().shape_of(np.minimum(item.field, levels_of(loose)))


def _thin(item: Shape) -> Shape:
    """Walls as thin as the grid can hold: a rod that ends in a knob."""
    rod = box(np.array([7.0, 8.0, 7.0]), np.array([0.3, 4.0, 0.3]))
    knobs = [box(np.array([7.0, y, 7.0]), np.array([2.0, 1.5, 2.0])) for y in (3.0, 13.0)]
    return shape_of(np.minimum.reduce([rod, *knobs]))


CHANGES: tuple[Change, ...] = (_same, _holes, _split, _thin)


def _damage(change: Change, most: float) -> Callable[[Any, float], Evidence]:
    def damaged(shown: Any, strength: float) -> Evidence:
        rng = np.random.default_rng(counter_seed("damage", change.__name__))
        chance = rng.permutation(len(shown.items["model"])) / len(shown.items["model"])
        rows = [
            change(item) if luck < strength / most else item
            for item, luck in zip(shown.items["model"], chance, strict=True)
        ]
        return replace(shown, items={**shown.items, "model": rows})  # type: ignore[no-any-return]

    return damaged


class ShapeContract:
    """A MetricContract."""

    native = Shape

    def evidence(self, shown: Any, n: int) -> Evidence:
        return shape_evidence(shown, n)

    def damages(self, most: float) -> dict[str, Callable[[Any, float], Evidence]]:
        """Kinds of damage; `most` is the strength at which all of a model's shapes are hit."""
        return {change.__name__.strip("_"): _damage(change, most) for change in CHANGES}
