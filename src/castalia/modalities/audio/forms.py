"""What a model sees of a sound, chosen by `codec.form`.

    mel        (1, bands, T): log magnitudes in mel bands; back by Griffin-Lim
    magnitude  (1, 2 hop, T): log magnitudes of all bins but the last; back by Griffin-Lim
    complex    (2, 2 hop, T): real and imaginary part, magnitudes compressed; back exactly
    wave       (1, S): the samples

All take and give rows of waves (B, S) float32 with S = T * hop, in [-1, 1]. Which one to use is
measured in benchmarks/audio_classes.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from castalia.modalities.audio.spectrogram import (
    griffin_lim,
    istft,
    magnitudes_of,
    mel_filters,
    stft,
)
from castalia.spec import Dense

ITERATIONS = 32  # of Griffin-Lim
POWER = 0.5  # of magnitudes in the form "complex" (as Richter et al. 2023, arXiv:2208.05830)
LEVELS = 256
FLOOR = -120.0  # dB of what is no sound at all
HEARD = 0.85  # of the span below the loudest: models leave some 5 dB in what should be silence
STATISTIC_BANDS = 48  # mel bands in which sounds of any form are compared


@dataclass(frozen=True)
class Layout:
    """rate: samples a second. frames, hop: a sound is frames * hop samples. bands: mel bands.
    loudest: dB of the loudest entry in the training data. span: dB from there to what counts as
    silence.
    """

    rate: int
    frames: int
    hop: int
    bands: int
    loudest: float
    span: float

    @property
    def samples(self) -> int:
        return self.frames * self.hop


class Form(ABC):
    """rows (B, *spec.shape) are in the spec's unit, float32."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    @abstractmethod
    def spec(self) -> Dense: ...

    @abstractmethod
    def rows(self, waves: Tensor) -> Tensor:
        """(B, S) -> (B, *shape)."""

    @abstractmethod
    def waves(self, rows: Tensor) -> Tensor:
        """(B, *shape) finite, within the unit -> (B, S)."""

    def stored(self, rows: Tensor) -> Tensor:
        """Rows as they are kept: levels as uint8 where the spec has them."""
        if self.spec.levels is None:
            return rows
        top = self.spec.levels - 1
        return ((rows + 1) * (top / 2)).round().clamp(0, top).to(torch.uint8)

    @abstractmethod
    def loudness(self, rows: Tensor) -> Tensor:
        """(B, STATISTIC_BANDS, T) dB in mel bands, FLOOR at least: what features and copies are
        compared in, whatever the form.
        """

    def ends(self, rows: Tensor) -> Tensor:
        """(B,) samples after which there is nothing but silence; at least one hop."""
        active = (self.loudness(rows) > self.layout.loudest - HEARD * self.layout.span).any(1)
        last = (active * torch.arange(1, active.shape[1] + 1)).amax(1).clamp_min(1)
        return last * self.layout.hop


class Magnitude(Form):
    """All bins but the highest, so that their number can be halved often."""

    @property
    def spec(self) -> Dense:
        return Dense((1, 2 * self.layout.hop, self.layout.frames), levels=LEVELS)

    def rows(self, waves: Tensor) -> Tensor:
        return self.unit(self.shown(stft(waves, self.layout.hop).abs()))[:, None]

    def waves(self, rows: Tensor) -> Tensor:
        magnitudes = self._behind(self.amplitudes(rows))
        return griffin_lim(magnitudes, self.layout.hop, ITERATIONS)

    def loudness(self, rows: Tensor) -> Tensor:
        layout = self.layout
        bins = torch.nn.functional.pad(self.amplitudes(rows), (0, 0, 0, 1))
        return decibels(mel_filters(layout.rate, layout.hop, STATISTIC_BANDS) @ bins)

    def magnitudes(self, rows: Tensor) -> Tensor:
        """(B, 1, bands, T) -> (B, bins, T)."""
        return self._behind(self.amplitudes(rows))

    def amplitudes(self, rows: Tensor) -> Tensor:
        """(B, 1, bands, T) in the unit -> (B, bands, T): what `shown` gave; 0 for silence."""
        level = (rows[:, 0] + 1) / 2  # 0 is silence
        sound = self.layout.loudest + self.layout.span * (level - 1)
        return torch.where(level > 1 / LEVELS, 10 ** (sound / 20), 0.0)

    def unit(self, shown: Tensor) -> Tensor:
        """(B, bands, T) amplitudes -> the same in [-1, 1]."""
        share = (decibels(shown) - self.layout.loudest) / self.layout.span + 1
        return 2 * share.clamp(0, 1) - 1

    def shown(self, magnitudes: Tensor) -> Tensor:
        """(B, bins, T) -> (B, bands, T) amplitudes."""
        return magnitudes[:, :-1]

    def _behind(self, amplitudes: Tensor) -> Tensor:
        return torch.nn.functional.pad(amplitudes, (0, 0, 0, 1))


