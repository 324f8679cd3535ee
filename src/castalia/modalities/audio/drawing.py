"""Draw a sound: its spectrogram in mel bands, time to the right, pitch upwards, loud bright."""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch

from castalia.modalities.audio.forms import decibels
from castalia.modalities.audio.sound import Sound
from castalia.modalities.audio.spectrogram import OVERLAP, mel_filters, stft

BANDS, HEIGHT = 64, 96  # mel bands, pixels
WIDTHS = (48, 320)  # pixels: least and most
PER_SECOND = 180  # pixels
SPAN = 60.0  # dB that are shown
LONGEST = 20.0  # seconds that are drawn
# dark blue over red to pale yellow: equal steps of lightness, readable without colours
_STOPS = np.array(
    [(8, 8, 24), (60, 20, 90), (150, 40, 100), (225, 85, 65), (250, 170, 80), (255, 250, 215)],
    np.float64,
)


def spectrogram(sound: Sound) -> PIL.Image.Image:
    """An RGB picture, HEIGHT pixels high; black where there is nothing."""
    samples = sound.samples[: int(LONGEST * sound.rate)]
    hop = max(16, 1 << int(np.round(np.log2(max(1.0, 0.008 * sound.rate)))))
    padded = np.zeros(-(-max(len(samples), OVERLAP * hop) // hop) * hop, np.float32)
    padded[: len(samples)] = samples
    with torch.no_grad():
        spectra = stft(torch.from_numpy(padded)[None], hop).abs()
        level = decibels(mel_filters(sound.rate, hop, BANDS) @ spectra)[0].numpy()
    shown = np.clip((level - level.max()) / SPAN + 1, 0, 1) if level.max() > -100 else 0 * level
    places = np.linspace(0, 1, len(_STOPS))
    colours = np.stack([np.interp(shown, places, _STOPS[:, one]) for one in range(3)], -1)
    picture = PIL.Image.fromarray(colours[::-1].round().astype(np.uint8), "RGB")
    width = int(np.clip(PER_SECOND * len(samples) / sound.rate, *WIDTHS))
    return picture.resize((width, HEIGHT), PIL.Image.Resampling.BILINEAR)
