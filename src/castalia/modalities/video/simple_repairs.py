"""Simple methods for the edits of clips, which a model has to beat: the last frame held, motion
continued by optical flow, frames mixed, the temporal median.

Clips are (C, T, H, W) float in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS, SMOOTHNESS = 60, 0.02  # of the optical flow
LEVELS = 3


def held(x: Tensor, given: int) -> Tensor:
    """The last of the first `given` frames, again and again."""
    return torch.cat(
        [x[:, :given], x[:, given - 1 : given].expand(-1, x.shape[1] - given, -1, -1)], 1
    )


def continued(x: Tensor, given: int) -> Tensor:
    """The motion between the last two known frames goes on: each later frame is the last known one,
    moved further. With one known frame, `held`.
    """
    if given < 2:
        return held(x, given)
    before, last = x[:, given - 2][None], x[:, given - 1][None]
    # where each pixel of the last frame came from
    motion = optical_flow(last, before)
    frames = [moved(last, motion * (number + 1))[0] for number in range(x.shape[1] - given)]
    return torch.cat([x[:, :given], torch.stack(frames, 1)], 1)


def mixed(x: Tensor, known: Tensor) -> Tensor:
    """Frames that are not `known` (T,) bool are mixtures of the known ones around them."""
    result, places = x.clone(), known.nonzero()[:, 0].tolist()
    for number in (~known).nonzero()[:, 0].tolist():
        before = max((place for place in places if place < number), default=places[0])
        after = min((place for place in places if place > number), default=places[-1])
        share = 0.5 if after == before else (number - before) / (after - before)
        result[:, number] = torch.lerp(x[:, before], x[:, after], share)
    return result


def around_hole(x: Tensor, keep: Tensor) -> Tensor:
    """A hole (H, W) in every frame, filled with the temporal median of what is around it: the mean
    of its border in each frame, as no frame shows what is behind.
    """
    border = F.max_pool2d((~keep).float()[None], 3, stride=1, padding=1)[0].bool() & keep
    colours = x[:, :, border].median(2).values
    return torch.where(keep, x, colours[:, :, None, None])


def optical_flow(one: Tensor, other: Tensor) -> Tensor:
    """(1, C, H, W) twice -> (1, 2, H, W) pixels right and down: where each pixel of `one` is in
    `other`. Horn & Schunck 1981, coarse to fine.
    """
    first, second = one.mean(1, keepdim=True), other.mean(1, keepdim=True)
    levels = [(first, second)]
    while len(levels) < LEVELS and min(levels[-1][0].shape[-2:]) >= 16:
        levels.append(tuple(F.avg_pool2d(part, 2) for part in levels[-1]))  # type: ignore[arg-type]
    motion = torch.zeros(1, 2, *levels[-1][0].shape[-2:])
    for first, second in reversed(levels):
        if motion.shape[-2:] != first.shape[-2:]:
            motion = 2 * F.interpolate(motion, size=first.shape[-2:], mode="bilinear")
        warped = moved(second, motion)
        across = _slope((first + warped) / 2, 3)
        down = _slope((first + warped) / 2, 2)
        change = warped - first - across * motion[:, :1] - down * motion[:, 1:]
        for _ in range(ROUNDS):
            mean = F.avg_pool2d(F.pad(motion, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
            wrong = change + across * mean[:, :1] + down * mean[:, 1:]
            wrong = wrong / (SMOOTHNESS**2 + across.square() + down.square())
            motion = mean - torch.cat([across * wrong, down * wrong], 1)
    return motion


def moved(x: Tensor, motion: Tensor) -> Tensor:
    """(1, C, H, W) -> at each pixel what is `motion` (1, 2, H, W) pixels further right and down."""
    height, width = x.shape[-2:]
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([across, down])[None] + motion
    scale = torch.tensor([width, height]).view(1, 2, 1, 1)
    grid = (2 * places + 1) / scale - 1
    return F.grid_sample(x, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def _slope(x: Tensor, axis: int) -> Tensor:
    """Central differences along an axis, 0 at its ends."""
    pads = (1, 1, 0, 0) if axis == 3 else (0, 0, 1, 1)
    wide = F.pad(x, pads, mode="replicate")
    length = wide.shape[axis]
    return (wide.narrow(axis, 2, length - 2) - wide.narrow(axis, 0, length - 2)) / 2
