"""Edits of pictures: parts made anew, edges moved outwards, noise taken away, small ones made
large, grey ones coloured.

What is computed is in restoration.py. Importing this file does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.abilities import Infills, Restores
from castalia.sampling.edit import Edit, EditOptions, FillGaps, FromFile, Metavar
from castalia.sentences import N_, say, say_in

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family

MOST_MASK = 1 << 20  # bytes of a mask's file
_RECTANGLE = r"\s*\d{1,5}\s*(,\s*\d{1,5}\s*){3}"


class InfillPictures(FillGaps):
    """See restoration.infilled."""

    class Options(FillGaps.Options):
        mask: Annotated[str | None, Metavar("X,Y,W,H|FILE"), FromFile(MOST_MASK)] = Field(
            None,
            max_length=2 * MOST_MASK,
            description=N_(
                "infill: the rectangle that is made anew, or, of pictures, a picture whose white "
                "or transparent parts are; default: a picture's own transparent parts"
            ),
        )

        @field_validator("mask")
        @classmethod
        def _form(cls, mask: str | None) -> str | None:
            if mask is not None and not mask.startswith("data:image/"):
                if not re.fullmatch(_RECTANGLE, mask, re.ASCII):
                    raise ValueError(say("a mask is X,Y,W,H in pixels, or a picture"))
                return ",".join(part.strip() for part in mask.split(","))
            return mask

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[PIL.Image.Image],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.image.restoration import infilled

        return infilled(
            model,
            codec,
            items,
            cond,
            mask=options.mask,
            count=options.steps,
            seed=seed,
            temperature=options.temperature,
        )


def _bytes(codec: Codec[Any], items: Sequence[PIL.Image.Image], factor: int, by: int) -> int:
    """Of pictures that become `factor` times as large, with `by` more pixels on every side: the
    largest one as numbers, with its sum and weights of tiles, and all of them as pictures.
    """
    channels = codec.spec.shape[0]  # type: ignore[union-attr]
    pixels = [(factor * one.width + 2 * by) * (factor * one.height + 2 * by) for one in items]
    return 4 * (3 * channels + 2) * max(pixels, default=0) + channels * sum(pixels)


class Outpaint(Edit):
    """See restoration.outpainted."""

    class Options(EditOptions):
        by: int = Field(
            16, ge=1, le=2048, description=N_("outpaint: pixels that are added on every side")
        )

    needs = Infills
    damages = ("hole",)
    conditioned = True
    purpose = say("go on with pictures beyond their edges")
    title = say_in("edit", "outpaint")

    def memory(self, codec: Codec[Any], items: Sequence[PIL.Image.Image], options: Options) -> int:
        return _bytes(codec, items, 1, options.by)

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[PIL.Image.Image],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.image.restoration import outpainted

        return outpainted(model, codec, items, cond, by=options.by, seed=seed)


class _Restoration(Edit):
    """An edit that needs a family which restores."""

    needs = Restores
    conditioned = True


class _Invention(EditOptions):
    """Of an edit that adds what was not there."""

    detail: float = Field(
        0.3,
        ge=0,
        le=1,
        description=N_("how much is made up: 0 what is expected, nearest in error; 1 a free draw"),
    )


class Denoise(_Restoration):
    """See restoration.denoised."""

    class Options(EditOptions):
        noise: Annotated[float | None, Metavar("LEVELS")] = Field(
            None,
            ge=0,
            le=255,
            description=N_("denoise: deviation of the noise, of 255 levels; default: estimated"),
        )

    damages = ("noise",)
    purpose = say("take noise away")
    title = say_in("edit", "denoise")

    def memory(self, codec: Codec[Any], items: Sequence[PIL.Image.Image], options: Options) -> int:
        return _bytes(codec, items, 1, 0)

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[PIL.Image.Image],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.image.restoration import denoised

        return denoised(model, codec, items, cond, noise=options.noise)


class Upscale(_Restoration):
    """See restoration.upscaled."""

    class Options(_Invention):
        factor: int = Field(2, ge=2, le=4, description=N_("upscale: 2 or 4 times as many pixels"))

        @field_validator("factor")
        @classmethod
        def _power(cls, factor: int) -> int:
            if factor == 3:
                raise ValueError(say("2 or 4"))
            return factor

    damages = ("coarse",)
    purpose = say("enlarge pictures")
    title = say_in("edit", "upscale")

    def memory(self, codec: Codec[Any], items: Sequence[PIL.Image.Image], options: Options) -> int:
        return _bytes(codec, items, options.factor, 0)

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[PIL.Image.Image],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.image.restoration import upscaled

        return upscaled(
            model,
            codec,
            items,
            cond,
            factor=options.factor,
            detail=options.detail,
            seed=seed,
        )


class Colourise(_Restoration):
    """See restoration.colourised."""

    Options = _Invention

    damages = ("grey",)
    purpose = say("colour grey pictures")
    title = say_in("edit", "colourise")

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        return super().possible(model, codec) and codec.spec.shape[0] == 3  # type: ignore[union-attr]

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[PIL.Image.Image],
        options: _Invention,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.image.restoration import colourised

        return colourised(model, codec, items, cond, detail=options.detail, seed=seed)
