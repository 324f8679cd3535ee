"""EXPERIMENT.yaml: what it may say, and how its mistakes are named."""

import pytest

from castalia.apps.simulate.experiment import parsed
from castalia.apps.simulate.rules import Rule, rules_of
from castalia.errors import RecipeError

NAMES = ["age", "sex", "systolic", "diastolic", "weight"]
BASE = "run: r\n"


def wrong(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as error:
        parsed(text, "e.yaml")
    return error.value


def test_a_short_one_has_one_arm():
    sheet = parsed("table: t.csv\n", "e.yaml")
    assert list(sheet.experiment.arms) == ["cases"] and sheet.cases("cases") == 100


def test_conditions_are_texts_as_they_stand():
    sheet = parsed(BASE + "given: {sex: yes, age: 040}\narms: {a: {given: {sex: no}}, b: }\n", "e")
    assert sheet.given("a") == {"sex": "no", "age": "040"}
    assert sheet.given("b") == {"sex": "yes", "age": "040"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (BASE + "armz: {}\n", 2, "did you mean 'arms'"),
        (BASE + "arms:\n  a:\n    efects: {age: {add: 1}}\n", 4, "did you mean 'effects'"),
        (BASE + "arms:\n  a:\n    effects:\n      age: {ad: 1}\n", 5, "did you mean 'add'"),
        (BASE + "course: {times: [0, 4], colums: {}}\n", 2, "did you mean 'columns'"),
        (BASE + "cases: 1\n", 2, "greater than or equal to 2"),
        (BASE + "cases: 1000000000\n", 2, "less than or equal to 100000"),
        (BASE + "cases: many\n", 2, "integer"),
        (BASE + "course:\n  times: [0, 4, 4]\n", 3, "times rise"),
        (BASE + "arms:\n  a: {effects: {age: {sd: -1}}}\n", 3, "greater than or equal to 0"),
        (BASE + "arms:\n  a: {effects: {age: {add: true}}}\n", 3, "true or false"),
        (BASE + "compare: {column: age, between: [a]}\n", 2, "between"),
        (BASE + "seed: -1\n", 2, "seed"),
        (BASE + "run: twice\n", 2, "twice"),
        (BASE + "arms: [a\n", 3, "YAML"),
    ],
)
def test_mistakes_name_key_and_line(text: str, line: int, words: str):
    error = wrong(text)
    assert words in str(error), str(error)
    assert f"line {line}" in str(error), str(error)
    assert error.fix


def test_every_mistake_is_named_at_once():
    error = wrong("cases: 1\nseed: -1\narmz: {}\nrun: r\n")
    assert all(f"line {line}" in str(error) for line in (1, 2, 3))


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "title: x\n"])
def test_what_is_no_experiment(text: str):
    assert wrong(text).exit_code == 2


def rule(text: str) -> Rule:
    return rules_of(parsed(BASE + f"rules: ['{text}']\n", "e"), "cases", NAMES)[0]


def test_rules_of_every_kind():
    assert rule("18 <= age <= 90").broken({"age": 17}) and rule("18 <= age").broken({"age": 17.5})
    assert not rule("18 <= age <= 90").broken({"age": 90})
    order = rule("diastolic <= systolic")
    assert order.broken({"diastolic": 130, "systolic": 120})
    assert not order.broken({"diastolic": None, "systolic": 120})
    total = rule("systolic + diastolic == weight")
    assert total.kind == "sum" and total.broken({"systolic": 1, "diastolic": 2, "weight": 4})


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("[age]", "this is no rule"),
        ("['age == weight']", "two columns at least"),
        ("['18 <= agee']", "did you mean 'age'"),
        ("['90 <= age <= 18']", "at least 90 and at most 18"),
        ("['60 <= age', 'age <= 40']", "contradicts the others"),
        ("['140 <= diastolic', 'systolic <= 120', 'diastolic <= systolic']", "contradicts"),
        ("['a <= age <= 5 <= x']", "not there"),
        ("['age <= age <= ']", "this is no rule"),
    ],
)
def test_rules_that_mean_nothing_or_too_much(rules: str, words: str):
    sheet = parsed(BASE + f"rules: {rules}\n", "e.yaml")
    with pytest.raises(RecipeError) as error:
        rules_of(sheet, "cases", NAMES)
    assert words in str(error.value) and "e.yaml, line 2" in error.value.where


def test_a_condition_may_contradict_a_rule():
    sheet = parsed(BASE + "given: {age: 20}\nrules: ['65 <= age']\n", "e.yaml")
    with pytest.raises(RecipeError, match="contradicts"):
        rules_of(sheet, "cases", NAMES)
