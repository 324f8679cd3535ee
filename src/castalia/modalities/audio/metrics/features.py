"""castalia-sound32-v1: 32 hand-made numbers of a sound, in which sounds are compared.

Nothing is learned. Of the log-mel spectrogram (48 bands, 60 dB below the sound's own loudest entry,
so that loudness does not count), between the first and the last frame that is heard:

    24  its two-dimensional cosine transform, 6 coefficients along pitch by 4 along time, over 16
        slices of the heard part: which frequencies, and how they come and go
     3  mean change from frame to frame, of low, middle and high bands: rough or steady
     3  mean change from band to band, likewise: tones or noise
     1  logarithm of the length of the heard part
     1  how far the mean lies below the loudest entry: dense or sparse

Each is divided by its deviation over the recordings of drums, digits, syllables and prompts on
which benchmarks/audio_classes.py runs, once and for all. A distance in these numbers compares
models on the same data; it is not the Frechet audio distance of Kilgour et al. 2019, whose network
is VGGish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from castalia.errors import SpecError
from castalia.sentences import say
from castalia.spec import Dense

NAME = "castalia-sound32-v1"
RANGE = 60.0  # dB below the loudest entry that are seen
SLICES, PITCH, TIME = 16, 6, 4
SCALES = torch.tensor(
    [
        0.0959, 0.0351, 0.0311, 0.0227, 0.0343, 0.0139, 0.0111, 0.0089,
        0.0253, 0.0099, 0.0099, 0.0075, 0.0173, 0.0066, 0.0069, 0.0051,
        0.0156, 0.006, 0.0057, 0.0046, 0.0143, 0.0045, 0.0045, 0.0035,
        0.0152, 0.0141, 0.0105, 0.0158, 0.013, 0.01, 0.5405, 0.0959,
    ]
)  # fmt: skip


class Sound32Features:
    """A FeatureNetwork that reads codecs (evaluation/features.py)."""

    default = True
    about = "castalia's own, 32 hand-made numbers of a log-mel spectrogram"
    needs = say("sounds")

    def fits(self, spec: Dense) -> bool:
        return spec.layout == "grid"

    def confirms(self, spec: Dense) -> bool:
        return False

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        raise SpecError(
            say("a spec alone does not say what its numbers are of a sound"),
            where=f"network {NAME}",
            fix=say("give the codec, too"),
        )

    def extractor_of(self, codec: Any) -> Callable[[Tensor], Tensor]:
        seconds = codec.layout.hop / codec.layout.rate
        low = -1.0 if codec.spec.levels else 0.0

        def look(x: Tensor) -> Tensor:
            rows = torch.nan_to_num(x.float(), low, 1.0, -1.0).clamp(-1, 1)
            return statistics(codec.form.loudness(rows), seconds)

        return look


def statistics(loudness: Tensor, seconds: float) -> Tensor:
    """(B, bands, T) dB, frames `seconds` apart -> (B, 32) float32."""
    return unscaled(loudness, seconds) / SCALES


def unscaled(loudness: Tensor, seconds: float) -> Tensor:
    top = loudness.amax((1, 2), keepdim=True)
    level = ((loudness - top) / RANGE + 1).clamp(0, 1)
    level = torch.where(top > -100, level, torch.zeros_like(level))  # silence
    frames = level.shape[2]
    heard = level.amax(1) > 0.05
    places = torch.arange(frames)
    first = torch.where(heard, places, frames).amin(1)
    last = torch.where(heard, places + 1, 0).amax(1)
    first = torch.minimum(first, last.clamp_min(1) - 1)
    last = torch.maximum(last, first + 1)
    inside = ((places >= first[:, None]) & (places < last[:, None])).float()
    count = inside.sum(1, keepdim=True)
    parts = [
        cosines(slices(level, first, last)).flatten(1),
        _thirds((level.diff(dim=2).abs() * inside[:, None, 1:]).sum(2) / count),
        _thirds((level.diff(dim=1).abs() * inside[:, None]).sum(2) / count),
        (count * seconds).log(),
        1 - (level.mean(1) * inside).sum(1, keepdim=True) / count,
    ]
    return torch.cat(parts, 1)


def slices(level: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """(B, bands, T) -> (B, bands, SLICES): means over equal parts of the frames `first` to
    `last`, parts of frames counted as such.
    """
    sums = torch.nn.functional.pad(level.double().cumsum(2), (1, 0))
    edges = first[:, None] + (last - first)[:, None] * torch.arange(SLICES + 1) / SLICES
    below = edges.floor().long().clamp(0, level.shape[2])
    above = (below + 1).clamp_max(level.shape[2])
    bands = level.shape[1]
    at = [sums.gather(2, place[:, None, :].expand(-1, bands, -1)) for place in (below, above)]
    summed = torch.lerp(at[0], at[1], (edges - below)[:, None].double())
    width = (edges[:, 1:] - edges[:, :-1])[:, None]
    return (summed.diff(dim=2) / width).float()


def cosines(level: Tensor) -> Tensor:
    """(B, bands, SLICES) -> (B, PITCH, TIME): the first coefficients of the DCT-II."""
    bands = _cosine_basis(level.shape[1], PITCH)
    return bands @ level @ _cosine_basis(level.shape[2], TIME).T


def _cosine_basis(size: int, count: int) -> Tensor:
    places = (torch.arange(size) + 0.5) / size
    return torch.cos(math.pi * torch.arange(count)[:, None] * places) / size


def _thirds(values: Tensor) -> Tensor:
    """(B, bands) -> (B, 3): means of low, middle and high bands."""
    return torch.stack([part.mean(1) for part in values.tensor_split(3, dim=1)], 1)
