"""What demos share: the limit on their time, and what there is."""

from pathlib import Path

import pytest

from castalia import modality
from castalia.cli import demo
from castalia.errors import RecipeError
from castalia.training.time_budget import LEAST

TINY = ["codec.size=8", "family.width=8", "training.batch=4", "training.threads=1", "data.limit=60"]


def test_a_training_that_does_not_fit_its_time_has_the_fewest_steps(tmp_path: Path):
    asked = [*TINY, "training.steps=5000", "training.minutes=0.0001"]
    run = demo.train("image/vae", "builtin/digits", asked, out=tmp_path / "run")
    assert run.recipe.training.steps == LEAST and run.recipe.training.minutes is None
    assert run.weights_path().is_file()


def test_other_mistakes_are_not_hidden(tmp_path: Path):
    with pytest.raises(RecipeError, match="wdth"):
        demo.train("image/vae", "builtin/digits", ["family.wdth=8"], out=tmp_path / "run")


def test_each_demo_that_a_modality_names_is_there():
    assert [name for name in demo.demos() if name in modality.every()] == [
        "video",
        "image",
        "series",
        "table",
        "level",
        "text",
        "music",
        "audio",
        "shape3d",
    ]
    assert all(callable(one.load("demo")) for one in demo.demos().values())
