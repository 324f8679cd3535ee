"""JSON schemas as constraints: malformed ones, references, ECMA 262's patterns, numbers that are no
JSON; and what a mutated schema may become.
"""

import json
import re
from typing import Any

import jsonschema as oracle
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from castalia.abilities import SampleOptions
from castalia.constraints.automata import Automaton
from castalia.constraints.parse import constraint, grammar
from castalia.constraints.token_grammar import Vocabulary
from castalia.errors import RecipeError
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.spec import Tokens
from castalia.testing.synthetic import Rolling

BYTES = [b"", b"", *(bytes([byte]) for byte in range(256))]
VOCABULARY = Vocabulary(BYTES, end=1)


def accepts(automaton: Automaton, text: str) -> bool:
    state = automaton.start()
    for code in map(ord, text):
        targets = [edge.target for edge in automaton.edges(state) if edge.low <= code <= edge.high]
        if not targets:
            return False
        state = targets[0]
    return automaton.accepts(state)


def of(schema: Any) -> Automaton:
    return constraint(f"json:{json.dumps(schema)}")


# Malformed schemas --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "object", "properties": {}, "required": [["a"]]}, "$.required"),
        ({"type": "object", "required": 5}, "$.required"),
        ({"type": "object", "required": {"a": 1}}, "$.required"),
        ({"type": "object", "properties": []}, "$.properties"),
        ({"properties": {"a": 5}}, "$.a"),
        ({"properties": {"a": {"type": 7}}}, "$.a.type"),
        ({"type": "object", "additionalProperties": "no"}, "$.additionalProperties"),
        ({"type": 7}, "$.type"),
        ({"type": []}, "$.type"),
        ({"type": [["string"]]}, "$.type"),
        ({"type": {"string": 1}}, "$.type"),
        ({"type": None}, "$.type"),
        ({"type": ["string", "text"], "enum": ["a"]}, "$.type"),
        ({"enum": {}}, "$.enum"),
        ({"enum": "ab"}, "$.enum"),
        ({"anyOf": {}}, "$.anyOf"),
        ({"anyOf": [5]}, "$.anyOf[0]"),
        ({"type": "array", "items": True}, "$.items"),
        ({"type": "array", "items": [{"type": "null"}]}, "$.items"),
        ({"items": {"type": "null"}, "minItems": "a"}, "$.minItems"),
        ({"items": {"type": "null"}, "maxItems": -1}, "$.maxItems"),
        ({"type": "string", "minLength": True}, "$.minLength"),
        ({"type": "string", "minLength": 1.5}, "$.minLength"),
        ({"type": "string", "pattern": 5}, "$.pattern"),
        ({"type": "integer", "minimum": "a"}, "$.minimum"),
        ({"type": "integer", "exclusiveMaximum": True}, "$.exclusiveMaximum"),
        ({"$ref": 5}, "$.$ref"),
        ({"$ref": ["#"]}, "$.$ref"),
        ({"$ref": ""}, "$"),
        ({"$ref": "#/%zz"}, "$"),
        ({"$ref": "#name"}, "$"),
        ({"$ref": "#"}, "$"),
        (
            {
                "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
                "$ref": "#/$defs/a",
            },
            "$",
        ),
        ({"properties": {"a": {"$ref": "#"}}}, "$.a"),
        ({"$defs": [], "type": "null"}, "$.$defs"),
        ({"title": 5, "type": "null"}, "$.title"),
        ({"$id": 5, "type": "null"}, "$.$id"),
        ({"allOf": [{"type": "null"}]}, "$.allOf"),
        ({"oneOf": [{"type": "null"}]}, "$.oneOf"),
        ({"not": {"type": "null"}}, "$.not"),
        ({"const": "\ud800"}, "$.const"),
        ({"properties": {"\udfff": {"type": "null"}}}, "$.properties"),
        (False, "$"),
        ([], "$"),
        (None, "$"),
        ("string", "$"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_a_malformed_schema_is_named_with_its_place(schema: Any, where: str) -> None:
    with pytest.raises(RecipeError) as raised:
        of(schema)
    assert raised.value.where.startswith(where) and raised.value.fix


@pytest.mark.parametrize(
    "body",
    [
        '{"const": 1e400}',
        '{"enum": [1, [-1e999]]}',
        '{"const": NaN}',
        '{"enum": [Infinity]}',
        '{"type": "integer", "minimum": -Infinity}',
        '{"type": "integer", "maximum": 1e400}',
        '{"const": ' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"const":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":1}}',
        "\x00",
        "@\x00",
        "@.",
    ],
    ids=lambda body: body[:24],
)
def test_what_is_not_json_is_refused(body: str) -> None:
    with pytest.raises(RecipeError) as raised:
        constraint(f"json:{body}")
    assert raised.value.where and raised.value.fix


# References ---------------------------------------------------------------------------------------


def test_a_reference_is_resolved_from_the_nearest_schema_with_an_id() -> None:
    inner = {
        "$id": "http://e.com/sub",
        "properties": {"n": {"$ref": "#/$defs/y"}},
        "required": ["n"],
        "$defs": {"y": {"type": "integer"}},
    }
    outer = of({"$defs": {"x": inner, "y": {"type": "string"}}, "$ref": "#/$defs/x"})
    assert accepts(outer, '{"n": 7}') and not accepts(outer, '{"n": "7"}')
    crossing = of(
        {"$defs": {"x": inner, "y": {"type": "string"}}, "$ref": "#/$defs/x/properties/n"}
    )  # into the resource, then from its root
    assert accepts(crossing, "7") and not accepts(crossing, '"7"')
    behind = of(
        {
            "$defs": {"x": inner, "y": {"type": "null"}},
            "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/y"}},
        }
    )
    assert accepts(behind, '{"a": {"n": 7}, "b": null}')  # behind it the root counts again
    with pytest.raises(RecipeError, match=r"leads nowhere: #/\$defs/z"):
        of(
            {
                "$defs": {
                    "x": {"$id": "sub", "properties": {"n": {"$ref": "#/$defs/z"}}},
                    "z": {"type": "null"},
                },
                "$ref": "#/$defs/x",
            }
        )
    with pytest.raises(RecipeError, match=r"an \$id beside a \$ref"):
        of(
            {
                "properties": {"a": {"$id": "sub", "$ref": "#/$defs/y"}},
                "$defs": {"y": {"type": "null"}},
            }
        )


