"""Types of request fields of all routes: finite, in range and of bounded length, by schema.

Options of sampling have the bounds of abilities.BOUNDS, which hold in Python, too. Lists stop at
their first wrong element: a report about each of a million would cost more than the request.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from castalia.abilities import BOUNDS, LARGEST, LONGEST_TEXT

MOST = 4096  # elements of a list that a client sends

Letters = Annotated[str, StringConstraints(max_length=1 << 20)]
Short = Annotated[str, StringConstraints(max_length=4096)]
# in base64, within the limit of a body
File = Annotated[str, StringConstraints(max_length=1 << 24)]
# of a text: searched for behind every token
Ending = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Token = Annotated[int, Field(ge=0, le=LARGEST)]
Tokens = Annotated[list[Token], Field(max_length=1 << 20, fail_fast=True)]
Cond = Annotated[dict[Short, Annotated[Whole, Field(strict=True)] | Short], Field(max_length=64)]


def _within(name: str) -> Any:
    """Of an option's bound; without what lies between its least value and its gap."""
    bound = BOUNDS[name]
    return Field(**({"gt": bound.least} if bound.above else {"ge": bound.least}), le=bound.most)


_COLD = BOUNDS["temperature"]
Temperature = (
    Annotated[float, Field(ge=_COLD.least, le=_COLD.least)]
    | Annotated[float, Field(ge=_COLD.gap, le=_COLD.most)]
)
Guidance = Annotated[float, _within("guidance")]
Steps = Annotated[int, _within("steps")]
Negative = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Repetition = Annotated[float, _within("repetition")]
Frequency = Annotated[float, _within("frequency")]
TopK = Annotated[int, _within("top_k")]
TopP = Annotated[float, _within("top_p")]
MinP = Annotated[float, _within("min_p")]
Length = Annotated[int, _within("length")]
Penalty = Annotated[float, Field(ge=-2, le=2)]  # OpenAI's


class Body(BaseModel):
    """Frozen; unknown fields are errors, because an option that is silently dropped is a wrong
    answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StreamOptions(Body):
    include_usage: bool = False
    include_obfuscation: bool = False


class Asking(Body):
    """Fields common to completions and chat."""

    n: Count = 1
    stop: Ending | Annotated[list[Ending], Field(max_length=4, fail_fast=True)] | None = None
    seed: Whole | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: (
        Annotated[dict[Short, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)]
        | None
    ) = None
    top_k: TopK | None = None
    min_p: MinP | None = None
    repetition_penalty: Repetition | None = None
    constraint: Short | None = None
