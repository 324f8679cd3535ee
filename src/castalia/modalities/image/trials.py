"""Trials of the edits of pictures: noise, a hole, a small picture, a grey one, and the way back.

What is damaged on purpose is known, so PSNR and SSIM say how near an edit comes. See
evaluation/edit_trials.py; the simple methods are in simple_edits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.evaluation.edit_trials import Trial
from castalia.evaluation.similarity import psnr, ssim
from castalia.modalities.image import simple_edits
from castalia.modalities.image.restoration import LIGHTNESS
from castalia.nn.counter_random import generator
from castalia.sampling.edit import edits_of, options_of
from castalia.sentences import say

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.families.base import Family

NOISE = 25  # deviation, of 255 levels
Method = tuple[str, Callable[[int], Tensor]]  # name, number of the item -> (C, H, W) in [0, 1]


def trials(
    model: Family,
    codec: Codec[Any],
    items: Sequence[PIL.Image.Image],
    cond: dict[str, Tensor],
    seed: int,
) -> list[Trial]:
    """Of the edits that the model can do, in the order denoise, infill, upscale, colourise."""
    able = {kind: one for kind, one in edits_of(codec).items() if one.possible(model, codec)}
    x = torch.stack([_unit(codec, item) for item in items])
    done: list[Trial] = []

    def edited(kind: str, given: Sequence[PIL.Image.Image], **options: Any) -> list[Tensor]:
        edit = able[kind]
        made = edit.run(model, codec, given, options_of(kind, edit, options), seed, cond)
        return [_unit(codec, one) for one in made]

    def add(task: str, ours: list[Tensor], simple: Sequence[Method]) -> None:
        results = {say("this run"): torch.stack(ours)} | {
            name: torch.stack([method(row) for row in range(len(x))]) for name, method in simple
        }
        for number, (method, made) in enumerate(results.items()):
            scores = {"PSNR": psnr(made, x), "SSIM": ssim(made, x)}
            done.append(Trial(task, method, number == 0, scores))

    if "denoise" in able:
        noise = torch.randn(x.shape, generator=generator("trial noise", seed))
        noisy = (x + NOISE / 255 * noise).clamp(0, 1)
        pictures = [codec.decode(_signed(codec, one)) for one in noisy]
        noisy = torch.stack([_unit(codec, one) for one in pictures])  # as 8 bits hold it
        add(
            say("denoise, {0} of 255 levels", NOISE),
            edited("denoise", pictures, noise=NOISE),
            [
                (say("as it is"), lambda row: noisy[row]),
                (
                    say("non-local means"),
                    lambda row: simple_edits.non_local_means(noisy[row], NOISE / 255),
                ),
            ],
        )
    height, width = x.shape[-2:]
    if "infill" in able:
        side_y, side_x = height * 3 // 8, width * 3 // 8
        top, left = (height - side_y) // 2, (width - side_x) // 2
        keep = torch.ones(height, width, dtype=torch.bool)
        keep[top : top + side_y, left : left + side_x] = False
        add(
            say("infill, a hole of {0} x {1} pixels", side_x, side_y),
            edited("infill", items, mask=f"{left},{top},{side_x},{side_y}", steps=1),
            [(say("biharmonic"), lambda row: simple_edits.biharmonic(x[row], keep))],
        )
    for factor in (2, 4):
        if "upscale" in able and height % factor == 0 and width % factor == 0:
            small = F.avg_pool2d(x, factor)
            pictures = [codec.decode(_signed(codec, one)) for one in small]
            small = torch.stack([_unit(codec, one) for one in pictures])
            kinds = {
                say("bicubic"): PIL.Image.Resampling.BICUBIC,
                say("Lanczos"): PIL.Image.Resampling.LANCZOS,
            }
            add(
                say("upscale, {0} times", factor),
                edited("upscale", pictures, factor=factor),
                [
                    (
                        name,
                        lambda row, kind=kind, small=small, factor=factor: simple_edits.resized(
                            small[row], factor, kind
                        ),
                    )  # type: ignore[misc]
                    for name, kind in kinds.items()
                ],
            )
    if "colourise" in able:
        weights = torch.tensor(LIGHTNESS)
        grey = (x * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
        pictures = [codec.decode(_signed(codec, one.expand(3, -1, -1))) for one in grey]
        means = x.mean((2, 3))
        others = (means.sum(0, keepdim=True) - means) / (len(x) - 1)  # of the other pictures
        add(
            say("colourise"),
            edited("colourise", pictures),
            [
                (say("as it is"), lambda row: grey[row].expand(3, -1, -1)),
                (
                    say("mean colour"),
                    lambda row: simple_edits.mean_colours(grey[row], others[row], weights),
                ),
            ],
        )
    return done


def _unit(codec: Codec[Any], item: PIL.Image.Image) -> Tensor:
    """(C, H, W) float in [0, 1] of a picture of any size, in the run's channels."""
    import numpy as np

    mode = "RGB" if codec.spec.shape[0] == 3 else "L"  # type: ignore[union-attr]
    pixels = torch.from_numpy(np.array(item.convert(mode)))
    pixels = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    return pixels.float() / 255


def _signed(codec: Codec[Any], x: Tensor) -> Tensor:
    """[0, 1] to the spec's unit."""
    low, high = codec.spec.limits  # type: ignore[union-attr]
    return low + (high - low) * x
