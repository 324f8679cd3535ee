"""The codec of shapes: meshes in files to signed distances on a grid, and back to closed meshes.

An item is a `Shape`, +y up. Its field is a uint8 array (1, n, n, n), axes x, y, z: 0 is
TRUNCATE voxels inside, 255 as far outside; no level lies on the surface itself, so that a surface
never touches the middle of a voxel. How a mesh becomes a field is in voxelise.py, how a field
becomes a closed mesh in surface.py. A GLB that `write` makes holds the field beside the mesh, so a
made shape can be edited again without loss; other formats hold the mesh alone.
With form=points a shape is a set of points on its surface instead (point_clouds.py), and a set is
the shape of balls around its points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.codecs.contact_sheet import contact_sheet
from castalia.config import State
from castalia.errors import DataError, SpecError
from castalia.modalities.shape3d import augment, specks
from castalia.modalities.shape3d.files import formats
from castalia.modalities.shape3d.mesh import Mesh, extents, is_watertight
from castalia.modalities.shape3d.point_clouds import field_of, points_of
from castalia.modalities.shape3d.render import render
from castalia.modalities.shape3d.shape import Shape
from castalia.modalities.shape3d.surface import surface
from castalia.modalities.shape3d.voxelise import MARGIN, TRUNCATE, placed, signed_distance
from castalia.sentences import say
from castalia.spec import Dense

LEVELS = 256
MIDDLE = 127.5  # between the last level inside and the first outside
LARGEST, SMALLEST = 1e30, 1e-30  # of a coordinate that decode gives


class ShapeConfig(CodecConfig):
    """size    voxels along each side of the box that a shape is put into.
    up      which axis of files points up; GLB says so itself (y).
    scale   each: every shape fills its box, so that sizes and units of files do not matter. shared:
            the largest training item fills it, others stay smaller in proportion; files need one
            unit.
    place   floor: shapes stand on the floor of the box; middle: they hang in its middle.
    repair  what to do with a mesh that is not closed: close it, or refuse the file.
    thicken voxels that every surface is moved outwards, so that walls and rods thinner than a voxel
            are kept.
    specks  bodies of fewer voxels than this are left out, if there is a larger one.
    form    field: signed distances on the grid. points: a set of `points` points on the surface;
            `size` is then the grid on which a made set becomes a mesh.
    """

    size: int = Field(32, ge=8, le=128)
    up: Literal["y", "z"] = "y"
    scale: Literal["each", "shared"] = "each"
    place: Literal["floor", "middle"] = "floor"
    repair: Literal["close", "refuse"] = "close"
    thicken: float = Field(0.6, ge=0, le=2)
    specks: int = Field(8, ge=0, le=1 << 20)
    form: Literal["field", "points"] = "field"
    points: int = Field(512, ge=16, le=8192)


class ShapeState(State):
    """The longest side of the training items, in the unit of their files; None with scale=each."""

    longest: float | None = Field(None, gt=0, allow_inf_nan=False)


class ShapeCodec(Codec[Shape]):
    """Meshes to uint8 fields; spec Dense((1, n, n, n), unit "signed", levels 256, layout "grid").
    With form=points to float32 sets; spec Dense((3, points), unit "signed", layout "set").
    """

    name = "shape3d"
    native = Shape
    extensions: ClassVar[tuple[str, ...]] = tuple(formats.READERS)
    formats: ClassVar[tuple[str, ...]] = tuple(formats.READERS)[1:]
    Config = ShapeConfig
    labels_files: ClassVar[bool] = True
    suffix = ".glb"

    def __init__(self, config: ShapeConfig | None = None) -> None:
        super().__init__(config or ShapeConfig())
        self._longest: float | None = None
        self._fitted = False

    def read(self, path: Path) -> Iterator[Shape]:
        """One shape. Raises DataError for a file that cannot be read, and with repair=refuse for a
        mesh that is not closed.
        """
        shape = formats.read(path)
        if self.config.repair == "refuse" and not is_watertight(shape.mesh):
            raise DataError(
                say("the mesh is not closed, and codec.repair=refuse"),
                path.name,
                say("close it in the program that made it, or set codec.repair=close"),
            )
        if self.config.up == "z" and path.suffix.lower() != ".glb":
            mesh = Mesh(_y_up(shape.mesh.vertices), shape.mesh.faces)
            shape = replace(shape, mesh=mesh)
        yield shape

    def describe(self, item: Shape) -> str:
        return item.stored

    def fit(self, items: Iterable[Shape]) -> None:
        """With scale=shared the longest side of all training items, else nothing."""
        self._fitted = True
        if self.config.scale == "shared":
            longest = max((float(extents(item.mesh).max()) for item in items), default=0.0)
            if not longest:
                raise DataError(
                    say("there is no shape to take the scale from"),
                    "codec",
                    say("give at least one item"),
                )
            self._longest = longest

    @property
    def spec(self) -> Dense:
        if not self._fitted:
            raise SpecError(
                say("the codec of shapes does not know its scale yet"),
                "codec",
                say("call fit(items) first"),
            )
        if self.config.form == "points":
            return Dense((3, self.config.points), layout="set")
        return Dense((1, *[self.config.size] * 3), levels=LEVELS)

    def encode(self, item: Shape) -> Tensor:
        """(1, n, n, n) uint8, or (3, points) float32. The field or the points that a made shape
        brings along, where they have the size of this codec's; else its mesh is measured.
        """
        n = self.config.size
        points = self.config.points if self.config.form == "points" else None
        if points is not None and item.points is not None and item.points.shape[1] == points:
            return torch.from_numpy(np.array(item.points))
        if points is None and item.field is not None and item.field.shape == (n, n, n):
            return torch.from_numpy(np.array(item.field))[None]
        floor = self.config.place == "floor"
        mesh = placed(item.mesh, n, longest=self._longest, floor=floor)
        if points is not None:
            return torch.from_numpy(points_of(mesh, n, points))
        field = levels_of(signed_distance(mesh, n, self.config.thicken))
        return torch.from_numpy(specks.removed(field, self.config.specks))[None]

    def decode(self, x: Tensor) -> Shape:
        """(1, n, n, n) float in [-1, 1] -> a closed mesh in a box whose longest side is 1, or the
        longest of the training items with scale=shared. NaN is outside. Where nothing is inside,
        the voxel nearest to it is.
        """
        values = torch.nan_to_num(x.detach().cpu().float(), nan=1.0).clamp(-1, 1)
        if self.config.form == "points":
            near = field_of(values[None], self.config.size)[0, 0].numpy()
            levels = ((near + 1) * MIDDLE).round().astype(np.uint8)
            return replace(self.shape_of(levels), points=values.numpy())
        field = ((values[0] + 1) * MIDDLE).round().to(torch.uint8).numpy()
        return self.shape_of(specks.removed(field, self.config.specks))

    def shape_of(self, field: np.ndarray) -> Shape:
        """(n, n, n) uint8 -> the shape whose surface lies between the levels 127 and 128."""
        field = np.ascontiguousarray(field)
        if (field > MIDDLE).all():
            field = field.copy()
            field.reshape(-1)[int(field.argmin())] = int(MIDDLE)
        mesh = surface(field.astype(np.float32) - MIDDLE)
        n = len(field)
        scale = (self._longest or 1.0) / (n - 1 - 2 * MARGIN)
        scale = min(max(scale, SMALLEST), LARGEST)
        lowest = np.array([(n - 1) / 2, MARGIN, (n - 1) / 2], np.float32)
        return Shape(Mesh((mesh.vertices - lowest) * np.float32(scale), mesh.faces), field)

    def write(self, item: Shape, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """GLB (+y up, with the field), binary STL, OBJ, binary PLY or OFF (codec.up) by the ending;
        the manifest inside. The same item and manifest give the same bytes.
        """
        if self.config.up == "z" and path.suffix.lower() != ".glb":
            item = replace(item, mesh=Mesh(_z_up(item.mesh.vertices), item.mesh.faces))
        path.write_bytes(formats.write(item, path, manifest))

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        return formats.manifest_of(path)

    @classmethod
    def content(cls, path: Path) -> str:
        """Of corners, faces and the field, if there is one."""
        shape = formats.read(path)
        digest = hashlib.sha256(f"{shape.mesh.vertices.shape} {shape.mesh.faces.shape}\n".encode())
        digest.update(shape.mesh.vertices.astype("<f4").tobytes())
        digest.update(shape.mesh.faces.astype("<i4").tobytes())
        if shape.field is not None:
            digest.update(shape.field.tobytes())
        if shape.points is not None:
            digest.update(shape.points.astype("<f4").tobytes())
        return digest.hexdigest()

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        """Whether a GLB has the label that the manifest asks for; other formats have none."""
        return formats.is_labelled(path, manifest)

    def preview(self, items: list[Shape]) -> PIL.Image.Image:
        """A picture of each, in a grid."""
        return contact_sheet([render(item.mesh) for item in items], gap=0)

    def units(self, item: Shape) -> dict[str, int]:
        return {"dimension": self.spec.size}

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        if self.config.form == "points":
            return {
                "turn": augment.turn_points,
                "mirror": augment.mirror_points,
                "stretch": augment.stretch_points,
            }
        return {"turn": augment.turn, "mirror": augment.mirror, "stretch": augment.stretch}

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"longest": self._longest}, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        self._longest = ShapeState.model_validate(state).longest
        self._fitted = True
        return self


def levels_of(distance: np.ndarray) -> np.ndarray:
    """Distances in voxels -> uint8 levels; 0 counts as outside."""
    return ((distance / TRUNCATE + 1) * MIDDLE).clip(0, 255).round().astype(np.uint8)


def _y_up(vertices: np.ndarray) -> np.ndarray:
    """z up to y up: x stays, z becomes y, y becomes -z."""
    return np.ascontiguousarray(vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32))


def _z_up(vertices: np.ndarray) -> np.ndarray:
    """The way back."""
    return np.ascontiguousarray(vertices[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32))
