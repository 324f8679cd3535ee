"""The array codec: `.npy`, `.npz` and IDX files whose first axis counts the items.

An item is a float32 `numpy.ndarray` of a shape that all share. The codec standardises: vectors
entry by entry, grids and sets with one mean and deviation per channel (axis 0 when there are two
axes or more), fitted on training items. No value is clipped. A written file is an `.npz` with the
keys `x`, shape (1, ...), and `manifest`, JSON. Pictures have a codec of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import PIL.ImageDraw
import torch
from pydantic import Field
from torch import Tensor

from castalia import bounded
from castalia.codecs import array_files
from castalia.codecs.base import Codec, CodecConfig
from castalia.codecs.contact_sheet import contact_sheet
from castalia.config import State
from castalia.errors import DataError, SpecError
from castalia.sentences import say
from castalia.spec import Dense

_FIT_ITEMS = 100_000
_LARGEST = 3e38  # what decode gives for an infinity: it must stay a float32


class ArrayConfig(CodecConfig):
    """Settings of `ArrayCodec`.

    rows      True: the first axis of a file counts items. False: a file is one item.
    layout    "vector" no axes, "grid" neighbours are related, "set" order is meaningless. None:
              "vector" for one axis, else "grid".
    standard  scale to zero mean and unit deviation; False: numbers pass as they are.
    """

    rows: bool = True
    layout: Literal["vector", "grid", "set"] | None = None
    standard: bool = True


class ArrayState(State):
    """The shape of every item."""

    shape: Annotated[list[Annotated[int, Field(ge=1, le=1 << 31)]], Field(max_length=8)] | None


class ArrayCodec(Codec[np.ndarray]):
    """Arrays of one shape to float32 tensors; spec Dense(shape, unit "standard", levels None)."""

    name = "array"
    native = np.ndarray
    extensions: ClassVar[tuple[str, ...]] = array_files.EXTENSIONS
    Config = ArrayConfig

    def __init__(self, config: ArrayConfig | None = None) -> None:
        super().__init__(config or ArrayConfig())
        self._shape: tuple[int, ...] | None = None
        self._mean = torch.zeros(())
        self._deviation = torch.ones(())

    @classmethod
    def claims(cls, name: str) -> bool:
        return array_files.is_container(Path(name))

    def is_container(self, path: Path) -> bool:
        return bool(self.config.rows)

    def read(self, path: Path) -> Iterator[np.ndarray]:
        """float32 items in order. Raises DataError for a damaged file, for values that are not
        numbers, and for NaN or infinity.
        """
        head = array_files.header(path)
        if head.dtype.kind not in "biuf":
            raise DataError(
                say("the array does not hold numbers but {0}", head.dtype),
                path.name,
                say("save integers or floating-point numbers"),
            )
        if not self.config.rows:
            yield _finite(array_files.read_array(path), path, 0)
            return
        first = 0
        for block in array_files.blocks(path):
            items = _finite(block, path, first)
            first += len(items)
            # a list of numbers is a list of vectors of length 1
            yield from items if items.ndim > 1 else items[:, None]

    def describe(self, item: np.ndarray) -> str:
        return f"array {'x'.join(map(str, item.shape))}"

    def fit(self, items: Iterable[np.ndarray]) -> None:
        """Takes the shape from the first item, mean and deviation from at most 100,000 (Welford's
        method, in float64).
        """
        mean = squares = np.zeros(())
        count = 0
        for item in items:
            if self._shape is None or count == 0:
                self._shape = item.shape
            if item.shape != self._shape:
                raise self._other_shape(item)
            count += 1
            step = item.astype(np.float64) - mean
            mean = mean + step / count
            squares = squares + step * (item - mean)
            if count == _FIT_ITEMS or not self.config.standard:
                break
        if self._shape is None or count == 0:
            raise DataError(
                say("there is no array to take the shape from"),
                "codec",
                say("give at least one item"),
            )
        if not self.config.standard:
            return
        if len(self._shape) > 1:  # one mean and deviation per channel
            axes = tuple(range(1, len(self._shape)))
            centre = mean.mean(axes, keepdims=True)
            squares = (squares + count * (mean - centre) ** 2).mean(axes, keepdims=True)
            mean = centre
        deviation = np.sqrt(squares / count)
        # a constant entry passes unscaled
        deviation[deviation <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 1.0
        self._mean = torch.from_numpy(mean.astype(np.float32))
        self._deviation = torch.from_numpy(deviation.astype(np.float32))

    @property
    def spec(self) -> Dense:
        if self._shape is None:
            raise SpecError(
                say("the array codec does not know its shape yet"),
                "codec",
                say("call fit(items) first"),
            )
        layout: Literal["vector", "grid", "set"] = self.config.layout or (
            "vector" if len(self._shape) == 1 else "grid"
        )
        return Dense(self._shape, unit="standard", layout=layout)

    def encode(self, item: np.ndarray) -> Tensor:
        """The item's shape, float32, standardised."""
        if item.shape != self.spec.shape:
            raise self._other_shape(item)
        return (torch.from_numpy(np.array(item, dtype=np.float32)) - self._mean) / self._deviation

    def decode(self, x: Tensor) -> np.ndarray:
        """A standardised tensor of the spec's shape to the data's units, float32; NaN becomes the
        mean, infinities the largest numbers.
        """
        if tuple(x.shape) != self.spec.shape:
            raise SpecError(
                say("the tensor has another shape than the items"),
                say("{0} against {1}", tuple(x.shape), self.spec.shape),
                say("decode one sample at a time"),
            )
        values = torch.nan_to_num(
            x.detach().cpu().double(), nan=0.0, posinf=_LARGEST, neginf=-_LARGEST
        )
        return (values * self._deviation + self._mean).clamp_(-_LARGEST, _LARGEST).float().numpy()

    def write(self, item: np.ndarray, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """An `.npz` with keys x and manifest; a plain `.npy` without the manifest when the name
        ends so.
        """
        batch = item[None] if self.config.rows else item
        if path.suffix.lower() == ".npy":
            np.save(path, batch, allow_pickle=False)
            return
        extra = (
            {} if manifest is None else {"manifest": np.array(json.dumps(manifest, sort_keys=True))}
        )
        array_files.write_npz(path, {"x": batch, **extra})

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        return read_manifest(path)

    @classmethod
    def content(cls, path: Path) -> str:
        """Of type, shape and values of the array `x`."""
        values = array_files.read_array(path)
        head = f"{values.dtype.str} {values.shape}\n"
        return hashlib.sha256(head.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()

    @property
    def suffix(self) -> str:
        return ".npz"

    def preview(self, items: list[np.ndarray]) -> PIL.Image.Image:
        """Points in the plane as a scatter plot; longer vectors as one line each; matrices and
        larger grids as grey pictures.
        """
        if not items or self.spec.size == 2:
            return _scatter(np.array([item.ravel() for item in items]).reshape(-1, 2))
        if len(self.spec.shape) == 1:
            return _lines(np.array(items))
        return contact_sheet([_heat(item) for item in items])

    def units(self, item: np.ndarray) -> dict[str, int]:
        return {"dimension": int(item.size)}

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"shape": None if self._shape is None else list(self._shape)}, {
            "mean": self._mean,
            "deviation": self._deviation,
        }

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        shape = ArrayState.model_validate(state).shape
        self._shape = None if shape is None else tuple(shape)
        for name in ("mean", "deviation"):
            tensor = tensors.get(name)
            if (
                tensor is None
                or tensor.dtype != torch.float32
                or not _spreads(tuple(tensor.shape), self._shape or ())
            ):
                raise DataError(
                    say("the tensor '{0}' is missing or of another kind", name),
                    "codec.safetensors",
                    say("restore the file"),
                )
        if bool((tensors["deviation"] <= 0).any()):
            raise DataError(
                say("a deviation is not positive"), "codec.safetensors", say("restore the file")
            )
        self._mean, self._deviation = tensors["mean"], tensors["deviation"]
        return self

    def _other_shape(self, item: np.ndarray) -> DataError:
        return DataError(
            say(
                "an item has another shape than the first: {0} against {1}", item.shape, self._shape
            ),
            "codec array",
            say("give all items one shape"),
        )


def _spreads(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    """Whether an array of one shape, or its one number along an axis, stands for one of the other
    shape.
    """
    return len(inner) <= len(outer) and all(
        one in (1, other) for one, other in zip(inner[::-1], outer[::-1], strict=False)
    )


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest that `ArrayCodec.write` put into an `.npz` file; None if there is none."""
    if path.suffix.lower() != ".npz":
        return None
    text = array_files.text(path, "manifest")
    if text is None:
        return None
    try:
        manifest = bounded.parse_json(text)
    except DataError:
        return None  # somebody else's key of that name
    return manifest if isinstance(manifest, dict) else None


def _finite(array: np.ndarray, path: Path, first: int) -> np.ndarray:
    # a float64 beyond float32 becomes an infinity, which is refused below
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
    good = np.isfinite(values)
    if not good.all():
        place = np.argwhere(~good)[0]
        raise DataError(
            say("the array holds NaN, infinity or numbers beyond float32"),
            say("{0}, item {1}", path.name, first + int(place[0])),
            say("remove such items"),
        )
    return values


def _frame(values: np.ndarray, size: int, margin: int = 8) -> np.ndarray:
    """Values scaled into [margin, size - margin], column by column."""
    if len(values) == 0:
        return values
    low, high = values.min(0), values.max(0)
    scaled: np.ndarray = margin + (values - low) / np.maximum(high - low, 1e-30) * (
        size - 2 * margin
    )
    return scaled


def _scatter(points: np.ndarray, size: int = 320) -> PIL.Image.Image:
    sheet = PIL.Image.new("RGB", (size, size), "white")
    draw = PIL.ImageDraw.Draw(sheet)
    for across, up in _frame(points.astype(np.float64), size).tolist():
        draw.ellipse((across - 1, size - up - 1, across + 1, size - up + 1), fill=(30, 90, 160))
    return sheet


def _lines(vectors: np.ndarray, width: int = 480, height: int = 240) -> PIL.Image.Image:
    sheet = PIL.Image.new("RGB", (width, height), "white")
    draw = PIL.ImageDraw.Draw(sheet)
    scaled = _frame(vectors.astype(np.float64).reshape(-1, 1), height).reshape(vectors.shape)
    across = np.linspace(8, width - 8, max(2, vectors.shape[1]))
    for row in scaled:
        heights = np.repeat(row, 2) if len(row) == 1 else row
        draw.line(
            [(float(x), height - float(y)) for x, y in zip(across, heights, strict=True)],
            fill=(30, 90, 160),
        )
    return sheet


def _heat(item: np.ndarray) -> PIL.Image.Image:
    """The first matrix of an array (all leading axes at 0), darkest to lightest."""
    matrix = item.reshape(-1, *item.shape[-2:])[0].astype(np.float64)
    span = max(float(matrix.max() - matrix.min()), 1e-30)
    return PIL.Image.fromarray(((matrix - matrix.min()) / span * 255).astype(np.uint8))
