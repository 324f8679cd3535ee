"""The check of shapes: whether meshes are closed, of one piece, of one unit, and differ from one
another.

For near duplicates each mesh is put into a small grid and compared turned and mirrored, as the
audit does. Memory: 16 KB a shape.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding
from castalia.language import Voice
from castalia.modalities.shape3d.check_messages import FINDINGS, LABELS
from castalia.modalities.shape3d.codec import ShapeCodec, levels_of
from castalia.modalities.shape3d.mesh import bodies, closure, extents, merged
from castalia.modalities.shape3d.pose import SIDE, posed, poses, unlike
from castalia.modalities.shape3d.shape import Shape
from castalia.modalities.shape3d.voxelise import MARGIN, MOST_TURNED, placed, signed_distance
from castalia.sentences import Message, plural, say

NEAR = 0.05  # 1 minus Dice's coefficient up to which two shapes are nearly the same
GRID = 20  # voxels of the grid in which they are compared
UNITS = 20.0  # times as long: such shapes are in different units
_MEASURED = "benchmarks/shapes.py"


class ShapeLook(Look):
    """Shapes one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.extents = np.zeros((count, 3))
        self.faces = np.zeros(count, np.int64)
        self.bodies = np.zeros(count, np.int64)
        self._solids = np.zeros((count, SIDE**3), np.float32)
        self._stored: Counter[str] = Counter()
        self.marks: defaultdict[str, list[str]] = defaultdict(list)  # finding -> names

    def add(self, number: int, item: Shape, path: Path, where: str) -> None:
        mesh = merged(item.mesh)
        content = hashlib.sha256(f"{mesh.vertices.shape} {mesh.faces.shape} ".encode())
        content.update(mesh.vertices.tobytes() + mesh.faces.tobytes())
        self.settle(number, content.digest())
        self.extents[number] = extents(mesh)
        self.faces[number] = len(item.mesh.faces)
        self._solids[number] = _solid(item)
        self.bodies[number] = bodies(mesh).max(initial=-1) + 1
        if number >= self._own:
            return
        self._stored[item.stored] += 1
        state = closure(mesh)
        for mark, there in (
            ("open", not state.closed),
            ("turned", state.turned > MOST_TURNED),
            ("bodies", self.bodies[number] > 1),
            ("generated", ShapeCodec.read_manifest(path) is not None),
        ):
            if there:
                self.marks[mark].append(where)

    def near(self, chosen: np.ndarray) -> Near:
        solids = torch.from_numpy(self._solids[chosen])
        best = torch.stack(
            [unlike(pose.flatten(1), solids) for pose in poses(solids.view(-1, SIDE, SIDE, SIDE))]
        ).amin(0)
        best = torch.minimum(best, best.T)
        first, second = np.triu_indices(len(chosen), 1)
        distance = best.numpy()[first, second]
        found = distance <= NEAR
        pairs = np.stack([chosen[first[found]], chosen[second[found]]], 1)
        return Near(pairs.astype(np.int64).reshape(-1, 2), distance[found].astype(np.float64))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        longest = self.extents[own].max(1) if len(own) else np.zeros(0)
        return {
            "stored": dict(self._stored.most_common()),
            "faces": spread(self.faces[own]),
            "closed": len(own) - len(self.marks["open"]),
            "items": len(own),
            "bodies": spread(self.bodies[own]),
            "longest": spread(longest.round(6)),
        }


def _solid(item: Shape) -> np.ndarray:
    """(SIDE^3,) float32: the shape in one place and size."""
    mesh = placed(item.mesh, GRID, longest=None, floor=False)
    levels = levels_of(signed_distance(mesh, GRID, 0.6))
    return posed(torch.from_numpy(levels)[None, None].float() / 127.5 - 1)[0].flatten().numpy()


class ShapeCheck(Check):
    """Meshes: holes, bodies, units, thin ones."""

    look = ShapeLook
    near = NEAR
    unit = "shapes"
    sentences = FINDINGS
    measured: ClassVar[tuple[Need, ...]] = (
        Need("shape3d/vae", 30, 500, "shapes", _MEASURED),
        Need("shape3d/flow", 60, 1000, "shapes", _MEASURED),
    )

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: ShapeLook = scan.look
        config: Any = scan.plan.codec.config
        for code in ("open", "turned", "bodies", "generated"):
            if names := look.marks[code]:
                yield self.finding(code, names, count=len(names))
        if not len(scan.items):
            return
        size = getattr(config, "size", 32)
        extent = look.extents[scan.items]
        longest = extent.max(1)
        voxel = longest / (size - 1 - 2 * MARGIN)
        thin = scan.items[extent.min(1) < voxel]
        if len(thin):
            names = [scan.source.where(int(item)) for item in thin[:5]]
            yield self.finding("thin", names, count=len(thin), size=size)
        if longest.max() > UNITS * max(longest.min(), 1e-30):
            code = "units_shared" if getattr(config, "scale", "each") == "shared" else "units"
            yield self.finding(code, least=f"{longest.min():.3g}", most=f"{longest.max():.3g}")
        mute = [name for name in scan.facts["stored"] if name != "GLB"]
        flatter = (extent[:, 1] < 0.5 * extent[:, 2]).mean()
        if mute and getattr(config, "up", "y") == "y" and flatter > 0.8 and len(extent) >= 8:
            yield self.finding("lying")

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few"}:
            return None
        return Advice(
            "shape3d/vae",
            say("it learns most from few shapes; shape3d/flow also completes missing parts"),
        )

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} shape", "{0:,} shapes", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        def label(name: str) -> str:
            return voice(LABELS[name])

        return [
            (label("stored"), counts(facts["stored"], voice)),
            (label("faces"), five(facts["faces"], voice)),
            (label("closed"), voice.say("{0} of {1}", facts["closed"], facts["items"])),
            (label("bodies"), five(facts["bodies"], voice)),
            (label("longest"), five(facts["longest"], voice)),
        ]
