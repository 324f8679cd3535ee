"""Rules that reward a text: 1 exactly where the constraint holds, and nearer texts get more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from castalia.constraints.rewards import best, mean, rule
from castalia.errors import RecipeError

POEM = "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。"


@pytest.mark.parametrize("pattern", ["a*b", "(ab|ba)+", "[ab]{2,3}", "a?b?c?"])
@given(text=st.text("abc", max_size=6))
def test_a_regex_is_worth_one_exactly_where_it_matches(pattern: str, text: str) -> None:
    value = rule(f"regex:{pattern}")(text)
    assert (value == 1.0) == (re.fullmatch(pattern, text) is not None) and 0 <= value <= 1


def test_nearer_is_worth_more() -> None:
    near = rule("regex:abcdef")
    assert [near(text) for text in ("", "abc", "abcde", "abcdef")] == [0.0, 3 / 6, 5 / 6, 1.0]
    assert near("abcdefgh") == 6 / 8 and near("xbcdef") == 0.0 and near("abXdef") == 2 / 6


def test_verse_in_chinese() -> None:
    quatrain = rule("verse:5x4")
    assert quatrain(POEM) == 1.0 and rule("verse:7x4")(POEM) < 0.5
    assert 0.8 < quatrain(POEM[:-2]) < 1.0
    assert quatrain(POEM + POEM) == 0.5
    assert best([rule("verse:7x4"), quatrain])(POEM) == 1.0
    assert mean([rule("length:..10"), quatrain])(POEM) == pytest.approx((10 / len(POEM) + 1) / 2)


def test_json_by_schema() -> None:
    schema = rule(
        'json:{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], '
        '"additionalProperties": false}'
    )
    assert schema('{"n": 12}') == 1.0 and 0 < schema('{"n": "a"}') < 1 and schema("n = 12") == 0.0


@pytest.mark.parametrize(
    ("text", "count", "value"),
    [
        ("length:3..5", 3, 1.0),
        ("length:3..5", 5, 1.0),
        ("length:3..5", 10, 0.5),
        ("length:..4", 0, 1.0),
        ("length:4..", 1, 0.25),
    ],
)
def test_lengths_count_characters(text: str, count: int, value: float) -> None:
    assert rule(text)("山" * count) == value


@pytest.mark.parametrize(
    "text",
    [
        "long",
        "length:",
        "length:..",
        "length:5..3",
        "length:a..b",
        "verse:6x3",
        "regex:(",
        "rhyme:aabb",
        "length",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        rule(text)
