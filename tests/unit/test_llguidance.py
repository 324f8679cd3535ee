"""JSON schemas over large vocabularies, and those that no automaton can keep: llguidance's masks, a
way to an end within the length, and schemas rewritten with the keywords that it knows.
"""

import asyncio
import builtins
import itertools
import json
from typing import Any

import jsonschema as oracle
import pytest
import torch

from castalia.abilities import SampleOptions
from castalia.constraints import llguidance_grammar
from castalia.constraints.automata import NEVER
from castalia.constraints.budget import Budget, Cancelled, CompileLimits, OverBudget
from castalia.constraints.llguidance_grammar import LARGE, Guided, of_schema
from castalia.constraints.parse import constraint, grammar
from castalia.constraints.schema_rewriting import rewritten
from castalia.constraints.schema_shapes import Unkept
from castalia.constraints.token_grammar import Lifted, Vocabulary
from castalia.errors import RecipeError
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.nn.decode_rows import Completion
from castalia.serving.constraint_compiler import Compiler
from castalia.spec import Tokens
from castalia.testing.synthetic import Rolling

BYTES = [b"", b"", *(bytes([byte]) for byte in range(256))]
SMALL = Vocabulary(BYTES, end=1)
PAIRS = itertools.product(b'abcdefghijklmnopqrstuvwxyz {}[]",:0123456789-', repeat=3)
PIECES = [*BYTES, "中文".encode(), *(bytes(some) for some in itertools.islice(PAIRS, LARGE))]
BIG = Vocabulary(PIECES, end=1)
LETTERS = Vocabulary(
    [b"", b"", *(sign.encode() for sign in '{}[]":, abcdefgnulltrs0123456789é')], 1
)

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "below": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "below"],
            "additionalProperties": False,
        }
    },
}
KEPT: dict[str, Any] = {
    "a recursive reference": TREE,
    "oneOf": {
        "oneOf": [
            {"type": "integer", "minimum": 5, "maximum": 20},
            {"type": "integer", "minimum": 10, "maximum": 30},
        ]
    },
    "oneOf of objects": {
        "oneOf": [
            {"properties": {"a": {"type": "boolean"}}, "required": ["a"], "type": "object"},
            {"properties": {"b": {"type": "boolean"}}, "required": ["b"], "type": "object"},
        ],
        "maxProperties": 2,
    },
    "allOf": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 3, "maximum": 99}, "b": {"type": "null"}}},
        ],
        "unevaluatedProperties": False,
    },
    "format": {"type": "array", "items": {"format": "date", "type": "string"}, "maxItems": 3},
    "bounds": {"type": "number", "exclusiveMinimum": 0.5, "maximum": 2},
    "not": {"not": {"enum": ["yes", "no", 3, None]}, "type": ["string", "number"], "maxLength": 4},
    "if": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "size": {}},
        "required": ["kind"],
        "additionalProperties": False,
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["size"], "properties": {"size": {"type": "integer"}}},
        "else": {"properties": {"size": False}},
    },
    "contains": {
        "type": "array",
        "contains": {"const": 7},
        "items": {"type": "integer", "maximum": 9, "minimum": 0},
        "maxContains": 2,
        "maxItems": 4,
    },
    "propertyNames": {"type": "object", "propertyNames": {"pattern": "^[a-c]{2}$"}},
    "dependentRequired": {
        "type": "object",
        "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
        "dependentRequired": {"a": ["b"]},
        "additionalProperties": False,
    },
    "unevaluatedItems": {
        "type": "array",
        "anyOf": [{"prefixItems": [{"const": 1}]}, {"prefixItems": [{"const": 1}, {"const": 2}]}],
        "unevaluatedItems": {"type": "boolean"},
        "maxItems": 4,
    },
    "uniqueItems": {"items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "type": "array"},
    "patterns that overlap": {
        "type": "object",
        "patternProperties": {"^a": {"type": "integer"}, "b$": {"minimum": 0, "maximum": 9}},
        "additionalProperties": False,
    },
    "a word somewhere": {"type": "string", "pattern": "lord|lady"},
}


def written(
    schema: Any, vocabulary: Vocabulary, length: int, rows: int = 3, seed: int = 0
) -> list[Completion]:
    rule = grammar(f"json:{json.dumps(schema)}", vocabulary)
    return complete(
        Rolling(len(vocabulary)),
        [torch.tensor([0])] * rows,
        generators(seed, 0, rows),
        SampleOptions(length=length),
        spec=Tokens(64, len(vocabulary), 0, 1),
        grammars=rule,
    )


def text_of(completion: Completion, vocabulary: Vocabulary) -> str:
    return b"".join(vocabulary.token_bytes[token] for token in completion.tokens).decode()


