"""Edits of levels: a part of one is made anew, given all the rest.

Importing this file does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from castalia.errors import RecipeError
from castalia.sampling.edit import Infill, Metavar, fills
from castalia.sentences import N_, say

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family
    from castalia.modalities.level.level import Level

_SPAN = r"\s*[1-9]\d{0,4}\s*(?:-\s*[1-9]\d{0,4}\s*)?"
_AREA = f"{_SPAN},{_SPAN}"
_Edge = Annotated[int, Field(ge=1, le=1 << 16)]


class InfillLevels(Infill):
    """`steps` versions of each level. One that cannot be solved is drawn again, up to the codec's
    `tries`; what is given stays as it was.
    """

    class Options(Infill.Options):
        area: Annotated[tuple[_Edge, _Edge, _Edge, _Edge] | None, Metavar("R-R,C-C")] = Field(
            None,
            description=N_(
                "infill: rows and columns of the level that are made anew, e.g. 3-6,2-5"
            ),
        )

        @field_validator(
            "area",
            mode="before",
            json_schema_input_type=Annotated[str, Field(pattern=f"^{_AREA}$")] | None,
        )
        @classmethod
        def _area(cls, area: Any) -> Any:
            """ "3-6,2-5" as (first row, last row, first column, last column), from 1."""
            if not isinstance(area, str):
                return area
            if not re.fullmatch(_AREA, area, re.ASCII):
                raise ValueError(say("an area is rows and columns, such as 3-6,2-5"))
            spans = [span.split("-") for span in area.split(",")]
            return tuple(int(edge) for span in spans for edge in (span[0], span[-1]))

    def possible(self, model: Family, codec: Codec[Any]) -> bool:
        return fills(model)

    def run(
        self,
        model: Family,
        codec: Codec[Any],
        items: Sequence[Any],
        options: Options,
        seed: int,
        cond: dict[str, Tensor],
    ) -> list[Any]:
        from castalia.sampling.vetting import until_fit

        made: list[Level] = []
        for level in items:
            make = partial(_versions, model, codec, level, options)
            made += until_fit(codec, make, seed)
        return made


def _versions(
    model: Family, codec: Any, level: Level, options: InfillLevels.Options, seed: int
) -> list[Level]:
    from castalia.sampling.infill import fill_gaps

    x = codec.encode(level).long()
    keep = _kept(codec, level, options.area, len(x))
    how: dict[str, Any] = {"seed": seed, "temperature": options.temperature}
    rows = fill_gaps(model, codec.spec, x, keep, count=options.steps, **how)
    return [codec.decode(row) for row in rows]


def _kept(codec: Any, level: Level, area: tuple[int, int, int, int] | None, length: int) -> Tensor:
    """(n,) bool: the tokens that stay. Raises RecipeError for no area, and one outside."""
    import torch

    if area is None:
        raise RecipeError(
            say("name the part of the level that is made anew"),
            where="edit infill",
            fix=say("area=3-6,2-5: rows 3 to 6 and columns 2 to 5"),
        )
    top, bottom, left, right = area
    if not (top <= bottom <= level.height and left <= right <= level.width):
        raise RecipeError(
            say("the area does not lie in the level"),
            where=f"area={top}-{bottom},{left}-{right}",
            fix=say("the level has {0} rows and {1} columns", level.height, level.width),
        )
    keep = torch.ones(length, dtype=torch.bool)
    for row in range(top - 1, bottom):
        for column in range(left - 1, right):
            keep[codec.place(row, column)] = False
    return keep
