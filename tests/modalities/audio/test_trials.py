"""Trials of edits: the simple methods against closed forms, scores by hand, an oracle on top."""

from __future__ import annotations

import numpy as np
import torch
from tests.modalities.audio.sounds import phrases, tone
from tests.modalities.audio.test_edits import Oracle

from castalia.modalities.audio import linear_prediction, simple_edits
from castalia.modalities.audio.codec import AudioCodec, AudioConfig
from castalia.modalities.audio.spectrogram import stft
from castalia.modalities.audio.trials import trials


def test_linear_prediction_goes_on_with_tones():
    """Two sines obey a linear recursion, so what comes next is foretold."""
    time = np.arange(6000) / 8000
    wave = np.sin(2 * np.pi * 440 * time) + 0.5 * np.sin(2 * np.pi * 1010 * time + 1)
    made = simple_edits.linear_prediction(wave, 3000, 3200)
    error = np.square(made - wave)[3000:3200].mean()
    assert error < 0.02 * np.square(wave[3000:3200]).mean()
    assert np.array_equal(made[:3000], wave[:3000].astype(np.float32))
    assert not linear_prediction.foretold(np.zeros(500), 20).any()
    assert not linear_prediction.foretold(np.ones(10), 20).any()


def test_spectral_gating_takes_noise_away():
    wave = torch.from_numpy(tone(300, 0.512, fade=1.0).samples)[:4096]
    noise = 0.05 * torch.randn(4096, generator=torch.Generator().manual_seed(0))
    level = stft(noise[None], 64).abs().square().mean(2).sqrt()[0]
    made = simple_edits.spectral_gating(wave + noise, 64, level)
    assert (made - wave).square().mean() < 0.4 * noise.square().mean()


def test_an_oracle_beats_the_simple_methods():
    """Of sounds that change all the time, which nothing foretells."""
    item = phrases(5)[2]
    codec = AudioCodec(AudioConfig())
    codec.fit([*phrases(6), item])
    oracle = Oracle(codec.form.rows(codec.waves([item]))[0])
    done = trials(oracle, codec, [item, item], {}, 0)
    assert len(done) == 6 and [one.run for one in done] == [True, False, False] * 2
    assert all(len(score) == 2 for one in done for score in one.scores.values())
    for task in (done[:3], done[3:]):
        ours, *simple = (one.scores["likeness"].mean() for one in task)
        assert ours > max(simple), task[0].task
    ours, same, gated = (one.scores["SNR"].mean() for one in done[:3])
    assert ours > gated + 1
    assert abs(float(same) - 10) < 1  # as it is: what was added
