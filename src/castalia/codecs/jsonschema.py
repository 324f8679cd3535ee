"""JSON schemas as languages: every text is what `json.loads` reads and the schema accepts.

One layout, that of `json.dumps` (", " and ": "), and the properties in the order of the schema, so a model chooses contents, never spaces. Strings
hold any character; what JSON must escape is escaped in one way. Numbers are written plainly: at most 15 digits before the point and 6 behind
it. Keywords that could make a text invalid if they were passed over raise RecipeError; so does a `$ref` that leads back to itself, because
such a language is not regular.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from castalia.codecs import regex
from castalia.codecs.automata import (
    EMPTY,
    NOTHING,
    Language,
    Ranges,
    chars,
    complement,
    either,
    intersection,
    literal,
    members,
    repeat,
    seq,
)
from castalia.errors import RecipeError

NOTES = {
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
}
KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": set(),
    "boolean": set(),
    "null": set(),
}
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
SAYABLE = "leave it out, or say it with type, properties, items, enum, const, anyOf and their bounds"
CONTROL = tuple(map(chr, range(0x20)))
ESCAPED = members([*CONTROL, '"', "\\"])

digit = chars(members("0123456789"))
WHOLE = either(literal("0"), seq(chars(members("123456789")), repeat(digit, 0, 14)))
SIGN = repeat(literal("-"), 0, 1)


def language(schema: Any) -> Language:
    """The texts of a schema, a mapping as `json.loads` gives it. Raises RecipeError naming the keyword and its place."""
    return _Reader(schema).value(schema, "$")


def any_object(depth: int = 1) -> Language:
    """Any JSON object, whose values are nested `depth` deep at most: what is left of freedom where a language must be regular."""
    value = either(*(language({"type": kind}) for kind in ("string", "number", "boolean", "null")))
    name = language({"type": "string"})
    for _ in range(depth):
        value = either(value, _listed("[", value, "]"), _listed("{", seq(name, literal(": "), value), "}"))
    return _listed("{", seq(name, literal(": "), value), "}")


def _listed(opens: str, member: Language, closes: str) -> Language:
    return seq(literal(opens), repeat(seq(member, repeat(seq(literal(", "), member), 0, None)), 0, 1), literal(closes))


def written(ranges: Ranges) -> Language:
    """The JSON spelling of one character of a set."""
    escapes = [literal(SHORT.get(sign, f"\\u{ord(sign):04x}")) for sign in (*CONTROL, '"', "\\") if intersection(members(sign), ranges)]
    return either(chars(intersection(ranges, complement(ESCAPED))), *escapes)


ANY = written(complement(()))
QUOTE = literal('"')


def whole_between(low: int | None, high: int | None) -> Language:
    """Integers from `low` to `high`, ends included; None for no bound but 15 digits."""
    limit = 10**15 - 1
    low, high = max(-limit, -limit if low is None else low), min(limit, limit if high is None else high)
    below = [seq(literal("-"), _natural(max(1, -high), -low))] if low < 0 else []
    return either(*below, *([_natural(max(0, low), high)] if high >= 0 else []))


def _natural(low: int, high: int) -> Language:
    """Natural numbers from low to high without leading zeros."""
    options = []
    for size in range(len(str(low)), len(str(high)) + 1):
        first, last = max(low, 10 ** (size - 1) if size > 1 else 0), min(high, 10**size - 1)
        if first <= last:
            options.append(_digits(str(first), str(last)))
    return either(*options)


def _digits(low: str, high: str) -> Language:
    """Digit strings of one length, from low to high."""
    if not low:
        return EMPTY
    if set(low) == {"0"} and set(high) == {"9"}:
        return repeat(digit, len(low), len(low))
    if low[0] == high[0]:
        return seq(literal(low[0]), _digits(low[1:], high[1:]))
    nines, zeros = "9" * (len(low) - 1), "0" * (len(low) - 1)
    options = [seq(literal(low[0]), _digits(low[1:], nines)), seq(literal(high[0]), _digits(zeros, high[1:]))]
    if ord(high[0]) - ord(low[0]) > 1:
        between = chars(((ord(low[0]) + 1, ord(high[0]) - 1),))
        options.append(seq(between, repeat(digit, len(nines), len(nines))))
    return either(*options)


class _Reader:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.following: tuple[str, ...] = ()  # the `$ref`s that we are inside of

    def error(self, what: str, place: str, fix: str = SAYABLE) -> RecipeError:
        return RecipeError(f"this JSON schema has {what}", where=place, fix=fix)

    def value(self, schema: Any, place: str) -> Language:
        if not isinstance(schema, Mapping):
            raise self.error("no type", place, "a constraint has to know what comes: use an object with `type`, `enum`, `const` or `anyOf`")
        for keyword, read in (("$ref", self.reference), ("const", self.const), ("enum", self.enum), ("anyOf", self.any_of)):
            if keyword in schema:
                # Beside `const` and `enum` a type chooses among the values; beside the others nothing else can be kept.
                self.only(schema, {keyword, "type"} if keyword in ("const", "enum") else {keyword}, place)
                return read(schema, place)
        kinds = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else None)
        if isinstance(kinds, list) and kinds:
            allowed = {"type"}.union(*(KEYWORDS.get(str(kind), set()) for kind in kinds))
            self.only(schema, allowed, place)
            return either(*(self.typed(kind, schema, place) for kind in kinds))
        self.only(schema, {"type"} | KEYWORDS.get(str(kinds), set()), place)
        return self.typed(kinds, schema, place)

    def only(self, schema: Mapping[str, Any], allowed: set[str], place: str) -> None:
        for keyword in schema:
            if keyword not in allowed | NOTES:
                raise self.error(f"the keyword '{keyword}', which a constraint cannot keep here", f"{place}.{keyword}")

    def typed(self, kind: Any, schema: Mapping[str, Any], place: str) -> Language:
        readers: dict[str, Callable[[Mapping[str, Any], str], Language]] = {
            "object": self.object,
            "array": self.array,
            "string": self.string,
            "integer": self.integer,
            "number": lambda *_: seq(SIGN, WHOLE, repeat(seq(literal("."), repeat(digit, 1, 6)), 0, 1)),
            "boolean": lambda *_: either(literal("true"), literal("false")),
            "null": lambda *_: literal("null"),
        }
        if not isinstance(kind, str) or kind not in readers:
            raise self.error(
                "no type" if kind is None else f"the unknown type {kind!r}", f"{place}.type", f"use one of {', '.join(readers)}"
            )
        return readers[kind](schema, place)

    # Values that are given

    def const(self, schema: Mapping[str, Any], place: str) -> Language:
        return self.given(schema, [schema["const"]], f"{place}.const")

    def enum(self, schema: Mapping[str, Any], place: str) -> Language:
        if not isinstance(schema["enum"], list) or not schema["enum"]:
            raise self.error("an enum that is no list of values", f"{place}.enum", "list at least one value")
        return self.given(schema, schema["enum"], f"{place}.enum")

    def given(self, schema: Mapping[str, Any], values: list[Any], place: str) -> Language:
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        fitting = [value for value in values if kinds == [None] or any(_is(value, kind) for kind in kinds)]
        if not fitting:
            raise self.error(f"no value of type {schema.get('type')!r}", place, "change the type or the values")
        return either(*(literal(json.dumps(value, ensure_ascii=False)) for value in fitting))

    def any_of(self, schema: Mapping[str, Any], place: str) -> Language:
        options = schema["anyOf"]
        if not isinstance(options, list) or not options:
            raise self.error("an anyOf that is no list of schemas", f"{place}.anyOf", "list at least one schema")
        return either(*(self.value(option, f"{place}.anyOf[{index}]") for index, option in enumerate(options)))

    def reference(self, schema: Mapping[str, Any], place: str) -> Language:
        name = schema["$ref"]
        if name in self.following:
            raise self.error(f"a $ref that leads back to itself: {name}", place, "a constraint has a finite depth: write the levels out")
        target: Any = self.root
        steps = name.removeprefix("#").split("/")[1:] if isinstance(name, str) and name.startswith("#") else [None]
        for step in steps:
            step = step and step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or step not in target:
                raise self.error(f"a $ref that leads nowhere: {name}", place, "refer to a part of the same schema: #/$defs/name")
            target = target[step]
        self.following += (name,)
        found = self.value(target, f"{place}({name})")
        self.following = self.following[:-1]
        return found

    # Types

    def string(self, schema: Mapping[str, Any], place: str) -> Language:
        least, most = self.bounds(schema, "minLength", "maxLength", place)
        if "pattern" not in schema:
            return seq(QUOTE, repeat(ANY, least, most), QUOTE)
        if least or most is not None:
            raise self.error("a pattern and a length", place, "say the length in the pattern: ^.{2,8}$")
        if not isinstance(schema["pattern"], str):
            raise self.error("a pattern that is no text", f"{place}.pattern", "write a regular expression")
        inner, begins, ends = regex.anchored(schema["pattern"])
        free = repeat(ANY)
        return seq(QUOTE, EMPTY if begins else free, _in_json(inner), EMPTY if ends else free, QUOTE)

    def integer(self, schema: Mapping[str, Any], place: str) -> Language:
        limits: dict[str, int | None] = {"minimum": None, "maximum": None}
        for keyword, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
            if keyword in schema:
                value = schema[keyword]
                if not isinstance(value, int) or isinstance(value, bool):
                    raise self.error("a bound that is no integer", f"{place}.{keyword}", "round it")
                side = "minimum" if "inimum" in keyword else "maximum"
                known, value = limits[side], value + step
                limits[side] = value if known is None else max(known, value) if side == "minimum" else min(known, value)
        found = whole_between(limits["minimum"], limits["maximum"])
        if found is NOTHING:
            raise self.error("bounds that no integer of 15 digits keeps", place, "widen them")
        return found

    def array(self, schema: Mapping[str, Any], place: str) -> Language:
        least, most = self.bounds(schema, "minItems", "maxItems", place)
        if most == 0:
            return literal("[]")
        item = self.value(schema.get("items"), f"{place}.items")
        some = seq(item, repeat(seq(literal(", "), item), max(0, least - 1), None if most is None else most - 1))
        return seq(literal("["), some if least else repeat(some, 0, 1), literal("]"))

    def object(self, schema: Mapping[str, Any], place: str) -> Language:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise self.error("properties or required of the wrong kind", place, "properties: {name: schema}, required: [name]")
        for name in required:
            if name not in properties:
                raise self.error(f"a required property without a schema: {name!r}", f"{place}.required", "describe it under properties")
        fresh = after = EMPTY  # what may still come, before and after the first property
        for name in reversed(properties):
            member = seq(literal(json.dumps(name, ensure_ascii=False) + ": "), self.value(properties[name], f"{place}.{name}"), after)
            fresh, after = (
                (member, seq(literal(", "), member))
                if name in required
                else (either(member, fresh), either(seq(literal(", "), member), after))
            )
        return seq(literal("{"), fresh, literal("}"))

    def bounds(self, schema: Mapping[str, Any], low: str, high: str, place: str) -> tuple[int, int | None]:
        least, most = schema.get(low, 0), schema.get(high)
        for keyword, value in ((low, least), (high, most)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                raise self.error("a bound that is no count", f"{place}.{keyword}", "use an integer from 0")
        if most is not None and most < least:
            raise self.error("bounds that cannot be met", f"{place}.{high}", f"let {high} be at least {low}")
        return least, most


def _in_json(inner: Language) -> Language:
    """A language of characters, each spelled as inside a JSON string."""
    spelled: list[Language] = []
    while inner.kind == "seq":
        spelled.append(_in_json(inner.parts[0]))
        inner = inner.parts[1]
    match inner.kind:
        case "chars":
            last = written(inner.parts[0])
        case "either":
            last = either(*map(_in_json, inner.parts))
        case "repeat":
            last = repeat(_in_json(inner.parts[0]), *inner.parts[1:])
        case _:
            last = inner
    return seq(*spelled, last)


def _is(value: Any, kind: Any) -> bool:
    """Whether a value has a JSON type. An integral float is an integer, as JSON Schema has it; a bool is no number."""
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "number": (int, float),
        "boolean": (bool,),
        "null": (type(None),),
    }
    if isinstance(value, bool) and kind != "boolean":
        return False
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, kinds.get(str(kind), ()))
