"""Types of the document that `check --json` prints; `schema()` is its JSON schema,
check.schema.json the published copy.

Names of files are relative to the data, no path of a machine is in it but the one that was typed,
in `next`; personal data appear as counts and masked examples only. The same data give the same
document.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
Level = Literal["problem", "warning", "note"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Kind(_Part):
    """Files that one codec would read; "beside" explains data, "other" is read by nothing."""

    files: int
    bytes: int
    endings: dict[str, int]


class Unreadable(_Part):
    """items: how many are lost with it, where it holds several."""

    file: str
    why: str
    items: int = 1


class Copies(_Part):
    """copies: items beyond the first of each group. examples: names of the items of some groups.
    threshold: what "near" means.
    """

    groups: int
    copies: int
    examples: list[list[str]]
    threshold: float | None = None


class Leak(_Part):
    """Items of `into` that `source` has, too. bytes, content, near: how, each item counted once, by
    the strongest.
    """

    source: str
    into: str
    items: int
    total: int
    share: float
    bytes: int
    content: int
    near: int
    examples: list[list[str]]


class Masked(_Part):
    where: str
    masked: str


class Personal(_Part):
    """count: places; items: texts that have one."""

    count: int
    items: int
    examples: list[Masked]


class Column(_Part):
    """Of the first rows of a table. kind: "text", "category", "number" or "parts" (lists and
    objects); values: different ones.
    """

    name: str
    kind: Literal["text", "category", "number", "parts"]
    filled: float
    values: int


class Table(_Part):
    name: str
    rows: int
    columns: list[Column]


class Finding(_Part):
    """code: stable name. words: the sentence in English. values: what it is filled with. examples:
    names of items.
    """

    code: str
    level: Level
    words: str
    values: dict[str, Any]
    examples: list[str]


class Enough(_Part):
    """Whether the data are enough for a recipe: `have` against `least` and `wants`, in `unit`.
    source: where the two figures come from.
    """

    family: str
    verdict: Literal["enough", "little", "too little"]
    have: int
    least: int
    wants: int
    unit: str
    source: str


class Step(_Part):
    command: str
    why: str


class Change(_Part):
    name: str
    items_added: int | None = None
    items_removed: int | None = None


class Renamed(_Part):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    before: str = Field(alias="from")
    to: str


class Compared(_Part):
    same: int
    added: list[str]
    removed: list[str]
    changed: list[Change]
    renamed: list[Renamed]


class Document(_Part):
    """codec: that looked at the items; None when there is none. facts: depend on the codec.
    fingerprint: that of a run trained on all of it.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    castalia: str
    source: str
    verdict: Literal["clean", "warnings", "problems"]
    codec: str | None
    kinds: dict[str, Kind]
    items: int
    distinct: int
    files: int
    bytes: int
    licence: str | None
    fingerprint: str | None
    classes: dict[str, int]
    unlabelled: int
    facts: dict[str, Any]
    tables: list[Table]
    duplicates: dict[Literal["bytes", "content", "near"], Copies]
    leakage: list[Leak]
    unreadable: list[Unreadable]
    personal: dict[str, Personal]
    findings: list[Finding]
    enough: list[Enough]
    next: list[Step]
    compared: Compared | None
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Its descriptions are the docstrings, each in one line."""
    made: dict[str, Any] = _in_one_line(
        Document.model_json_schema(by_alias=True, mode="serialization")
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _in_one_line(value: Any) -> Any:
    """JSON whose descriptions do not depend on where the source breaks its lines."""
    match value:
        case dict():
            return {
                key: " ".join(part.split())
                if key == "description" and isinstance(part, str)
                else _in_one_line(part)
                for key, part in value.items()
            }
        case list():
            return [_in_one_line(part) for part in value]
    return value
