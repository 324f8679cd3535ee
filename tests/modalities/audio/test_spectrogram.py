"""Resampling and spectra against closed forms, scipy and one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal
from tests.modalities.audio.sounds import tone

from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.spectrogram import (
    griffin_lim,
    istft,
    magnitudes_of,
    mel_filters,
    stft,
)


def sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("rate", "wanted"), [(44_100, 22_050), (48_000, 22_050), (8_000, 22_050), (44_101, 16_000)]
)
def test_a_sine_stays_a_sine(rate: int, wanted: int):
    for hertz in (100.0, 0.4 * min(rate, wanted)):
        made = resampled(sine(hertz, rate), rate, wanted)
        ideal = sine(hertz, wanted)[: len(made)]
        inside = slice(len(made) // 4, -len(made) // 4)
        assert np.abs(made[: len(ideal)][inside] - ideal[inside]).max() < 1e-3


def test_what_would_alias_is_gone():
    for hertz in (12_500.0, 15_000.0, 20_000.0):
        made = resampled(sine(hertz, 44_100), 44_100, 22_050)
        assert np.abs(made[1000:-1000]).max() < 1e-4  # 80 dB down


def test_against_scipy():
    """Noise below 3 kHz: both filters leave it alone."""
    low = signal.sosfiltfilt(
        signal.butter(10, 3000, fs=44_100, output="sos"),
        np.random.default_rng(0).standard_normal(44_100),
    )
    ours = resampled(low, 44_100, 16_000)
    theirs = signal.resample_poly(low, 160, 441, window=("kaiser", 12.0))
    inside = slice(1000, -1000)
    assert len(ours) == len(theirs)
    assert np.abs(ours[inside] - theirs[inside]).max() < 0.01 * np.abs(low).max()


def test_edges_of_resampling():
    assert resampled(np.zeros(0), 8_000, 16_000).shape == (0,)
    assert resampled(np.ones(1), 8_000, 16_000).shape == (2,)
    same = np.arange(5.0)
    assert np.array_equal(resampled(same, 8_000, 8_000), same)


def test_spectra_against_scipy_and_back():
    wave = torch.from_numpy(tone(300).samples[:3200])[None]
    spectra = stft(wave, 64)
    assert spectra.shape == (1, 129, 50)
    _, _, theirs = signal.stft(
        wave[0].numpy(), window="hann", nperseg=256, noverlap=192, boundary="zeros", padded=False
    )
    assert np.abs(spectra[0].numpy() / 2 - theirs[:, :50]).max() < 1e-5
    assert torch.allclose(istft(spectra, 64), wave, atol=1e-5)
    level = stft(torch.from_numpy(sine(1000, 8000)).float()[None], 64).abs()
    assert level[0, 32, 20].item() == pytest.approx(1.0, abs=1e-3)  # amplitude 1


@pytest.mark.parametrize(("rate", "hop", "bands"), [(8_000, 64, 64), (22_050, 256, 80)])
def test_mel_filters(rate: int, hop: int, bands: int):
    filters = mel_filters(rate, hop, bands)
    assert torch.allclose(filters.sum(1), torch.ones(bands), atol=1e-5)  # none is empty
    centres = (filters * torch.linspace(0, rate / 2, filters.shape[1])).sum(1)
    mels = 2595 * torch.log10(1 + centres / 700)
    assert bool((mels.diff() > 0).all())
    assert mels.diff()[5:-1].std() < 0.12 * mels.diff()[5:-1].mean()  # even in mel


def test_magnitudes_behind_bands():
    """What is found has the bands that were asked for, and is not negative."""
    filters = mel_filters(8_000, 64, 48)
    real = stft(torch.from_numpy(tone(220).samples[:3200])[None], 64).abs()
    bands = filters @ real
    found = magnitudes_of(bands, filters)
    assert bool((found >= 0).all())
    # multiplicative updates never make the error larger, and come to little
    errors = [
        float((filters @ magnitudes_of(bands, filters, steps) - bands).norm() / bands.norm())
        for steps in (0, 10, 40)
    ]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02


def test_griffin_lim_finds_a_sound_with_these_magnitudes():
    wave = torch.from_numpy(tone(330).samples[:3200])[None]
    magnitudes = stft(wave, 64).abs()

    def error(iterations: int) -> float:
        made = stft(griffin_lim(magnitudes, 64, iterations), 64).abs()
        return float((made - magnitudes).norm() / magnitudes.norm())

    assert error(32) < 0.2 and error(32) < 0.5 * error(0)
    again = griffin_lim(magnitudes, 64, 4)
    assert torch.equal(again, griffin_lim(magnitudes, 64, 4))  # the same each time


def test_griffin_lim_falls_in_with_what_is_known():
    wave = torch.from_numpy(tone(330, fade=1.0).samples[:3200])[None]
    keep = torch.ones(3200, dtype=torch.bool)
    keep[1400:1700] = False
    made = griffin_lim(stft(wave, 64).abs(), 64, 32, wave, keep)
    gap = ~keep
    # in phase with what is around: nearer than silence by far
    assert (made - wave)[:, gap].norm() < 0.3 * wave[:, gap].norm()
    assert (made - wave)[:, keep].norm() < 0.1 * wave[:, keep].norm()
