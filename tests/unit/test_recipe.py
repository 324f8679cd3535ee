"""Recipes: two-stage parse, overrides, suggestions, and all errors at once."""

from pathlib import Path

import pytest

from castalia.errors import RecipeError
from castalia.recipe import differences, from_dict, load, shipped


def test_overrides_reach_their_section():
    recipe = load(
        "image/vae",
        "builtin/digits",
        ["training.steps=7", "training.optimiser.rate=1e-4", "family.latent=3"],
    )
    assert recipe.title == "image/vae"
    assert recipe.data.source == "builtin/digits"
    assert (recipe.training.steps, recipe.training.optimiser.rate) == (7, 1e-4)
    assert recipe.family.config.latent == 3


def test_resolved_recipe_reads_back_equal():
    recipe = load("image/gan", "somewhere", {"training.seed": 5})
    again = from_dict(recipe.as_dict())
    assert again == recipe
    assert differences(recipe.as_dict(), again.as_dict()) == []


def test_all_errors_are_collected_with_suggestions():
    with pytest.raises(RecipeError) as caught:
        load(
            "image/vae",
            "builtin/digits",
            [
                "training.stpes=7",
                "family.latnet=3",
                "training.batch=-1",
                "data.sauce=x",
                "trianing.seed=1",
            ],
        )
    text = str(caught.value)
    for part in (
        "5 problems",
        "did you mean 'training.steps'",
        "did you mean 'family.latent'",
        "training.batch",
        "data.sauce",
        "did you mean 'training'",
    ):
        assert part in text


def test_nested_keys_get_suggestions():
    with pytest.raises(RecipeError, match=r"did you mean 'training.optimiser.rate'"):
        load("image/vae", "x", ["training.optimiser.rat=1"])


def test_unknown_names_are_near_misses():
    with pytest.raises(RecipeError, match="no recipe called") as caught:
        load("image/vea", "x")
    assert "image/vae" in caught.value.fix
    with pytest.raises(RecipeError, match="did you mean 'vae'"):
        load("image/vae", "x", ["family.name=vaee"])


def test_another_family_drops_the_keys_of_the_old_one():
    recipe = load("image/gan", "x", ["family.name=vae", "family.latent=5"])
    assert (recipe.family.name, recipe.family.config.latent) == ("vae", 5)


def test_files_extend_shipped_recipes_and_each_other(tmp_path: Path):
    (tmp_path / "base.yaml").write_text("extends: image/vae\ntraining: {steps: 11, batch: 9}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\ntraining: {steps: 12}\n")
    recipe = load(tmp_path / "mine.yaml", "x")
    assert (recipe.title, recipe.training.steps, recipe.training.batch) == ("mine", 12, 9)
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(RecipeError, match="circle"):
        load(tmp_path / "a.yaml", "x")


def test_a_newer_format_is_refused():
    with pytest.raises(RecipeError, match="format 2"):
        from_dict({"format": 2})


@pytest.mark.parametrize("text", ["training.steps", "=3", "training.steps=[1"])
def test_malformed_overrides(text: str):
    with pytest.raises(RecipeError):
        load("image/vae", "x", [text])


def test_list_of_shipped_recipes():
    assert {"image/vae", "image/gan", "image/vaegan", "array/gan", "array/vae"} <= set(shipped())


def test_epochs_bound_the_steps_and_are_silent_where_they_are_not_set():
    from castalia.recipe_sections import FEWEST_STEPS, TrainConfig

    config = TrainConfig(steps=1000, batch=50, accumulate=2, epochs=3)
    assert config.for_items(4000).steps == 120
    assert config.for_items(10).steps == FEWEST_STEPS
    assert config.for_items(10**6).steps == 1000
    assert TrainConfig(minutes=1, batch=50, epochs=2).for_items(1000).steps == 40
    assert TrainConfig(steps=5).for_items(1).steps == 5
    assert "epochs" not in TrainConfig(steps=5).model_dump()
    assert TrainConfig.model_validate(config.model_dump()) == config
