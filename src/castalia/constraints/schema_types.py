"""Whether the keywords of a JSON schema have values of the types that draft 2020-12 gives them.

A library that reads a schema may leave out a keyword that it cannot make sense of; then texts would
not be what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from castalia.constraints.schema_shapes import unkept
from castalia.sentences import say


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_identifier(value: Any) -> bool:
    """A URI of a schema's own: an empty one would be that of the schema around it."""
    return isinstance(value, str) and bool(value.partition("#")[0])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    whole = _is_number(value) and (isinstance(value, int) or value.is_integer())
    return whole and value >= 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_named_names(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_named_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


# Where schemas are inside of a schema.
ONE = (
    *("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
TYPES: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _is_count),
    **dict.fromkeys(("pattern", "format", "$ref", "$dynamicRef"), _is_text),
    "$id": _is_identifier,
    "required": _is_names,
    "enum": lambda value: isinstance(value, list),
    "uniqueItems": lambda value: isinstance(value, bool),
    "type": lambda value: _is_text(value) or _is_names(value),
    "dependentRequired": _is_named_names,
    **dict.fromkeys(SEVERAL, _is_schemas),
    **dict.fromkeys(NAMED, _is_named_schemas),
    **dict.fromkeys(ONE, _is_schema),
}


def check_types(schema: Any) -> None:
    """Raises Unkept, naming the first keyword whose value has another type than it must have."""
    if not _is_schema(schema):
        raise unkept(say("a part that is no schema"), repr(schema))
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        for keyword, value in part.items():
            fits = TYPES.get(keyword)
            if fits is not None and not fits(value):
                raise unkept(say("a value that '{0}' cannot have", keyword), repr({keyword: value}))
        waiting += schemas_in(part)


def schemas_in(schema: Mapping[str, Any]) -> Iterator[Any]:
    """What stands where a schema has schemas inside of it."""
    for keyword in ONE:
        if keyword in schema:
            yield schema[keyword]
    for keyword in SEVERAL:
        if isinstance(schema.get(keyword), list):
            yield from schema[keyword]
    for keyword in NAMED:
        if isinstance(schema.get(keyword), dict):
            yield from schema[keyword].values()
