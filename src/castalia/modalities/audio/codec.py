"""The audio codec: sound files to spectrograms or samples, and back.

An item is a `Sound` (sound.py). Files are read in files.py and wav.py, long recordings cut in
cut.py, other sample rates changed in resample.py; what a model sees is a form (forms.py). All items
have one length: shorter ones are followed by silence, which is cut off again when they are decoded,
longer ones are cut. A written file is a 16-bit mono WAV with the manifest inside.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia import bounded
from castalia.codecs import riff
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.codecs.contact_sheet import contact_sheet
from castalia.config import State
from castalia.errors import DataError, SpecError
from castalia.modalities.audio import cut, drawing, files, wav
from castalia.modalities.audio.forms import FORMS, Form, Layout, decibels
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound, levelled, on_grid
from castalia.modalities.audio.spectrogram import OVERLAP, mel_filters, stft
from castalia.omissions import Omission
from castalia.sentences import say
from castalia.spec import Dense

_FIT_ITEMS = 2_000  # sounds that `fit` looks at
HIGHEST = 22_050  # samples a second that are chosen unless others are asked for
LONGEST = 4.0  # seconds, likewise
STEP = 0.012  # seconds from frame to frame, about
NEARLY_ALL = 0.98  # share of the sounds that are as long as is chosen, or shorter
EIGHTH = 8  # the number of frames is a multiple
SHORTEST = 0.02  # seconds that are left of a sound whose end is cut off


class AudioConfig(CodecConfig):
    """Settings of `AudioCodec`.

    form     what a model sees: "mel" and "magnitude" are log spectrograms, played by Griffin-Lim;
             "complex" is a spectrogram with phases; "wave" are the samples.
    rate     samples a second. None: what most files have, at most 22,050.
    seconds  length of every sound. None: what 98% of the training data do not exceed, at most 4.
    bands    of the form "mel".
    hop      samples from frame to frame, a power of two. None: about 12 milliseconds.
    span     dB between the loudest and what counts as silence.
    level    "peak": every sound is made as loud; "none": as the file has it.
    cut      one file is one sound ("none"), or a recording of many, cut at pauses ("silence") or
             into pieces of `seconds` ("length").
    """

    form: Literal["mel", "magnitude", "complex", "wave"] = "mel"
    rate: int | None = Field(None, ge=1_000, le=192_000)
    seconds: float | None = Field(None, gt=0, le=60)
    bands: int = Field(64, ge=8, le=256)
    hop: Literal[16, 32, 64, 128, 256, 512, 1024] | None = None
    span: float = Field(70.0, ge=20, le=120)
    level: Literal["peak", "none"] = "peak"
    cut: Literal["none", "silence", "length"] = "none"


class AudioState(State):
    """What `fit` learned; see forms.Layout."""

    rate: int = Field(ge=1, le=1_000_000)
    frames: int = Field(ge=1, le=1 << 20)
    hop: int = Field(ge=1, le=4096)
    loudest: float = Field(ge=-200, le=200)


class AudioCodec(Codec[Sound]):
    """Sounds to Dense; see forms.py."""

    name = "audio"
    native: ClassVar[type] = Sound
    extensions: ClassVar[tuple[str, ...]] = files.ENDINGS
    Config = AudioConfig
    few = say("one recording of many sounds counts each of them with codec.cut=silence")
    labels_files = True

    def __init__(self, config: AudioConfig | None = None) -> None:
        super().__init__(config or AudioConfig())
        self._layout: Layout | None = None

    # Files to items -------------------------------------------------------------------------------

    def is_container(self, path: Path) -> bool:
        """With `cut`, a file is a recording of many sounds."""
        return self.config.cut != "none"

    @classmethod
    def weight(cls, path: Path) -> int:
        return 1

    def read(self, path: Path) -> Iterator[Sound]:
        """Raises DataError naming a file that is damaged or holds no sound."""
        whole = files.read(path)
        match self.config.cut:
            case "silence":
                yield from cut.by_silence(whole)
            case "length":
                yield from cut.by_length(whole, self.config.seconds or LONGEST / 2)
            case _:
                yield whole

    def contents(self, path: Path) -> Iterator[bytes]:
        return (f"{item.rate} ".encode() + item.samples.tobytes() for item in self.read(path))

    def belongs(self, path: Path) -> list[str] | None:
        """Sounds of one recording stay together."""
        if not self.is_container(path):
            return None
        name = hashlib.sha256(path.name.encode()).hexdigest()[:16]
        return [name for _ in self.read(path)]

    def describe(self, item: Sound) -> str:
        channels = {1: "mono", 2: "stereo"}.get(item.channels, f"{item.channels} channels")
        return f"{item.stored} {channels} {item.rate} Hz"

    def omitted(self, item: Sound) -> Iterator[Omission]:
        """Channels, and, once the codec is fitted, what is beyond its length and its rate."""
        if item.channels > 1:
            yield Omission(
                say("sounds with several channels, which are mixed into one"),
                1,
                "",
                say("nothing, where one channel is enough"),
            )
        layout = self._layout
        if layout is None:
            return
        if item.seconds > layout.samples / layout.rate + 0.001:
            yield Omission(
                say("sounds whose end is cut off"),
                1,
                "",
                say("codec.seconds=... for longer ones, or codec.cut=silence"),
            )
        if item.rate > layout.rate:
            yield Omission(
                say("sounds whose highest frequencies are left out by a lower sample rate"),
                1,
                "",
                say("codec.rate={0} keeps them and takes longer", item.rate),
            )

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[Sound]) -> None:
        """Rate, length and the loudest entry, from at most 2,000 sounds."""
        given: AudioConfig = self.config
        seen = [item for _, item in zip(range(_FIT_ITEMS), items, strict=False)]
        if not seen:
            raise DataError(
                say("there is no sound to take rate and length from"),
                "codec",
                say("give at least one item"),
            )
        rate = given.rate or min(HIGHEST, Counter(item.rate for item in seen).most_common(1)[0][0])
        seconds = given.seconds or min(
            LONGEST,
            float(np.quantile([item.seconds for item in seen], NEARLY_ALL, method="higher")),
        )
        hop = given.hop or 1 << int(np.round(np.log2(max(16.0, STEP * rate))))
        frames = max(1, -(-round(seconds * rate) // (hop * EIGHTH))) * EIGHTH
        self._layout = Layout(rate, frames, hop, given.bands, 0.0, given.span)
        self._layout = Layout(rate, frames, hop, given.bands, self._loudest(seen), given.span)
        self.__dict__.pop("form", None)

    def _loudest(self, items: list[Sound]) -> float:
        """dB of the loudest entry of the form's magnitudes, over all items."""
        layout = self.layout
        filters = mel_filters(layout.rate, layout.hop, layout.bands)
        loudest = -60.0
        for item in items:
            spectra = stft(torch.from_numpy(self._fitting(item))[None], layout.hop).abs()
            shown = filters @ spectra if self.config.form == "mel" else spectra
            loudest = max(loudest, float(decibels(shown).max()))
        return loudest

    @property
    def layout(self) -> Layout:
        if self._layout is None:
            raise SpecError(
                say("the audio codec does not know its rate and length yet"),
                "codec",
                say("call fit(items) first"),
            )
        return self._layout

    @cached_property
    def form(self) -> Form:
        """What models see."""
        return FORMS[self.config.form](self.layout)

    @property
    def spec(self) -> Dense:
        return self.form.spec

    @property
    def seconds(self) -> float:
        """Of every sound."""
        return self.layout.samples / self.layout.rate

    def _fitting(self, item: Sound) -> np.ndarray:
        """(S,) float32 at the codec's rate, length and level."""
        layout = self.layout
        # what is cut off is not resampled first
        most = -(-layout.samples * item.rate // layout.rate) + OVERLAP * layout.hop
        samples = resampled(item.samples[:most], item.rate, layout.rate)[: layout.samples]
        if self.config.level == "peak":
            samples = levelled(samples)
        fitting = np.zeros(layout.samples, np.float32)
        fitting[: len(samples)] = samples
        return fitting

    def waves(self, items: Iterable[Sound]) -> Tensor:
        """(B, S) float32: items at the codec's rate, length and level."""
        return torch.from_numpy(np.stack([self._fitting(item) for item in items]))

    def encode(self, item: Sound) -> Tensor:
        return self.form.stored(self.form.rows(self.waves([item])))[0]

    def decode(self, x: Tensor) -> Sound:
        """A tensor of the spec's shape in its unit; NaN becomes silence. Silence at the end is left
        out.
        """
        return self.decode_rows(x[None])[0]

    @torch.no_grad()
    def decode_rows(self, x: Tensor) -> list[Sound]:
        """Several at once (B, *shape), which is faster."""
        low = 0.0 if self.spec.levels is None else -1.0
        rows = torch.nan_to_num(x.detach().cpu().float(), low, 1.0, -1.0).clamp(-1, 1)
        waves = self.form.waves(rows)
        ends = self._ends(rows, waves)
        return [
            self.sound(wave[:end].numpy()) for wave, end in zip(waves, ends.tolist(), strict=True)
        ]

    def sound(self, samples: np.ndarray) -> Sound:
        """An item of (S,) samples at the codec's rate, on the 16-bit grid, at the codec's level."""
        heard = levelled(samples) if self.config.level == "peak" else samples
        return Sound(on_grid(heard), self.layout.rate, 1, "")

    def _ends(self, rows: Tensor, waves: Tensor) -> Tensor:
        if self.spec.levels is not None:
            ends = self.form.ends(rows)
        else:  # exact forms: nothing goes but zeros
            places = torch.arange(1, waves.shape[1] + 1)
            ends = ((waves.abs() > 0.5 / 32768) * places).amax(1)
        return ends.clamp_min(max(1, round(SHORTEST * self.layout.rate)))

    # Items to files -------------------------------------------------------------------------------

    def write(self, item: Sound, path: Path, manifest: dict[str, Any] | None = None) -> None:
        wav.write(item, path, manifest)

    @classmethod
    def read_manifest(cls, path: Path) -> dict[str, Any] | None:
        if not _is_wav(path):
            return None
        return riff.read_manifest(bounded.read_bytes(path), path.name)

    @classmethod
    def content(cls, path: Path) -> str:
        """Of format and samples."""
        if not _is_wav(path):
            return super().content(path)
        return riff.content(bounded.read_bytes(path), path.name)

    @classmethod
    def is_labelled(cls, path: Path, manifest: dict[str, Any]) -> bool:
        return not _is_wav(path) or riff.is_labelled(bounded.read_bytes(path), path.name, manifest)

    @property
    def suffix(self) -> str:
        return ".wav"

    def preview(self, items: list[Sound]) -> PIL.Image.Image:
        """A spectrogram of each, in a grid."""
        return contact_sheet([drawing.spectrogram(item) for item in items], gap=6)

    def units(self, item: Sound) -> dict[str, int]:
        return {"dimension": self.spec.size, "sample": self.layout.samples}

    # Augmentation ---------------------------------------------------------------------------------

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        return {"shift": self._shifted}

    def _shifted(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Each row begins up to a twentieth of its length later; what goes beyond the end is lost,
        what comes in is its own last, quietest part.
        """
        most = max(1, x.shape[-1] // 20)
        shifts = torch.randint(0, most + 1, (len(x),), generator=rng).tolist()
        return torch.stack(
            [torch.roll(row, shift, -1) for row, shift in zip(x, shifts, strict=True)]
        )

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        layout = self.layout
        return {
            "rate": layout.rate,
            "frames": layout.frames,
            "hop": layout.hop,
            "loudest": layout.loudest,
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        known = AudioState.model_validate(state)
        given: AudioConfig = self.config
        self._layout = Layout(
            known.rate, known.frames, known.hop, given.bands, known.loudest, given.span
        )
        self.__dict__.pop("form", None)
        return self


def _is_wav(path: Path) -> bool:
    return path.suffix.lower() in files.WAV
