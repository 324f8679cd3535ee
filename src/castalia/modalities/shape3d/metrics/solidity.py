"""What a 3-D printer asks of a shape: is the mesh closed, is it one body, are its walls thick
enough.

    closed     share of samples whose mesh is watertight (mesh.py).
    one-body   share of samples that are one connected body.
    sturdy     share of samples that keep all their bodies in one piece each when a layer of half a
               voxel is taken off: walls of about a voxel and more.

Real shapes at the same size are the measure of the last two. A note, not a promise: overhangs,
supports and real sizes are not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from castalia.evaluation.base import (
    Estimate,
    Evidence,
    Metric,
    MetricResult,
    compared,
    means_without,
    show,
    wilson,
)
from castalia.language import say
from castalia.modalities.shape3d.mesh import is_watertight
from castalia.modalities.shape3d.shape import Shape
from castalia.modalities.shape3d.specks import labelled
from castalia.modalities.shape3d.voxelise import TRUNCATE

THINNER = 0.5  # voxels that are taken off
MOST = 200  # samples that are looked at


class Solidity(Metric):
    """`closed`, `one-body` and `sturdy`: shares in [0, 1]."""

    name = "solidity"
    reads = Evidence
    judges = Shape

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        if "model" not in evidence.items:
            return []
        begun = time.perf_counter()
        sides = {
            side: evidence.items[side][:MOST]
            for side in ("model", "floor")
            if len(evidence.items.get(side, ()))
        }
        words = {
            "closed": say("The share of samples whose mesh is watertight."),
            "one-body": say("The share of samples that are one body, without loose parts."),
            "sturdy": say(
                "The share of samples that stay in one piece when half a voxel is taken off "
                "everywhere: walls of a voxel and more."
            ),
        }
        found = []
        for name, test in TESTS.items():
            shares = {side: _share(items, test) for side, items in sides.items()}
            found.append(
                compared(
                    name,
                    "higher" if name == "closed" else None,
                    shares,
                    None,
                    len(sides["model"]),
                    evidence.seed,
                    (time.perf_counter() - begun) / len(TESTS),
                    {"words": [words[name], *_beside(shares)]},
                )
            )
        return found


def _beside(shares: dict[str, Estimate]) -> list[str]:
    floor = shares.get("floor")
    return [] if floor is None else [say("Real data get {0}.", show(floor.value))]


def _share(items: Sequence[Shape], test: Callable[[Shape], bool]) -> Estimate:
    hits = torch.tensor([float(test(item)) for item in items])
    value = float(hits.mean())
    return Estimate(value, *wilson(value, len(hits)), {}, means_without(hits))


def closed(item: Shape) -> bool:
    return is_watertight(item.mesh)


def one_body(item: Shape) -> bool:
    return _bodies(item, 0.0) == 1


def sturdy(item: Shape) -> bool:
    return _bodies(item, THINNER) == _bodies(item, 0.0)


def _bodies(item: Shape, thinner: float) -> int:
    """Bodies of the field, after a layer of `thinner` voxels is taken off; 0 without a field."""
    if item.field is None:
        return 0
    depth = (127.5 - item.field.astype(np.float64)) / 127.5 * TRUNCATE
    return int(labelled(depth > thinner).max())


TESTS: dict[str, Callable[[Shape], bool]] = {
    "closed": closed,
    "one-body": one_body,
    "sturdy": sturdy,
}
