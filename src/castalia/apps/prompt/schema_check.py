"""Whether a JSON value fits a JSON Schema (draft 2020-12): the keywords that people write.

    problem(value, schema)          "" where it fits, else where and why not

A keyword that is not known here is an error of the schema, never passed over, because a test that
leaves a condition out says more than it knows. `format` is such a keyword: no two validators mean
the same by it.

Not here: schemas in other files, `$dynamicRef`, `unevaluated*`. constraints/json_schema.py makes a
model keep a schema; this judges what any model wrote, in any layout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from castalia.apps.prompt.time_limit import matches
from castalia.errors import RecipeError, meant
from castalia.sentences import say

NOTES = frozenset(
    [
        "title",
        "description",
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "definitions",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    ]
)
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: _number(value),
    "integer": lambda value: _number(value) and float(value).is_integer(),
}
DEEPEST = 64  # references inside one another


def problem(value: Any, schema: Any) -> str:
    """The first thing that does not fit, in words; "" where everything does. Raises RecipeError for
    a schema that is none, or says more than is understood here.
    """
    return next(_problems(value, schema, schema, "$", 0), "")


def _problems(value: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield say("{0}: nothing is allowed here", place)
        return
    if not isinstance(schema, dict) or depth > DEEPEST:
        raise _wrong(say("a schema is an object, true or false"), str(schema)[:60])
    for word, given in schema.items():
        if word in NOTES or word in ("then", "else", "minContains", "maxContains"):
            continue
        if word not in KEYWORDS:
            raise _wrong(
                say("the keyword '{0}' of JSON Schema is not known here", word[:60]),
                "schema",
                meant(word, KEYWORDS),
            )
        try:
            yield from KEYWORDS[word](value, given, schema, root, place, depth)
        except (TypeError, AttributeError, KeyError) as failure:
            raise _wrong(
                say("the keyword '{0}' has a value that it cannot have", word), str(given)[:60]
            ) from failure


def _wrong(what: str, where: str, fix: str = "") -> RecipeError:
    return RecipeError(what, where, fix or say("mend the schema"))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    """Equality of JSON: 1 is 1.0, and true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b if not _number(a) else _number(b) and a == b


