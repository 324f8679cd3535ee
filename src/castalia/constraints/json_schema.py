"""JSON schemas as languages: every text is what `json.loads` reads and the schema accepts.

One layout, that of `json.dumps` (", " and ": "), and the properties in the order of the schema, so
a model chooses contents, never spaces. Strings hold any character; what JSON must escape is escaped
in one way. Numbers are written plainly: at most 15 digits before the point and 6 behind it.
Patterns are ECMA 262's. Keywords that could make a text invalid if they were passed over raise
RecipeError; so does a `$ref` that leads back to itself, because such a language is not regular.
What a `$ref` names is built once.

llguidance_grammar.py keeps far more schemas, and larger vocabularies faster. These languages stay
for small vocabularies, because their distance to an end is exact, for rewards, and for whoever has
not installed llguidance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from castalia.constraints import regex
from castalia.constraints.automata import (
    EMPTY,
    NOTHING,
    Language,
    Ranges,
    chars,
    complement,
    either,
    group,
    intersection,
    literal,
    members,
    repeat,
    seq,
    words,
)
from castalia.constraints.budget import OverBudget, current_limits, spend
from castalia.errors import RecipeError
from castalia.sentences import say

# What does not change which values are accepted, and of which type it is; None: any.
NOTES: dict[str, type | None] = {
    "title": str,
    "description": str,
    "$schema": str,
    "$id": str,
    "$comment": str,
    "$defs": dict,
    "definitions": dict,
    "default": None,
    "examples": list,
    "deprecated": bool,
    "readOnly": bool,
    "writeOnly": bool,
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
SAYABLE = say(
    "leave it out, or say it with type, properties, items, enum, const, anyOf and their bounds"
)
TYPE_NAMES: dict[type, str] = {
    str: say("a text"),
    dict: say("an object"),
    list: say("a list"),
    bool: say("true or false"),
}
CONTROL = tuple(map(chr, range(0x20)))
ESCAPED = members([*CONTROL, '"', "\\"])

digit = chars(members("0123456789"))
WHOLE = either(literal("0"), seq(chars(members("123456789")), repeat(digit, 0, 14)))
SIGN = repeat(literal("-"), 0, 1)


def language(schema: Any) -> Language:
    """The texts of a schema, a mapping as `json.loads` gives it. Raises RecipeError naming the
    keyword and its place.
    """
    return _Reader(schema).value(schema, "$")


def any_object(depth: int = 1) -> Language:
    """Any JSON object, whose values are nested `depth` deep at most: what is left of freedom where
    a language must be regular.
    """
    value = either(*(language({"type": kind}) for kind in ("string", "number", "boolean", "null")))
    name = language({"type": "string"})
    for _ in range(depth):
        value = either(
            value, _listed("[", value, "]"), _listed("{", seq(name, literal(": "), value), "}")
        )
    return _listed("{", seq(name, literal(": "), value), "}")


def _listed(opens: str, member: Language, closes: str) -> Language:
    return seq(
        literal(opens),
        repeat(seq(member, repeat(seq(literal(", "), member), 0, None)), 0, 1),
        literal(closes),
    )


def written(ranges: Ranges) -> Language:
    """The JSON spelling of one character of a set."""
    escapes = [
        literal(SHORT.get(sign, f"\\u{ord(sign):04x}"))
        for sign in (*CONTROL, '"', "\\")
        if intersection(members(sign), ranges)
    ]
    return either(chars(intersection(ranges, complement(ESCAPED))), *escapes)


ANY = written(complement(()))
QUOTE = literal('"')


def whole_between(low: int | None, high: int | None) -> Language:
    """Integers from `low` to `high`, ends included; None for no bound but 15 digits."""
    limit = 10**15 - 1
    low, high = (
        max(-limit, -limit if low is None else low),
        min(limit, limit if high is None else high),
    )
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
    options = [
        seq(literal(low[0]), _digits(low[1:], nines)),
        seq(literal(high[0]), _digits(zeros, high[1:])),
    ]
    if ord(high[0]) - ord(low[0]) > 1:
        between = chars(((ord(low[0]) + 1, ord(high[0]) - 1),))
        options.append(seq(between, repeat(digit, len(nines), len(nines))))
    return either(*options)


class _Target(NamedTuple):
    """What a `$ref` names, and the schema resource that it is a part of: `#` means the nearest
    schema around it with an `$id`, or the root.
    """

    schema: Any
    resource: Any


class _Reader:
    def __init__(self, root: Any) -> None:
        self.resource = root
        self.depth = 0
        # the schemas that `$ref`s led to and that we are inside of, by identity
        self.following: set[int] = set()
        # what has been built of (schema, resource)
        self.known: dict[tuple[int, int], Language] = {}

    def error(self, what: str, place: str, fix: str = SAYABLE) -> RecipeError:
        return RecipeError(say("this JSON schema has {0}", what), where=_short(place), fix=fix)

    def value(self, schema: Any, place: str) -> Language:
        spend()
        self.depth += 1
        outer = self.resource
        if self.depth > current_limits().depth:
            raise OverBudget(
                say("this JSON schema nests its values too deeply"),
                "depth",
                current_limits(),
                _short(place),
            )
        if isinstance(schema, Mapping) and "$id" in schema:
            self.resource = schema
        made = self.described(schema, place)
        self.resource = outer
        self.depth -= 1
        return made

    def described(self, schema: Any, place: str) -> Language:
        if not isinstance(schema, Mapping):
            raise self.error(
                say("no type"),
                place,
                say(
                    "a constraint has to know what comes: use an object with `type`, `enum`, "
                    "`const` or `anyOf`"
                ),
            )
        for keyword, read in (
            ("$ref", self.reference),
            ("const", self.const),
            ("enum", self.enum),
            ("anyOf", self.any_of),
        ):
            if keyword in schema:
                # Beside `const` and `enum` a type chooses among the values; beside the others
                # nothing else can be kept.
                self.only(
                    schema, {keyword, "type"} if keyword in ("const", "enum") else {keyword}, place
                )
                return read(schema, place)
        kinds = self.kinds(schema, place)
        if not kinds:
            kinds = ["object"] if "properties" in schema else ["array"] if "items" in schema else []
        self.only(schema, {"type"}.union(*(KEYWORDS[kind] for kind in kinds)), place)
        if not kinds:
            raise self.error(
                say("no type"), f"{place}.type", say("use one of {0}", ", ".join(KEYWORDS))
            )
        return either(*(self.typed(kind, schema, place) for kind in kinds))

    def kinds(self, schema: Mapping[str, Any], place: str) -> list[str]:
        """The types that a schema names; none where it does not say."""
        if "type" not in schema:
            return []
        given = schema["type"]
        kinds = given if isinstance(given, list) and given else [given]
        for kind in kinds:
            if not isinstance(kind, str) or kind not in KEYWORDS:
                raise self.error(
                    say("the unknown type {0}", _short(repr(kind))),
                    f"{place}.type",
                    say("use one of {0}", ", ".join(KEYWORDS)),
                )
        return kinds

    def only(self, schema: Mapping[str, Any], allowed: set[str], place: str) -> None:
        for keyword, value in schema.items():
            if keyword not in allowed and keyword not in NOTES:
                raise self.error(
                    say("the keyword '{0}', which a constraint cannot keep here", _short(keyword)),
                    f"{place}.{keyword}",
                )
            kind = NOTES.get(keyword)
            if keyword not in allowed and kind is not None and not isinstance(value, kind):
                raise self.error(
                    say("a {0} that is not {1}", keyword, TYPE_NAMES[kind]),
                    f"{place}.{keyword}",
                    say("correct it, or leave it out"),
                )

    def typed(self, kind: str, schema: Mapping[str, Any], place: str) -> Language:
        readers: dict[str, Callable[[Mapping[str, Any], str], Language]] = {
            "object": self.object,
            "array": self.array,
            "string": self.string,
            "integer": self.integer,
            "number": lambda *_: seq(
                SIGN, WHOLE, repeat(seq(literal("."), repeat(digit, 1, 6)), 0, 1)
            ),
            "boolean": lambda *_: either(literal("true"), literal("false")),
            "null": lambda *_: literal("null"),
        }
        return readers[kind](schema, place)

    # Values that are given

    def const(self, schema: Mapping[str, Any], place: str) -> Language:
        return self.given(schema, [schema["const"]], f"{place}.const")

    def enum(self, schema: Mapping[str, Any], place: str) -> Language:
        if not isinstance(schema["enum"], list) or not schema["enum"]:
            raise self.error(
                say("an enum that is no list of values"),
                f"{place}.enum",
                say("list at least one value"),
            )
        return self.given(schema, schema["enum"], f"{place}.enum")

    def given(self, schema: Mapping[str, Any], values: list[Any], place: str) -> Language:
        kinds = self.kinds(schema, place.rpartition(".")[0])
        fitting = [
            value for value in values if not kinds or any(_is(value, kind) for kind in kinds)
        ]
        if not fitting:
            raise self.error(
                say("no value of type {0!r}", schema.get("type")),
                place,
                say("change the type or the values"),
            )
        return words(self.spelled(value, place) for value in fitting)

    def spelled(self, value: Any, place: str) -> str:
        """A value's JSON. Python reads numbers and halves of characters that JSON, or UTF-8, cannot
        write.
        """
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            text.encode()
        except (ValueError, RecursionError) as error:
            raise self.error(
                say("a value that JSON cannot write: {0}", error),
                place,
                say("use numbers that are finite and characters that are whole"),
            ) from None
        return text

    def any_of(self, schema: Mapping[str, Any], place: str) -> Language:
        options = schema["anyOf"]
        if not isinstance(options, list) or not options:
            raise self.error(
                say("an anyOf that is no list of schemas"),
                f"{place}.anyOf",
                say("list at least one schema"),
            )
        return either(
            *(self.value(option, f"{place}.anyOf[{index}]") for index, option in enumerate(options))
        )

    def reference(self, schema: Mapping[str, Any], place: str) -> Language:
        name = schema["$ref"]
        if not isinstance(name, str):
            raise self.error(
                say("a $ref that is no text"),
                f"{place}.$ref",
                say("refer to a part of the same schema: #/$defs/name"),
            )
        if "$id" in schema and self.depth > 1:
            raise self.error(
                say(
                    "an $id beside a $ref, whose meaning changed between the drafts of JSON Schema"
                ),
                place,
                say("leave the $id out"),
            )
        target = self.target(name, place)
        if id(target.schema) in self.following:
            raise self.error(
                say("a $ref that leads back to itself: {0}", _short(name)),
                place,
                say("a constraint has a finite depth: write the levels out"),
            )
        key = id(target.schema), id(target.resource)
        if key not in self.known:
            outer, self.resource = self.resource, target.resource
            self.following.add(id(target.schema))
            self.known[key] = group(self.value(target.schema, f"{place}({name})"))
            self.following.remove(id(target.schema))
            self.resource = outer
        return self.known[key]

    def target(self, name: str, place: str) -> _Target:
        """What a JSON pointer (RFC 6901) in a URI fragment names, from the schema resource that the
        `$ref` stands in.
        """
        nowhere = self.error(
            say("a $ref that leads nowhere: {0}", _short(name)),
            place,
            say("refer to a part of the same schema: #/$defs/name"),
        )
        if not (name == "#" or name.startswith("#/")):
            raise nowhere  # another document, or an anchor
        target = _Target(self.resource, self.resource)
        for step in unquote(name[1:]).split("/")[1:]:
            spend()
            key, here = step.replace("~1", "/").replace("~0", "~"), target.schema
            if (
                isinstance(here, list)
                and key.isascii()
                and key.isdigit()
                and len(key) < 9
                and int(key) < len(here)
            ):
                below = here[int(key)]
            elif isinstance(here, Mapping) and key in here:
                below = here[key]
            else:
                raise nowhere
            target = _Target(
                below, below if isinstance(below, Mapping) and "$id" in below else target.resource
            )
        return target

    # Types

    def string(self, schema: Mapping[str, Any], place: str) -> Language:
        least, most = self.bounds(schema, "minLength", "maxLength", place)
        if "pattern" not in schema:
            return seq(QUOTE, repeat(ANY, least, most), QUOTE)
        if least or most is not None:
            raise self.error(
                say("a pattern and a length"),
                place,
                say("say the length in the pattern: ^.{{2,8}}$"),
            )
        if not isinstance(schema["pattern"], str):
            raise self.error(
                say("a pattern that is no text"),
                f"{place}.pattern",
                say("write a regular expression"),
            )
        expression = regex.parsed(schema["pattern"], "ecma")
        free = repeat(ANY)
        inner = (
            regex.Placed(*map(_in_json, expression))
            if expression.anchored
            else regex.anywhere(_in_json(expression.free))
        )
        options = [seq(free, inner.free, free)]  # a pattern is searched for
        options += [] if inner.first is inner.free else [seq(inner.first, free)]
        options += [] if inner.last is inner.free else [seq(free, inner.last)]
        options += [] if inner.whole is inner.first or inner.whole is inner.last else [inner.whole]
        return seq(QUOTE, either(*options), QUOTE)

    def integer(self, schema: Mapping[str, Any], place: str) -> Language:
        limits: dict[str, int | None] = {"minimum": None, "maximum": None}
        for keyword, step in (
            ("minimum", 0),
            ("exclusiveMinimum", 1),
            ("maximum", 0),
            ("exclusiveMaximum", -1),
        ):
            if keyword in schema:
                value = schema[keyword]
                if not isinstance(value, int) or isinstance(value, bool):
                    raise self.error(
                        say("a bound that is no integer"), f"{place}.{keyword}", say("round it")
                    )
                side = "minimum" if "inimum" in keyword else "maximum"
                known, value = limits[side], value + step
                limits[side] = (
                    value
                    if known is None
                    else max(known, value)
                    if side == "minimum"
                    else min(known, value)
                )
        integers = whole_between(limits["minimum"], limits["maximum"])
        if integers is NOTHING:
            raise self.error(
                say("bounds that no integer of 15 digits keeps"), place, say("widen them")
            )
        return integers

    def array(self, schema: Mapping[str, Any], place: str) -> Language:
        least, most = self.bounds(schema, "minItems", "maxItems", place)
        if most == 0:
            return literal("[]")
        item = self.value(schema.get("items"), f"{place}.items")
        some = seq(
            item,
            repeat(seq(literal(", "), item), max(0, least - 1), None if most is None else most - 1),
        )
        return seq(literal("["), some if least else repeat(some, 0, 1), literal("]"))

    def object(self, schema: Mapping[str, Any], place: str) -> Language:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping):
            raise self.error(
                say("properties that are no object"),
                f"{place}.properties",
                "properties: {name: schema}",
            )
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self.error(
                say("a required that is no list of names"), f"{place}.required", "required: [name]"
            )
        if not isinstance(schema.get("additionalProperties", True), bool | Mapping):
            raise self.error(
                say("an additionalProperties that is no schema"),
                f"{place}.additionalProperties",
                say("use false, or leave it out"),
            )
        for name in required:
            if name not in properties:
                raise self.error(
                    say("a required property without a schema: {0}", _short(repr(name))),
                    f"{place}.required",
                    say("describe it under properties"),
                )
        needed = set(required)
        fresh = after = literal("}")  # what may still come, before and after the first property
        for name in reversed(properties):
            member = seq(
                literal(self.spelled(name, f"{place}.properties") + ": "),
                self.value(properties[name], f"{place}.{name}"),
                after,
            )
            fresh, after = (
                (member, seq(literal(", "), member))
                if name in needed
                else (either(member, fresh), either(seq(literal(", "), member), after))
            )
        return seq(literal("{"), fresh)

    def bounds(
        self, schema: Mapping[str, Any], low: str, high: str, place: str
    ) -> tuple[int, int | None]:
        for keyword in (low, high):
            value = schema.get(keyword, 0)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise self.error(
                    say("a bound that is no count"),
                    f"{place}.{keyword}",
                    say("use an integer from 0"),
                )
        least, most = schema.get(low, 0), schema.get(high)
        if most is not None and most < least:
            raise self.error(
                say("bounds that cannot be met"),
                f"{place}.{high}",
                say("let {0} be at least {1}", high, low),
            )
        return least, most


def _in_json(inner: Language) -> Language:
    """A language of characters, each spelled as inside a JSON string."""
    spelled: list[Language] = []
    spend()
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


def _is(value: Any, kind: str) -> bool:
    """Whether a value has a JSON type. An integral float is an integer, as JSON Schema has it; a
    bool is no number.
    """
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
    return isinstance(value, kinds[kind])


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:150]} ... {text[-40:]}"
