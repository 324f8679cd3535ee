"""Parts that stay as the run to start from has them: which ones a name means, what still learns,
and runs with them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import castalia
from castalia.errors import RecipeError
from castalia.export.safetensors import load
from castalia.export.targets import export
from castalia.families.gan import Gan, GanConfig
from castalia.run import Run
from castalia.spec import Dense
from castalia.training.frozen_parts import freeze
from castalia.training.plan import plan_of
from castalia.verbs.dry_run import rehearse

TINY = [
    *("codec.size=32", "family.width=4", "family.latent=6", "training.steps=4", "training.batch=8"),
    *("training.sample_every=0", "training.threads=1", "training.minutes=null", "data.limit=40"),
]
FIRST = ("critic.body.stem", "critic.body.downs.0")  # Mo et al. 2020


def network() -> Gan:
    config = GanConfig(body="fastgan", objective="hinge", width=4, latent=6)
    return Gan(config, Dense((1, 32, 32)), {})


def frozen(gan: Gan) -> set[str]:
    return {name for name, one in gan.named_parameters() if getattr(one, "frozen", False)}


def test_a_part_stands_for_all_in_it_and_a_pattern_for_several() -> None:
    gan = network()
    freeze(gan, ["critic.body.stem"])
    stem = {"critic.body.stem.bias", "critic.body.stem.parametrizations.weight.original"}
    assert frozen(gan) == stem
    freeze(gan, ["*.ups.*.conv", "generator.body.head.bias"])
    names = {name for name, _ in gan.named_parameters()}
    ups = {name for name in names if ".ups." in name and name.endswith(".conv.weight")}
    assert len(ups) > 2 and frozen(gan) == stem | ups | {"generator.body.head.bias"}
    gan = network()
    freeze(gan, [])
    assert frozen(gan) == set()


def test_what_fits_nothing_is_an_error_that_offers_names() -> None:
    with pytest.raises(RecipeError, match=r"no part 'critic.body.steam'") as caught:
        freeze(network(), ["critic.body.stem", "critic.body.steam"])
    assert "did you mean 'critic.body.stem'?" in caught.value.fix
    assert "generator.body.grid" in caught.value.fix
    with pytest.raises(RecipeError, match=r"no part 'altered'"):  # a buffer
        freeze(network(), ["altered"])


def test_every_phase_keeps_something_to_train() -> None:
    with pytest.raises(RecipeError, match=r"nothing is left to train in phase 'critic'"):
        freeze(network(), ["critic"])
    with pytest.raises(RecipeError, match="nothing is left"):
        freeze(network(), ["critic.body.*", "generator.body.head"])


# Runs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    castalia.train("image/fastgan", "builtin/digits", TINY, out=folder / "parent")
    return folder


def child(place: Path, out: str, *more: str) -> Run:
    start = f"start_from={place / 'parent'}"
    return castalia.train(
        "image/fastgan", "builtin/digits", [*TINY, start, "data.limit=20", *more], out=place / out
    )


def test_frozen_parts_are_the_parents_and_the_others_learn(place: Path) -> None:
    run = child(place, "first", f"training.freeze=[{','.join(FIRST)}]")
    assert run.recipe.training.freeze == FIRST
    before = Run.open(place / "parent").model().state_dict()
    for weights in ("model", "ema"):
        after = run.tensors(4, weights)
        still = {
            name
            for name, _ in run.build().named_parameters()
            if torch.equal(after[name], before[name])
        }
        assert still and all(name.startswith(FIRST) for name in still), weights
        assert {name for name in before if name.startswith(FIRST[1]) and "weight" in name} <= still
    assert not any("freeze" in line for line in _recipe(Run.open(place / "parent")))


def test_a_killed_run_resumes_to_the_same_bytes_with_its_parts_frozen(place: Path) -> None:
    more = (
        f"training.freeze=[{FIRST[0]}]",
        "training.save_every=2",
        "training.keep=9",
        "training.ema=0",
    )
    whole = child(place, "whole", *more)
    for last in (2, None):
        cut = place / f"cut-{last}"
        shutil.copytree(whole.folder, cut)
        for step in whole.steps:
            if last is None or step > last:
                shutil.rmtree(cut / "checkpoints" / f"step-{step:08d}")
        resumed = castalia.resume(cut)
        for weights in ("model", "optimiser"):
            first, second = (
                (run.checkpoint(4) / f"{weights}.safetensors").read_bytes()
                for run in (resumed, whole)
            )
            assert first == second, (last, weights)


def test_an_export_needs_no_parent(place: Path, tmp_path: Path) -> None:
    run = child(place, "exported", f"training.freeze=[{FIRST[0]}]")
    export(run, "safetensors", tmp_path / "out")
    assert not any(
        "freeze" in line for line in (tmp_path / "out" / "recipe.yaml").read_text().splitlines()
    )
    load(tmp_path / "out")


def test_it_is_refused_before_anything_is_written(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="only a trained model has parts to freeze"):
        castalia.train(
            "image/fastgan",
            "builtin/digits",
            [*TINY, "training.freeze=[critic]"],
            out=tmp_path / "a",
        )
    for words in ("training.freeze=[critic]", "training.freeze=[critics.body]"):
        with pytest.raises(RecipeError):
            child(place, "never", words)
        with pytest.raises(RecipeError):
            start = f"start_from={place / 'parent'}"
            rehearse(plan_of("image/fastgan", "builtin/digits", [*TINY, start, words]))
    assert not (place / "never").exists() and not (tmp_path / "a").exists()


def _recipe(run: Run) -> list[str]:
    return (run.folder / "recipe.yaml").read_text(encoding="utf-8").splitlines()