@pytest.mark.parametrize(
    "pointer",
    ["#/$defs/a~1b%20~0c", "#/%24defs/a~1b%20~0c", "#/$defs/list/anyOf/1", "#/$defs/%E5%B1%B1"],
)
def test_pointers_are_unescaped(pointer: str) -> None:
    parts = {
        "a/b ~c": {"const": 1},
        "list": {"anyOf": [{"const": 0}, {"const": 1}]},
        "山": {"const": 1},
    }
    assert accepts(of({"$defs": parts, "$ref": pointer}), "1")


def test_what_a_reference_names_is_built_once() -> None:
    """Twice as much at each of 15 levels, in 3.7 kB: it took 40 seconds. At 30 levels, an object of
    2**30 numbers is refused by its length.
    """
    for levels, optional in ((15, True), (30, True), (30, False)):
        parts: dict[str, Any] = {f"d{levels}": {"type": "integer"}}
        for level in range(levels):
            pair = {name: {"$ref": f"#/$defs/d{level + 1}"} for name in "ab"}
            parts[f"d{level}"] = {
                "type": "object",
                "properties": pair,
                **({} if optional else {"required": ["a", "b"]}),
            }
        automaton = of({"$defs": parts, "$ref": "#/$defs/d0"})
        assert accepts(automaton, '{"a": {"b": {}}}') == optional
        assert automaton.distance(automaton.start(), lambda ranges: 1) == (
            2 if optional else 1 << 30
        )


