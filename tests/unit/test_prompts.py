"""What a prompt tells: the class that it names, in any language, or the caption itself."""

from __future__ import annotations

import pytest

from castalia.captions import known_words
from castalia.errors import RecipeError
from castalia.sampling.prompts import told_by
from castalia.spec import Classes, Condition

ANIMALS: dict[str, Condition] = {"label": Classes(("猫", "cat", "black dog"))}


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("一只猫", "猫"),
        ("A picture of a CAT", "cat"),
        ("Black  Dog", "black dog"),
        ("ＣＡＴ", "cat"),
    ],
)
def test_names_of_classes_in_any_language(prompt: str, label: str) -> None:
    assert told_by(prompt, ANIMALS, {}) == {"label": label}


@pytest.mark.parametrize("prompt", ["concatenate", "cat and black dog", "a bird"])
def test_a_prompt_that_names_none_or_several(prompt: str) -> None:
    with pytest.raises(RecipeError, match="names"):
        told_by(prompt, ANIMALS, {})


def test_one_of_each_condition() -> None:
    both: dict[str, Condition] = {
        "shape": Classes(("disc", "bar")),
        "tone": Classes(("red", "blue")),
    }
    assert told_by("a red disc", both, {}) == {"shape": "disc", "tone": "red"}
    assert told_by("a disc", both, {"tone": "blue"}) == {"shape": "disc"}


def test_nothing_to_tell() -> None:
    assert told_by("  ", ANIMALS, {}) == {}
    with pytest.raises(RecipeError, match="without being told"):
        told_by("a cat", {}, {})


def test_a_model_of_captions_is_told_the_text() -> None:
    told: dict[str, Condition] = {"caption": known_words(["a red cat"]), **ANIMALS}
    assert told_by("A red cat!", told, {}) == {"caption": "A red cat!"}
    assert told_by("", told, {}) == {}
    assert told_by("cat", told, {"caption": "red"}) == {"label": "cat"}
