"""Policy files: what they say is what is done, and a file that cannot be understood is refused
whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from castalia.errors import RecipeError, Refused
from castalia.governance.policy import Policy

POLICY = """
format: 1
name: house
producer: {name: "Example Ltd 示例"}
licence: CC-BY-4.0
blocked:
  - id: clients
    terms: [Project Heron, 苍鹭计划]
    message: {en: "names of clients stay inside", zh: "客户名称不得外传"}
  - {id: swearing, terms: [ass], applies: output}
  - {id: secrets, file: secrets.txt, applies: input}
options:
  - {id: calm, option: temperature, most: 1.2, least: 0.1}
  - {id: threes, option: cond.label, only: ["3"]}
  - {id: forms, option: constraint, only: ["verse:7x4", null]}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "secrets.txt").write_text("# one a line\nbuild key\n\n暗号\n", encoding="utf-8")
    return Policy.load(tmp_path / "policy.yaml")


def test_blocked_terms_by_side(policy: Policy) -> None:
    assert (
        policy.text("about project-heron", "input") is not None
        and policy.text("蒼鷺計劃書", "output") is not None
    )
    assert policy.text("an ass", "output") is not None and policy.text("an ass", "input") is None
    assert (
        policy.text("the build key", "input") is not None
        and policy.text("暗號", "input") is not None
    )
    assert policy.text("the build key", "output") is None and policy.text("herons", "input") is None


def test_a_refusal_names_the_rule_in_both_languages_and_not_the_term(policy: Policy) -> None:
    refusal = policy.text("Project Heron", "input")
    assert (
        isinstance(refusal, Refused) and refusal.where == "rule clients" and refusal.exit_code == 7
    )
    assert (
        "names of clients stay inside" in refusal.what
        and "客户名称不得外传" in refusal.what
        and "Heron" not in str(refusal)
    )
    default = policy.text("ass", "output")
    assert default is not None and "term" in default.what and "词语" in default.what


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"temperature": 1.21}, "calm"),
        ({"temperature": 0.0}, "calm"),
        ({"temperature": float("nan")}, "calm"),
        ({"temperature": 1.2}, None),
        ({"constraint": "verse:5x4"}, "forms"),
        ({"constraint": "verse:7x4"}, None),
        ({"constraint": None}, None),
        ({"cond.label": 3}, None),  # a class by number is the class of that name
        ({"cond.label": "4"}, "threes"),
        ({"cond.label": None}, "threes"),  # not given: every class
        ({}, None),
    ],
)
def test_options(policy: Policy, options: dict[str, Any], rule: str | None) -> None:
    refusal = policy.given(options)
    assert (None if refusal is None else refusal.where) == (
        None if rule is None else f"rule {rule}"
    )


def test_an_empty_policy_allows_everything() -> None:
    assert (
        Policy().text("anything 任何", "output") is None
        and Policy().given({"temperature": 9.0}) is None
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blocked: [{id: a, terms: []}]", "terms"),
        ("blocked: [{id: a, terms: [c++]}]", "nothing of this term"),
        ("blocked: [{id: a, terms: [x]}, {id: a, terms: [y]}]", "two rules have the id a"),
        ("blocked: [{id: 'no blanks', terms: [x]}]", "id"),
        ("blokced: []", "blokced"),
        ("options: [{id: a, option: temperature}]", "give most, least or only"),
        ("options: [{id: a, option: temprature, most: 1}]", "temprature"),
        ("blocked: [{id: a, file: nowhere.txt}]", "list of terms"),
        ("similarity: {id: a, most: 2}", "similarity"),
        ("format: 2", "format"),
        ("- a list", "mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_a_policy_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Policy.load(tmp_path / "policy.yaml")
    assert says in str(caught.value)


def test_a_missing_policy(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        Policy.load(tmp_path / "nowhere.yaml")


def test_the_digest_is_of_what_it_says(policy: Policy, tmp_path: Path) -> None:
    assert policy.digest != Policy().digest
    again = Policy.model_validate(json.loads(policy.model_dump_json()))
    assert again.digest == policy.digest
