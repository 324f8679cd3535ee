"""Short-time spectra: forward, back, in mel bands, and back from magnitudes alone.

Griffin & Lim 1984 with the momentum of Perraudin, Balazs & Sondergaard 2013 (fast Griffin-Lim);
mel scale of O'Shaughnessy 1987; magnitudes behind mel bands by the multiplicative updates of Lee &
Seung 2001 (non-negative least squares).

Windows are Hann of four hops. A sound of T hops has T frames, frame t centred on sample t * hop.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from castalia.nn.counter_random import generator

OVERLAP = 4  # hops of a window
MOMENTUM = 0.99
TINY = 1e-8


def stft(waves: Tensor, hop: int) -> Tensor:
    """(B, T * hop) -> (B, 2 hop + 1, T) complex64; a sine of amplitude 1 has magnitude 1."""
    size = OVERLAP * hop
    frames = waves.shape[-1] // hop
    spectra = torch.stft(
        waves, size, hop, window=_window(size), center=True, pad_mode="constant",
        return_complex=True,
    )  # fmt: skip
    return spectra[..., :frames] * (4 / size)


def istft(spectra: Tensor, hop: int) -> Tensor:
    """The inverse of `stft`: (B, 2 hop + 1, T) -> (B, T * hop); of spectra that belong to no sound,
    the sound of the least squared error (Griffin & Lim 1984).
    """
    size = OVERLAP * hop
    return torch.istft(
        spectra * (size / 4),
        size,
        hop,
        window=_window(size),
        center=True,
        length=hop * spectra.shape[-1],
    )


@lru_cache(maxsize=16)
def _window(size: int) -> Tensor:
    return torch.hann_window(size)


def mel(frequency: np.ndarray) -> np.ndarray:
    """Hertz -> mel."""
    scale: np.ndarray = 2595.0 * np.log10(1.0 + frequency / 700.0)
    return scale


def hertz(mels: np.ndarray) -> np.ndarray:
    """Mel -> hertz."""
    scale: np.ndarray = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    return scale


@lru_cache(maxsize=16)
def mel_filters(rate: int, hop: int, bands: int) -> Tensor:
    """(bands, 2 hop + 1) float32: triangles between 0 and half the rate, evenly spaced in mel, each
    averaged over the width of a bin, so that none is empty however narrow; rows sum to 1.
    """
    bins, fine = OVERLAP * hop // 2 + 1, 32
    edges = hertz(np.linspace(0.0, mel(np.array(rate / 2)), bands + 2))
    width = rate / 2 / (bins - 1)
    places = ((np.arange(bins * fine) + 0.5) / fine - 0.5) * width
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (places - left) / (middle - left), (right - places) / (right - middle)
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    filters = triangles.reshape(bands, bins, fine).mean(2)
    return torch.from_numpy(filters / filters.sum(1, keepdims=True)).float()


def magnitudes_of(bands: Tensor, filters: Tensor, iterations: int = 40) -> Tensor:
    """(B, bands, T) >= 0 -> (B, bins, T) >= 0 whose filtered magnitudes are nearest to `bands`."""
    # each bin begins with what the bands that see it hold
    share = filters / filters.sum(0, keepdim=True).clamp_min(TINY)
    found = share.T @ bands + TINY
    above = filters.T @ bands
    gram = filters.T @ filters
    for _ in range(iterations):
        found = found * above / (gram @ found).clamp_min(TINY)
    return found


def griffin_lim(
    magnitudes: Tensor,
    hop: int,
    iterations: int,
    known: Tensor | None = None,
    keep: Tensor | None = None,
) -> Tensor:
    """(B, 2 hop + 1, T) -> (B, T * hop): a sound with about these magnitudes. The first phases are
    the same each time. known (B, T * hop) are samples that hold where keep (T * hop,) is True: the
    rest then falls in with them. What comes out is near to them there, not equal, so that a join
    can be made smooth.
    """
    rows, bins, frames = magnitudes.shape
    rng = generator("griffin-lim", bins, frames)
    angle = 2 * torch.pi * torch.rand(bins, frames, generator=rng)
    phases = torch.polar(torch.ones_like(angle), angle).expand(rows, -1, -1)
    before = torch.zeros_like(phases)

    waves = istft(magnitudes * phases, hop)
    for _ in range(iterations):
        if known is not None and keep is not None:
            waves = torch.where(keep, known, waves)
        now = stft(waves, hop)
        ahead = now + MOMENTUM * (now - before)
        before = now
        phases = ahead / ahead.abs().clamp_min(TINY)
        waves = istft(magnitudes * phases, hop)
    return waves
