"""The copy matcher of sounds: the same sound, moved in time, louder or quieter, with noise.

Sounds are compared as log-mel spectrograms (48 bands, RANGE dB below each one's own loudest entry),
so loudness does not count, whatever form the model has. Of all shifts by up to a tenth of the
length the best one counts. `residual` is the squared difference over the sum of both squares: 0 for
the same sound, near 1 for two that share nothing. `distance` is that divided by the median over the
next 15 training sounds, so that one drum of many alike is not taken for a copy of its neighbour
(Carlini et al. 2023, arXiv:2301.13188).

Not here: other tempo, other pitch, parts of longer sounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.governance.copy_matcher import Matches, set_against_neighbours
from castalia.modalities.audio.forms import FLOOR, Magnitude
from castalia.modalities.audio.sound import Sound

RANGE = 40.0  # dB
REACH = 10  # shifts reach to the length over this
SAME = 2e-3  # residual of what is equal but for rounding
NOISE = -45.0  # dB of planted noise below the loudest entry
_AT_ONCE = 64  # queries


class Sounds:
    """training (N, *shape) in the spec's unit, or blocks of it."""

    name: ClassVar = "sounds"
    kinds: ClassVar = ("exact", "shifted", "near")
    planted: ClassVar = ("exact", "shifted", "quieter", "noisy")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Tensor | Iterable[Tensor]) -> None:
        self.codec = codec
        blocks = [training] if isinstance(training, Tensor) else training
        self.training = torch.cat([self._seen(block) for block in blocks])

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return codec.native is Sound and hasattr(codec, "form")

    def __len__(self) -> int:
        return len(self.training)

    def _seen(self, rows: Tensor) -> Tensor:
        """(n, *shape) -> (n, bands, T) float16 in [0, 1]; 0 is silence."""
        codec: Any = self.codec
        level = codec.form.loudness(_clean(codec, rows))
        top = level.amax((1, 2), keepdim=True)
        seen = ((level - top) / RANGE + 1).clamp(0, 1)
        return torch.where(top > FLOOR + 20, seen, torch.zeros_like(seen)).half()

    def match(self, queries: Tensor) -> Matches:
        return Matches.joined(
            [self._matched(part) for part in queries.split(_AT_ONCE) if len(part)]
        )

    def _matched(self, queries: Tensor) -> Matches:
        asked = self._seen(queries).float()
        size, frames = len(asked), asked.shape[2]
        training = self.training.float()
        flat = training.flatten(1)
        energy = asked.square().sum((1, 2))[:, None] + flat.square().sum(1)[None]
        best = torch.full((size, len(flat)), -1.0)
        shift = torch.zeros(size, len(flat), dtype=torch.int64)
        reach = max(1, frames // REACH)
        for moved in range(-reach, reach + 1):
            common = shifted(asked, moved).flatten(1) @ flat.T
            better = common > best
            best = torch.where(better, common, best)
            shift[better] = moved
        residual = (1 - 2 * best / energy.clamp_min(1e-6)).clamp(0, 1).double()
        residual = torch.where(energy > 1e-6, residual, torch.zeros_like(residual))
        place, distance, nearest = set_against_neighbours(residual, SAME)
        moved = shift.gather(1, place[:, None])[:, 0]
        kinds = [
            "shifted" if step else "exact" if value <= SAME else "near"
            for step, value in zip(moved.tolist(), nearest.tolist(), strict=True)
        ]
        return Matches(place, distance, nearest, kinds)

    def plant(self, items: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        """ "shifted": up to a twentieth of the length later. "quieter": by 6 dB, as a model may
        draw it; files are made equally loud anyway unless codec.level=none. "noisy": white noise 45
        dB below the loudest entry.
        """
        if kind == "exact":
            return items.clone()
        codec: Any = self.codec
        if not isinstance(codec.form, Magnitude):
            return codec.form.rows(self._altered(codec.form.waves(items), kind, rng))
        if kind == "shifted":
            most = max(1, items.shape[-1] // (2 * REACH))
            moves = torch.randint(1, most + 1, (len(items),), generator=rng).tolist()
            rows = [shifted(row, move, -1.0) for row, move in zip(items, moves, strict=True)]
            return torch.stack(rows)
        span = codec.layout.span
        if kind == "quieter":
            return (items - 2 * 6.0 / span).clamp_min(-1)
        level = (items - 1) / 2 * span  # dB below the loudest
        noise = NOISE + level.amax((1, 2, 3), keepdim=True)
        drawn = torch.empty(items.shape).exponential_(generator=rng)
        power = 10 ** (level / 10) + drawn * 10 ** (noise / 10)
        return (2 * (10 * power.log10() / span + 1) - 1).clamp(-1, 1)

    def _altered(self, waves: Tensor, kind: str, rng: torch.Generator) -> Tensor:
        peak = waves.abs().amax(1, keepdim=True)
        if kind == "shifted":
            most = max(1, waves.shape[1] // (2 * REACH))
            moves = torch.randint(1, most + 1, (len(waves),), generator=rng).tolist()
            return torch.stack([shifted(w, move) for w, move in zip(waves, moves, strict=True)])
        if kind == "quieter":
            return 0.5 * waves
        noise = torch.randn(waves.shape, generator=rng)
        return (waves + peak * 10 ** (NOISE / 20) * noise).clamp(-1, 1)

    @staticmethod
    def as_long(items: Tensor, like: Tensor, codec: Codec[Any]) -> Tensor:
        return items

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {}, {"training": self.training}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Sounds:
        matcher = cls.__new__(cls)
        matcher.codec, matcher.training = codec, tensors["training"]
        return matcher


def shifted(x: Tensor, steps: int, silence: float = 0.0) -> Tensor:
    """(..., T) moved `steps` later along the last axis; what goes beyond the ends is lost."""
    moved = torch.full_like(x, silence)
    if steps >= 0:
        moved[..., steps:] = x[..., : x.shape[-1] - steps]
    else:
        moved[..., :steps] = x[..., -steps:]
    return moved


def _clean(codec: Any, rows: Tensor) -> Tensor:
    low = -1.0 if codec.spec.levels else 0.0
    return torch.nan_to_num(rows.float(), low, 1.0, -1.0).clamp(-1, 1)
