"""Edits of sounds: gaps filled, noise taken away. What is computed is in restoration.py; variants
and ways between sounds are those of any dense data (sampling/latent_edits.py).

Changing pitch or tempo needs no model of the user's data; programs for it are many and good
(pedalboard, SoX, Rubber Band). Importing this file does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.abilities import Restores
from castalia.errors import RecipeError
from castalia.sampling.edit import Edit, EditOptions, FillGaps, Metavar
from castalia.sentences import N_, say, say_in

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family
    from castalia.modalities.audio.restoration import Gap
    from castalia.modalities.audio.sound import Sound

_TIMES = re.compile(r"(\d{1,4}(?:\.\d{1,6})?)-(\d{1,4}(?:\.\d{1,6})?)?", re.ASCII)


class InfillSounds(FillGaps):
    """See restoration.infilled."""

    class Options(FillGaps.Options):
        gap: Annotated[str | None, Metavar("START-END")] = Field(
            None,
            max_length=32,
            description=N_(
                "infill: the seconds of a sound that are made anew, 0.2-0.3; 0.4- goes on from "
                "there"
            ),
        )

        @field_validator("gap")
        @classmethod
        def _form(cls, gap: str | None) -> str | None:
            if gap is not None and not are_times(gap):
                raise ValueError(say("times are START-END in seconds, e.g. 0.2-0.3"))
            return gap

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Sound],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.audio.restoration import infilled

        if options.gap is None:
            raise RecipeError(
                say("nothing says which part of the sound to make anew"),
                where="edit infill",
                fix=say("--gap START-END in seconds, e.g. 0.2-0.3"),
            )
        return infilled(
            model,
            codec,
            items,
            cond,
            gap=times(options.gap),
            count=options.steps,
            seed=seed,
            temperature=options.temperature,
        )


class DenoiseSounds(Edit):
    """See restoration.denoised."""

    class Options(EditOptions):
        quiet: Annotated[str | None, Metavar("START-END")] = Field(
            None,
            max_length=32,
            description=N_(
                "denoise: the seconds of a sound that hold noise alone, 0-0.2; default: estimated"
            ),
        )

        @field_validator("quiet")
        @classmethod
        def _form(cls, quiet: str | None) -> str | None:
            if quiet is not None and not are_times(quiet):
                raise ValueError(say("times are START-END in seconds, e.g. 0.2-0.3"))
            return quiet

    needs = Restores
    purpose = say("take noise away")
    title = say_in("edit", "denoise")
    conditioned = True

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Sound],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.audio.restoration import denoised

        noise = None if options.quiet is None else times(options.quiet)
        return denoised(model, codec, items, cond, noise=noise, seed=seed)


def times(words: str) -> Gap:
    """ "0.2-0.3" or "0.2-", as the options let through."""
    from castalia.modalities.audio.restoration import Gap

    start, _, end = words.partition("-")
    return Gap(float(start), float(end) if end else None)


def are_times(words: str) -> bool:
    found = _TIMES.fullmatch(words)
    return found is not None and (found[2] is None or float(found[2]) > float(found[1]))
