"""The schema of manifests, which manifests from files are validated against before they are used.

A manifest is no secret and no signature: whoever knows this code can write one that asks for a
billion rows and seals it. So every number has an end here; other keys are kept and not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from castalia.abilities import LONGEST_TEXT
from castalia.codecs.base import Codec
from castalia.config import LARGEST_SEED, MOST_STEPS, State, hold, problems_of
from castalia.errors import DataError
from castalia.run_files import Hash, Word
from castalia.sampling.edit import EditOptions, edits_of, options_in
from castalia.sentences import say

MOST_ROWS = 1 << 16  # items of one block, which are computed together

Seed = Annotated[int, Field(ge=-LARGEST_SEED, le=LARGEST_SEED)]
Bounded = Annotated[float, Field(ge=-1e9, le=1e9)]
Positive = Annotated[int, Field(ge=1, le=1 << 20)]


class _Facts(State):
    model_config = ConfigDict(extra="allow")


class Options(State):
    """abilities.SampleOptions, as a manifest holds them."""

    temperature: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    guidance: Bounded = 1.0
    steps: Positive | None = None
    negative: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""
    repetition: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    frequency: Bounded = 0.0
    top_k: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    length: Positive | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=10_000)]], Field(max_length=1000)
    ] = Field([])


class Input(_Facts):
    """What an edit began with: a file by its name, or a text that was typed."""

    sha256: Hash
    name: Word | None = None
    typed: str | None = None


class Licences(_Facts):
    data: Word | None = None
    model: Word | None = None


class Watermark(_Facts):
    """A mark in the content (watermark/marking.py)."""

    method: Word
    mark: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")]
    quality: Annotated[float, Field(ge=30, le=60)] | None = None


class Versions(_Facts):
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None


class Manifest(_Facts):
    """What `Gate.facts_of` and `ai_mark.seal` write, and what a sample or an edit adds."""

    generator: Word = ""
    run: Word | None = None
    model: Hash | None = None
    step: Annotated[int, Field(ge=0, le=MOST_STEPS)] | None = None
    weights: Literal["ema", "model"] = "ema"
    data: Hash | None = None
    recipe: Hash | None = None
    producer: Word | None = None
    licence: Licences = Licences()
    time: Word | None = None
    versions: Versions = Versions()
    content: Hash | None = None
    seal: Hash | None = None
    AIGC: dict[str, str] = Field({})
    seed: Seed | None = None
    index: Annotated[int, Field(ge=0, le=1 << 40)] | None = None
    rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    row: Annotated[int, Field(ge=0, lt=MOST_ROWS)] | None = None
    cond: dict[str, str | int] = Field({})
    options: Options = Options()
    prompt: str | None = None
    prompt_tokens: (
        Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=1 << 24)] | None
    ) = None
    messages: list[dict[str, Any]] | None = None
    constraint: str | None = None
    edit: Annotated[str, Field(max_length=40)] | None = None
    inputs: Annotated[list[Input], Field(max_length=10_000)] | None = None
    labels: list[str | None] | None = None
    watermark: Watermark | None = None
    credentials: Word | None = None
    label: Literal["en", "zh"] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.rows is not None and self.row is not None and self.row >= self.rows:
            raise ValueError(say("row lies beyond rows"))
        if self.row is not None and self.index is not None and self.row > self.index:
            raise ValueError(say("row lies beyond index"))
        return self


def damage(raw: dict[str, Any], codec: type[Codec[Any]]) -> str | None:
    """What is wrong with a manifest of an item of this codec, in one line; None where it is whole.
    The options of an edit are held against those of sampling/edit.py.
    """
    try:
        options = _edited(Manifest.model_validate(raw), codec)
        if options is not None:
            options.model_validate(options_in(raw, options))
    except ValidationError as failure:
        return problems_of(failure)
    return None


def require(raw: dict[str, Any], path: Path, codec: type[Codec[Any]]) -> None:
    """Raises DataError for a manifest that is damaged, or asks for more than can be."""
    rest = (
        say("the manifest does not describe an item"),
        path,
        say("castalia verify FILE says more"),
    )
    options = _edited(hold(Manifest, raw, *rest, DataError), codec)
    if options is not None:
        hold(options, options_in(raw, options), *rest, DataError)


def _edited(manifest: Manifest, codec: type[Codec[Any]]) -> type[EditOptions] | None:
    """The options of the edit that made the item; None where none did, or one that is not known."""
    edit = edits_of(codec).get(manifest.edit or "")
    return None if edit is None else edit.Options
