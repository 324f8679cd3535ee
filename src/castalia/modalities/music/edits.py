"""Edits of scores: redraw parts and bars, given the rest.

Importing this file does not import torch; see infill.py and redraw.py for how it is done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.sampling.edit import Infill, Metavar, Served, fills
from castalia.sentences import N_, say

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family

MOST_REDRAWN = 10_000  # times that a bar is drawn anew
_Bar = Annotated[int, Field(ge=1, le=1 << 20)]
_BARS = r"\s*\d+\s*(-\s*\d+\s*)?"


class InfillScores(Infill):
    """See redraw.infilled."""

    class Options(Infill.Options):
        keep: Annotated[tuple[str, ...], Metavar("PART")] = Field(
            (),
            max_length=16,
            description=N_("infill: a part of the score that stays, e.g. soprano"),
        )
        bars: Annotated[tuple[_Bar, _Bar] | None, Metavar("A-B")] = Field(
            None, description=N_("infill: bars of the score that are made anew; default: all")
        )
        redraw: Annotated[int, Metavar("N"), Served(16)] = Field(
            0,
            ge=0,
            le=MOST_REDRAWN,
            description=N_(
                "infill: bars of the score with parallels, crossings or notes out of range "
                "are drawn anew up to N times"
            ),
        )

        @field_validator(
            "bars",
            mode="before",
            json_schema_input_type=Annotated[str, Field(pattern=f"^{_BARS}$")] | None,
        )
        @classmethod
        def _span(cls, bars: Any) -> Any:
            """ "5-8" or "5", as a person writes bars, as (first, last)."""
            if not isinstance(bars, str):
                return bars
            if not re.fullmatch(_BARS, bars, re.ASCII):
                raise ValueError(say("bars are numbers, the first one and the last one"))
            first, _, last = bars.partition("-")
            return int(first), int(last or first)

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        return fills(model) and codec.config.form == "grid"

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.modalities.music.redraw import infilled

        how = {"keep": options.keep, "bars": options.bars, "redraw": options.redraw}
        how |= {"count": options.steps, "seed": seed, "temperature": options.temperature}
        return [version for item in items for version in infilled(model, codec, item, **how)]

    def work(self, codec: Codec[Any], items: Sequence[Any], options: Options) -> int:
        from castalia.modalities.music.redraw import PASSES

        return super().work(codec, items, options) * (1 + PASSES * options.redraw)
