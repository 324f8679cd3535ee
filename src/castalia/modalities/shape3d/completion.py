"""Complete shapes of which a part is missing: a model that infills makes it anew, and what is kept
comes back as it was. What the edit is called and asked: edits.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Infills
from castalia.codecs.base import Codec
from castalia.families.base import Family
from castalia.modalities.shape3d.shape import Shape
from castalia.nn.counter_random import generators
from castalia.registry import require_undoing
from castalia.sampling.latent_edits import encoded

ROWS = 16  # shapes that are computed together
# the axis of a part, and whether it lies at the axis's end
PARTS = {
    "left": (0, False),
    "right": (0, True),
    "bottom": (1, False),
    "top": (1, True),
    "back": (2, False),
    "front": (2, True),
}


@torch.inference_mode()
def completed(
    model: Family,
    codec: Codec[Any],
    items: Sequence[Shape],
    cond: dict[str, Tensor],
    *,
    part: str,
    share: float,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Shape]:
    """`count` versions of each shape, its `part` (of PARTS) made anew from where `share` of the
    shape's length is left to its end, and beyond it.
    """
    infiller = require_undoing(model, Infills, "infill", "hole")
    x = encoded(model, codec, items)
    keep = torch.stack(
        [kept_points(row, part, share) if x.ndim == 3 else kept(row[0], part, share) for row in x]
    )[:, None]
    rows = torch.arange(len(items)).repeat_interleave(count)
    rngs = generators(seed, 0, len(rows))
    made = []
    for first in range(0, len(rows), ROWS):
        block = rows[first : first + ROWS].to(x.device)
        told = {name: value[block] for name, value in cond.items()}
        made += list(
            infiller.infill(
                x[block], keep[block], rngs[first : first + ROWS], told, temperature
            ).cpu()
        )
    return [codec.decode(row) for row in made]


def kept(field: Tensor, part: str, share: float) -> Tensor:
    """field (n, n, n), below 0 inside -> bool of the same shape: False in the part that is made
    anew. It ends where the box does, so that it may grow or shrink.
    """
    axis, at_end = PARTS[part]
    n = field.shape[axis]
    others = [other for other in range(3) if other != axis]
    there = (field < 0).any(others[1]).any(others[0]).nonzero().flatten()
    low, high = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, n)
    # at least one layer is made anew, and one stays
    cut = round(high - share * (high - low)) if at_end else round(low + share * (high - low))
    cut = min(max(cut, 1), n - 1)
    place = torch.arange(n, device=field.device)
    good = place < cut if at_end else place >= cut
    shape = [1, 1, 1]
    shape[axis] = n
    return good.view(shape).expand(field.shape)


def kept_points(points: Tensor, part: str, share: float) -> Tensor:
    """points (3, P) -> (P,) bool: False for those in the part that is made anew."""
    axis, at_end = PARTS[part]
    along = points[axis]
    low, high = float(along.min()), float(along.max())
    cut = high - share * (high - low) if at_end else low + share * (high - low)
    return along < cut if at_end else along > cut
