"""Simple ways to do what the edits do, which know no sounds: what trials compare with (trials.py).

Spectral gating: magnitudes that do not rise above the noise are turned down, as noise reduction of
audio editors does. Linear prediction: a gap is filled from both sides by linear_prediction.py,
and both are blended.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from castalia.modalities.audio.linear_prediction import HISTORY, foretold
from castalia.modalities.audio.spectrogram import istft, stft

GATE = 2.5  # times the noise
CLOSED = 0.1  # what a closed gate lets through


def spectral_gating(wave: Tensor, hop: int, noise: Tensor) -> Tensor:
    """(S,) and the noise of each bin, root mean square (2 hop + 1,) -> (S,)."""
    spectra = stft(wave[None], hop)
    open_ = (spectra.abs() > GATE * noise[None, :, None]).float()
    # gates open and close over three frames and bins, against single tones that chirp
    smooth = torch.nn.functional.avg_pool2d(open_, 3, 1, 1)
    return istft(spectra * (CLOSED + (1 - CLOSED) * smooth), hop)[0]


def linear_prediction(wave: np.ndarray, first: int, last: int) -> np.ndarray:
    """(S,) with what is between `first` and `last` foretold from before and from behind."""
    made = wave.astype(np.float64).copy()
    count = last - first
    before = foretold(made[max(0, first - HISTORY) : first], count)
    behind = foretold(made[last : last + HISTORY][::-1], count)[::-1]
    later = np.sin(np.pi / 2 * (np.arange(count) + 0.5) / count) ** 2
    made[first:last] = (1 - later) * before + later * behind
    return made.astype(np.float32)
