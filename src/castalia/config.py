"""Base classes of configurations: strict, frozen pydantic models, and their error messages."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from castalia.errors import CastaliaError, RunError
from castalia.escapes import one_line
from castalia.sentences import say

Model = TypeVar("Model", bound=BaseModel)

# Upper ends of numbers in recipes. They lie far beyond what a machine of today trains; what they
# keep out would hang or exhaust it.
LARGEST_SEED = 2**63 - 1
MOST_STEPS = 10**9
MOST_ROWS = 1 << 20  # items that are computed together
WIDEST = 1 << 16  # numbers that stand for one thing between layers
DEEPEST = 1 << 10  # layers


class Config(BaseModel):
    """Frozen; unknown keys are errors, numbers are finite, and true and false are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number_or_truth(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes true for 1: `training.batch=true` would train in batches of one."""
        field = cls.model_fields[str(info.field_name)]
        if _holds_bool(value) and not _names(field.annotation) & {bool, Any}:
            raise ValueError(say("Input should not be true or false"))
        return value


class State(BaseModel):
    """The base of what parts keep in JSON and read back: exact types, no other keys, finite
    numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _holds_bool(value: Any) -> bool:
    """Of a value, or of the entries of a list or a mapping."""
    inner = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, list | tuple)
        else (value,)
    )
    return any(isinstance(one, bool) for one in inner)


def _names(annotation: Any) -> set[Any]:
    """Every type that an annotation is made of."""
    return (
        {annotation}.union(*map(_names, get_args(annotation)))
        if get_args(annotation)
        else {annotation}
    )


def hold(
    model: type[Model],
    raw: Any,
    what: str,
    where: object,
    fix: str,
    error: type[CastaliaError] = RunError,
) -> Model:
    """`raw` as `model`. Raises `error`, "what: key: problem", where it does not fit."""
    try:
        return model.model_validate(raw)
    except ValidationError as failure:
        raise error(say("{0}: {1}", what, problems_of(failure)), where=where, fix=fix) from failure


def problems_of(failure: ValidationError) -> str:
    """ "key: problem" of at most three problems, in one line."""
    errors = failure.errors(include_url=False, include_context=False, include_input=False)
    problems = "; ".join(
        f"{one_line('.'.join(map(str, problem['loc'])) or 'it', 100)}: "
        f"{problem['msg'].removeprefix('Value error, ').lower()}"
        for problem in errors[:3]
    )
    return problems + (f"; and {len(errors) - 3} more" if len(errors) > 3 else "")
