"""Limits of reading: their names, defaults, units and meanings, and the ones in force now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from castalia.errors import CastaliaError, DataError, RecipeError, meant
from castalia.sentences import say

T = TypeVar("T")
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_SIZES = {
    "": 1,
    "k": 1000,
    "m": 1000**2,
    "g": 1000**3,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
}
_SIZED = re.compile(r"([0-9]{1,15})\s*([kmg]?i?b?)", re.IGNORECASE)


def _count(value: Any) -> Any:
    """ "64 MiB" as a number; anything else as it is."""
    match = _SIZED.fullmatch(value.strip()) if isinstance(value, str) else None
    return (
        int(match[1]) * _SIZES[match[2].lower()] if match and match[2].lower() in _SIZES else value
    )


# What is counted, for sentences.
_UNITS = {
    str(unit): unit
    for unit in (
        say("bytes"),
        say("characters"),
        say("digits"),
        say("elements"),
        say("triangles"),
        say("levels"),
        say("members"),
        say("notes"),
        say("pixels"),
        say("rows"),
        say("times"),
        say("values"),
    )
}
Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=1 << 50)]


def _limit(default: int, unit: str, meaning: str) -> Any:
    return Field(default, description=meaning, json_schema_extra={"unit": unit})


class ReadLimits(BaseModel):
    """How much a file may ask for. Values are whole numbers, or sizes such as "2 GiB". Frozen.

    The defaults let through whatever people have; a limit that is met is named in the error, and
    `data.limits.NAME=VALUE` raises it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_bytes: Count = _limit(
        GIB, "bytes", "a file that is read whole: a picture, a tokenizer, a settings file"
    )
    score_bytes: Count = _limit(
        64 * MIB, "bytes", "a score: MIDI, MusicXML once unpacked, ABC, a file of pieces"
    )
    score_notes: Count = _limit(2_000_000, "notes", "one score")
    mesh_bytes: Count = _limit(512 * MIB, "bytes", "a file of a mesh: GLB, STL, OBJ, PLY, OFF")
    mesh_faces: Count = _limit(2_000_000, "triangles", "one mesh; corners up to four times as many")
    json_bytes: Count = _limit(
        256 * MIB,
        "bytes",
        "a JSON document: a table as .json, a manifest, a tokenizer.json, run.json",
    )
    json_depth: Count = _limit(200, "levels", "lists and objects inside one another in JSON")
    json_values: Count = _limit(20_000_000, "values", "all values of a JSON document together")
    digits: Count = _limit(
        400, "digits", "one number in JSON, XML or YAML, and the size of its exponent"
    )
    yaml_bytes: Count = _limit(4 * MIB, "bytes", "a recipe or a policy")
    settings_bytes: Count = _limit(
        16 * MIB,
        "bytes",
        "a chat template, a schema, a caption, a list of files, terms, keys or classes",
    )
    xml_depth: Count = _limit(100, "levels", "XML elements inside one another")
    xml_elements: Count = _limit(2_000_000, "elements", "all elements of an XML document together")
    pixels: Count = _limit(
        89_478_485, "pixels", "a picture, as its header declares it (Pillow's own limit)"
    )
    row_bytes: Count = _limit(GIB, "bytes", "one item of an array file")
    array_bytes: Count = _limit(
        4 * GIB,
        "bytes",
        "an array that has to be in memory as a whole: labels, columns-first .npy, a "
        "group of Parquet rows",
    )
    rows: Count = _limit(100_000_000, "rows", "one table or array file")
    line_bytes: Count = _limit(64 * MIB, "bytes", "one line of a table, a list or JSON lines")
    cell_characters: Count = _limit(16 * MIB, "characters", "one cell of a table")
    document_bytes: Count = _limit(
        256 * MIB, "bytes", "one text that is kept whole (codec.document=file)"
    )
    archive_members: Count = _limit(
        500_000, "members", "an archive (.zip, .tar), .npz and .mxl included"
    )
    inflated_bytes: Count = _limit(16 * GIB, "bytes", "all that one compressed file unpacks to")
    inflation_ratio: Count = _limit(
        500,
        "times",
        "how often a compressed file may be larger unpacked than packed, beyond its first 64 MiB",
    )
    weights_bytes: Count = _limit(64 * GIB, "bytes", "a file of weights (safetensors, GGUF)")

    def changed(self) -> dict[str, int]:
        """The limits that were given, not left at their default."""
        return self.model_dump(exclude_unset=True)


_CURRENT: ContextVar[ReadLimits] = ContextVar("read_limits")
_DEFAULTS = ReadLimits()


def current() -> ReadLimits:
    """The limits in force."""
    return _CURRENT.get(_DEFAULTS)


@contextmanager
def using(limits: ReadLimits) -> Iterator[None]:
    """In this block, the given ones of `limits` hold, the others as before. Not across a `yield`:
    see `within`.
    """
    token = _CURRENT.set(current().model_copy(update=limits.changed()))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def within(limits: ReadLimits, items: Iterator[T]) -> Iterator[T]:
    """The items, each computed under `limits`."""
    if not limits.changed():
        yield from items
        return
    while True:
        with using(limits):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def from_words(words: Iterable[str]) -> ReadLimits:
    """["pixels=200000000", "inflated_bytes=64GiB"] as limits. Raises RecipeError for an unknown
    name or a value that is no number.
    """
    given: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or name not in ReadLimits.model_fields:
            fix = say(
                "{0}--limit NAME=VALUE; SECURITY.md lists all names",
                meant(name, ReadLimits.model_fields),
            )
            raise RecipeError(say("there is no such limit"), f"--limit {word}", fix)
        given[name] = value
    try:
        return ReadLimits.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        fix = say(
            "give a positive number, or a size such as 2GiB: --limit {0}={1}",
            name,
            ReadLimits.model_fields[name].default,
        )
        raise RecipeError(
            say("the value of a limit is no size"), f"--limit {name}={given[name]}", fix
        ) from error


def exceeded(
    name: str, what: str, where: object, error: type[CastaliaError] = DataError
) -> CastaliaError:
    """The error of a read that would pass the limit `name`; `what` says in a few words what was too
    much.
    """
    unit = _UNITS[units()[name]]
    return error(
        say("{0}: more than the {1:,} {2} that are read", what, getattr(current(), name), unit),
        where,
        say(
            "leave the file out; if you trust it, raise the limit: data.limits.{0}=..., or "
            "--limit {0}=...",
            name,
        ),
    )


def units() -> Mapping[str, str]:
    """The unit of each limit, by name."""
    return {
        name: str((field.json_schema_extra or {})["unit"])
        for name, field in ReadLimits.model_fields.items()
    }  # type: ignore[index]
