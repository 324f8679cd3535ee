"""What JSON schemas are rewritten into: terms, the shapes that they describe, and what the keywords
of numbers and strings mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from castalia.errors import RecipeError
from castalia.sentences import say

KINDS = ("object", "array", "string", "number", "boolean", "null")
WORDS = 2_000  # characters of texts that a string may not be
NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
STRING = ("minLength", "maxLength", "pattern", "format")
COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
OPPOSITES = {
    "minimum": "exclusiveMaximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMinimum": "maximum",
    "exclusiveMaximum": "minimum",
}
FORMATS = (
    *("date", "time", "date-time", "duration", "email", "hostname"),
    *("ipv4", "ipv6", "uri", "uuid"),
)
NARROWER = {  # formats that are written in a narrower one
    "idn-email": "email",
    "idn-hostname": "hostname",
    "iri": "uri",
    "iri-reference": "uri",
    "uri-reference": "uri",
}
AS_PATTERN = {
    "json-pointer": r"^(/([^/~]|~[01])*)*$",
    "relative-json-pointer": r"^(0|[1-9][0-9]*)(#|(/([^/~]|~[01])*)*)$",
    "regex": "^[A-Za-z0-9 ]*$",
    "uri-template": "^https?://[a-z]+(/[a-z]+)*(/\\{[a-z]+\\})?$",
}


class Unkept(RecipeError):
    """A schema that a constraint cannot keep."""


def unkept(what: str, where: str) -> Unkept:
    return Unkept(
        say("this JSON schema has {0}", what),
        where=where[:200],
        fix=say("leave that part out, or write it in other keywords"),
    )


class Term(NamedTuple):
    """A schema that holds, or must not. base: the URI that its `$ref`s are relative to."""

    schema: Any
    base: str
    holds: bool = True

    @property
    def key(self) -> tuple[int, str, bool]:
        return id(self.schema), self.base, self.holds


Terms = tuple[Term, ...]  # all of them
NEVER_TERM = Term(False, "")


@dataclass(frozen=True)
class Shape:
    """Values of one type.

    values           these alone, where given.
    plain            keywords of a number or string, all of which hold.
    prefix, rest     of an array: what its first items are, and all behind them.
    names, patterns, others   of an object: properties by name (with what patterns say of them), by
                     pattern, and all others.
    least, most      items or properties.
    seen_*           what `unevaluatedItems` and `unevaluatedProperties` do not concern.
    """

    kind: str
    values: tuple[Any, ...] | None = None
    integer: bool = False
    plain: tuple[Mapping[str, Any], ...] = ()
    prefix: tuple[Terms, ...] = ()
    rest: Terms = ()
    names: Mapping[str, Terms] = field(default_factory=dict)
    patterns: Mapping[str, Terms] = field(default_factory=dict)
    others: Terms = ()
    required: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    seen_items: frozenset[int] = frozenset()
    seen_names: frozenset[str] = frozenset()
    seen_patterns: frozenset[str] = frozenset()
    seen_all: bool = False

    def item(self, place: int) -> Terms:
        return self.prefix[place] if place < len(self.prefix) else self.rest

    def member(self, name: str) -> Terms:
        if name in self.names:
            return self.names[name]
        fitting = [terms for pattern, terms in self.patterns.items() if matches(pattern, name)]
        return all_of(*fitting) if fitting else self.others


FREE = tuple(Shape(kind) for kind in KINDS)


def all_of(*conjunctions: Iterable[Term]) -> Terms:
    by_key = {term.key: term for terms in conjunctions for term in terms}
    return tuple(term for term in by_key.values() if term.schema is not term.holds)


def matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text, re.ASCII) is not None
    except (re.error, RecursionError):
        raise unkept(say("a pattern that is not read: {0}", pattern[:80]), pattern) from None


def kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "number"


def same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0, and not true."""
    if kind_of(one) != kind_of(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _other_than(texts: Sequence[str]) -> str:
    """A regular expression for all texts but these."""
    root: dict[str, Any] = {}
    for text in texts:
        node = root
        for sign in text:
            node = node.setdefault(sign, {})
        node[""] = {}

    def spelled(sign: str) -> str:  # as Python's re and Rust's regex both read it
        return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"

    def written(node: Mapping[str, Any]) -> str:
        signs = [sign for sign in node if sign]
        listed = "".join(map(spelled, signs))
        options = [f"[^{listed}][\\s\\S]*" if signs else "[\\s\\S]+"]
        options += [f"{spelled(sign)}(?:{written(node[sign])})" for sign in signs]
        return "|".join([*options, *([] if "" in node else [""])])

    return f"^(?:{written(root)})$"


def sized(kind: str, least: int, most: int | None) -> Shape:
    if kind != "string":
        return Shape(kind, least=least, most=most)
    bounds = {"minLength": least, **({} if most is None else {"maxLength": most})}
    return Shape(kind, plain=(bounds,))


def unlike(values: Sequence[Any]) -> Iterator[Shape]:
    """All other values; of lists and objects those that are longer."""
    for kind in KINDS:
        known = [value for value in values if kind_of(value) == kind]
        if not known:
            yield Shape(kind)
        elif kind == "boolean":
            yield Shape(kind, tuple(value for value in (False, True) if value not in known))
        elif kind == "number":
            yield Shape(kind, plain=({"exclusiveMaximum": min(known)},))
            yield Shape(kind, plain=({"exclusiveMinimum": max(known)},))
        elif kind == "string" and sum(map(len, known)) <= WORDS:
            yield Shape(kind, plain=({"pattern": _other_than(known)},))
        elif kind in ("array", "object"):
            yield Shape(kind, least=1 + max(map(len, known)))


def plain_keywords(schema: Mapping[str, Any], keywords: Sequence[str]) -> dict[str, Any]:
    """The keywords of a number or a string, in llguidance's spelling."""
    plain = {}
    for keyword in keywords:
        if keyword not in schema:
            continue
        value = schema[keyword]
        if keyword in COUNTS:
            value = count_of(schema, keyword, None)
        elif keyword in NUMBER and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise unkept(say("a bound that is no number"), keyword)
        elif keyword == "multipleOf" and not _binary(value):
            raise unkept(say("a multipleOf that floating-point numbers cannot check"), keyword)
        elif keyword in ("pattern", "format") and not isinstance(value, str):
            raise unkept(say("a pattern that is no text"), keyword)
        if keyword == "format":
            if value in AS_PATTERN and "pattern" not in schema:
                plain["pattern"] = AS_PATTERN[value]
                continue
            value = NARROWER.get(value, value)
            if value not in FORMATS:
                raise unkept(say("the unknown format {0}", repr(value)), keyword)
        plain[keyword] = value
    return plain


def _binary(step: float) -> bool:
    """Whether multiples are exact in floating point: validators divide."""
    return float(step * 1024).is_integer() and 0 < step < 1 << 52


def keeps(value: Any, keyword: str, bound: Any) -> bool:
    """Whether a number or a text keeps one keyword."""
    match keyword:
        case "minimum":
            return bool(value >= bound)
        case "maximum":
            return bool(value <= bound)
        case "exclusiveMinimum":
            return bool(value > bound)
        case "exclusiveMaximum":
            return bool(value < bound)
        case "multipleOf":
            return float(value / bound).is_integer()
        case "minLength":
            return bool(len(value) >= bound)
        case "maxLength":
            return bool(len(value) <= bound)
        case "pattern":
            return matches(bound, value)
    return False  # a format, which is not looked at


def name_pattern(shape: Shape) -> str | None:
    """A pattern of the names that a shape holds, where that is simple."""
    if shape.values is not None or len(shape.plain) != 1:
        return None
    (plain,) = shape.plain
    if plain.keys() == {"pattern"}:
        return str(plain["pattern"])
    if plain.keys() <= {"minLength", "maxLength"}:
        return f"^.{{{plain.get('minLength', 0)},{plain.get('maxLength', '')}}}$"
    return None


def count_of(schema: Mapping[str, Any], keyword: str, default: int | None) -> Any:
    value = schema.get(keyword, default)
    if value is default:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
        raise unkept(say("a bound that is no count"), keyword)
    return int(value)


def list_of(value: Any, keyword: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise unkept(say("the keyword '{0}' without a list", keyword), keyword)
    return value


def mapping_of(schema: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    value = schema.get(keyword, {})
    if not isinstance(value, dict):
        raise unkept(say("the keyword '{0}' without an object", keyword), keyword)
    return value
