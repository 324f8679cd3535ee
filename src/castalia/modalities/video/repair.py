"""Clips repaired by a model that fills gaps: frames after, within and between those that are known,
and parts of frames. What each edit is called and what it is asked: edits.py.

All works at the run's size, number of frames and rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Damage, Infills
from castalia.codecs.base import Codec
from castalia.errors import RecipeError
from castalia.families.base import Family
from castalia.modalities.video.clip import Clip, resampled
from castalia.nn.counter_random import generators
from castalia.registry import require_undoing
from castalia.sampling.latent_edits import encoded
from castalia.sentences import say

ROWS = 16  # clips that are computed together


@torch.inference_mode()
def predicted(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Clip],
    cond: dict[str, Tensor],
    *,
    given: int | None,
    seed: int,
) -> list[Clip]:
    """Each clip as it goes on after its first `given` frames; None: half of the run's. Raises
    RecipeError where that leaves nothing to predict, or a clip has fewer frames.
    """
    frames = codec.spec.shape[1]  # type: ignore[union-attr]
    known = frames // 2 if given is None else given
    if known >= frames:
        raise RecipeError(
            say("nothing is left to predict"),
            where=say("{0} frames given, the run has {1}", known, frames),
            fix=say("--given {0} or fewer", frames - 1),
        )
    keep = torch.zeros(frames, dtype=torch.bool)
    keep[:known] = True
    return _made(model, codec, items, cond, keep.view(1, -1, 1, 1), 1, seed, 1.0)


@torch.inference_mode()
def filled(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Clip],
    cond: dict[str, Tensor],
    *,
    missing: str | None,
    mask: str | None,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Clip]:
    """`count` versions of each clip. missing: "A-B", frames from 1 on; mask: "X,Y,W,H" in pixels of
    the run's size; both: that part of these frames. Raises RecipeError where neither is given, or
    nothing or everything is made anew.
    """
    _, frames, height, width = codec.spec.shape  # type: ignore[union-attr]
    if missing is None and mask is None:
        raise RecipeError(
            say("nothing says what to make anew"),
            where="edit infill",
            fix=say("--missing A-B, --mask X,Y,W,H, or both"),
        )
    anew = torch.ones(1, frames, height, width, dtype=torch.bool)
    if missing is not None:
        first, _, last = missing.partition("-")
        inside = torch.zeros(frames, dtype=torch.bool)
        inside[max(0, int(first) - 1) : int(last or first)] = True
        anew &= inside.view(1, -1, 1, 1)
    if mask is not None:
        left, top, wide, high = (int(part) for part in mask.split(","))
        inside = torch.zeros(height, width, dtype=torch.bool)
        inside[top : top + high, left : left + wide] = True
        anew &= inside
    if not anew.any() or anew.all():
        what = say("the mask is empty") if not anew.any() else say("the mask covers all")
        raise RecipeError(
            what,
            where=f"missing={missing}, mask={mask}",
            fix=say("the run's clips have {0} frames of {1} x {2} pixels", frames, width, height),
        )
    return _made(model, codec, items, cond, ~anew, count, seed, temperature)


@torch.inference_mode()
def slowed(
    model: Family, codec: Codec[Any], items: Sequence[Clip], cond: dict[str, Tensor], *, seed: int
) -> list[Clip]:
    """Each clip with a frame between any two, at twice the rate: half of the run's frames are known
    at a time, and the parts of a longer clip share a frame. A clip keeps its length but for the
    last frame, behind which there is none.
    """
    frames = codec.spec.shape[1]  # type: ignore[union-attr]
    known = -(-frames // 2)  # of each part
    results = []
    for row, item in enumerate(items):
        count = max(2, round(len(item.frames) * codec.rate / item.rate))  # type: ignore[attr-defined]
        chosen = resampled(len(item.frames), item.rate, count, codec.rate)  # type: ignore[attr-defined]
        parts = [chosen[start : start + known] for start in range(0, count - 1, known - 1)]
        x = torch.stack([_spread(codec, item, part, frames) for part in parts])
        keep = torch.zeros(len(parts), 1, frames, 1, 1, dtype=torch.bool)
        for number, part in enumerate(parts):
            keep[number, :, 0 : 2 * len(part) : 2] = True
        told = {
            name: value[row : row + 1].repeat_interleave(len(parts), dim=0)
            for name, value in cond.items()
        }
        # of what is missing, no frame is beside another: nobody learns that as a hole
        made = _filled(model, x, keep, told, seed + row, 1.0, ())
        pieces = [
            one[:, : 2 * len(part) - 1][:, (1 if number else 0) :]
            for number, (one, part) in enumerate(zip(made, parts, strict=True))
        ]
        whole = codec.decode(torch.cat(pieces, 1))
        results.append(Clip(whole.frames, 2 * whole.rate, whole.stored))
    return results


def _spread(codec: Codec[Any], item: Clip, chosen: list[int], frames: int) -> Tensor:
    """(C, frames, H, W) in the unit: the chosen frames at every second place, the last one behind
    them.
    """
    places = [chosen[min(number // 2, len(chosen) - 1)] for number in range(frames)]
    part = Clip(item.frames[places], codec.rate)  # type: ignore[attr-defined]
    return codec.encode(part).float().div(127.5).sub(1)


def _made(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Clip],
    cond: dict[str, Tensor],
    keep: Tensor,
    count: int,
    seed: int,
    temperature: float,
) -> list[Clip]:
    """`count` clips of each item; what `keep` (1, T, H or 1, W or 1) does not hold is made anew."""
    x = encoded(model, codec, items).repeat_interleave(count, dim=0)
    told = {name: value.repeat_interleave(count, dim=0) for name, value in cond.items()}
    keep = keep.expand(len(x), *keep.shape)
    made = _filled(model, x, keep, told, seed, temperature, ("hole",))
    return [codec.decode(row) for row in made]


def _filled(
    model: Family,
    x: Tensor,
    keep: Tensor,
    cond: dict[str, Tensor],
    seed: int,
    temperature: float,
    damages: tuple[Damage, ...],
) -> list[Tensor]:
    """Rows of x (B, C, T, H, W) with what `keep` (B, 1, T, H or 1, W or 1) does not hold made anew,
    `ROWS` at a time; row i has the noise of sample i. damages: what that is, see `undoes`.
    """
    infiller = require_undoing(model, Infills, "infill", *damages)
    results: list[Tensor] = []
    for first in range(0, len(x), ROWS):
        part = slice(first, first + ROWS)
        rows = x[part].to(model.device)
        told = {name: value[part].to(model.device) for name, value in cond.items()}
        rngs = generators(seed, first, len(rows))
        results += infiller.infill(rows, keep[part].to(model.device), rngs, told, temperature).cpu()
    return results