def _type(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    names = given if isinstance(given, list) else [given]
    if any(name not in TYPES for name in names):
        raise _wrong(say("there is no type '{0}'", str(given)[:60]), "type")
    if not any(TYPES[name](value) for name in names):
        yield say("{0}: this is no {1}", place, "/".join(names))


def _enum(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if not any(_same(value, one) for one in given):
        yield say("{0}: this is none of the values that are allowed", place)


def _const(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if not _same(value, given):
        yield say("{0}: this is not {1}", place, json.dumps(given, ensure_ascii=False)[:60])


def _bound(name: str, fits: Callable[[float, float], bool]) -> Callable[..., Iterator[str]]:
    def check(
        value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
    ) -> Iterator[str]:
        if _number(value) and not fits(value, given + 0):
            yield say("{0}: {1} against {2} {3}", place, value, name, given)

    return check


def _size(name: str, kind: type, fits: Callable[[int, int], bool]) -> Callable[..., Iterator[str]]:
    def check(
        value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
    ) -> Iterator[str]:
        if isinstance(value, kind) and not fits(len(value), given + 0):
            yield say("{0}: {1} against {2} {3}", place, len(value), name, given)

    return check


def _multiple(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if _number(value) and abs(value / given - round(value / given)) > 1e-9:
        yield say("{0}: {1} against {2} {3}", place, value, "multipleOf", given)


def _pattern(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, str) and not matches(given, value):
        yield say("{0}: this does not match {1}", place, given[:60])


def _required(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, dict):
        for name in given:
            if name not in value:
                yield say("{0}: '{1}' is missing", place, name)


def _properties(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in given.items():
            if name in value:
                yield from _problems(value[name], inner, root, f"{place}.{name}", depth + 1)


def _patterns(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, dict):
        for pattern, inner in given.items():
            for name in value:
                if matches(pattern, name):
                    yield from _problems(value[name], inner, root, f"{place}.{name}", depth + 1)


def _additional(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name in value:
            if name not in known and not any(matches(one, name) for one in patterns):
                yield from _problems(value[name], given, root, f"{place}.{name}", depth + 1)


def _names(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict):
        for name in value:
            yield from _problems(name, given, root, f"{place}.{name}", depth + 1)


def _dependent(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, dict):
        for name, others in given.items():
            for other in others if name in value else ():
                if other not in value:
                    yield say("{0}: '{1}' is missing", place, other)


def _items(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        first = len(schema.get("prefixItems", []))
        for number, one in enumerate(value[first:], first):
            yield from _problems(one, given, root, f"{place}[{number}]", depth + 1)


def _prefix(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, list):
        for number, (one, inner) in enumerate(zip(value, given, strict=False)):
            yield from _problems(one, inner, root, f"{place}[{number}]", depth + 1)


def _contains(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, list):
        count = sum(_fits(one, given, root, depth) for one in value)
        if count < schema.get("minContains", 1) or count > schema.get("maxContains", count):
            yield say("{0}: {1} entries are as `contains` says", place, count)


def _unique(
    value: Any, given: Any, schema: Any, root: Any, place: str, depth: int
) -> Iterator[str]:
    if isinstance(value, list) and given:
        for number, one in enumerate(value):
            if any(_same(one, other) for other in value[:number]):
                yield say("{0}[{1}]: this stands there twice", place, number)
                return


def _all(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    for inner in given:
        yield from _problems(value, inner, root, place, depth + 1)


def _any(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if not any(_fits(value, inner, root, depth) for inner in given):
        yield say("{0}: none of `anyOf` fits", place)


def _one(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    count = sum(_fits(value, inner, root, depth) for inner in given)
    if count != 1:
        yield say("{0}: {1} of `oneOf` fit", place, count)


def _not(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if _fits(value, given, root, depth):
        yield say("{0}: this is what `not` forbids", place)


def _if(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    branch = "then" if _fits(value, given, root, depth) else "else"
    yield from _problems(value, schema.get(branch, True), root, place, depth + 1)


def _ref(value: Any, given: Any, schema: Any, root: Any, place: str, depth: int) -> Iterator[str]:
    if not given.startswith("#"):
        raise _wrong(say("a schema in another file is not read"), given[:60])
    inner = root
    for part in given.removeprefix("#").split("/")[1:]:
        step = unquote(part).replace("~1", "/").replace("~0", "~")
        inner = inner[int(step)] if isinstance(inner, list) and step.isdigit() else inner.get(step)
        if inner is None:
            raise _wrong(say("the schema has no '{0}'", given[:60]), "$ref")
    yield from _problems(value, inner, root, place, depth + 1)


def _fits(value: Any, schema: Any, root: Any, depth: int) -> bool:
    return next(_problems(value, schema, root, "$", depth + 1), None) is None


KEYWORDS: dict[str, Callable[..., Iterator[str]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound("minimum", lambda value, bound: value >= bound),
    "maximum": _bound("maximum", lambda value, bound: value <= bound),
    "exclusiveMinimum": _bound("exclusiveMinimum", lambda value, bound: value > bound),
    "exclusiveMaximum": _bound("exclusiveMaximum", lambda value, bound: value < bound),
    "multipleOf": _multiple,
    "minLength": _size("minLength", str, lambda size, bound: size >= bound),
    "maxLength": _size("maxLength", str, lambda size, bound: size <= bound),
    "pattern": _pattern,
    "minItems": _size("minItems", list, lambda size, bound: size >= bound),
    "maxItems": _size("maxItems", list, lambda size, bound: size <= bound),
    "uniqueItems": _unique,
    "items": _items,
    "prefixItems": _prefix,
    "contains": _contains,
    "minProperties": _size("minProperties", dict, lambda size, bound: size >= bound),
    "maxProperties": _size("maxProperties", dict, lambda size, bound: size <= bound),
    "required": _required,
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "dependentRequired": _dependent,
    "allOf": _all,
    "anyOf": _any,
    "oneOf": _one,
    "not": _not,
    "if": _if,
    "$ref": _ref,
}
