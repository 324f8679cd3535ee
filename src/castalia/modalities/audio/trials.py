"""Trials of the edits of sounds: noise and a gap, and the way back. See evaluation/edit_trials.py;
the simple methods are in simple_edits.py.

SNR is the signal over the error, in dB: nearness sample by sample. "likeness" is the log-spectral
distance over what is less than 50 dB below the loudest, taken negative: 0 is equal, -10 dB is far.
A gap is judged by what is inside it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from castalia.evaluation.edit_trials import Trial
from castalia.modalities.audio import simple_edits
from castalia.modalities.audio.forms import STATISTIC_BANDS, decibels
from castalia.modalities.audio.restoration import noise_of
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.modalities.audio.spectrogram import mel_filters, stft
from castalia.nn.counter_random import generator
from castalia.sampling.edit import edits_of, options_of
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.families.base import Family

NOISE = 10.0  # dB below the sound
SHARE = 0.2  # of a sound that a gap takes
SPAN = 50.0  # dB that are compared
Method = tuple[str, Callable[[int], Tensor]]  # name, number of the item -> (S,)


def trials(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Sound],
    cond: dict[str, Tensor],
    seed: int,
) -> list[Trial]:
    """Of the edits that the model can do, in the order denoise, infill."""
    able = {kind: one for kind, one in edits_of(codec).items() if one.possible(model, codec)}
    if "infill" not in able and "denoise" not in able:
        return []
    audio: Any = codec
    layout = audio.layout
    x = audio.waves(items)
    lengths = [_length(row) for row in x]
    done: list[Trial] = []

    def edited(kind: str, given: Sound, row: int, **options: Any) -> Tensor:
        edit = able[kind]
        told = {name: value[row : row + 1] for name, value in cond.items()}
        (made,) = edit.run(model, codec, [given], options_of(kind, edit, options), seed, told)
        return _padded(made.samples, layout.samples)

    def add(task: str, methods: Sequence[Method], places: Sequence[tuple[int, int]]) -> None:
        for number, (name, method) in enumerate(methods):
            made = torch.stack([method(row) for row in range(len(x))])
            triples = list(zip(made, x, places, strict=True))
            scores = {
                "SNR": torch.stack([_ratio(*triple) for triple in triples]),
                "likeness": torch.stack([_likeness(*triple, layout) for triple in triples]),
            }
            done.append(Trial(task, name, number == 0, scores))

    if "denoise" in able:
        drawn = torch.randn(x.shape, generator=generator("trial noise", seed))
        power = torch.stack([row[:n].square().mean() for row, n in zip(x, lengths, strict=True)])
        deviation = (power * 10 ** (-NOISE / 10)).sqrt()
        noisy = x + deviation[:, None] * drawn
        peaks = noisy.abs().amax(1, keepdim=True).clamp_min(1.0)
        given = [
            Sound(on_grid((row / peak)[:n].numpy()), layout.rate)
            for row, peak, n in zip(noisy, peaks, lengths, strict=True)
        ]
        add(
            say("denoise, noise {0:.0f} dB below the sound", NOISE),
            [
                (
                    say("this run"),
                    lambda row: edited("denoise", given[row], row) * float(peaks[row]),
                ),
                (say("as it is"), lambda row: noisy[row]),
                (
                    say("spectral gating"),
                    lambda row: simple_edits.spectral_gating(
                        noisy[row], layout.hop, _estimated(noisy[row], lengths[row], layout)
                    ),
                ),
            ],
            [(0, n) for n in lengths],
        )
    if "infill" in able:
        gaps = [_gap(n, layout.hop) for n in lengths]
        rate = layout.rate
        add(
            say("infill, a gap of {0:.0%}", SHARE),
            [
                (
                    say("this run"),
                    lambda row: edited(
                        "infill",
                        Sound(on_grid(x[row, : lengths[row]].numpy()), rate),
                        row,
                        gap=f"{gaps[row][0] / rate:.6f}-{gaps[row][1] / rate:.6f}",
                        steps=1,
                    ),
                ),
                (say("silence"), lambda row: _silenced(x[row], gaps[row])),
                (
                    say("linear prediction"),
                    lambda row: torch.from_numpy(
                        simple_edits.linear_prediction(x[row].numpy(), *gaps[row])
                    ),
                ),
            ],
            gaps,
        )
    return done


def _estimated(wave: Tensor, length: int, layout: Any) -> Tensor:
    """(bins,): the noise as the edit estimates it, from the sound alone."""
    return noise_of(stft(wave[None], layout.hop).abs(), layout, length, None)[0, :, 0]


def _gap(length: int, hop: int) -> tuple[int, int]:
    """In the middle of the first half, where sounds have their most."""
    size = max(2 * hop, int(SHARE * length))
    first = max(1, int(0.25 * length))
    return first, min(first + size, max(first + 1, length - 1))


def _silenced(wave: Tensor, gap: tuple[int, int]) -> Tensor:
    made = wave.clone()
    made[gap[0] : gap[1]] = 0
    return made


def _length(wave: Tensor) -> int:
    """Samples up to the last that is not silent."""
    heard = torch.nonzero(wave.abs() > 1e-3)
    return int(heard[-1]) + 1 if len(heard) else len(wave)


def _padded(samples: np.ndarray, size: int) -> Tensor:
    made = torch.zeros(size)
    made[: len(samples)] = torch.from_numpy(samples[:size])
    return made


def _ratio(made: Tensor, real: Tensor, at: tuple[int, int]) -> Tensor:
    """dB, -20 to 60."""
    inside = slice(*at)
    signal = real[inside].double().square().sum()
    error = (made - real)[inside].double().square().sum()
    return (10 * ((signal + 1e-12) / (error + 1e-12)).log10()).clamp(-20, 60)


def _likeness(made: Tensor, real: Tensor, at: tuple[int, int], layout: Any) -> Tensor:
    """Minus the root mean square difference in dB, in mel bands of the frames inside."""
    filters = mel_filters(layout.rate, layout.hop, STATISTIC_BANDS)
    first, last = at[0] // layout.hop, max(at[0] // layout.hop + 1, -(-at[1] // layout.hop))
    levels = [
        decibels(filters @ stft(wave[None].float(), layout.hop).abs())[0] for wave in (made, real)
    ]
    low = levels[1].max() - SPAN
    one, other = (level[:, first:last].clamp_min(float(low)) for level in levels)
    return -(one - other).square().mean().sqrt().double()
