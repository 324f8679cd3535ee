"""Edits of shapes: a part made anew, given the rest.

Importing this file does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from castalia.sampling.edit import FillGaps
from castalia.sentences import N_

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family

Part = Literal["left", "right", "bottom", "top", "back", "front"]


class InfillShapes(FillGaps):
    """See completion.completed."""

    class Options(FillGaps.Options):
        part: Part = Field(
            "right",
            description=N_(
                "infill: which part of a shape is made anew: left, right, bottom, top, back or "
                "front, as seen from the front (+z)"
            ),
        )
        share: float = Field(
            0.5, gt=0, lt=1, description=N_("infill: how much of the shape's length that is")
        )

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.shape3d.completion import completed

        return completed(
            model,
            codec,
            items,
            cond,
            part=options.part,
            share=options.share,
            count=options.steps,
            seed=seed,
            temperature=options.temperature,
        )