@pytest.mark.parametrize("length", [48, 90])
@pytest.mark.parametrize("vocabulary", [SMALL, BIG], ids=["bytes", "pieces"])
@pytest.mark.parametrize("name", KEPT)
def test_a_random_model_keeps_the_schema_and_ends_in_time(
    name: str, vocabulary: Vocabulary, length: int
) -> None:
    checker = oracle.Draft202012Validator.FORMAT_CHECKER
    for completion in written(KEPT[name], vocabulary, length):
        oracle.validate(
            json.loads(text_of(completion, vocabulary)),
            KEPT[name],
            oracle.Draft202012Validator,
            format_checker=checker,
        )


def test_small_vocabularies_keep_their_automata_and_large_ones_do_not() -> None:
    simple = 'json:{"type": "integer", "maximum": 9, "minimum": 1}'
    assert isinstance(grammar(simple, SMALL), Lifted)
    assert isinstance(grammar(simple, BIG), Guided)
    assert isinstance(grammar(f"json:{json.dumps(TREE)}", SMALL), Guided)
    assert isinstance(grammar("regex:(Yes|No), my (lord|lady)", BIG), Lifted)
    assert isinstance(grammar("regex:[a-z ]*[aeiou].{300}", BIG), Guided)


def test_a_large_expression_allows_what_its_automaton_allows() -> None:
    text = "regex:[a-z ]*[aeiou].{300}"
    guided, automaton = grammar(text, BIG), grammar(text, SMALL)
    assert guided.distance(guided.start()) < NEVER
    mine, theirs = guided.start(), automaton.start()
    for token in b"my lord":
        allowed = guided.allowed(mine)
        assert torch.equal(allowed[2:258], automaton.allowed(theirs)[2:258])
        mine = guided.advance(mine, 2 + token)
        theirs = automaton.advance(theirs, 2 + token)


def test_tokens_of_characters_serve() -> None:
    """No bytes and few letters: the way to an end is spelled in what is there."""
    for completion in written(TREE | {"title": "a tree"}, Vocabulary([*PIECES], 1), 40):
        oracle.validate(json.loads(text_of(completion, BIG)), TREE)
    schema = {"anyOf": [{"const": "é"}, {"type": "array", "items": {"$ref": "#"}}]}
    for completion in written(schema, LETTERS, 30):
        oracle.validate(json.loads(text_of(completion, LETTERS)), schema)


def test_a_text_depends_on_its_seed_alone() -> None:
    one, other = (written(KEPT["if"], BIG, 60, rows=4, seed=7) for _ in range(2))
    assert one == other
    assert written(KEPT["if"], BIG, 60, rows=2, seed=7) == one[:2]
    assert len({text_of(completion, BIG) for completion in written(TREE, BIG, 90, 4)}) > 1


def test_too_short_a_length_is_refused_before_anything_is_drawn() -> None:
    rule = grammar(f"json:{json.dumps(TREE)}", BIG)
    shortest = rule.distance(rule.start())
    assert all(one.tokens for one in written(TREE, BIG, shortest))
    with pytest.raises(RecipeError, match=f"up to {shortest} tokens"):
        written(TREE, BIG, shortest - 1)


