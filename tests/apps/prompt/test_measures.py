"""Statistics, JSON Schema and measures of texts, against scipy, jsonschema and closed forms."""

import itertools
import math
import random
import time

import jsonschema
import pytest
from scipy import special, stats

from castalia.apps.prompt import paired_tests, schema_check, text_measures
from castalia.apps.prompt.time_limit import matches
from castalia.errors import RecipeError
from castalia.evaluation import exact_tests


def test_the_beta_distribution():
    rng = random.Random(0)
    for _ in range(200):
        a, b, x = rng.uniform(0.3, 80), rng.uniform(0.3, 80), rng.random()
        assert exact_tests.beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-12)
        quantile = exact_tests.beta_quantile(x, a, b)
        assert quantile == pytest.approx(stats.beta.ppf(x, a, b), abs=1e-9)


@pytest.mark.parametrize(("good", "n"), [(0, 1), (1, 1), (0, 20), (12, 20), (20, 20), (3, 500)])
def test_shares_have_exact_intervals(good: int, n: int):
    found = paired_tests.share([1.0] * good + [0.0] * (n - good))
    wanted = stats.binomtest(good, n).proportion_ci(method="exact")
    assert found.value == good / n
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert paired_tests.share([]).n == 0


def test_mcnemar_is_the_exact_sign_test():
    for wins, losses in itertools.product(range(8), range(8)):
        wanted = 1.0 if wins + losses == 0 else stats.binomtest(wins, wins + losses).pvalue
        assert paired_tests.mcnemar(wins, losses) == pytest.approx(wanted)
        flips = paired_tests.sign_flip([1.0] * wins + [-1.0] * losses)
        if wins + losses <= paired_tests.EXACT:
            assert flips == pytest.approx(wanted)


def test_sign_flips_agree_with_scipy():
    rng = random.Random(1)
    for n in (5, 9, 40):
        values = [rng.choice((-0.5, 0.25, 0.5, 1.0)) for _ in range(n)]
        wanted = stats.permutation_test(
            (values,),
            lambda sample, axis: abs(sample.sum(axis=axis)),
            permutation_type="samples",
            alternative="greater",
            n_resamples=20_000 if n > 9 else math.inf,
            rng=0,
        ).pvalue
        assert paired_tests.sign_flip(values) == pytest.approx(wanted, abs=0.015 if n > 9 else 1e-9)


def test_where_there_is_no_difference_it_is_seldom_shown():
    rng = random.Random(2)
    found = 0
    for _ in range(400):
        one, two = ([float(rng.random() < 0.6) for _ in range(30)] for _ in range(2))
        found += paired_tests.gain(one, two).p <= 0.05
    assert found / 400 < 0.06


def test_the_gains_interval_holds_the_truth():
    """Pairs that are alike, as two prompts on one case are; the difference is known."""
    rng, held, n = random.Random(3), 0, 600
    for _ in range(n):
        one, two = [], []
        for _ in range(40):
            hard = rng.random()
            one.append(float(hard < 0.5))
            two.append(float(hard < 0.7) if rng.random() < 0.9 else float(rng.random() < 0.7))
        found = paired_tests.gain(one, two)
        held += found.low <= 0.2 <= found.high
    assert held / n > 0.93


def test_parts_of_cases_have_wider_intervals_than_they_need():
    halves = paired_tests.share([0.5] * 40)
    whole = paired_tests.share([1.0] * 20 + [0.0] * 20)
    assert (halves.low, halves.high) == pytest.approx((whole.low, whole.high))


def test_holm():
    assert exact_tests.step_down([0.01, 0.04, 0.03]) == [True, False, False]
    assert exact_tests.step_down([0.01, 0.02, 0.03]) == [True, True, True]
    assert exact_tests.step_down([]) == []


