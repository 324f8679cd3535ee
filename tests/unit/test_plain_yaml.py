"""YAML of strangers is read in bounded time and memory, and means one thing."""

import time

import pytest

from castalia import recipe
from castalia.bounded import parse_yaml
from castalia.errors import RecipeError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
BAD = {
    "aliases that multiply": (LAUGHS, "aliases"),
    "an alias to itself": ("a: &a [*a]", "contains itself"),
    "deep flow": ("a: " + "[" * 50_000, "nested"),
    "deep blocks": ("".join(" " * n + "a:\n" for n in range(200)), "nested"),
    "many values": ("[" + "1," * 51_000 + "1]", "values"),
    "many digits": ("a: " + "9" * 5_000, "digits"),
    "many digits of a float": ("a: 1." + "9" * 5_000, "digits"),
    "a key that is a number": ("1: x", "key must be text"),
    "a key that is a truth value": ("on: x", "key must be text"),
    "a key that is a list": ("? [a]\n: x", "key must be text"),
    "a doubled key": ("a: 1\na: 2", "twice"),
    "a tag of Python": ("a: !!python/object/apply:os.system [ls]", "tag"),
    "a tag that does not fit": ("a: !!int x", "fit its tag"),
    "binary": ("a: !!binary aGk=", "tag"),
    "two documents": ("a: 1\n---\nb: 2", "document"),
    "a control character": ("a: \x00", "special characters"),
    "too long": ("a: '" + "x" * (1 << 22) + "'", "yaml_bytes"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused_is_said_at_once(kind: str):
    text, says = BAD[kind]
    begun = time.process_time()
    with pytest.raises(RecipeError, match=says):
        parse_yaml(text, "a.yaml", error=RecipeError)
    assert time.process_time() - begun < 20


def test_the_rest_is_what_yaml_says():
    text = "a: [1, 2.5, 1e3, true, null, 0x10]\nb: {c: 2026-13-45, d: '中'}\ne: &x {f: 1}\ng: *x\n"
    assert parse_yaml(text) == {
        "a": [1, 2.5, "1e3", True, None, 16],
        "b": {"c": "2026-13-45", "d": "中"},
        "e": {"f": 1},
        "g": {"f": 1},
    }
    assert parse_yaml("") is None


OVERRIDES = {
    "training.steps=" + "9" * 31: "training.steps: expected a number from 1, at most 1,000,000,000",
    "training.batch=0": "training.batch: expected a number from 1, at most 1,048,576",
    "training.batch=true": "training.batch: input should not be true or false",
    "family.width=1e9": "family.width: expected a number from 1, at most 65,536",
    "family.depth=100000": "family.depth: expected a number from 0, at most 1,024",
    "training.seed=-1": "training.seed: expected a number from 0, at most 9,223,372,036,854,775,807",  # noqa: E501
    "training.seed=" + "1" * 40: "training.seed: expected a number from 0",
    "training.threads=1000000000": "training.threads: expected a number from 1, at most 1,024",
    "training.optimiser.rate=.nan": "training.optimiser.rate: input should be a finite number",
    "training.optimiser.betas=[0.9, 1]": "training.optimiser.betas.1: ",
    "training.optimiser.rates={main: -1}": "training.optimiser.rates.main: ",
    "sampling.n=1e300": "sampling.n: ",
    "sampling.temperature=.inf": "sampling.temperature: ",
    "data.limit=false": "data.limit: input should not be true or false",
    "codec.size=[" + "1," * 50 + "1]": "got a list of 51",
    "codec=3": "codec: expected a section",
    "title=[x]": "title: expected a short name",
    "format=true": "the recipe has format True",
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_overrides_have_bounds_that_the_error_names(override: str):
    with pytest.raises(RecipeError) as caught:
        recipe.load("image/vae", "x", [override])
    assert OVERRIDES[override] in caught.value.what
    assert len(str(caught.value)) < 600


def test_recipes_that_extend_without_end(tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    with pytest.raises(RecipeError, match="extend one another"):
        recipe.load(tmp_path / "0.yaml", "x")
    (tmp_path / "a.yaml").write_text("extends: [x]\n")
    with pytest.raises(RecipeError, match="name of a recipe"):
        recipe.load(tmp_path / "a.yaml", "x")
