"""Trials of the edits of clips: the second half, a hole, every second frame, and the way back.

PSNR and SSIM of what was made anew; frames are compared as pictures. See
evaluation/edit_trials.py; the simple methods are in simple_repairs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia.evaluation.edit_trials import Trial
from castalia.evaluation.similarity import psnr, ssim
from castalia.modalities.video import repair, simple_repairs
from castalia.sampling.edit import edits_of
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.families.base import Family
    from castalia.modalities.video.clip import Clip


def trials(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Clip],
    cond: dict[str, Tensor],
    seed: int,
) -> list[Trial]:
    """Of the edits that the model can do: predict, infill, slow."""
    if not edits_of(codec)["predict"].possible(model, codec):
        return []
    x = torch.stack([_unit(item) for item in items])
    frames, height, width = x.shape[2:]
    done: list[Trial] = []

    def add(task: str, anew: Tensor, made: dict[str, Tensor]) -> None:
        """anew (T,) bool: the frames that are compared."""
        truth = x[:, :, anew].transpose(1, 2).flatten(0, 1)
        for number, (method, clips) in enumerate(made.items()):
            shown = clips[:, :, anew].transpose(1, 2).flatten(0, 1)
            scores = {
                name: measure(shown, truth).view(len(x), -1).mean(1)
                for name, measure in (("PSNR", psnr), ("SSIM", ssim))
            }
            done.append(Trial(task, method, number == 0, scores))

    def all_of(method: Any) -> Tensor:
        return torch.stack([method(one) for one in x])

    def clips_of(made: list[Clip]) -> Tensor:
        return torch.stack([_unit(one) for one in made])

    given = frames // 2
    later = torch.arange(frames) >= given
    add(
        say("predict {0} frames from {1}", frames - given, given),
        later,
        {
            say("this run"): clips_of(
                repair.predicted(model, codec, items, cond, given=given, seed=seed)
            ),
            say("last frame held"): all_of(lambda one: simple_repairs.held(one, given)),
            say("motion continued"): all_of(lambda one: simple_repairs.continued(one, given)),
        },
    )
    wide, high = max(2, width * 3 // 8), max(2, height * 3 // 8)
    left, top = (width - wide) // 2, (height - high) // 2
    keep = torch.ones(height, width, dtype=torch.bool)
    keep[top : top + high, left : left + wide] = False
    hole = f"{left},{top},{wide},{high}"
    add(
        say("infill, a hole of {0} x {1} pixels", wide, high),
        torch.ones(frames, dtype=torch.bool),
        {
            say("this run"): clips_of(
                repair.filled(
                    model, codec, items, cond, missing=None, mask=hole, count=1, seed=seed
                )
            ),
            say("median around it"): all_of(lambda one: simple_repairs.around_hole(one, keep)),
        },
    )
    first, last = frames // 3, max(frames // 3 + 1, 2 * frames // 3)
    missing = torch.zeros(frames, dtype=torch.bool)
    missing[first:last] = True
    add(
        say("infill, {0} missing frames", last - first),
        missing,
        {
            say("this run"): clips_of(
                repair.filled(
                    model,
                    codec,
                    items,
                    cond,
                    missing=f"{first + 1}-{last}",
                    mask=None,
                    count=1,
                    seed=seed,
                )
            ),
            say("mixed from both sides"): all_of(lambda one: simple_repairs.mixed(one, ~missing)),
        },
    )
    return done


def _unit(clip: Clip) -> Tensor:
    """(C, T, H, W) float in [0, 1]."""
    return torch.from_numpy(clip.frames.copy()).permute(3, 0, 1, 2).float() / 255
