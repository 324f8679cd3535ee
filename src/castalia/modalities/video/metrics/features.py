"""Features of clips made by hand: what is shown, how it is textured, what moves, and which way.

No network, so no data that it was trained on: coarse colours, coarse edges, coarse changes in time,
and the products of slopes in space and time, whose sign is the direction of motion (Lucas & Kanade
1981). 32 numbers for each channel and 96 more. A distance in these features compares models on the
same data; it is not the published FVD (Unterthiner et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from castalia.sentences import say
from castalia.spec import Dense

NAME = "video-handmade-v1"
MOTION = 4.0  # weight of changes beside colours: they are that much smaller


class HandmadeFeatures:
    """A FeatureNetwork."""

    default = True
    about = "colours, edges, changes and directions of motion, made by hand"
    needs = say("clips: grey or RGB frames on a grid")

    def fits(self, spec: Dense) -> bool:
        return (
            spec.layout == "grid"
            and len(spec.shape) == 4
            and spec.shape[0] in (1, 3)
            and spec.shape[1] >= 2
            and min(spec.shape[2:]) >= 4
            and spec.unit != "standard"
            and spec.levels is not None
        )

    def confirms(self, spec: Dense) -> bool:
        return False

    def extractor(self, spec: Dense) -> Callable[[Tensor], Tensor]:
        low, high = spec.limits
        return lambda x: features(((x.float() - low) / (high - low)).clamp(0, 1).nan_to_num(0.5))


def features(x: Tensor) -> Tensor:
    """(B, C, T, H, W) in [0, 1] -> (B, 32 C + 96) float32."""
    grey = x.mean(1, keepdim=True)
    across = F.pad(grey[..., 1:] - grey[..., :-1], (0, 1))
    down = F.pad(grey[..., 1:, :] - grey[..., :-1, :], (0, 0, 0, 1))
    later = grey[:, :, 1:] - grey[:, :, :-1]
    parts = [
        F.adaptive_avg_pool3d(x, (2, 4, 4)),
        2 * F.adaptive_avg_pool3d(across.abs() + down.abs(), (1, 4, 4)),
        MOTION * F.adaptive_avg_pool3d(later.abs(), (2, 4, 4)),
        MOTION * _signed_root(F.adaptive_avg_pool3d(later * across[:, :, :-1], (1, 4, 4))),
        MOTION * _signed_root(F.adaptive_avg_pool3d(later * down[:, :, :-1], (1, 4, 4))),
        MOTION * F.adaptive_avg_pool3d(later.square(), (1, 4, 4)).sqrt(),
    ]
    return torch.cat([part.flatten(1) for part in parts], 1)


def _signed_root(x: Tensor) -> Tensor:
    """Products of two slopes in the scale of one."""
    return x.sign() * x.abs().sqrt()