class Mel(Magnitude):
    @property
    def spec(self) -> Dense:
        return Dense((1, self.layout.bands, self.layout.frames), levels=LEVELS)

    @property
    def filters(self) -> Tensor:
        return mel_filters(self.layout.rate, self.layout.hop, self.layout.bands)

    def loudness(self, rows: Tensor) -> Tensor:
        amplitudes = self.amplitudes(rows)
        if self.layout.bands != STATISTIC_BANDS:
            statistic = mel_filters(self.layout.rate, self.layout.hop, STATISTIC_BANDS)
            # a band of the one set as the bands of the other that see the same bins
            shares = statistic @ self.filters.T
            amplitudes = (shares / shares.sum(1, keepdim=True)) @ amplitudes
        return decibels(amplitudes)

    def shown(self, magnitudes: Tensor) -> Tensor:
        return self.filters @ magnitudes

    def _behind(self, amplitudes: Tensor) -> Tensor:
        return magnitudes_of(amplitudes, self.filters)


class Complex(Form):
    @property
    def spec(self) -> Dense:
        return Dense((2, 2 * self.layout.hop, self.layout.frames))

    def rows(self, waves: Tensor) -> Tensor:
        spectra = stft(waves, self.layout.hop)[:, :-1]
        magnitudes = spectra.abs().clamp_min(1e-8)
        small = spectra / magnitudes * (magnitudes / self._full) ** POWER
        return torch.view_as_real(small).movedim(-1, 1).clamp(-1, 1).contiguous()

    def waves(self, rows: Tensor) -> Tensor:
        return istft(self._spectra(rows), self.layout.hop)

    def loudness(self, rows: Tensor) -> Tensor:
        filters = mel_filters(self.layout.rate, self.layout.hop, STATISTIC_BANDS)
        return decibels(filters @ self._spectra(rows).abs())

    @property
    def _full(self) -> float:
        return 10 ** (self.layout.loudest / 20)

    def _spectra(self, rows: Tensor) -> Tensor:
        small = torch.view_as_complex(rows.movedim(1, -1).contiguous())
        magnitudes = small.abs()
        spectra = small * magnitudes ** (1 / POWER - 1) * self._full
        return torch.nn.functional.pad(spectra, (0, 0, 0, 1))


class Wave(Form):
    @property
    def spec(self) -> Dense:
        return Dense((1, self.layout.samples))

    def rows(self, waves: Tensor) -> Tensor:
        return waves[:, None]

    def waves(self, rows: Tensor) -> Tensor:
        return rows[:, 0]

    def loudness(self, rows: Tensor) -> Tensor:
        filters = mel_filters(self.layout.rate, self.layout.hop, STATISTIC_BANDS)
        return decibels(filters @ stft(rows[:, 0], self.layout.hop).abs())


FORMS: dict[str, type[Form]] = {
    "mel": Mel,
    "magnitude": Magnitude,
    "complex": Complex,
    "wave": Wave,
}


def decibels(magnitudes: Tensor) -> Tensor:
    """Amplitudes >= 0 -> dB, FLOOR at least."""
    return 20 * magnitudes.clamp_min(10 ** (FLOOR / 20)).log10()
