"""Sounds restored by a model: gaps filled, noise taken away. What each edit is called and what it
is asked: edits.py.

Both work on the log-magnitudes that the model knows, and leave of the sound what is known: outside
a gap every sample, of a noisy sound its phases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.abilities import Infills, Restores
from castalia.codecs.base import Codec
from castalia.data.stream import rows_of
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family
from castalia.modalities.audio.codec import AudioCodec
from castalia.modalities.audio.forms import Layout, Magnitude, Wave
from castalia.modalities.audio.linear_prediction import HISTORY, ORDER, foretold
from castalia.modalities.audio.sound import PEAK, Sound, on_grid
from castalia.modalities.audio.spectrogram import griffin_lim, istft, stft
from castalia.nn.counter_random import generators
from castalia.registry import require_undoing
from castalia.sentences import say

ITERATIONS = 64  # of Griffin-Lim in a gap
BLEND = 0.01  # seconds at each end of a gap that go over from what is foretold to what is drawn
DRAWS = 4  # of which `denoised` takes the mean
QUIETEST = 0.1  # share of the frames that are taken for noise alone
# what that quantile of the magnitude of Gaussian noise is of its root mean square (Rayleigh)
QUANTILE = math.sqrt(-math.log(1 - QUIETEST))
SURE = 3.0  # times the noise: 9.5 dB, from where a magnitude is believed
LEAST = 0.02  # what is left of a magnitude at least: -34 dB


class Gap(NamedTuple):
    """Seconds; end None: to the end of the model's length."""

    start: float
    end: float | None


@torch.inference_mode()
def infilled(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Sound],
    cond: dict[str, Tensor],
    *,
    gap: Gap,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Sound]:
    """`count` versions of each sound, at the codec's rate, made anew within the gap; every other
    sample is the sound's own. Raises RecipeError for a gap that is empty, covers all or lies
    outside.
    """
    infiller = require_undoing(model, Infills, "infill", "hole")
    codec = _audio(codec)
    form, layout = codec.form, codec.layout
    first = round(gap.start * layout.rate)
    last = layout.samples if gap.end is None else min(layout.samples, round(gap.end * layout.rate))
    results: list[Sound] = []
    for row, item in enumerate(items):
        length = min(layout.samples, round(len(item.samples) * layout.rate / item.rate))
        if not 0 <= first < min(last, length + 1) or (first == 0 and last >= length):
            raise RecipeError(
                say("the gap is empty, covers all or lies outside the sound"),
                where=say("gap={0}, {1:.2f} seconds", _words(gap), length / layout.rate),
                fix=say("--gap START-END in seconds, e.g. 0.2-0.3"),
            )
        wave = codec.waves([item])
        wave[:, first:last] = 0.0
        x = rows_of(codec.spec, list(form.stored(form.rows(wave)))).to(model.device)
        keep = _kept(codec, first, last).to(model.device)
        rngs = generators(seed, row * count, count)
        told = {name: value[row : row + 1].expand(count) for name, value in cond.items()}
        filled = infiller.infill(
            x.expand(count, *x.shape[1:]), keep.expand_as(x), rngs, told, temperature
        ).cpu()
        outside = torch.ones(layout.samples, dtype=torch.bool)
        outside[first:last] = False
        drawn = filled.nan_to_num(0.0).clamp(-1, 1)
        waves = (
            griffin_lim(form.magnitudes(drawn), layout.hop, ITERATIONS, wave, outside)
            if isinstance(form, Magnitude)
            else form.waves(drawn)
        )
        end = length if gap.end is not None else None
        ends = form.ends(drawn).tolist() if end is None else [max(end, last)] * count
        for one, stop in zip(waves, ends, strict=True):
            joined = joined_at(one.numpy(), wave[0].numpy(), first, last, layout.rate)
            results.append(_at_level(joined[: max(stop, first + 1)], item, codec))
    return results


