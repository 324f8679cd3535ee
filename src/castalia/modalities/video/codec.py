"""The codec of clips: (C, T, H, W), a fixed number of frames at a fixed rate and size.

Frames are taken at even times, cut at the centre to the wanted shape, and made smaller by averages.
What a file holds behind the last frame that is taken is reported as left out, as is its sound.
Reading and writing are in files.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field, field_validator
from torch import Tensor

from castalia.codecs import ai_label
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.config import State
from castalia.errors import DataError, SpecError
from castalia.language import say
from castalia.modalities.video import files
from castalia.modalities.video.clip import Clip, resampled
from castalia.omissions import Omission
from castalia.spec import Dense

FIT_ITEMS = 64  # clips that `fit` uses
LARGEST_INFERRED, MOST_INFERRED = 64, 16  # pixels a side and frames that are chosen by themselves
GREY = 2  # levels that channels of grey clips may differ by: videos store colours apart


class VideoConfig(CodecConfig):
    """size      side in pixels, or (height, width); None: the common size of the clips where it is
              at most 64, else 32.
    frames    how many; None: as many as most clips have, at most 16.
    rate      frames a second; None: that of most clips.
    channels  1 grey, 3 colour; None: 1 where all clips are grey.
    fit       another shape is cut at the centre ("crop") or distorted ("stretch").
    """

    size: int | tuple[int, int] | None = None
    frames: int | None = Field(None, ge=2, le=512, description="of a clip")
    rate: float | None = Field(None, gt=0, le=240, description="frames a second")
    channels: Literal[1, 3] | None = None
    fit: Literal["crop", "stretch"] = "crop"

    @field_validator("size")
    @classmethod
    def _sides(cls, size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        sides = () if size is None else (size,) if isinstance(size, int) else size
        if any(not 4 <= side <= files.LARGEST for side in sides):
            raise ValueError(say("a side must lie between 4 and {0} pixels", files.LARGEST))
        return size


class VideoState(State):
    """What `fit` learned."""

    size: (
        Annotated[
            list[Annotated[int, Field(ge=4, le=files.LARGEST)]], Field(min_length=2, max_length=2)
        ]
        | None
    )
    frames: Annotated[int, Field(ge=2, le=512)] | None
    rate: Annotated[float, Field(gt=0, le=240)] | None
    channels: Literal[1, 3] | None


class VideoCodec(Codec[Clip]):
    """Clips to uint8 tensors (C, T, H, W); spec Dense((C, T, H, W), unit "signed", levels 256)."""

    name = "video"
    native = Clip
    labels_files: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = (
        *itertools.chain.from_iterable(files.ANIMATED.values()),
        *files.CONTAINERS,
    )
    formats: ClassVar[tuple[str, ...]] = (".gif", ".mp4")
    few: ClassVar[str] = say("cut long videos into clips of a few seconds")
    Config = VideoConfig

    def __init__(self, config: VideoConfig | None = None) -> None:
        super().__init__(config or VideoConfig())
        size = self.config.size
        self._size: tuple[int, int] | None = (size, size) if isinstance(size, int) else size
        self._frames: int | None = self.config.frames
        self._rate: float | None = self.config.rate
        self._channels: int | None = self.config.channels

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Animated files; a picture in the same format is not a clip."""
        return files.is_animated(path)

    # Files to items -------------------------------------------------------------------------------

    def read(self, path: Path) -> Iterator[Clip]:
        yield files.read_clip(path)

    def describe(self, item: Clip) -> str:
        return item.stored

    def omitted(self, item: Clip) -> Iterator[Omission]:
        rate, wanted = self._rate or item.rate, self._frames or len(item.frames)
        behind = len(item.frames) - resampled(len(item.frames), item.rate, wanted, rate)[-1] - 1
        # frames between those that are taken are not left out: the rate is lower
        if behind * rate / item.rate >= 1 or item.more:
            yield Omission(
                say("frames behind the last one that fits"),
                int(behind) + item.more,
                "",
                say("cut long videos into clips, or set codec.frames"),
            )
        if item.sound:
            yield Omission(say("sound of videos"), 1, "", say("train an audio model on it"))
        if item.varied:
            yield Omission(
                say("clips whose frames are shown for different times"),
                1,
                "",
                say("they are read at even times; frames that are shown briefly may be lost"),
            )

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[Clip]) -> None:
        """Infers what the config leaves open from the first 64 clips. Raises DataError when there
        is none.
        """
        known = (self._size, self._frames, self._rate, self._channels)
        if all(one is not None for one in known):
            return
        clips = [
            (item.size, len(item.frames), item.rate, _is_grey(item))
            for item in itertools.islice(items, FIT_ITEMS)
        ]
        if not clips:
            raise DataError(
                say("there is no clip to take the size from"),
                "codec.size",
                say("set codec.size, codec.frames, codec.rate and codec.channels"),
            )
        sizes = {size for size, _, _, _ in clips}
        rates = sorted(rate for _, _, rate, _ in clips)
        self._rate = self._rate or rates[len(rates) // 2]
        if self._frames is None:
            lengths = sorted(count * self._rate / rate for _, count, rate, _ in clips)
            self._frames = max(2, min(MOST_INFERRED, int(lengths[len(lengths) // 2] + 0.01)))
        if self._channels is None:
            self._channels = 1 if all(grey for _, _, _, grey in clips) else 3
        if self._size is None:
            width, height = next(iter(sizes))
            small = (
                len(sizes) == 1
                and min(width, height) >= 4
                and max(width, height) <= LARGEST_INFERRED
            )
            self._size = (height, width) if small else (32, 32)

    @property
    def spec(self) -> Dense:
        if self._size is None or self._frames is None or self._channels is None:
            raise SpecError(
                say("the codec of clips does not know its size yet"),
                "codec.size",
                say("call fit(items) first, or set codec.size, codec.frames and codec.channels"),
            )
        return Dense((self._channels, self._frames, *self._size), unit="signed", levels=256)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self._rate or files.USUAL

    def encode(self, item: Clip) -> Tensor:
        """(C, T, H, W) uint8."""
        channels, wanted, height, width = self.spec.shape
        chosen = resampled(len(item.frames), item.rate, wanted, self.rate)
        made = {
            number: _frame(item.frames[number], channels, (width, height), self.config.fit)
            for number in dict.fromkeys(chosen)
        }
        stacked = np.stack([made[number] for number in chosen])
        return torch.from_numpy(stacked).permute(3, 0, 1, 2).contiguous()

    def decode(self, x: Tensor) -> Clip:
        """(C, T, H, W) in [-1, 1] to a clip; values outside are clipped, NaN becomes mid-grey."""
        if x.dim() != 4 or x.shape[0] not in (1, 3):
            raise SpecError(
                say("a clip is a tensor (1 or 3, T, H, W)"),
                f"shape {tuple(x.shape)}",
                say("decode one sample at a time"),
            )
        unit = torch.nan_to_num(x.detach().cpu().float(), nan=0.0).clamp(-1, 1)
        levels = ((unit + 1) * 127.5).round().to(torch.uint8)
        return Clip(levels.permute(1, 2, 3, 0).contiguous().numpy(), self.rate, "made")

    # Items to files -------------------------------------------------------------------------------

    def write(self, item: Clip, path: Path, manifest: dict[str, Any] | None = None) -> None:
        files.write_clip(item, path, manifest)

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        return files.read_manifest(path)

    @classmethod
    def content(cls, path: Path) -> str:
        return files.content(path)

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        """Whether the XMP packet of a WebP file is the manifest's; other files have none."""
        return path.suffix.lower() != ".webp" or files.xmp(path) == ai_label.packet(manifest)

    @property
    def suffix(self) -> str:
        return ".webp"

    def preview(self, items: list[Clip]) -> PIL.Image.Image:
        """A row for each clip, its frames side by side; of many frames, eight."""
        rows = [strip(item) for item in items]
        sheet = PIL.Image.new(
            "RGB",
            (max(row.width for row in rows), sum(row.height + 2 for row in rows) - 2),
            (255, 255, 255),
        )
        top = 0
        for row in rows:
            sheet.paste(row, (0, top))
            top += row.height + 2
        return sheet

    def units(self, item: Clip) -> dict[str, int]:
        return {"dimension": self.spec.size}

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        return {"flip": flip, "reverse": reverse}

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {
            "size": None if self._size is None else list(self._size),
            "frames": self._frames,
            "rate": self._rate,
            "channels": self._channels,
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        known = VideoState.model_validate(state)
        self._size = None if known.size is None else (known.size[0], known.size[1])
        self._frames, self._rate, self._channels = known.frames, known.rate, known.channels
        return self


def strip(clip: Clip, most: int = 8, side: int = 64) -> PIL.Image.Image:
    """Frames side by side, a pixel apart, small ones enlarged by a whole factor."""
    chosen = np.linspace(0, len(clip.frames) - 1, min(most, len(clip.frames))).round().astype(int)
    width, height = clip.size
    factor = max(1, side // max(width, height))
    row = PIL.Image.new("RGB", (len(chosen) * (factor * width + 1) - 1, factor * height), "white")
    for place, number in enumerate(chosen):
        picture = _picture(clip.frames[number]).convert("RGB")
        large = picture.resize((factor * width, factor * height), PIL.Image.Resampling.NEAREST)
        row.paste(large, (place * (factor * width + 1), 0))
    return row


def flip(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the clips mirrored, left for right."""
    chosen = torch.rand(len(batch), generator=rng) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1, 1), batch.flip(4), batch)


def reverse(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the clips from their end to their beginning."""
    chosen = torch.rand(len(batch), generator=rng) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1, 1), batch.flip(2), batch)


def _picture(frame: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(frame[:, :, 0] if frame.shape[2] == 1 else frame)


def _frame(frame: np.ndarray, channels: int, size: tuple[int, int], fit: str) -> np.ndarray:
    """(H, W, C) uint8 at `size`, which is (width, height)."""
    picture = _picture(frame).convert("L" if channels == 1 else "RGB")
    if picture.size != size:
        box = None
        if fit == "crop":
            scale = min(picture.width / size[0], picture.height / size[1])
            width, height = scale * size[0], scale * size[1]
            left, top = (picture.width - width) / 2, (picture.height - height) / 2
            box = (left, top, left + width, top + height)
        picture = picture.resize(size, PIL.Image.Resampling.LANCZOS, box=box)
    array = np.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array


def _is_grey(clip: Clip) -> bool:
    if clip.frames.shape[3] == 1:
        return True
    some = clip.frames[:: max(1, len(clip.frames) // 4)].astype(np.int16)
    return bool((some.max(3) - some.min(3)).max() <= GREY)