@pytest.mark.parametrize(
    ("schema", "what", "where"),
    [
        ({"$ref": "https://example.org/other"}, "leads nowhere", "example.org"),
        ({"$ref": "#/$defs/none", "$defs": {}}, "leads nowhere", "none"),
        ({"type": "string", "format": "colour"}, "the unknown format 'colour'", "format"),
        ({"type": "number", "multipleOf": 0.01}, "multipleOf", "multipleOf"),
        ({"type": "array", "uniqueItems": True}, "'uniqueItems'", "uniqueItems"),
        ({"not": {}}, "no value that a constraint can keep", "$"),
        ({"oneOf": [True, True]}, "no value that a constraint can keep", "$"),
        ({"not": {"type": "colour"}}, "the unknown type 'colour'", "type"),
        ({"not": 5}, "a value that 'not' cannot have", "{'not': 5}"),
        ({"contains": {}, "minContains": -1}, "a value that 'minContains'", "{'minContains': -1}"),
        (
            {
                "$ref": "one",
                "$defs": {
                    "a": {
                        "$id": "one",
                        "$dynamicRef": "#x",
                        "$defs": {"d": {"$dynamicAnchor": "x"}},
                    },
                    "b": {"$id": "two", "$dynamicAnchor": "x"},
                },
            },
            "several targets",
            "#x",
        ),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_cannot_be_kept_is_named(schema: Any, what: str, where: str) -> None:
    with pytest.raises(Unkept, match=what) as raised:
        of_schema(schema, SMALL)
    assert where in raised.value.where and raised.value.fix


@pytest.mark.parametrize("schema", [False, {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}])
def test_a_schema_that_no_text_meets_is_refused(schema: Any) -> None:
    if isinstance(schema, dict):
        schema["type"] = "object"
    with pytest.raises(RecipeError, match=r"no type|back to itself"):
        grammar(f"json:{json.dumps(schema)}", BIG)


def test_rewriting_accepts_nothing_that_the_schema_refuses() -> None:
    values: list[Any] = [
        *(None, True, False, 0, 1, 7, 12, 0.75, -3, "yes", "y", "lady", "2020-02-30", [], [7]),
        *([1], [1, 2], [1, 2, True], [7, 7, 7], [1, True], ["a", "a"], {}, {"a": 1}, {"a": True}),
        *({"a": 5, "b": None}, {"kind": "a"}, {"kind": "a", "size": 1}, {"kind": "b", "size": 1}),
        *({"a": None}, {"a": None, "b": None}, {"ab": 3}, {"ab": 33}, {"aab": 1}, {"a": 1, "b": 1}),
    ]
    kept = 0
    for name, schema in KEPT.items():
        narrower = oracle.Draft202012Validator(rewritten(schema, joined=True))
        whole = oracle.Draft202012Validator(schema)
        for value in values:
            if narrower.is_valid(value):
                assert whole.is_valid(value), (name, value)
                kept += 1
    assert kept > 30


# Limits -------------------------------------------------------------------------------------------


def doubled(levels: int) -> Any:
    parts: dict[str, Any] = {f"d{levels}": {"not": {"const": 0}}}
    for level in range(levels):
        below = {"$ref": f"#/$defs/d{level + 1}"}
        parts[f"d{level}"] = {"oneOf": [below, {"not": below}, {"type": "null"}]}
    return {"$defs": parts, "$ref": "#/$defs/d0"}


def nested(levels: int) -> Any:
    schema: Any = {"not": {"type": "null"}}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "limit"),
    [
        (doubled(40), "depth"),
        (nested(150), "depth"),
        ({"enum": [f"value {number}" for number in range(100_000)]}, "nodes"),
        (
            {
                "allOf": [
                    {"anyOf": [{"minimum": low}, {"maximum": -low}, {"multipleOf": 2}]}
                    for low in range(1, 13)
                ],
                "not": {"const": 3},
            },
            "nodes",
        ),
    ],
    ids=["doubled", "nested", "enum", "products"],
)
def test_hostile_schemas_end_at_a_limit(schema: Any, limit: str) -> None:
    with pytest.raises(RecipeError) as raised, Budget(CompileLimits(seconds=5)):
        of_schema(schema, SMALL)
    assert isinstance(raised.value, OverBudget) and raised.value.limit in (limit, "seconds")


def test_what_llguidance_gives_up_on_goes_to_the_automata() -> None:
    """Too many objects begin alike; that shows while it is compiled, not while a row is written."""
    crowd = [
        {"properties": {f"p{number}": {"type": "string"} for number in range(first, first + 40)}}
        for first in range(100)
    ]
    assert isinstance(grammar(f"json:{json.dumps({'anyOf': crowd})}", BIG), Lifted)
    with pytest.raises(OverBudget):
        of_schema({"anyOf": crowd}, BIG)


def test_a_compilation_is_cancelled() -> None:
    budget = Budget()
    budget.cancel()
    with pytest.raises(Cancelled), budget:
        of_schema(TREE, SMALL)


def test_a_server_compiles_it_in_a_thread() -> None:
    text = f"json:{json.dumps(TREE)}"
    compiler = Compiler()
    rule = asyncio.run(compiler.run(lambda budget: grammar(text, BIG, budget=budget), 20))
    assert isinstance(rule, Guided) and compiler.running == 0


# Without the extra --------------------------------------------------------------------------------


def test_without_the_extra_simple_schemas_are_kept_and_others_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def absent(name: str, *more: Any, **options: Any) -> Any:
        if name == "llguidance":
            raise ImportError(name)
        return real(name, *more, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert llguidance_grammar.library() is None
    assert isinstance(grammar('json:{"enum": [1, 2]}', BIG), Lifted)
    with pytest.raises(RecipeError, match="back to itself") as raised:
        grammar(f"json:{json.dumps(TREE)}", BIG)
    assert 'pip install "castalia[constraints]"' in raised.value.fix
    with pytest.raises(RecipeError, match="llguidance") as raised:
        of_schema(TREE, SMALL)
    assert 'pip install "castalia[constraints]"' in raised.value.fix


def test_what_neither_engine_keeps_is_described_with_its_place() -> None:
    with pytest.raises(RecipeError, match="format") as raised:
        grammar('json:{"properties": {"a": {"type": "string", "format": "colour"}}}', BIG)
    assert raised.value.where == "$.a.format"
    with pytest.raises(RecipeError):
        constraint(f"json:{json.dumps(TREE)}")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}, "required": [["a"]]},
        {"type": "array", "items": [{"type": "string"}]},
        {"type": "string", "minLength": "3"},
        {"type": "string", "minLength": 1.5},
        {"type": "string", "maxLength": float("inf")},
        {"properties": {"a": {"enum": 1}}},
        {"anyOf": []},
        {"type": "number", "multipleOf": 0},
    ],
    ids=str,
)
def test_a_keyword_with_a_value_of_another_type_is_refused(schema: Any) -> None:
    with pytest.raises(RecipeError):
        of_schema(schema, BIG)
    with pytest.raises(RecipeError):
        grammar(f"json:{json.dumps(schema)}", BIG)
