"""Edits of clips: how they go on, missing frames and parts of frames, frames between frames.

What is known comes back bit by bit; the model makes the rest so that it fits. What is computed is
in repair.py. Importing this file does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.abilities import Infills
from castalia.sampling.edit import Edit, EditOptions, FillGaps, Metavar
from castalia.sentences import N_, say, say_in

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family
    from castalia.modalities.video.clip import Clip

_RECTANGLE = r"\s*\d{1,5}\s*(,\s*\d{1,5}\s*){3}"
_SPAN = r"\d{1,4}(-\d{1,4})?"


class _Repair(Edit):
    """An edit that needs a family which fills gaps."""

    needs = Infills
    conditioned = True


class Predict(_Repair):
    """See repair.predicted."""

    damages = ("hole",)

    class Options(EditOptions):
        given: int | None = Field(
            None,
            ge=1,
            le=511,
            description=N_("predict: frames that are known; default: the first half"),
        )

    purpose = say("go on with clips")
    title = say_in("edit", "predict")

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Clip],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.video.repair import predicted

        return predicted(model, codec, items, cond, given=options.given, seed=seed)


class InfillClips(FillGaps):
    """See repair.filled."""

    class Options(FillGaps.Options):
        missing: Annotated[str | None, Metavar("A-B")] = Field(
            None,
            max_length=9,
            description=N_("infill: frames of a clip that are made anew, the first being 1"),
        )
        # the same words as of pictures: the command line has one flag for both
        mask: Annotated[str | None, Metavar("X,Y,W,H|FILE")] = Field(
            None,
            max_length=60,
            description=N_(
                "infill: the rectangle that is made anew, or, of pictures, a picture whose white "
                "or transparent parts are; default: a picture's own transparent parts"
            ),
        )

        @field_validator("missing")
        @classmethod
        def _span(cls, missing: str | None) -> str | None:
            if missing is not None and not re.fullmatch(_SPAN, missing, re.ASCII):
                raise ValueError(say("frames are numbers, the first one and the last one"))
            return missing

        @field_validator("mask")
        @classmethod
        def _form(cls, mask: str | None) -> str | None:
            if mask is None:
                return None
            if not re.fullmatch(_RECTANGLE, mask, re.ASCII):
                raise ValueError(say("a mask is X,Y,W,H in pixels"))
            return ",".join(part.strip() for part in mask.split(","))

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Clip],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.video.repair import filled

        return filled(
            model,
            codec,
            items,
            cond,
            missing=options.missing,
            mask=options.mask,
            count=options.steps,
            seed=seed,
            temperature=options.temperature,
        )


class Slow(_Repair):
    """See repair.slowed."""

    purpose = say("make frames between frames")
    title = say_in("edit", "slow")

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Clip],
        options: EditOptions,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.video.repair import slowed

        return slowed(model, codec, items, cond, seed=seed)
