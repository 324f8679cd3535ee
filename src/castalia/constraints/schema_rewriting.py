"""Rewrite JSON schemas (draft 2020-12) with the keywords that llguidance supports: every value that
the result accepts, the schema accepts, too.

A schema becomes alternatives, `Shape`s, each of one JSON type and without applicators beside it: a
disjunction of conjunctions. That is where `oneOf`, `not`, `if`, `dependentSchemas`, `contains` and
`unevaluated*` become choices between plain shapes. What cannot be negated exactly (a pattern, say)
is left out of the alternatives, so the result may accept less than the schema; what would leave
nothing is refused. Values below are described by conjunctions of `Term`s, each written once under
`$defs`, so a schema may be recursive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from castalia.constraints.budget import OverBudget, current_limits, spend, spend_node
from castalia.errors import RecipeError
from castalia.sentences import say

KINDS = ("object", "array", "string", "number", "boolean", "null")
SHAPES = 2_000  # alternatives of one value at most
DISTINCT = 6  # values of an enum whose lists without repetition are written out
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
# Where schemas are inside of a schema.
INSIDE = (
    *("not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
INSIDE_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
INSIDE_NAMES = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


class Unkept(RecipeError):
    """A schema that a constraint cannot keep."""


def _unkept(what: str, where: str) -> Unkept:
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
        fitting = [terms for pattern, terms in self.patterns.items() if _matches(pattern, name)]
        return _all(*fitting) if fitting else self.others


FREE = tuple(Shape(kind) for kind in KINDS)


def rewritten(schema: Any, *, joined: bool = False) -> Any:
    """joined: names that any pattern fits are held to all patterns, for patterns that overlap.
    Raises Unkept, OverBudget or Cancelled.
    """
    return _Rewriter(schema, joined).result()


def _all(*conjunctions: Iterable[Term]) -> Terms:
    by_key = {term.key: term for terms in conjunctions for term in terms}
    return tuple(term for term in by_key.values() if term.schema is not term.holds)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text, re.ASCII) is not None
    except (re.error, RecursionError):
        raise _unkept(say("a pattern that is not read: {0}", pattern[:80]), pattern) from None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "number"


def _same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0, and not true."""
    if _kind(one) != _kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
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


