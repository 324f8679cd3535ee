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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from castalia.constraints.budget import OverBudget, current_limits, spend, spend_node
from castalia.constraints.schema_shapes import (
    FREE,
    KINDS,
    NEVER_TERM,
    NUMBER,
    OPPOSITES,
    STRING,
    Shape,
    Term,
    Terms,
    all_of,
    count_of,
    keeps,
    kind_of,
    list_of,
    mapping_of,
    matches,
    name_pattern,
    plain_keywords,
    same,
    sized,
    unkept,
    unlike,
)
from castalia.constraints.schema_types import schemas_in
from castalia.sentences import say

SHAPES = 2_000  # alternatives of one value at most
DISTINCT = 6  # values of an enum whose lists without repetition are written out


def rewritten(schema: Any, *, joined: bool = False) -> Any:
    """joined: names that any pattern fits are held to all patterns, for patterns that overlap.
    Raises Unkept, OverBudget or Cancelled.
    """
    return _Rewriter(schema, joined).result()


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
            todo += [(below, base) for below in schemas_in(schema)]

    def _base(self, schema: Mapping[str, Any], base: str) -> str:
        name = schema.get("$id")
        return urldefrag(urljoin(base, name)).url if isinstance(name, str) else base

    def _target(self, name: Any, base: str, *, dynamic: bool) -> Term:
        if not isinstance(name, str):
            raise unkept(say("a $ref that is no text"), str(name))
        nowhere = unkept(say("a $ref that leads nowhere: {0}", name[:100]), name)
        address, fragment = urldefrag(urljoin(base, name))
        if address not in self.resources:
            raise nowhere
        if fragment and not fragment.startswith("/"):
            target = self.anchors.get((address, fragment))
            if target is None:
                raise nowhere
            if dynamic and len(self.dynamic.get(fragment, ())) > 1:
                raise unkept(say("a $dynamicRef with several targets: {0}", name[:100]), name)
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
            tuple(all_of(one.item(place), two.item(place)) for place in range(longer)),
            all_of(one.rest, two.rest),
            {name: all_of(one.member(name), two.member(name)) for name in names},
            {
                pattern: all_of(
                    one.patterns.get(pattern, one.others), two.patterns.get(pattern, two.others)
                )
                for pattern in patterns
            },
            all_of(one.others, two.others),
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
        if kind_of(value) != shape.kind:
            return False
        if shape.values is not None:
            return any(same(value, one) for one in shape.values)
        if shape.kind in ("number", "string"):
            whole = not shape.integer or float(value).is_integer()
            return whole and all(keeps(value, *pair) for p in shape.plain for pair in p.items())
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
            raise unkept(say("a part that is no schema"), repr(schema))
        if term.key in self._open:
            raise unkept(say("a $ref that leads back to itself: {0}", ""), "$ref")
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
                raise unkept(say("the unknown type {0}", repr(kind)), "type")
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
                    raise unkept(say("an enum that is no list of values"), "enum")
                given = [Shape(kind_of(value), (value,)) for value in values]
                shapes = self._grouped(self._both(shapes, given))
        return shapes

    def _grouped(self, shapes: Iterable[Shape]) -> list[Shape]:
        """Values of one type side by side."""
        values: dict[str, list[Any]] = {}
        for shape in shapes:
            for value in shape.values or ():
                known = values.setdefault(shape.kind, [])
                if not any(same(value, one) for one in known):
                    known.append(value)
        return [Shape(kind, tuple(group)) for kind, group in values.items()]

    def _literal(self, schema: Mapping[str, Any], base: str, kind: str, integer: bool) -> Shape:
        """What the keywords of one type say."""
        shape = Shape(kind, integer=integer)
        if kind in ("number", "string"):
            plain = plain_keywords(schema, NUMBER if kind == "number" else STRING)
            return replace(shape, plain=(plain,) if plain else ())
        if kind == "array":
            prefix = schema.get("prefixItems", ())
            return replace(
                shape,
                prefix=tuple((Term(item, base),) for item in list_of(prefix, "prefixItems")),
                rest=all_of((Term(schema["items"], base),)) if "items" in schema else (),
                least=count_of(schema, "minItems", 0),
                most=count_of(schema, "maxItems", None),
                seen_items=frozenset(range(len(prefix))),
                seen_all="items" in schema,
            )
        if kind == "object":
            return self._object(shape, schema, base)
        return shape

    def _object(self, shape: Shape, schema: Mapping[str, Any], base: str) -> Shape:
        properties = mapping_of(schema, "properties")
        patterns = {
            pattern: (Term(below, base),)
            for pattern, below in mapping_of(schema, "patternProperties").items()
        }
        required = list_of(schema.get("required", ()), "required")
        return replace(
            shape,
            names={
                name: all_of(
                    (Term(below, base),),
                    *(terms for pattern, terms in patterns.items() if matches(pattern, name)),
                )
                for name, below in properties.items()
            },
            patterns=patterns,
            others=all_of((Term(schema["additionalProperties"], base),))
            if "additionalProperties" in schema
            else (),
            required=tuple(dict.fromkeys(str(name) for name in required)),
            least=count_of(schema, "minProperties", 0),
            most=count_of(schema, "maxProperties", None),
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
        for below in list_of(schema.get("allOf", ()), "allOf"):
            yield self.expanded(Term(below, base))
        if "anyOf" in schema:
            options = [Term(below, base) for below in list_of(schema["anyOf"], "anyOf")]
            yield self._bounded(shape for term in options for shape in self.expanded(term))
        if "oneOf" in schema:
            yield self._one([Term(below, base) for below in list_of(schema["oneOf"], "oneOf")])
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
            yield from mapping_of(schema, keyword).items()

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
                terms if place in shape.seen_items else all_of(terms, (term,))
                for place, terms in enumerate(shape.prefix)
            ),
            rest=all_of(shape.rest, (term,)),
            names={
                name: terms
                if name in shape.seen_names or any(matches(pattern, name) for pattern in seen)
                else all_of(terms, (term,))
                for name, terms in shape.names.items()
            },
            patterns={
                pattern: terms if pattern in seen else all_of(terms, (term,))
                for pattern, terms in shape.patterns.items()
            },
            others=all_of(shape.others, (term,)),
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
            else all_of(terms, (NEVER_TERM,))
            for name, terms in shape.names.items()
        }
        patterns = {}
        for one in options:
            for name in one.values or ():
                names.setdefault(name, shape.member(name))
            words = name_pattern(one)
            if words is not None:
                patterns[words] = all_of(shape.others, *shape.patterns.values())
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
        least, most = count_of(schema, "minContains", 1), count_of(schema, "maxContains", None)
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
                    all_of(shape.item(place), (wanted,) if begin <= place < end else outside)
                    for place in range(size)
                ),
                rest=all_of(shape.rest, outside),
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
                if not any(same(one, two) for one, two in combinations(value, 2))
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
        raise unkept(
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
                shapes += unlike(values)
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
        for name, below in mapping_of(schema, "properties").items():
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
            least = count_of(schema, f"min{unit}", 0)
            most = count_of(schema, f"max{unit}", None)
            if least:
                yield sized(kind, 0, least - 1)
            if most is not None:
                yield sized(kind, most + 1, None)

    # Writing

    def result(self) -> Any:
        root = all_of((Term(self.root, ""),))
        if not self.possible(root):
            raise unkept(say("no value that a constraint can keep"), "$")
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
            every = self._written(all_of(*shape.patterns.values()))
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


def _either(options: list[Any]) -> Any:
    options = [option for option in options if option is not False]
    return options[0] if len(options) == 1 else {"anyOf": options}