# Patterns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\d{4}$", ["1999"], ["١٩٩٩", "１９９９", "19991"]),
        (r"^\w+$", ["aZ_9"], ["é", "中", "ſ", "\u212a"]),
        (r"^\W$", ["é", "中", " "], ["a", "_"]),
        (
            r"^\s$",
            [" ", "\ufeff", "\u2028", "\u00a0", "\u3000", "\u1680"],
            ["\u0085", "\x1c", "\u180e", "\u200b"],
        ),
        (r"^\S$", ["\u0085", "a"], ["\ufeff"]),
        (r"^\D$", ["١", "a"], ["1"]),
        (r"^.$", ["a", "\u0085", "😀"], ["\n", "\r", "\u2028", "\u2029"]),
        (r"^[^]$", ["\n", "a"], ["", "ab"]),
        (r"^(a|[])$", ["a"], ["", "]"]),
        (r"^\/\.\-$", ["/.-"], ["\\/.-"]),
        (r"^\u{1F600}\ud83d\ude00\x41\u4e2d$", ["😀😀A中"], ["😀A中"]),
        (r"^\cJ\t\0$", ["\n\t\0"], ["j"]),
        (r"^(?<year>\d+)-(?:a|b)$", ["12-a"], ["-a"]),
        (r"^a+?b*?c??d{1,2}?$", ["aabd", "acdd"], ["a"]),
        (r"^[\w.-]+$", ["a.b-c"], ["a b"]),
        (r"^[\b]$", ["\b"], ["b"]),
        (r"b", ["b", "abc"], ["ac", ""]),
        (r"^b", ["b", "bc"], ["ab"]),
        (r"b$", ["b", "ab"], ["bc"]),
        (r"^a|b$", ["ac", "cb", "a", "b"], ["ca", "bc"]),
        (r"^(?:a|b$)", ["ac", "b"], ["bc", "cb"]),
        (r"(^|,)a(,|$)", ["a", "b,a", "a,b", "b,a,c"], ["ba", "ab"]),
        (r"^$", [""], ["a"]),
        (r"", ["", "a"], []),
        (r"^", ["", "a"], []),
    ],
)
def test_patterns_are_those_of_ecma_262(pattern: str, good: list[str], bad: list[str]) -> None:
    automaton = of({"type": "string", "pattern": pattern})
    for text in good:
        assert accepts(automaton, json.dumps(text, ensure_ascii=False)), text
    for text in bad:
        assert not accepts(automaton, json.dumps(text, ensure_ascii=False)), text


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(?=a)b", "lookahead"),
        (r"(?<!a)b", "lookbehind"),
        (r"(a)\1", "backreference"),
        (r"(?<x>a)\k<x>", "backreference"),
        (r"\p{L}", "Unicode property"),
        (r"\bа", "place"),
        (r"\Aa", "unknown escape"),
        (r"\a", "unknown escape"),
        (r"(?P<x>a)", "which is Python's"),
        (r"(?#note)a", "comment"),
        (r"(?i:a)", "flags"),
        (r"a{,2}", "ECMA 262"),
        (r"\01", "octal"),
        (r"\ud800", "half of a surrogate"),
        (r"\u{110000}", "hexadecimal"),
        (r"\c1", "letter"),
        (r"[b-a]", "backwards"),
        (r"[a", "without its"),
        (r"a**", "quantifier of a quantifier"),
        (r"(a", "without its"),
        (r"(^a)?b", "inside of a repetition"),
        (r"a^", "somewhere"),
        (r"$a", "somewhere"),
    ],
)
def test_what_a_pattern_cannot_say_is_named(pattern: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says) as raised:
        of({"type": "string", "pattern": pattern})
    assert "character" in raised.value.where


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a", "b", ".", "[ab]", "", "^", "$", "^a", "b$"]),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map("".join)
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})")
        ),
        max_leaves=8,
    ),
    st.lists(st.text("abc", max_size=4), max_size=6),
)
def test_anchors_stand_where_they_stand(pattern: str, texts: list[str]) -> None:
    try:
        automaton = of({"type": "string", "pattern": pattern})
    except RecipeError as error:
        assert "somewhere" in error.what
        assert not any(re.search(pattern, text) for text in ["", "a", "b", *texts])
        return
    for text in ["", "a", "b", "ab", *texts]:
        assert accepts(automaton, json.dumps(text)) == (re.search(pattern, text) is not None), (
            pattern,
            text,
        )


# Mutated schemas ----------------------------------------------------------------------------------

WHOLE: list[Any] = [
    {
        "$defs": {
            "name": {"type": "string", "pattern": "^[a-c]{1,3}$"},
            "n": {"$id": "sub", "type": "integer", "minimum": 0, "maximum": 40},
        },
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/name"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1, "maxItems": 2},
        },
        "required": ["b"],
        "additionalProperties": False,
    },
    {
        "anyOf": [
            {"enum": ["x", 1, None]},
            {"type": ["boolean", "null"]},
            {"const": [1.5, {"k": "v"}]},
        ]
    },
    {
        "properties": {
            "s": {"type": "string", "minLength": 1, "maxLength": 3},
            "t": {"type": "number"},
        },
        "required": ["s"],
    },
]
VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        7,
        1.5,
        "a",
        "#",
        "#/$defs/n",
        "string",
        "integer",
        "^a|b$",
        "",
        [],
        ["a"],
        [["a"]],
        {},
        {"type": "null"},
    ]
)


def places(schema: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        schema.items()
        if isinstance(schema, dict)
        else enumerate(schema)
        if isinstance(schema, list)
        else ()
    )
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@st.composite
def mutated(draw: Any) -> Any:
    schema = json.loads(json.dumps(draw(st.sampled_from(WHOLE))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(schema)))
        if not path:
            continue
        parent = schema
        for key in path[:-1]:
            parent = parent[key]
        change = draw(st.sampled_from(["value", "drop", "rename"]))
        if change == "value":
            # a copy: the next change may be made inside of it
            parent[path[-1]] = json.loads(json.dumps(draw(VALUES)))
        elif change == "drop":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent[
                draw(
                    st.sampled_from(
                        [
                            "type",
                            "enum",
                            "const",
                            "items",
                            "required",
                            "properties",
                            "$ref",
                            "anyOf",
                            "pattern",
                        ]
                    )
                )
            ] = parent.pop(path[-1])
    return schema


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(), st.integers(0, 5))
def test_a_mutated_schema_is_refused_or_kept(schema: Any, seed: int) -> None:
    try:
        rule = grammar(f"json:{json.dumps(schema)}", VOCABULARY)
    except RecipeError as error:
        assert error.where and error.fix
        return
    options = SampleOptions(length=max(1, rule.distance(rule.start())) + 20)
    model, rows = Rolling(len(BYTES), seed=seed), 2
    found = complete(
        model,
        [torch.tensor([0])] * rows,
        generators(seed, 0, rows),
        options,
        spec=Tokens(64, len(BYTES), 0, 1),
        grammars=rule,
    )
    for row in found:
        text = b"".join(BYTES[token] for token in row.tokens).decode()
        oracle.Draft202012Validator(schema).validate(json.loads(text))