def joined_at(drawn: np.ndarray, given: np.ndarray, first: int, last: int, rate: int) -> np.ndarray:
    """(S,): `given` outside, `drawn` from `first` to `last`, without a click at either end: the
    given sound goes on as linear prediction says, and fades into what is drawn within BLEND
    seconds.
    """
    made = given.astype(np.float64)
    made[first:last] = drawn[first:last]
    count = min(round(BLEND * rate), (last - first) // 2)
    fade = np.cos(np.pi / 2 * (np.arange(count) + 0.5) / max(1, count)) ** 2
    for past, inside in (
        (given[max(0, first - HISTORY) : first], made[first : first + count]),
        (given[last : last + HISTORY][::-1], made[last - count : last][::-1]),
    ):
        if len(past) > 2 * ORDER:
            inside += fade * (foretold(past.astype(np.float64), count) - inside)
    return made


def _kept(codec: AudioCodec, first: int, last: int) -> Tensor:
    """Which entries of a row the gap leaves alone, broadcastable to (1, *shape): frames whose
    window reaches into it by less than an eighth.
    """
    layout = codec.layout
    if isinstance(codec.form, Wave):
        places = torch.arange(layout.samples)
        return (places < first) | (places >= last)
    centres = torch.arange(layout.frames) * layout.hop
    reach = 1.5 * layout.hop
    return (centres + reach <= first) | (centres - reach >= last)


@torch.inference_mode()
def denoised(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Sound],
    cond: dict[str, Tensor],
    *,
    noise: Gap | None,
    seed: int,
) -> list[Sound]:
    """The sounds without steady noise, at the codec's rate and as long as they are.

    The noise of each band is what its quietest tenth of frames holds, or what stands where `noise`
    says that there is nothing else. Magnitudes well above it are kept; for the others the model
    draws what may lie below them (missing data in the sense of Raj & Stern 2005), DRAWS times. The
    mean power tells how much of each bin is sound, and that share of the noisy spectrum is played.
    """
    restorer = require_undoing(model, Restores, "denoise")
    codec = _audio(codec)
    form, layout = codec.form, codec.layout
    if not isinstance(form, Magnitude):
        raise SpecError(
            say("noise is taken away from magnitudes"),
            where=f"codec.form={codec.config.form}",
            fix=say("train with codec.form=mel"),
        )
    results = []
    for row, item in enumerate(items):
        wave = codec.waves([item])
        spectra = stft(wave, layout.hop)
        bands = form.shown(spectra.abs())
        length = min(layout.samples, round(len(item.samples) * layout.rate / item.rate))
        level = noise_of(bands, layout, length, noise)
        clean = (bands.square() - level.square()).clamp_min(0).sqrt()
        sure = bands > SURE * level
        upper = form.unit(bands)[:, None].to(model.device)
        known = form.unit(clean)[:, None].to(model.device)
        certain = sure[:, None].to(model.device)

        def consistent(data: Tensor) -> Tensor:
            return torch.where(certain, known, torch.minimum(data, upper))  # noqa: B023

        told = {name: value[row : row + 1].expand(DRAWS) for name, value in cond.items()}
        drawn = restorer.restore(consistent, generators(seed, row * DRAWS, DRAWS), told).cpu()
        heard = istft(
            spectra * _gain(spectra.abs(), form, drawn, layout, length, noise), layout.hop
        )
        results.append(_at_level(heard[0, :length].numpy(), item, codec))
    return results


def _gain(
    magnitudes: Tensor,
    form: Magnitude,
    drawn: Tensor,
    layout: Layout,
    length: int,
    noise: Gap | None,
) -> Tensor:
    """(1, bins, T): Wiener's gain xi / (1 + xi), with the ratio xi of sound to noise half from what
    the model draws and half from what stands above the noise of the bin, as Ephraim & Malah 1984
    join a guess with what is seen.
    """
    level = noise_of(magnitudes, layout, length, noise).square().clamp_min(1e-16)
    guessed = form.magnitudes(drawn.clamp(-1, 1)).square().mean(0, keepdim=True) / level
    seen = (magnitudes.square() / level - 1).clamp_min(0)
    ratio = 0.5 * guessed + 0.5 * seen
    return (ratio / (1 + ratio)).clamp_min(LEAST)


def noise_of(bands: Tensor, layout: Layout, length: int, noise: Gap | None) -> Tensor:
    """(1, bands, 1): the noise of each band or bin of magnitudes (1, bands, T), root mean square,
    of a sound of `length` samples.
    """
    centres = torch.arange(bands.shape[2]) * layout.hop
    if noise is None:
        frames = bands[..., centres < max(length - layout.hop, 1)]
        return frames.quantile(QUIETEST, 2, keepdim=True) / QUANTILE
    end = length / layout.rate if noise.end is None else noise.end
    inside = (centres >= noise.start * layout.rate) & (centres <= end * layout.rate)
    if not inside.any():
        raise RecipeError(
            say("nothing lies between these times"),
            where=f"noise={_words(noise)}",
            fix=say("name a part of the sound where there is noise alone: 0-0.2"),
        )
    return bands[..., inside].square().mean(2, keepdim=True).sqrt()


def _at_level(samples: np.ndarray, item: Sound, codec: AudioCodec) -> Sound:
    """As loud as the item was, on the 16-bit grid."""
    gain = item.peak / PEAK if codec.config.level == "peak" else 1.0
    return Sound(on_grid(samples * gain), codec.layout.rate)


def _audio(codec: Any) -> AudioCodec:
    if not isinstance(codec, AudioCodec):
        raise SpecError(say("only sounds are edited so"), where=say("codec '{0}'", codec.name))
    return codec


def _words(gap: Gap) -> str:
    return f"{gap.start:g}-{'' if gap.end is None else f'{gap.end:g}'}"