SCHEMAS = [
    True,
    False,
    {},
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"enum": [1, "a", None, [1], {"a": 1}]},
    {"const": 1.0},
    {"const": False},
    {"minimum": 2, "exclusiveMaximum": 5},
    {"multipleOf": 0.5},
    {"minLength": 2, "maxLength": 3},
    {"pattern": "^a.*z$"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "uniqueItems": True},
    {"prefixItems": [{"type": "string"}], "items": False},
    {"contains": {"type": "integer"}, "minContains": 2},
    {"contains": {"const": 1}, "maxContains": 1},
    {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer"}, "b": {}},
        "additionalProperties": False,
    },
    {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
    {"propertyNames": {"maxLength": 1}, "minProperties": 1, "maxProperties": 2},
    {"dependentRequired": {"a": ["b"]}},
    {"allOf": [{"type": "integer"}, {"minimum": 2}]},
    {"anyOf": [{"type": "string"}, {"minimum": 3}]},
    {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
    {"not": {"type": "object"}},
    {"if": {"type": "integer"}, "then": {"minimum": 3}, "else": {"type": "string"}},
    {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"a": {"$ref": "#/$defs/node"}}}}},
    {"properties": {"a": {"$ref": "#"}}, "type": "object"},
]
VALUES = [
    *(None, True, False, 0, 1, 1.0, 2, 2.5, 3, 5, "", "a", "az", "abz", "long text"),
    *([], [1], [1, 1], [1, 1.0], [1, True], ["a"], ["a", 1], [[1], [1]], [2, 3]),
    *({}, {"a": 1}, {"a": "1"}, {"a": 1, "b": 2}, {"b": 1}, {"x1": 1}, {"x1": "1"}, {"y": 1}),
    *({"a": {"a": 1}}, {"a": {"a": {}}}, {"a": 1, "b": 2, "c": 3}, {"long": 1}),
]


def test_json_schema_agrees_with_the_reference():
    for schema in SCHEMAS:
        reference = jsonschema.Draft202012Validator(schema)
        for value in VALUES:
            found = schema_check.problem(value, schema)
            assert (found == "") == reference.is_valid(value), (schema, value, found)


@pytest.mark.parametrize(
    "schema",
    [
        {"format": "date"},
        {"typ": "integer"},
        {"type": "int"},
        {"$ref": "other.json"},
        {"$ref": "#/nowhere"},
        {"minimum": "2"},
        {"$ref": "#"},
        [1],
        3,
    ],
)
def test_what_a_schema_may_not_say(schema: object):
    with pytest.raises(RecipeError):
        for value in (1, {"a": 1}, "text"):
            schema_check.problem(value, schema)


def test_a_regular_expression_ends():
    begun = time.process_time()
    with pytest.raises(RecipeError):
        matches(r"(a+)+$", "a" * 60 + "b")
    assert time.process_time() - begun < 5
    assert matches(r"\d{2}", "a12") and not matches("^b", "ab")
    with pytest.raises(RecipeError):
        matches("(", "x")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The shop is open from nine to five, and it is closed on Sundays.", "en"),
        ("Der Laden ist von neun bis fünf auf und sonntags zu.", "de"),
        ("Le magasin est ouvert de neuf heures à cinq heures, mais pas le dimanche.", "fr"),
        ("La tienda está abierta de nueve a cinco y no los domingos.", "es"),
        ("商店九点开门，五点关门。", "zh"),
        ("我们用 Castalia 训练 model 和 GPT。", "zh"),
        ("店は九時に開きます。", "ja"),
        ("가게는 아홉 시에 엽니다.", "ko"),
        ("Магазин открыт с девяти до пяти.", "ru"),
        ("Paris", "unknown"),
        ("42!", "unknown"),
        ("", "unknown"),
    ],
)
def test_languages(text: str, code: str):
    assert text_measures.language(text) == code


def test_readability():
    """Three words of one syllable and one sentence: the formulas by hand."""
    assert text_measures.readability("The cat sat.", "ease") == pytest.approx(
        206.835 - 1.015 * 3 - 84.6
    )
    assert text_measures.readability("The cat sat.", "grade") == pytest.approx(
        0.39 * 3 + 11.8 - 15.59
    )
    assert text_measures.readability("今天很好。我们走吧！", "sentence") == 4
    assert text_measures.readability("今天很好。", "grade") is None
    assert text_measures.readability("... 12", "sentence") is None
    words = {"table": 2, "makes": 1, "boxes": 2, "wanted": 2, "played": 1, "rhythm": 1}
    assert {word: text_measures.syllables(word) for word in words} == words


def test_similarity():
    assert text_measures.chrf("same  text", "same text") == 1.0
    assert text_measures.chrf("abc", "xyz") == 0.0
    assert text_measures.chrf("", "") == 1.0 and text_measures.chrf("", "a") == 0.0
    # "ab" against "ac": of 1-grams one of two is shared, of 2-grams none
    p = r = (0.5 + 0) / 2
    assert text_measures.chrf("ab", "ac") == pytest.approx(5 * p * r / (4 * p + r))
    near, far = (text_measures.chrf(one, "the cat sat") for one in ("the cat sits", "a dog ran"))
    assert near > 0.6 > 0.3 > far
