"""The picture codec: PNG, JPEG, WebP, GIF (first frame), BMP, TIFF (first page), PPM, AVIF, HEIC
(with pillow-heif), and IDX, .npy and .npz arrays of pictures.

An item is a `PIL.Image.Image` as the file stores it, turned upright. `encode` brings any of them to
one size and one number of channels: colours by modalities/image/colours.py (sRGB, 8 bits,
transparency on white), Lanczos resampling (box = window, so cropping and scaling are one step). The
manifest of a written picture is a PNG text chunk "castalia", or the EXIF image description of JPEG
and WebP; codecs/ai_label.py is the label for other programs.

The augmentations are in modalities/image/augment.py, the array files in codecs/array_files.py, the
grid of previews in codecs/contact_sheet.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageOps
import PIL.PngImagePlugin
import torch
from pydantic import Field, field_validator
from torch import Tensor

from castalia import bounded
from castalia.codecs import ai_label, array_files
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.codecs.contact_sheet import contact_sheet
from castalia.config import State
from castalia.errors import DataError, SpecError
from castalia.language import say
from castalia.modalities.image import augment
from castalia.modalities.image.colours import flattened, infinite, transparency
from castalia.omissions import Omission
from castalia.spec import Dense

# Only these decoders are ever tried, whatever the file claims: no PostScript, no vendor formats.
_FORMATS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe", ".mpo"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    **({"AVIF": (".avif",)} if PIL.features.check("avif") else {}),
    **({"HEIF": (".heic", ".heif", ".hif")} if importlib.util.find_spec("pillow_heif") else {}),
}
# brands of ISO base media files (ISO 23008-12)
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_WRITTEN = ("PNG", "JPEG", "WEBP")
_EXIF_DESCRIPTION = 0x010E
_FIT_ITEMS = 64  # pictures that `fit` uses
_LARGEST_INFERRED = 128


class ImageConfig(CodecConfig):
    """Settings of `ImageCodec`.

    size      side in pixels, or (height, width). None: the common size of the pictures when they
              share one of at most 128 pixels, else a square of 64 (32 when most of them are smaller
              than 64).
    channels  1 grey, 3 colour. None: 1 when the pictures are grey throughout, else 3.
    fit       a picture of another shape is cut at the centre ("crop"), framed in its border's
              colour ("pad"), or distorted ("stretch").
    """

    size: int | tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    fit: Literal["crop", "pad", "stretch"] = "crop"
    quality: int = Field(
        default=92, ge=1, le=100, description="of JPEG and WebP files that are written"
    )

    @field_validator("size")
    @classmethod
    def _sides(cls, size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        sides = () if size is None else (size,) if isinstance(size, int) else size
        if any(not 1 <= side <= 4096 for side in sides):
            raise ValueError(say("a side must lie between 1 and 4096 pixels"))
        return size


class ImageState(State):
    """What `fit` learned: (height, width) and channels."""

    size: (
        Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=2, max_length=2)]
        | None
    )
    channels: Literal[1, 3] | None


class ImageCodec(Codec[PIL.Image.Image]):
    """Pictures of any kind to uint8 tensors (C, H, W); spec Dense((C, H, W), unit "signed", levels
    256).
    """

    name = "image"
    native = PIL.Image.Image
    labels_files: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = (
        *dict.fromkeys(itertools.chain.from_iterable(_FORMATS.values())),
        *array_files.EXTENSIONS,
    )
    formats: ClassVar[tuple[str, ...]] = (".jpg", ".webp")
    Config = ImageConfig

    def __init__(self, config: ImageConfig | None = None) -> None:
        super().__init__(config or ImageConfig())
        size = self.config.size
        # (height, width)
        self._size: tuple[int, int] | None = (size, size) if isinstance(size, int) else size
        self._channels: int | None = self.config.channels

    @classmethod
    def claims(cls, name: str) -> bool:
        return super().claims(name) or array_files.is_container(Path(name))

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        if head[4:8] == b"ftyp":
            return (head[8:12] in (b"avif", b"avis") and "AVIF" in _FORMATS) or (
                head[8:12] in _HEIC and "HEIF" in _FORMATS
            )
        return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Of files of arrays, those of bytes with two axes, or three of which the last one may be
        channels; of damaged ones, those with the endings of MNIST's.
        """
        if not array_files.is_container(path):
            return True
        try:
            head = array_files.header(path)
        except (DataError, OSError):
            return path.suffix.lower() not in (".npy", ".npz")
        return head.dtype == "uint8" and (
            len(head.shape) == 3 or (len(head.shape) == 4 and head.shape[3] in (1, 3, 4))
        )

    def is_container(self, path: Path) -> bool:
        return array_files.is_container(path)

    # Files to items -------------------------------------------------------------------------------

    def read(self, path: Path) -> Iterator[PIL.Image.Image]:
        """The picture in a file, or the pictures of an array file in order. Raises DataError naming
        a file that is unreadable.
        """
        if array_files.is_container(path):
            yield from _pictures(path)
        else:
            yield self._picture(path)

    def _picture(self, path: Path) -> PIL.Image.Image:
        try:
            with warnings.catch_warnings():
                # PIL warns where we refuse (bombs), and about broken EXIF that does not matter
                warnings.simplefilter("ignore")
                with open_picture(path) as opened:
                    form, mode, stored = (
                        opened.format or "",
                        opened.mode,
                        str([*getattr(opened, "tile", []), ("",) * 4][0][3]),
                    )
                    frames = _frames(opened)
                    # JPEG decodes at 1/2, 1/4 or 1/8, much faster; twice the size loses nothing
                    if self.config.size is not None:
                        side = 2 * max(
                            self.config.size
                            if isinstance(self.config.size, tuple)
                            else (self.config.size,)
                        )
                        opened.draft(mode, (side, side))
                    opened.load()
                    picture = PIL.ImageOps.exif_transpose(opened)
        except PIL.UnidentifiedImageError as error:
            raise DataError(
                say("the file is not a picture, whatever its name says"),
                path.name,
                say("remove or rename it, or set data.skip_bad=true"),
            ) from error
        except DataError:
            raise
        # a decoder fed with a damaged file raises almost anything: OSError, SyntaxError,
        # struct.error ...
        except Exception as error:
            raise DataError(
                say("the picture cannot be decoded: {0}", str(error) or type(error).__name__),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            ) from error
        picture.info.update(transparency(picture.info, stored).items())
        picture.info["castalia_frames"] = frames
        misnamed = path.suffix.lower() not in _FORMATS.get(form, (path.suffix.lower(),))
        picture.info["castalia_stored"] = f"{form} {mode}" + (
            f" named {path.suffix.lower()}" if misnamed else ""
        )
        return picture

    def describe(self, item: PIL.Image.Image) -> str:
        """Format and mode of the file, e.g. "JPEG CMYK" or "PNG RGB named .jpg"."""
        return str(item.info.get("castalia_stored", f"array {item.mode}"))

    def omitted(self, item: PIL.Image.Image) -> Iterator[Omission]:
        """Frames after the first, and pixels that are no numbers."""
        frames = item.info.get("castalia_frames", 1)
        if frames > 1:
            yield Omission(
                say("frames and pages after the first"),
                frames - 1,
                "",
                say("save those that you want as pictures of their own"),
            )
        wrong = infinite(item)
        if wrong:
            yield Omission(
                say("pixels that are NaN or infinite"),
                wrong,
                "",
                say("they are read as black or white; save finite numbers"),
            )

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[PIL.Image.Image]) -> None:
        """Infers what the config leaves open from the first 64 items. Raises DataError when there
        is none.
        """
        if self._size is not None and self._channels is not None:
            return
        sizes: set[tuple[int, int]] = set()
        shorter: list[int] = []
        grey = True
        for item in itertools.islice(items, _FIT_ITEMS):
            sizes.add((item.height, item.width))
            shorter.append(min(item.size))
            grey = grey and _is_grey(item)
        if not shorter:
            raise DataError(
                say("there is no picture to take the size from"),
                "codec.size",
                say("set codec.size and codec.channels"),
            )
        if self._channels is None:
            self._channels = 1 if grey else 3
        if self._size is None:
            common = next(iter(sizes))
            side = 64 if sorted(shorter)[len(shorter) // 2] >= 64 else 32
            self._size = (
                common if len(sizes) == 1 and max(common) <= _LARGEST_INFERRED else (side, side)
            )

    @property
    def spec(self) -> Dense:
        if self._size is None or self._channels is None:
            raise SpecError(
                say("the image codec does not know its size yet"),
                "codec.size",
                say("call fit(items) first, or set codec.size and codec.channels"),
            )
        return Dense((self._channels, *self._size), unit="signed", levels=256)

    def encode(self, item: PIL.Image.Image) -> Tensor:
        """(C, H, W) uint8, C in {1, 3}."""
        channels, height, width = self.spec.shape
        plain = flattened(item, channels)
        if plain.size != (width, height):
            plain = _resized(plain, (width, height), self.config.fit)
        return levels_of(plain)

    def decode(self, x: Tensor) -> PIL.Image.Image:
        """(C, H, W) in [-1, 1] to a picture of mode "L" or "RGB"; values outside are clipped, NaN
        becomes mid-grey.

        `decode(to_unit(encode(item)))` is exact in every pixel of the encoded size.
        """
        if x.dim() != 3 or x.shape[0] not in (1, 3):
            raise SpecError(
                say("a picture is a tensor (1 or 3, H, W)"),
                f"shape {tuple(x.shape)}",
                say("decode one sample at a time"),
            )
        levels = (
            torch.nan_to_num(x.detach().cpu().float(), nan=0.0)
            .clamp_(-1, 1)
            .add_(1)
            .mul_(127.5)
            .round_()
        )
        array = levels.to(torch.uint8).permute(1, 2, 0).numpy()
        return PIL.Image.fromarray(np.ascontiguousarray(array[:, :, 0] if len(x) == 1 else array))

    # Items to files -------------------------------------------------------------------------------

    def write(
        self, item: PIL.Image.Image, path: Path, manifest: dict[str, Any] | None = None
    ) -> None:
        """JPEG or WebP when the name ends so, else PNG. The same item and manifest give the same
        bytes.
        """
        # ASCII: EXIF has no other text
        text = None if manifest is None else json.dumps(manifest, sort_keys=True)
        label = None if manifest is None else ai_label.packet(manifest)
        ending = path.suffix.lower()
        if ending in (".jpg", ".jpeg", ".webp"):
            exif = PIL.Image.Exif()
            if text is not None:
                exif[_EXIF_DESCRIPTION] = text
            if text is not None and len(text) > 60_000:
                raise DataError(
                    say("the manifest does not fit into the file's EXIF block of 64 kB"),
                    path.name,
                    say("write PNG"),
                )
            extra = {} if label is None else {"xmp": label.encode()}
            plain = item if item.mode in ("L", "RGB") else flattened(item, 3)
            plain.save(
                path,
                "WEBP" if ending == ".webp" else "JPEG",
                quality=self.config.quality,
                exif=exif,
                **extra,
            )
        elif ending in (".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"):
            raise DataError(
                say("pictures are not written as {0}", ending),
                path.name,
                say("name it .png, .jpg or .webp"),
            )
        else:
            chunks = PIL.PngImagePlugin.PngInfo()
            if text is not None:
                chunks.add_text("castalia", text)
            if label is not None:
                chunks.add_itxt(ai_label.PNG_KEY, label)
            item.save(path, "PNG", pnginfo=chunks)

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        return read_manifest(path)

    @classmethod
    def content(cls, path: Path) -> str:
        """Of mode, size and pixels as they are decoded, so that JPEG and WebP are judged by what
        they show.
        """
        try:
            with open_picture(path, _WRITTEN) as picture:
                head = f"{picture.mode} {picture.width}x{picture.height}\n"
                return hashlib.sha256(head.encode() + picture.tobytes()).hexdigest()
        except DataError:
            raise
        except Exception as error:  # see ImageCodec.read
            raise DataError(
                say("the picture cannot be read: {0}", str(error) or type(error).__name__),
                path.name,
                say("copy it again"),
            ) from error

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        """Whether the XMP packet is the manifest's."""
        with open_picture(path, _WRITTEN) as picture:
            xmp = picture.info.get(ai_label.PNG_KEY) or picture.info.get("xmp")
        return (xmp.decode(errors="replace") if isinstance(xmp, bytes) else xmp) == ai_label.packet(
            manifest
        )

    @property
    def suffix(self) -> str:
        return ".png"

    def preview(self, items: list[PIL.Image.Image]) -> PIL.Image.Image:
        """A grid, nearly square, row by row; small pictures are enlarged by a whole factor, pixel
        by pixel, so that they can be seen.
        """
        return contact_sheet([flattened(item, 3) for item in items])

    def units(self, item: PIL.Image.Image) -> dict[str, int]:
        return {"dimension": self.spec.size}

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        return {
            "flip": augment.flip,
            "shift": augment.shift,
            "crop": augment.crop,
            "colour": augment.colour,
        }

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {
            "size": None if self._size is None else list(self._size),
            "channels": self._channels,
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        known = ImageState.model_validate(state)
        self._size = None if known.size is None else (known.size[0], known.size[1])
        self._channels = known.channels
        return self


def _frames(opened: PIL.Image.Image) -> int:
    """Frames or pages of a file, as far as they can be counted; the first is current again."""
    try:
        return int(getattr(opened, "n_frames", 1))
    except Exception:  # a file that is damaged behind its first frame: see ImageCodec.read
        return 1
    finally:
        opened.seek(0)


def levels_of(plain: PIL.Image.Image) -> Tensor:
    """(C, H, W) uint8 of a picture of mode "L" or "RGB"."""
    # a copy: torch wants writable memory
    array = np.array(plain, dtype=np.uint8).reshape(plain.height, plain.width, -1)
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


@contextmanager
def open_picture(path: Path, formats: Sequence[str] = tuple(_FORMATS)) -> Iterator[PIL.Image.Image]:
    """A picture of one of Pillow's `formats`, its header read and its pixels not. Raises DataError
    for more bytes or pixels than the limits file_bytes and pixels let through, and whatever Pillow
    raises.
    """
    limits = bounded.current()
    if PIL.Image.MAX_IMAGE_PIXELS is not None and limits.pixels > PIL.Image.MAX_IMAGE_PIXELS:
        # Pillow's own limit is the process's; a lower one here holds below
        PIL.Image.MAX_IMAGE_PIXELS = limits.pixels
    with bounded.open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise DataError(
                say("the file is empty (zero bytes)"),
                path.name,
                say("copy it again, or set data.skip_bad=true"),
            )
        if size > limits.file_bytes:
            raise bounded.exceeded("file_bytes", say("the picture is too large"), path.name)
        file.seek(0)
        head = file.read(64)
        file.seek(0)
        if head[4:8] == b"ftyp" and head[8:12] in _HEIC and b"avif" not in head:
            _open_heic(path)
        try:
            opened = PIL.Image.open(
                file, formats=[name for name in formats if name != "HEIF" or name in PIL.Image.OPEN]
            )
        except PIL.Image.DecompressionBombError as error:
            raise bounded.exceeded(
                "pixels", say("the picture is too large to decode safely"), path.name
            ) from error
        with opened:
            if opened.width * opened.height > limits.pixels:
                raise bounded.exceeded(
                    "pixels",
                    say(
                        "the picture is too large to decode safely: {0} x {1} pixels",
                        opened.width,
                        opened.height,
                    ),
                    path.name,
                )
            yield opened


def _open_heic(path: Path) -> None:
    """Makes Pillow read HEIC."""
    try:
        import pillow_heif
    except ImportError as error:
        fix = say(
            "pip install 'castalia[documents]', or save it as JPEG, or set data.skip_bad=true"
        )
        raise DataError(
            say("reading HEIC needs the package pillow-heif"), path.name, fix
        ) from error
    if "HEIF" not in PIL.Image.OPEN:
        pillow_heif.register_heif_opener(thumbnails=False)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest that `ImageCodec.write` put into a PNG, JPEG or WebP file; None if there is
    none.
    """
    _require_one_manifest(path)
    try:
        with open_picture(path, _WRITTEN) as picture:
            text = picture.info.get("castalia") or picture.getexif().get(_EXIF_DESCRIPTION)
    except DataError:
        raise
    except Exception as error:  # see ImageCodec.read
        raise DataError(
            say("the picture cannot be read: {0}", str(error) or type(error).__name__),
            path.name,
            say("copy it again"),
        ) from error
    try:
        manifest = bounded.parse_json(text) if isinstance(text, str) else None
    except DataError:
        return None  # somebody else's image description
    return manifest if isinstance(manifest, dict) else None


def _require_one_manifest(path: Path) -> None:
    """Raises DataError for a PNG with several texts of the manifest's name: readers differ in which
    of them they take.
    """
    count = 0
    with bounded.open_regular(path) as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            name = file.read(min(length, 9)) if kind in (b"tEXt", b"zTXt", b"iTXt") else b""
            count += name == b"castalia\0"
            file.seek(length - len(name) + 4, os.SEEK_CUR)  # with the checksum
    if count > 1:
        raise DataError(
            say("the file carries more than one manifest"),
            path.name,
            say("somebody added one: ask for the file as it was released"),
        )


def _pictures(path: Path) -> Iterator[PIL.Image.Image]:
    head = array_files.header(path)
    grey = len(head.shape) == 3 or (len(head.shape) == 4 and head.shape[3] == 1)
    if head.dtype != np.uint8 or not (grey or (len(head.shape) == 4 and head.shape[3] in (3, 4))):
        raise DataError(
            say("the array does not hold pictures: shape {0}, type {1}", head.shape, head.dtype),
            path.name,
            say(
                "pictures are uint8 of shape (N, H, W) or (N, H, W, 1, 3 or 4); for other "
                "arrays use codec.name=array"
            ),
        )
    for block in array_files.blocks(path):
        for row in block:
            yield PIL.Image.fromarray(row[:, :, 0] if grey and row.ndim == 3 else row)


def _is_grey(item: PIL.Image.Image) -> bool:
    if item.mode in ("1", "L", "LA", "La", "I", "F") or item.mode.startswith("I;16"):
        return True
    colours = np.asarray(flattened(item, 3))
    return bool(
        (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all()
    )


def _resized(item: PIL.Image.Image, size: tuple[int, int], fit: str) -> PIL.Image.Image:
    """(width, height) by Lanczos; see ImageConfig.fit."""
    lanczos = PIL.Image.Resampling.LANCZOS
    if fit == "stretch":
        return item.resize(size, lanczos)
    across, down = size[0] / item.width, size[1] / item.height
    if fit == "crop":
        scale = max(across, down)
        width, height = size[0] / scale, size[1] / scale
        left, top = (item.width - width) / 2, (item.height - height) / 2
        box = (
            max(0.0, left),
            max(0.0, top),
            min(float(item.width), left + width),
            min(float(item.height), top + height),
        )
        return item.resize(size, lanczos, box=box)
    scale = min(across, down)
    inner = (max(1, round(item.width * scale)), max(1, round(item.height * scale)))
    pixels = np.asarray(item)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).reshape(
        -1, len(item.getbands())
    )
    framed = PIL.Image.new(
        item.mode, size, tuple(int(value) for value in np.median(border, axis=0))
    )
    framed.paste(
        item.resize(inner, lanczos), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    )
    return framed