class _Rewriter:
    def __init__(self, root: Any, joined: bool) -> None:
        self.root, self.joined, self.depth = root, joined, 0
        self.resources: dict[str, Any] = {"": root}
        self.anchors: dict[tuple[str, str], Term] = {}
        self.dynamic: dict[str, list[Term]] = {}
        self._index(root, "")
        self._shapes: dict[frozenset[Any], list[Shape]] = {}
        self._open: set[tuple[int, str, bool]] = set()
        self._possible: dict[frozenset[Any], bool] = {}
        self._names: dict[frozenset[Any], str] = {}
        self._made: list[Any] = []

    # References

    def _index(self, root: Any, base: str) -> None:
        todo = [(root, base)]
        while todo:
            schema, base = todo.pop()
            spend_node()
            if not isinstance(schema, dict):
                continue
            base = self._base(schema, base)
            self.resources.setdefault(base, schema)
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(keyword), str):
                    self.anchors[base, schema[keyword]] = Term(schema, base)
            if isinstance(schema.get("$dynamicAnchor"), str):
                self.dynamic.setdefault(schema["$dynamicAnchor"], []).append(Term(schema, base))
            todo += [(below, base) for below in _below(schema)]

    def _base(self, schema: Mapping[str, Any], base: str) -> str:
        name = schema.get("$id")
        return urldefrag(urljoin(base, name)).url if isinstance(name, str) else base

    def _target(self, name: Any, base: str, *, dynamic: bool) -> Term:
        if not isinstance(name, str):
            raise _unkept(say("a $ref that is no text"), str(name))
        nowhere = _unkept(say("a $ref that leads nowhere: {0}", name[:100]), name)
        address, fragment = urldefrag(urljoin(base, name))
        if address not in self.resources:
            raise nowhere
        if fragment and not fragment.startswith("/"):
            target = self.anchors.get((address, fragment))
            if target is None:
                raise nowhere
            if dynamic and len(self.dynamic.get(fragment, ())) > 1:
                raise _unkept(say("a $dynamicRef with several targets: {0}", name[:100]), name)
            return target
        here, base = self.resources[address], address
        for step in unquote(fragment).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, list) and key.isascii() and key.isdigit() and len(key) < 9:
                if int(key) >= len(here):
                    raise nowhere
                here = here[int(key)]
            elif isinstance(here, dict) and key in here:
                here = here[key]
            else:
                raise nowhere
            if isinstance(here, dict):
                base = self._base(here, base)
        return Term(here, base)

    # Shapes

    def shapes(self, terms: Terms) -> list[Shape]:
        """The alternatives of a conjunction."""
        key = frozenset(term.key for term in terms)
        if key not in self._shapes:
            shapes = list(FREE)
            for term in terms:
                shapes = self._both(shapes, self.expanded(term))
            self._shapes[key] = shapes
        return self._shapes[key]

    def possible(self, terms: Terms) -> bool:
        """Whether some alternative seems to hold a value."""
        key = frozenset(term.key for term in terms)
        if key not in self._possible:
            self._possible[key] = True  # of what leads back to itself
            self._possible[key] = any(map(self.alive, self.shapes(terms)))
        return self._possible[key]

    def alive(self, shape: Shape) -> bool:
        spend()
        if shape.values is not None:
            return bool(shape.values)
        if shape.most is not None and shape.most < shape.least:
            return False
        if shape.kind == "array":
            return all(self.possible(shape.item(place)) for place in range(self._forced(shape)))
        return all(self.possible(shape.member(name)) for name in shape.required)

    def _forced(self, shape: Shape) -> int:
        return min(shape.least, len(shape.prefix) + 1)

    def _both(self, some: Iterable[Shape], others: Iterable[Shape]) -> list[Shape]:
        """Each of the one with each of the others."""
        by_kind: dict[str, list[Shape]] = {}
        for shape in others:
            by_kind.setdefault(shape.kind, []).append(shape)
        merged = (self._merged(one, two) for one in some for two in by_kind.get(one.kind, ()))
        return self._bounded(merged)

    def _bounded(self, shapes: Iterable[Shape]) -> list[Shape]:
        kept = []
        for shape in shapes:
            spend_node()
            if shape.values == () or (shape.most is not None and shape.most < shape.least):
                continue
            kept.append(shape)
            if len(kept) > SHAPES:
                raise OverBudget(
                    say("this JSON schema has too many alternatives"), "nodes", current_limits()
                )
        return kept

    def _merged(self, one: Shape, two: Shape) -> Shape:
        if one.values is not None or two.values is not None:
            given, other = (one, two) if one.values is not None else (two, one)
            assert given.values is not None
            return replace(given, values=tuple(v for v in given.values if self._fits(v, other)))
        longer = max(len(one.prefix), len(two.prefix))
        names = dict.fromkeys([*one.names, *two.names])
        patterns = dict.fromkeys([*one.patterns, *two.patterns])
        spend(len(names) + len(patterns) + longer)
        most = [bound for bound in (one.most, two.most) if bound is not None]
        return Shape(
            one.kind,
            None,
            one.integer or two.integer,
            one.plain + tuple(p for p in two.plain if p not in one.plain),
            tuple(_all(one.item(place), two.item(place)) for place in range(longer)),
            _all(one.rest, two.rest),
            {name: _all(one.member(name), two.member(name)) for name in names},
            {
                pattern: _all(
                    one.patterns.get(pattern, one.others), two.patterns.get(pattern, two.others)
                )
                for pattern in patterns
            },
            _all(one.others, two.others),
            tuple(dict.fromkeys((*one.required, *two.required))),
            max(one.least, two.least),
            min(most, default=None),
            one.seen_items | two.seen_items,
            one.seen_names | two.seen_names,
            one.seen_patterns | two.seen_patterns,
            one.seen_all or two.seen_all,
        )

    def _fits(self, value: Any, shape: Shape) -> bool:
        """Whether a shape holds a value."""
        spend()
        if _kind(value) != shape.kind:
            return False
        if shape.values is not None:
            return any(_same(value, one) for one in shape.values)
        if shape.kind in ("number", "string"):
            whole = not shape.integer or float(value).is_integer()
            return whole and all(_keeps(value, *pair) for p in shape.plain for pair in p.items())
        if shape.kind not in ("array", "object"):
            return True
        if not shape.least <= len(value) <= (len(value) if shape.most is None else shape.most):
            return False
        if shape.kind == "array":
            return all(self._is(one, shape.item(place)) for place, one in enumerate(value))
        return all(name in value for name in shape.required) and all(
            self._is(one, shape.member(name)) for name, one in value.items()
        )

    def _is(self, value: Any, terms: Terms) -> bool:
        return any(self._fits(value, shape) for shape in self.shapes(terms))

    def expanded(self, term: Term) -> list[Shape]:
        """The alternatives of one term."""
        schema, base, holds = term
        if isinstance(schema, bool):
            return list(FREE) if schema is holds else []
        if not isinstance(schema, dict):
            raise _unkept(say("a part that is no schema"), repr(schema))
        if term.key in self._open:
            raise _unkept(say("a $ref that leads back to itself: {0}", ""), "$ref")
        self._open.add(term.key)
        self.depth += 1
        if self.depth > current_limits().depth:
            raise OverBudget(
                say("this JSON schema nests its values too deeply"), "depth", current_limits()
            )
        base = self._base(schema, base)
        shapes = self._positive(schema, base) if holds else self._negative(schema, base)
        self.depth -= 1
        self._open.discard(term.key)
        return shapes

    def _kinds(self, schema: Mapping[str, Any]) -> list[tuple[str, bool]]:
        """(type, whether integers alone) of what `type` lets through."""
        if "type" not in schema:
            return [(kind, False) for kind in KINDS]
        given = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        for kind in given:
            if kind not in (*KINDS, "integer"):
                raise _unkept(say("the unknown type {0}", repr(kind)), "type")
        whole = "integer" in given and "number" not in given
        named = ["number" if kind == "integer" else kind for kind in given]
        return [(kind, whole and kind == "number") for kind in dict.fromkeys(named)]

    # A schema that holds

    def _positive(self, schema: Mapping[str, Any], base: str) -> list[Shape]:
        shapes = [self._literal(schema, base, *kind) for kind in self._kinds(schema)]
        for options in self._applied(schema, base):
            shapes = self._both(shapes, options)
        if "propertyNames" in schema:
            shapes = [
                self._named(shape, Term(schema["propertyNames"], base))
                if shape.kind == "object"
                else shape
                for shape in shapes
            ]
        if "contains" in schema:
            shapes = self._bounded(
                option for shape in shapes for option in self._containing(shape, schema, base)
            )
        for keyword, kind in (("unevaluatedItems", "array"), ("unevaluatedProperties", "object")):
            if keyword in schema:
                term = Term(schema[keyword], base)
                shapes = [
                    self._rest(shape, term) if shape.kind == kind else shape for shape in shapes
                ]
        if schema.get("uniqueItems") is True:
            shapes = self._bounded(option for shape in shapes for option in self._distinct(shape))
        for values in ([schema["const"]] if "const" in schema else None, schema.get("enum")):
            if values is not None:
                if not isinstance(values, list):
                    raise _unkept(say("an enum that is no list of values"), "enum")
                given = [Shape(_kind(value), (value,)) for value in values]
                shapes = self._grouped(self._both(shapes, given))
        return shapes

    def _grouped(self, shapes: Iterable[Shape]) -> list[Shape]:
        """Values of one type side by side."""
        values: dict[str, list[Any]] = {}
        for shape in shapes:
            for value in shape.values or ():
                known = values.setdefault(shape.kind, [])
                if not any(_same(value, one) for one in known):
                    known.append(value)
        return [Shape(kind, tuple(group)) for kind, group in values.items()]

    def _literal(self, schema: Mapping[str, Any], base: str, kind: str, integer: bool) -> Shape:
        """What the keywords of one type say."""
        shape = Shape(kind, integer=integer)
        if kind in ("number", "string"):
            plain = _plain(schema, NUMBER if kind == "number" else STRING)
            return replace(shape, plain=(plain,) if plain else ())
        if kind == "array":
            prefix = schema.get("prefixItems", ())
            return replace(
                shape,
                prefix=tuple((Term(item, base),) for item in _list(prefix, "prefixItems")),
                rest=_all((Term(schema["items"], base),)) if "items" in schema else (),
                least=_count(schema, "minItems", 0),
                most=_count(schema, "maxItems", None),
                seen_items=frozenset(range(len(prefix))),
                seen_all="items" in schema,
            )
        if kind == "object":
            return self._object(shape, schema, base)
        return shape

    def _object(self, shape: Shape, schema: Mapping[str, Any], base: str) -> Shape:
        properties = _mapping(schema, "properties")
        patterns = {
            pattern: (Term(below, base),)
            for pattern, below in _mapping(schema, "patternProperties").items()
        }
        required = _list(schema.get("required", ()), "required")
        return replace(
            shape,
            names={
                name: _all(
                    (Term(below, base),),
                    *(terms for pattern, terms in patterns.items() if _matches(pattern, name)),
                )
                for name, below in properties.items()
            },
            patterns=patterns,
            others=_all((Term(schema["additionalProperties"], base),))
            if "additionalProperties" in schema
            else (),
            required=tuple(dict.fromkeys(str(name) for name in required)),
            least=_count(schema, "minProperties", 0),
            most=_count(schema, "maxProperties", None),
            seen_names=frozenset(properties),
            seen_patterns=frozenset(patterns),
            seen_all="additionalProperties" in schema,
        )

    def _applied(self, schema: Mapping[str, Any], base: str) -> Iterator[list[Shape]]:
        """The alternatives of each schema that is about the same value."""
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in schema:
                dynamic = keyword == "$dynamicRef"
                yield self.expanded(self._target(schema[keyword], base, dynamic=dynamic))
        for below in _list(schema.get("allOf", ()), "allOf"):
            yield self.expanded(Term(below, base))
        if "anyOf" in schema:
            options = [Term(below, base) for below in _list(schema["anyOf"], "anyOf")]
            yield self._bounded(shape for term in options for shape in self.expanded(term))
        if "oneOf" in schema:
            yield self._one([Term(below, base) for below in _list(schema["oneOf"], "oneOf")])
        if "not" in schema:
            yield self.expanded(Term(schema["not"], base, False))
        if "if" in schema:
            yield self._bounded(
                shape
                for holds, branch in ((True, "then"), (False, "else"))
                for shape in self._both(
                    self.expanded(Term(schema["if"], base, holds)),
                    self.expanded(Term(schema.get(branch, True), base)),
                )
            )
        for name, below in self._dependencies(schema):
            needs = {"type": "object", "required": [name]}
            if isinstance(below, list):
                needs, below = {"type": "object", "required": [name, *below]}, True
            absent = [*FREE[1:], Shape("object", names={name: (NEVER_TERM,)})]
            self._made.append(needs)  # terms are known by the identity of their schema
            present = self._both(self.expanded(Term(needs, base)), self.expanded(Term(below, base)))
            yield absent + present

    def _dependencies(self, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
            yield from _mapping(schema, keyword).items()

    def _one(self, options: list[Term]) -> list[Shape]:
        """Exactly one of them. What excludes another anyway needs no more to exclude it."""
        shapes: list[Shape] = []
        for number, term in enumerate(options):
            mine = self.expanded(term)
            for other in options[:number] + options[number + 1 :]:
                if any(map(self.alive, self._both(mine, self.expanded(other)))):
                    mine = self._both(mine, self.expanded(other._replace(holds=False)))
            shapes += mine
        return self._bounded(shapes)

    def _rest(self, shape: Shape, term: Term) -> Shape:
        """With `unevaluatedItems` or `unevaluatedProperties`."""
        if shape.seen_all:
            return shape
        if shape.values is not None:
            wanted = Shape(shape.kind, rest=(term,), others=(term,))
            return self._merged(shape, wanted)
        seen = tuple(shape.seen_patterns)
        return replace(
            shape,
            prefix=tuple(
                terms if place in shape.seen_items else _all(terms, (term,))
                for place, terms in enumerate(shape.prefix)
            ),
            rest=_all(shape.rest, (term,)),
            names={
                name: terms
                if name in shape.seen_names or any(_matches(pattern, name) for pattern in seen)
                else _all(terms, (term,))
                for name, terms in shape.names.items()
            },
            patterns={
                pattern: terms if pattern in seen else _all(terms, (term,))
                for pattern, terms in shape.patterns.items()
            },
            others=_all(shape.others, (term,)),
            seen_all=True,
        )

    def _named(self, shape: Shape, term: Term) -> Shape:
        """With `propertyNames`."""
        options = [one for one in self.expanded(term) if one.kind == "string"]
        if any(one.values is None and not one.plain for one in options):
            return shape
        names = {
            name: terms
            if any(self._fits(name, one) for one in options)
            else _all(terms, (NEVER_TERM,))
            for name, terms in shape.names.items()
        }
        patterns = {}
        for one in options:
            for name in one.values or ():
                names.setdefault(name, shape.member(name))
            words = _name_pattern(one)
            if words is not None:
                patterns[words] = _all(shape.others, *shape.patterns.values())
        return replace(
            shape,
            names=names,
            patterns=patterns,
            others=(NEVER_TERM,),
            seen_patterns=frozenset(),
            required=shape.required,
        )

    def _containing(self, shape: Shape, schema: Mapping[str, Any], base: str) -> Iterator[Shape]:
        """With `contains`: what is contained comes first, or right behind the prefix."""
        if shape.kind != "array":
            yield shape
            return
        wanted, other = Term(schema["contains"], base), Term(schema["contains"], base, False)
        least, most = _count(schema, "minContains", 1), _count(schema, "maxContains", None)
        if least == 0 and most is None:
            yield shape
            return
        for begin in dict.fromkeys((0, len(shape.prefix))):
            end = begin + least
            size = max(end, len(shape.prefix))
            outside = () if most is None else (other,)
            if most is not None and most < least:
                return
            yield replace(
                shape,
                prefix=tuple(
                    _all(shape.item(place), (wanted,) if begin <= place < end else outside)
                    for place in range(size)
                ),
                rest=_all(shape.rest, outside),
                least=max(shape.least, end),
                seen_items=shape.seen_items | frozenset(range(begin, end)),
            )

    def _distinct(self, shape: Shape) -> Iterator[Shape]:
        """With `uniqueItems`: lists of a few values are written out."""
        if shape.kind != "array" or (shape.most is not None and shape.most < 2):
            yield shape
            return
        if shape.values is not None:
            unlike = tuple(
                value
                for value in shape.values
                if not any(_same(one, two) for one, two in combinations(value, 2))
            )
            yield replace(shape, values=unlike)
            return
        finite = [one.values for one in self.shapes(shape.rest)]
        if not shape.prefix and None not in finite:
            values = [value for some in finite for value in some or ()]
            if len(values) <= DISTINCT:
                most = len(values) if shape.most is None else min(shape.most, len(values))
                lists = [
                    list(some)
                    for size in range(shape.least, most + 1)
                    for some in combinations(values, size)
                ]
                yield Shape("array", tuple(lists))
                return
        raise _unkept(
            say("the keyword '{0}', which a constraint cannot keep here", "uniqueItems"),
            "uniqueItems",
        )

    # A schema that does not hold

    def _negative(self, schema: Mapping[str, Any], base: str) -> list[Shape]:
        """Some of its keywords does not hold. Those that cannot be negated give nothing."""

        def holding(below: Any, holds: bool = False) -> list[Shape]:
            return self.expanded(Term(below, base, holds))

        shapes: list[Shape] = []
        kinds = dict(self._kinds(schema))
        shapes += [shape for shape in FREE if shape.kind not in kinds]
        for values in ([schema["const"]] if "const" in schema else None, schema.get("enum")):
            if values is not None:
                shapes += _unlike(values)
        shapes += self._opposites(schema)
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in schema:
                dynamic = keyword == "$dynamicRef"
                target = self._target(schema[keyword], base, dynamic=dynamic)
                shapes += self.expanded(target._replace(holds=False))
        for below in schema.get("allOf", ()):
            shapes += holding(below)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                none = list(FREE)
                for below in schema[keyword]:
                    none = self._both(none, holding(below))
                shapes += none
        for one, two in combinations(schema.get("oneOf", ()), 2):
            shapes += self._both(holding(one, True), holding(two, True))
        if "not" in schema:
            shapes += holding(schema["not"], True)
        if "if" in schema:
            for holds, branch in ((True, "then"), (False, "else")):
                if branch in schema:
                    shapes += self._both(holding(schema["if"], holds), holding(schema[branch]))
        for name, below in _mapping(schema, "properties").items():
            shapes.append(
                Shape("object", names={name: (Term(below, base, False),)}, required=(name,))
            )
        for name in schema.get("required", ()):
            shapes.append(Shape("object", names={name: (NEVER_TERM,)}))
        prefix = schema.get("prefixItems", ())
        for place, below in enumerate(prefix):
            items = ((),) * place + ((Term(below, base, False),),)
            shapes.append(Shape("array", prefix=items, least=place + 1))
        if "items" in schema:
            items = ((),) * len(prefix) + ((Term(schema["items"], base, False),),)
            shapes.append(Shape("array", prefix=items, least=len(prefix) + 1))
        return [
            replace(
                shape,
                seen_items=frozenset(),
                seen_names=frozenset(),
                seen_patterns=frozenset(),
                seen_all=False,
            )
            for shape in self._bounded(shapes)
        ]

    def _opposites(self, schema: Mapping[str, Any]) -> Iterator[Shape]:
        for keyword, opposite in OPPOSITES.items():
            if keyword in schema:
                yield Shape("number", plain=({opposite: schema[keyword]},))
        for kind, unit in (("string", "Length"), ("array", "Items"), ("object", "Properties")):
            least = _count(schema, f"min{unit}", 0)
            most = _count(schema, f"max{unit}", None)
            if least:
                yield _sized(kind, 0, least - 1)
            if most is not None:
                yield _sized(kind, most + 1, None)

    # Writing

    def result(self) -> Any:
        root = _all((Term(self.root, ""),))
        if not self.possible(root):
            raise _unkept(say("no value that a constraint can keep"), "$")
        self._defs: dict[str, Any] = {}
        self._waiting: list[tuple[str, Terms]] = []
        top = self._written(root)
        while self._waiting:
            name, terms = self._waiting.pop()
            shapes = [shape for shape in self.shapes(terms) if self.alive(shape)]
            self._defs[name] = _either([self._described(shape) for shape in shapes])
        return {"$defs": self._defs, **(top if isinstance(top, dict) else {})}

    def _written(self, terms: Terms) -> Any:
        """A reference to what describes a conjunction."""
        if not terms:
            return True
        if not self.possible(terms):
            return False
        key = frozenset(term.key for term in terms)
        if key not in self._names:
            self._names[key] = f"d{len(self._names)}"
            self._waiting.append((self._names[key], terms))
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _described(self, shape: Shape) -> Any:
        spend_node()
        if shape.values is not None:
            return {"enum": list(shape.values)}
        kind = "integer" if shape.integer else shape.kind
        if shape.plain:
            parts = [{"type": kind, **plain} for plain in shape.plain]
            return parts[0] if len(parts) == 1 else {"allOf": parts}
        if kind == "array":
            return self._described_array(shape)
        if kind == "object":
            return self._described_object(shape)
        return {"type": kind}

    def _described_array(self, shape: Shape) -> Any:
        prefix = [self._written(terms) for terms in shape.prefix]
        most = shape.most
        if False in prefix:  # the array ends before it
            end = prefix.index(False)
            prefix, most = prefix[:end], end if most is None else min(most, end)
        written: dict[str, Any] = {"type": "array", "items": self._written(shape.rest)}
        if prefix:
            written["prefixItems"] = prefix
        if shape.least:
            written["minItems"] = shape.least
        if most is not None:
            written["maxItems"] = most
        return written

    def _described_object(self, shape: Shape) -> Any:
        names = {name: self._written(terms) for name, terms in shape.names.items()}
        patterns = {pattern: self._written(terms) for pattern, terms in shape.patterns.items()}
        others, required = self._written(shape.others), list(shape.required)
        for name in required:
            names.setdefault(name, self._written(shape.member(name)))
        if self.joined and len(patterns) > 1:
            every = self._written(_all(*shape.patterns.values()))
            patterns = {"|".join(f"(?:{pattern})" for pattern in patterns): every}
        free = [name for name in names if names[name] is not False and name not in required]
        least, most = shape.least, shape.most
        if least > len(required):
            required += free[: least - len(required)]
        if most is not None:
            room = max(0, most - len(required))
            optional = [name for name in free if name not in required]
            for name in optional[room:]:
                names[name] = False
            if room <= len(optional):
                others, patterns = False, dict.fromkeys(patterns, False)
            else:  # llguidance counts only where no name is optional
                required += optional
        written: dict[str, Any] = {
            "type": "object",
            "properties": names,
            "additionalProperties": others,
            "required": required,
        }
        open_ = others is not False or any(value is not False for value in patterns.values())
        if patterns:
            written["patternProperties"] = patterns
        if open_ and least > len(required):
            written["minProperties"] = least
        if open_ and most is not None:
            written["maxProperties"] = most
        if least > len(required) and not open_:
            return False
        return written


def _below(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword in INSIDE:
        if keyword in schema:
            yield schema[keyword]
    for keyword in INSIDE_LISTS:
        if isinstance(schema.get(keyword), list):
            yield from schema[keyword]
    for keyword in INSIDE_NAMES:
        if isinstance(schema.get(keyword), dict):
            yield from schema[keyword].values()


def _either(options: list[Any]) -> Any:
    options = [option for option in options if option is not False]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _sized(kind: str, least: int, most: int | None) -> Shape:
    if kind != "string":
        return Shape(kind, least=least, most=most)
    bounds = {"minLength": least, **({} if most is None else {"maxLength": most})}
    return Shape(kind, plain=(bounds,))


def _unlike(values: Sequence[Any]) -> Iterator[Shape]:
    """All other values; of lists and objects those that are longer."""
    for kind in KINDS:
        known = [value for value in values if _kind(value) == kind]
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


def _plain(schema: Mapping[str, Any], keywords: Sequence[str]) -> dict[str, Any]:
    """The keywords of a number or a string, in llguidance's spelling."""
    plain = {}
    for keyword in keywords:
        if keyword not in schema:
            continue
        value = schema[keyword]
        if keyword in COUNTS:
            value = _count(schema, keyword, None)
        elif keyword in NUMBER and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _unkept(say("a bound that is no number"), keyword)
        elif keyword == "multipleOf" and not _binary(value):
            raise _unkept(say("a multipleOf that floating-point numbers cannot check"), keyword)
        elif keyword in ("pattern", "format") and not isinstance(value, str):
            raise _unkept(say("a pattern that is no text"), keyword)
        if keyword == "format":
            if value in AS_PATTERN and "pattern" not in schema:
                plain["pattern"] = AS_PATTERN[value]
                continue
            value = NARROWER.get(value, value)
            if value not in FORMATS:
                raise _unkept(say("the unknown format {0}", repr(value)), keyword)
        plain[keyword] = value
    return plain


def _binary(step: float) -> bool:
    """Whether multiples are exact in floating point: validators divide."""
    return float(step * 1024).is_integer() and 0 < step < 1 << 52


def _keeps(value: Any, keyword: str, bound: Any) -> bool:
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
            return _matches(bound, value)
    return False  # a format, which is not looked at


def _name_pattern(shape: Shape) -> str | None:
    """A pattern of the names that a shape holds, where that is simple."""
    if shape.values is not None or len(shape.plain) != 1:
        return None
    (plain,) = shape.plain
    if plain.keys() == {"pattern"}:
        return str(plain["pattern"])
    if plain.keys() <= {"minLength", "maxLength"}:
        return f"^.{{{plain.get('minLength', 0)},{plain.get('maxLength', '')}}}$"
    return None


def _count(schema: Mapping[str, Any], keyword: str, default: int | None) -> Any:
    value = schema.get(keyword, default)
    if value is default:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1:
        raise _unkept(say("a bound that is no count"), keyword)
    return int(value)


def _list(value: Any, keyword: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _unkept(say("the keyword '{0}' without a list", keyword), keyword)
    return value


def _mapping(schema: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    value = schema.get(keyword, {})
    if not isinstance(value, dict):
        raise _unkept(say("the keyword '{0}' without an object", keyword), keyword)
    return value
