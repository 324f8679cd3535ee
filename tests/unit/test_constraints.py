"""Constraints: against `re`, `json` and `jsonschema` as oracles, and masks and distances against
languages written out word by word.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema as oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.abilities import SampleOptions
from castalia.constraints import parse, regex
from castalia.constraints.automata import (
    EVERY,
    NEVER,
    Automaton,
    Regular,
    complement,
    intersection,
    members,
    union,
)
from castalia.constraints.parse import constraint, grammar
from castalia.constraints.token_grammar import Lifted, Place, Vocabulary
from castalia.errors import CastaliaError, RecipeError
from castalia.modalities.text import verse
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.spec import Tokens
from castalia.testing.synthetic import Rolling

# Vocabularies: begin, end, then tokens ------------------------------------------------------------

SPECIAL = [b"", b""]
LETTERS = [
    *map(chr, range(0x20, 0x7F)),
    "\n",
    *"，。é山水月明人心風春中國天地一二三四五六七八九十",
    "😀",
]
BYTES = SPECIAL + [bytes([byte]) for byte in range(256)]
CHARACTERS = SPECIAL + [letter.encode() for letter in LETTERS]
PIECES = BYTES + [
    text.encode()
    for text in (
        '": ',
        '{"',
        ", ",
        "ab",
        "abb",
        "ba",
        "12",
        "345",
        "true",
        "中",
        "中國",
        "山水",
        "，月",
        "a中",
        "0.",
        "\\n",
    )
]
# pieces that break a character; another's tokenizer may have them
PIECES += [b"\xe4\xb8", b"a\xe4"]
VOCABULARIES = {"bytes": BYTES, "characters": CHARACTERS, "pieces": PIECES}


@cache
def vocabulary(name: str) -> Vocabulary:
    return Vocabulary(VOCABULARIES[name], end=1)


def written(
    name: str, text: str, count: int, length: int, seed: int = 0, sharpness: float = 2.0
) -> list[tuple[str, str]]:
    """(text, reason) of random models under a constraint. Texts decode strictly."""
    tokens = VOCABULARIES[name]
    model = Rolling(len(tokens), seed=seed, sharpness=sharpness)
    prompts = [torch.tensor([0])] * count
    options = SampleOptions(length=length)
    rule = grammar(text, vocabulary(name))
    rows = complete(
        model,
        prompts,
        generators(seed, 0, count),
        options,
        spec=Tokens(64, len(tokens), 0, 1),
        grammars=rule,
    )
    return [(b"".join(tokens[token] for token in row.tokens).decode(), row.reason) for row in rows]


def accepts(automaton: Automaton, text: str) -> bool:
    state = automaton.start()
    for code in map(ord, text):
        targets = [edge.target for edge in automaton.edges(state) if edge.low <= code <= edge.high]
        assert len(targets) <= 1, "edges are disjoint"
        if not targets:
            return False
        state = targets[0]
    return automaton.accepts(state)


# Sets of characters -------------------------------------------------------------------------------

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair)))
).map(union)


@given(RANGES, RANGES)
def test_sets_of_characters_are_sets(one: Any, other: Any):
    def spelled(ranges: Any) -> set[int]:
        return {code for low, high in ranges for code in range(low, high + 1)}

    assert spelled(union(one, other)) == spelled(one) | spelled(other)
    assert spelled(intersection(one, other)) == spelled(one) & spelled(other)
    assert spelled(intersection(complement(one), ((0, 60),))) == set(range(61)) - spelled(one)
    assert complement(complement(one)) == one and complement(()) == EVERY


# Regular expressions ------------------------------------------------------------------------------

ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "中",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\W",
        "[ab]",
        "[^a]",
        "[一-十b]",
        r"[^\d中]",
        r"\.",
        "(?:)",
        "[]a]",
        "[a-]",
        "{",
    ]
)


def bigger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}", "*?", "{1,2}?"])
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, signs).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


@settings(max_examples=250, deadline=None)
@given(
    st.recursive(ATOMS, bigger, max_leaves=7),
    st.lists(st.text("ab中七1. {", max_size=6), max_size=8),
)
def test_a_regular_expression_means_what_re_means(pattern: str, texts: list[str]):
    automaton = Regular(regex.language(pattern))
    for text in ["", "a", "ab", *texts]:
        assert accepts(automaton, text) == (re.fullmatch(pattern, text) is not None), (
            pattern,
            text,
        )


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"\d{4}年\d{1,2}月", ["2024年1月", "１９９９年12月"], ["24年1月", "2024年123月"]),
        (r"[一-鿿]{2,4}", ["山水", "春風又綠"], ["山", "ab", "春風又綠江"]),
        (r"(cat|dog|鳥)s?", ["cats", "鳥", "dog"], ["catss", ""]),
        (r"(?P<year>\d+)(?#the year)", ["7"], [""]),
        (r"\x41\u4e2d\U0001F600", ["A中😀"], ["A中"]),
        (r"^a$", ["a"], ["a\n"]),
        (r".", ["😀", "中"], ["\n", ""]),
        (r"a{,2}b{x}", ["b{x}", "aab{x}"], ["aaab{x}"]),
        (r"[\]\-^]+", ["]-^"], ["a"]),
        (r"[\b]\0\t", ["\b\0\t"], ["b"]),
    ],
)
def test_regular_expressions_by_example(pattern: str, good: list[str], bad: list[str]):
    automaton = Regular(regex.language(pattern))
    assert all(accepts(automaton, text) for text in good) and not any(
        accepts(automaton, text) for text in bad
    )


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        (r"(a)\1", "backreference"),
        (r"\101", "backreference"),  # octal in `re`, which nobody means
        (r"(?P<x>a)(?P=x)", "backreference"),
        (r"a(?=b)", "lookahead"),
        (r"a(?!b)", "lookahead"),
        (r"(?<=a)b", "lookbehind"),
        (r"(?<!a)b", "lookbehind"),
        (r"(?i)a", "flags"),
        (r"(?>a)", "atomic"),
        (r"(a)(?(1)b)", "conditional"),
        (r"a++", "possessive"),
        (r"a**", "quantifier of a quantifier"),
        (r"a{2}{3}", "quantifier of a quantifier"),
        (r"\bword", "place"),
        (r"a^b", "'\\^' somewhere"),
        (r"(a", r"without its '\)'"),
        (r"a)", "closes nothing"),
        (r"[ab", r"without its '\]'"),
        (r"[z-a]", "backwards"),
        (r"a{3,2}", "bounds"),
        (r"a{1,999999999}", "bounds"),
        (r"*a", "nothing to repeat"),
        (r"\p{Han}", "unknown escape"),
        ("a\\", "is missing"),
        (r"\u12", "hexadecimal"),
    ],
)
def test_what_is_not_regular_is_named_with_its_place(pattern: str, says: str):
    with pytest.raises(RecipeError, match=says) as raised:
        constraint(f"regex:{pattern}")
    assert "character" in raised.value.where and raised.value.fix


def test_repetition_costs_no_states():
    """Counters are not written out, and a long literal is no deep recursion."""
    assert accepts(constraint("regex:(a{1,1000}b){0,90000}"), "aabab" * 7)
    text = "山" * 3000
    assert accepts(Regular(regex.language(f"({text}|b)c")), text + "c")
    rule = grammar(f"regex:({text}|{text}水)", vocabulary("characters"))
    assert rule.distance(rule.start()) == 3000


# Masks and distances against languages written out ------------------------------------------------

FINITE = {
    "(ab|abb|ba中?){1,3}": [
        p + q + r
        for p in ("ab", "abb", "ba", "ba中")
        for q in ("", "ab", "abb", "ba", "ba中")
        for r in ("", "ab", "abb", "ba", "ba中")
    ],
    "[a中😀]{0,2}é": [p + q + "é" for p in ("", "a", "中", "😀") for q in ("", "a", "中", "😀")],
    "(|a|中國山水)": ["", "a", "中國山水"],
    "[ab]{2}(ab){0,2}(12|345)?": [
        p + q * "ab" + r
        for p in ("aa", "ab", "ba", "bb")
        for q in (0, 1, 2)
        for r in ("", "12", "345")
    ],
}


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("pattern", FINITE)
def test_masks_and_distances_are_those_of_the_words(pattern: str, name: str):
    tokens = VOCABULARIES[name]
    language = {word.encode() for word in FINITE[pattern]}
    assert all(re.fullmatch(pattern, word) for word in FINITE[pattern])
    usable = {
        token: raw for token, raw in enumerate(tokens) if raw and (len(raw) == 1 or _whole(raw))
    }
    rule = Lifted(constraint(f"regex:{pattern}"), vocabulary(name))

    @cache
    def needs(rest: bytes) -> int:
        """Fewest tokens that spell `rest`."""
        return (
            0
            if not rest
            else min(
                (1 + needs(rest[len(raw) :]) for raw in usable.values() if rest.startswith(raw)),
                default=NEVER,
            )
        )

    seen = {(b"", rule.start())}
    todo = list(seen)
    while todo:
        prefix, state = todo.pop()
        left = [word[len(prefix) :] for word in language if word.startswith(prefix)]
        assert rule.distance(state) == min(map(needs, left)), (prefix, state)
        costs, mask = rule.costs(state), rule.allowed(state)
        for token in range(len(tokens)):
            raw = usable.get(token)
            behind = (
                [needs(word[len(raw) :]) for word in left if word.startswith(raw)] if raw else []
            )
            expected = (
                1
                if token == 1 and b"" in left
                else 1 + min(behind)
                if behind and min(behind) < NEVER
                else NEVER
            )
            assert int(costs[token]) == expected, (prefix, tokens[token])
            assert bool(mask[token]) == (expected < NEVER)
            if raw and expected < NEVER:
                after = (prefix + raw, rule.advance(state, token))
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
    assert len(seen) > 3


def _whole(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_large_automaton_has_a_distance_that_is_never_too_small():
    class Short(Lifted):
        EXPLORED = 10

    for pattern in FINITE:
        exact, bound = (
            kind(constraint(f"regex:{pattern}"), vocabulary("pieces")) for kind in (Lifted, Short)
        )
        assert bound.distance(bound.start()) >= exact.distance(exact.start())
    rule = Short(constraint("regex:(ab中){3}"), vocabulary("pieces"))
    model = Rolling(len(PIECES))
    options = SampleOptions(length=rule.distance(rule.start()))
    rows = complete(
        model,
        [torch.tensor([0])] * 8,
        generators(0, 0, 8),
        options,
        spec=Tokens(64, len(PIECES), 0, 1),
        grammars=rule,
    )
    assert {b"".join(PIECES[token] for token in row.tokens).decode() for row in rows} == {
        "ab中" * 3
    }


def test_characters_that_a_tokenizer_lacks_are_avoided_or_named():
    assert {text for text, _ in written("characters", "regex:(龍|山){3}", 20, 9)} == {"山山山"}
    with pytest.raises(RecipeError, match="no text meets the constraint"):
        written("characters", "regex:a龍", 1, 9)
    assert written("bytes", "regex:a龍", 1, 9)[0][0] == "a龍"


# Random models under constraints ------------------------------------------------------------------


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize(
    "pattern",
    [
        r"[A-Z]{3}-\d{2,4}",
        r"(山|水|中國)+，[^a-z]{3,}。",
        r".*end",
        r"(\w+ ){2}\w+",
        r"(?:a|ab)*c?",
        r"😀{2}|[一-十]{5}",
    ],
)
def test_random_models_keep_a_regular_expression(name: str, pattern: str):
    for length in (24, 60):
        for text, reason in written(name, f"regex:{pattern}", 12, length):
            assert re.fullmatch(pattern, text), (text, reason)
            assert reason in ("end", "length")


SCHEMAS: list[Any] = [
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 4},
            "age": {"type": "integer"},
        },
        "required": ["age"],
    },
    {
        "type": "array",
        "items": {"enum": ["山", 1, None, {"a": [True, "\n"]}]},
        "minItems": 1,
        "maxItems": 3,
    },
    {"anyOf": [{"type": "boolean"}, {"const": 'quote " and \\'}, {"type": ["null", "number"]}]},
    {"type": "string", "pattern": "^[a-c]+中?$"},
    {"type": "string", "pattern": '[0-9]\\."|\n'},
    {"type": "integer", "minimum": -12, "exclusiveMaximum": 345},
    {
        "$defs": {
            "point": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        },
        "properties": {"from": {"$ref": "#/$defs/point"}},
    },
]


def holds(schema: Any, text: str) -> None:
    oracle.validate(json.loads(text), schema, cls=oracle.Draft202012Validator)


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize(
    "schema", SCHEMAS, ids=lambda schema: json.dumps(schema, ensure_ascii=True)[:30]
)
def test_random_models_keep_a_json_schema(name: str, schema: Any):
    rule = grammar(f"json:{json.dumps(schema)}", vocabulary(name))
    for length in (rule.distance(rule.start()), 40):
        for text, _ in written(name, f"json:{json.dumps(schema)}", 12, max(length, 1)):
            holds(schema, text)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.text('a"\\\n中\x01', max_size=3)
)
LEAVES = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(
        lambda kind: {"type": kind}
    ),
    st.tuples(st.integers(0, 2), st.integers(2, 4)).map(
        lambda pair: {"type": "string", "minLength": pair[0], "maxLength": pair[1]}
    ),
    st.tuples(st.integers(-2000, 2000), st.integers(0, 3000)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": sum(pair)}
    ),
    VALUES.map(lambda value: {"const": value}),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        st.tuples(inner, st.integers(0, 2), st.integers(2, 3)).map(
            lambda part: {
                "type": "array",
                "items": part[0],
                "minItems": part[1],
                "maxItems": part[2],
            }
        ),
        st.tuples(
            st.dictionaries(st.sampled_from(["a", "名", 'b"']), inner, max_size=3),
            st.sets(st.integers(0, 2)),
        ).map(
            lambda part: {
                "type": "object",
                "properties": part[0],
                "required": [name for index, name in enumerate(part[0]) if index in part[1]],
                "additionalProperties": False,
            }
        ),
    )


@settings(max_examples=60, deadline=None)
@given(st.recursive(LEAVES, nested, max_leaves=5), st.integers(0, 9))
def test_any_schema_of_these_keywords_is_kept(schema: Any, seed: int):
    text = f"json:{json.dumps(schema)}"
    rule = grammar(text, vocabulary("bytes"))
    for length in (rule.distance(rule.start()), 120):
        for found, _ in written("bytes", text, 3, length if length > 0 else 1, seed):
            holds(schema, found)


@given(st.integers(-1200, 1200), st.integers(0, 1500), st.integers(-3000, 3000))
def test_integer_bounds_are_exact(low: int, width: int, value: int):
    automaton = constraint(
        f"json:{json.dumps({'type': 'integer', 'minimum': low, 'maximum': low + width})}"
    )
    for number in (value, low - 1, low, low + width, low + width + 1):
        assert accepts(automaton, str(number)) == (low <= number <= low + width)
    assert not accepts(automaton, "-0") and not accepts(automaton, "007")


def test_strings_hold_any_character_escaped_where_json_wants_it():
    automaton = constraint('json:{"type": "string"}')
    for text in ("山水", '"\\/', "\n\t\x01\x1f", "😀", "", "\x7f\u2028"):
        assert accepts(automaton, json.dumps(text, ensure_ascii=False)), text
    assert not accepts(automaton, '"a\nb"') and not accepts(automaton, '"a')


@pytest.mark.parametrize(
    ("schema", "says", "where"),
    [
        ({"type": "string", "format": "date"}, "'format'", "$.format"),
        ({"type": "object", "patternProperties": {}}, "'patternProperties'", "$.patternProperties"),
        (
            {"properties": {"a": {"type": "array", "items": {"type": "number", "minimum": 2}}}},
            "'minimum'",
            "$.a.items.minimum",
        ),
        ({"type": "string", "pattern": "(a)\\1"}, "backreference", "character 4"),
        ({"type": "string", "pattern": "a", "maxLength": 3}, "pattern and a length", "$"),
        ({"type": "date"}, "unknown type 'date'", "$.type"),
        ({"type": "array"}, "no type", "$.items"),
        (True, "no type", "$"),
        ({}, "no type", "$"),
        ({"enum": []}, "no list of values", "$.enum"),
        ({"enum": ["a"], "type": "integer"}, "no value of type", "$.enum"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "cannot be met", "$.maxLength"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no integer", "$"),
        ({"type": "object", "required": ["a"]}, "without a schema", "$.required"),
        ({"$ref": "#/$defs/none"}, "leads nowhere", "$"),
        ({"$ref": "other.json"}, "leads nowhere", "$"),
        (
            {
                "$ref": "#/$defs/tree",
                "$defs": {"tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}}},
            },
            "back to itself",
            "left",
        ),
    ],
)
def test_what_a_schema_cannot_say_is_named_with_its_place(schema: Any, says: str, where: str):
    with pytest.raises(RecipeError, match=re.escape(says)) as raised:
        constraint(f"json:{json.dumps(schema)}")
    assert where in raised.value.where and raised.value.fix


# Verse --------------------------------------------------------------------------------------------


def is_han(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in verse.HAN)


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("form", ["5x4", "7x4", "5x8", "7x8"])
def test_random_models_keep_a_form_of_verse(name: str, form: str):
    width, lines = map(int, form.split("x"))
    for text, reason in written(name, f"verse:{form}", 3, 300):
        assert reason == "end"
        halves = re.split("(?<=[，。])\n?", text)[:-1]
        assert len(halves) == lines and text.count("\n") == lines // 2 - 1
        for index, half in enumerate(halves):
            assert (
                len(half) == width + 1
                and half[-1] == "，。"[index % 2]
                and all(map(is_han, half[:-1]))
            ), half


def test_the_form_is_that_of_the_tang_poems():
    assert accepts(constraint("verse:5x4"), "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。")
    assert not accepts(
        constraint("verse:5x4"), "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。\n"
    )
    assert not accepts(constraint("verse:5x4"), "聞道黃花a，頻年不解兵。\n可憐閨裏月，偏照漢家營。")


def test_rhymes_are_those_of_the_new_tables():
    pytest.importorskip("pypinyin")
    of = lambda text: [verse.rhymes()[ord(character)] for character in text]  # noqa: E731
    assert (
        len(set(of("東風中情"))) == 1
        and len(set(of("人心春"))) == 1
        and len(set(of("山間年"))) == 1
    )
    assert len(set(of("月雪別"))) == 1 and len(set(of("衣魚"))) == 1
    assert (
        len({*of("心"), *of("情")}) == 2
        and len({*of("魚"), *of("書")}) == 2
        and len({*of("知"), *of("衣")}) == 2
    )
    assert all(
        sum(rhyme == number for rhyme in verse.rhymes().values()) > 100
        for number in range(len(verse.RHYMES))
    )


@pytest.mark.parametrize("name", VOCABULARIES)
def test_random_models_rhyme(name: str):
    pytest.importorskip("pypinyin")
    form = "verse:7x4+rhyme" if name != "characters" else "verse:5x4+rhyme"
    for text, _ in written(name, form, 4, 200):
        carried = [half[-1] for half in re.split("[，。]\n?", text)[1::2]]
        assert (
            len(carried) == len(set(carried)) == 2
            and len({verse.rhymes()[ord(character)] for character in carried}) == 1
        )


def test_verse_distance_counts_what_is_left_and_a_rhyme_that_runs_out_is_not_begun():
    pytest.importorskip("pypinyin")
    rule = grammar("verse:5x4+rhyme", vocabulary("characters"))
    assert rule.distance(rule.start()) == 4 * 6 + 1
    assert (
        grammar("verse:7x8", vocabulary("bytes")).distance(Place(verse.State(0)))
        == (7 * 8 + 8) * 3 + 3
    )
    few = Vocabulary([*SPECIAL, *(letter.encode() for letter in "，。\n山間年人心一")], end=1)
    # three lines on -an can be written, none of the others
    carried = {"山": True, "人": False, "一": False}
    rule = grammar("verse:5x6+rhyme", few)
    state = rule.start()
    for token in (
        [few.token_bytes.index("一".encode())] * 5
        + [2]
        + [few.token_bytes.index("一".encode())] * 4
    ):
        state = rule.advance(state, token)
    for letter, fits in carried.items():
        assert bool(rule.allowed(state)[few.token_bytes.index(letter.encode())]) == fits
    none = grammar("verse:5x8+rhyme", few)
    assert none.distance(none.start()) >= NEVER


# The user's text ----------------------------------------------------------------------------------


def test_a_schema_from_a_file(tmp_path: Path):
    (tmp_path / "schema.json").write_text('{"enum": ["中"]}', encoding="utf-8")
    assert accepts(constraint(f"json:@{tmp_path / 'schema.json'}"), '"中"')
    (tmp_path / "broken.json").write_text('{"enum":\n ]', encoding="utf-8")
    with pytest.raises(RecipeError, match="not JSON") as raised:
        constraint(f"json:@{tmp_path / 'broken.json'}")
    assert "line 2, column 2" in raised.value.where
    with pytest.raises(RecipeError, match="cannot be read"):
        constraint(f"json:@{tmp_path / 'absent.json'}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+",
        "xml:<a>",
        "verse:6x4",
        "verse:5x3",
        "verse:5x0",
        "verse:7x98",
        "verse:5x4+tone",
        "json:{",
        "json:",
    ],
)
def test_what_is_no_constraint_is_refused_with_an_example(text: str):
    with pytest.raises(CastaliaError) as raised:
        constraint(text)
    assert any(kind in raised.value.fix for kind in parse.kinds())


def test_too_short_a_length_is_said_before_anything_is_drawn():
    with pytest.raises(RecipeError, match="at least 25 tokens") as raised:
        written("characters", "verse:5x4", 1, 24)
    assert "24 new tokens" in raised.value.where and "25" in raised.value.fix
    assert len(written("characters", "verse:5x4", 1, 25)[0][0]) == 25


def test_members_and_marks():
    assert members("ba") == ((97, 98),) and union(((5, 6),), ((7, 9),)) == ((5, 9),)


def test_a_text_codec_spells_only_what_it_must():
    """A model of characters has never seen a byte token: one comes only where nothing
    else will do.
    """
    codec = TextCodec(TextConfig())
    codec.fit(["春風又綠江南岸，明月何時照我還。"])
    rule = codec.constrain("regex:[一-鿿]{2}")
    for token in rule.allowed(rule.start()).nonzero().flatten().tolist():
        assert codec.token_bytes[token].decode() in "春風又綠江南岸明月何時照我還"
    spelled = codec.constrain("regex:龍+")
    assert spelled.distance(spelled.start()) == 3
