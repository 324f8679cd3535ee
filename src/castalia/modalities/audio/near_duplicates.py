"""Near duplicates among sounds: the same recording louder, cut closer, at another rate, encoded.

A thumbnail is the log-mel spectrogram below 4 kHz, of the part that is heard, in SLICES equal
slices, RANGE dB below its own loudest entry. Two sounds are near where their thumbnails differ by
less than NEAR in the root mean square, and their heard parts are about equally long. Different
recordings of one digit by one speaker (Free Spoken Digit Dataset) are 0.07 apart or more; of
recordings moved in time, nine in ten less than 0.05.
"""

from __future__ import annotations

import numpy as np
import torch

from castalia.checks.near_pairs import Near
from castalia.modalities.audio.forms import decibels
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound
from castalia.modalities.audio.spectrogram import OVERLAP, mel_filters, stft

RATE, HOP, BANDS, SLICES = 8_000, 64, 24, 24
RANGE = 50.0
NEAR = 0.055
LENGTHS = 0.1  # by how much the logarithms of two lengths may differ
LONGEST = 10.0  # seconds that are looked at
_ROWS = 512
SIZE = BANDS * SLICES


def thumbnail(sound: Sound) -> tuple[np.ndarray, float]:
    """((SIZE,) float16 in [0, 1], seconds that are heard); zeros of silence."""
    samples = resampled(sound.samples[: int(LONGEST * sound.rate)], sound.rate, RATE)
    padded = np.zeros(-(-max(len(samples), OVERLAP * HOP) // HOP) * HOP, np.float32)
    padded[: len(samples)] = samples
    with torch.no_grad():
        spectra = stft(torch.from_numpy(padded)[None], HOP).abs()
        level = decibels(mel_filters(RATE, HOP, BANDS) @ spectra)[0].numpy()
    if level.max() <= -100:
        return np.zeros(SIZE, np.float16), 0.0
    shown = np.clip((level - level.max()) / RANGE + 1, 0, 1)
    heard = np.flatnonzero(shown.max(0) > 0.1)
    shown = shown[:, heard[0] : heard[-1] + 1]
    sums = np.concatenate([np.zeros((BANDS, 1)), shown.cumsum(1)], 1)
    edges = np.linspace(0, shown.shape[1], SLICES + 1)
    at = np.stack([np.interp(edges, np.arange(sums.shape[1]), row) for row in sums])
    means = np.diff(at, axis=1) / np.diff(edges)
    return means.astype(np.float16).ravel(), shown.shape[1] * HOP / RATE


def near(thumbnails: np.ndarray, seconds: np.ndarray) -> Near:
    """thumbnails (N, SIZE), seconds (N,) -> pairs of rows."""
    rows = torch.from_numpy(thumbnails.astype(np.float32))
    length = torch.from_numpy(np.log(np.maximum(seconds, 1e-3)).astype(np.float32))
    pairs, distances = [], []
    for first in range(0, len(rows), _ROWS):
        block = slice(first, min(len(rows), first + _ROWS))
        apart = torch.cdist(rows[block], rows[first:]) / SIZE**0.5
        alike = (apart < NEAR) & ((length[block, None] - length[None, first:]).abs() < LENGTHS)
        one, other = torch.nonzero(torch.triu(alike, 1), as_tuple=True)
        pairs.append(torch.stack([one + first, other + first], 1))
        distances.append(apart[one, other])
    if not pairs:
        return Near(np.zeros((0, 2), np.int64), np.zeros(0))
    return Near(torch.cat(pairs).numpy(), torch.cat(distances).double().numpy())
