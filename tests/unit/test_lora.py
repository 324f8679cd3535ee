"""Low-rank pairs: nothing at first, the pairs alone learn, and merged they are plain layers; runs
that start from another run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.texts import SHORT, corpus
from torch import nn

import castalia
from castalia.abilities import SampleOptions
from castalia.errors import RecipeError, RunError
from castalia.nn.lora import LoraLinear, adapt, merge
from castalia.recipe_sections import OptimiserConfig
from castalia.run import Run
from castalia.sampling.generate import generate, request_of
from castalia.spec import Batch
from castalia.training.held_out import held_out_loss
from castalia.training.optim import PhaseOptimiser
from castalia.training.plan import plan_of
from castalia.training.setup import open_data
from castalia.verbs.dry_run import rehearse


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 8),
        nn.ReLU(),
        nn.Sequential(nn.Linear(8, 8, bias=False)),
        nn.LayerNorm(8),
        nn.Linear(8, 3),
    )
    model[4].is_head = True  # type: ignore[assignment]
    return model


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_only_the_pairs_learn_and_merging_changes_nothing(name: Any) -> None:
    model, x = network(), torch.randn(5, 6)
    before, weights = model(x), {key: value.clone() for key, value in model.state_dict().items()}
    adapt(model, rank=2, alpha=4.0)
    assert torch.equal(model(x), before)
    assert (
        isinstance(model[0], LoraLinear)
        and isinstance(model[2][0], LoraLinear)
        and not isinstance(model[4], LoraLinear)
    )
    optimiser = PhaseOptimiser(
        "main", {"all": model}, OptimiserConfig(name=name, rate=0.1, weight_decay=0.1)
    )
    assert len(optimiser.parameters) == 4
    for _ in range(3):
        model(x).square().sum().backward()
        optimiser.step(1.0)
    after = model(x)
    assert not torch.allclose(after, before, atol=1e-2)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in weights.items())
    pair = model[0]
    expected = weights["0.weight"] + 4.0 / 2 * pair.b.detach() @ pair.a.detach()
    merge(model)
    assert type(model[0]) is nn.Linear and torch.allclose(model[0].weight, expected)
    assert torch.allclose(model(x), after, atol=1e-5) and list(model.state_dict()) == list(weights)


def test_a_model_without_linear_layers_cannot_be_adapted() -> None:
    with pytest.raises(RecipeError, match="no linear layer"):
        adapt(nn.Sequential(nn.Conv2d(1, 1, 3)), 2, 4.0)


# Runs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent run on English, and a folder of Chinese whose characters the parent
    spells in bytes.
    """
    folder = tmp_path_factory.mktemp("lora")
    english, _ = corpus(folder / "en"), corpus(folder / "zh", language="zh", seed=1)
    castalia.train("text/ar", english, [*SHORT, "training.steps=30"], out=folder / "parent")
    return folder


def tuned(place: Path, out: str, *overrides: str) -> Run:
    return castalia.train(
        "text/ar",
        place / "zh",
        [*SHORT, f"start_from={place / 'parent'}", *overrides],
        out=place / out,
    )


def test_fine_tuning_begins_with_the_parent_and_reports_what_it_forgot(place: Path) -> None:
    run, parent = (
        tuned(place, "full", "training.steps=20", "family.dropout=0.3"),
        Run.open(place / "parent"),
    )
    assert run.recipe.family.config.dropout == 0.3 and run.recipe.family.config.width == 16
    assert (
        run.recipe.codec == parent.recipe.codec
        and run.codec.token_bytes == parent.codec.token_bytes
    )
    assert run.about["parents"][0]["model"] == parent.model_hash()
    found = json.loads((run.folder / "eval" / "forgetting.json").read_text())
    data, model = open_data(run), parent.model()
    assert found["new"]["before"] == pytest.approx(held_out_loss(model, data), rel=1e-6)
    assert found["new"]["after"] == pytest.approx(held_out_loss(run.model(), data), rel=1e-6)
    assert found["new"]["after"] < found["new"]["before"] - 0.3
    assert found["old"]["after"] > found["old"]["before"] + 0.1  # it did forget, and says so
    assert found["unit"] == "nats per token" and found["parent"] == parent.id


def test_low_rank_keeps_the_parent_below(place: Path) -> None:
    run, parent = tuned(place, "pairs", "training.adapt.lora=4"), Run.open(place / "parent")
    inner = run.tensors(6, "model")
    for name, value in parent.model().state_dict().items():
        assert torch.equal(inner[name], value), name
    pairs = [name for name in inner if name.endswith((".a", ".b"))]
    assert pairs and {inner[name].shape[0 if name.endswith(".a") else 1] for name in pairs} == {4}
    model, trained = run.model(), run.build()
    trained.load_state_dict(inner)
    assert set(model.state_dict()) == set(parent.model().state_dict())
    batch = open_data(run).validation.take([0, 1])
    assert torch.allclose(model.nats(batch), trained.nats(batch), rtol=1e-4)
    assert not torch.allclose(model.nats(batch), parent.model().nats(batch), rtol=1e-3)
    made = [sample.item for sample in castalia.sample(run, n=2, options=SampleOptions(length=12))]
    assert made == [
        sample.item
        for sample in generate(
            run, request_of(run, 2, options=SampleOptions(length=12)), model=model
        )
    ]


def test_a_killed_run_of_pairs_resumes_to_the_same_bytes(place: Path) -> None:
    """Also when it was killed before its first checkpoint: it starts from the parent then, not from
    noise.
    """
    overrides = ("training.adapt.lora=4", "training.save_every=2", "training.keep=9")
    whole = tuned(place, "whole", *overrides)
    report = (whole.folder / "eval" / "forgetting.json").read_bytes()
    for last in (2, None):
        cut = place / f"cut-{last}"
        shutil.copytree(whole.folder, cut)
        (cut / "eval" / "forgetting.json").unlink()
        for step in whole.steps:
            if last is None or step > last:
                shutil.rmtree(cut / "checkpoints" / f"step-{step:08d}")
        resumed = castalia.resume(cut)
        for weights in ("model", "optimiser"):
            first, second = (
                (run.checkpoint(whole.last_step) / f"{weights}.safetensors").read_bytes()
                for run in (resumed, whole)
            )
            assert first == second, (last, weights)
        assert (cut / "eval" / "forgetting.json").read_bytes() == report


def test_a_parent_that_went_on_is_noticed(place: Path) -> None:
    shutil.copytree(place / "parent", place / "moving")
    run = castalia.train(
        "text/ar", place / "zh", [*SHORT, f"start_from={place / 'moving'}"], out=place / "child"
    )
    shutil.rmtree(run.checkpoint(6))
    about = json.loads((run.folder / "run.json").read_text())
    about["parents"][0]["model"] = "0" * 64
    (run.folder / "run.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match="trained on meanwhile"):
        castalia.resume(run.folder)


def test_latest_is_written_down_by_name(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a resumed run would open itself."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(place / "parent", tmp_path / "runs" / "first")
    run = castalia.train("text/ar", place / "zh", [*SHORT, "start_from=latest"])
    assert run.recipe.start_from == "runs/first"


def test_how_files_are_read_may_change_and_what_was_learned_may_not(place: Path) -> None:
    run = tuned(place, "lines", "codec.document=line", "codec.length=16")
    assert run.codec.config.document == "line" and run.spec.length == 16  # type: ignore[union-attr]
    assert run.about["data"]["report"]["items"] > 24
    with pytest.raises(RecipeError, match="codec is that of the run"):
        tuned(place, "never", "codec.tokenizer=byte")


def test_what_cannot_be_a_start(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is a 'ar', the recipe wants a 'vae'"):
        castalia.train(
            "image/vae", "builtin/digits", [f"start_from={place / 'parent'}"], out=tmp_path / "a"
        )
    with pytest.raises(RunError, match="no run called"):
        castalia.train(
            "text/ar", place / "zh", [f"start_from={tmp_path / 'nowhere'}"], out=tmp_path / "b"
        )
    with pytest.raises(RecipeError, match="only a trained model"):
        castalia.train(
            "text/ar", place / "zh", [*SHORT, "training.adapt.lora=4"], out=tmp_path / "c"
        )
    with pytest.raises(RunError, match="do not fit"):
        tuned(place, "d", "family.width=32")
    for language in ("en", "zh"):
        shutil.copytree(place / language, tmp_path / "both" / language)
    with pytest.raises(RunError, match=r"data.conditional=false"):
        castalia.train(
            "text/ar",
            tmp_path / "both",
            [*SHORT, f"start_from={place / 'parent'}", "data.conditional=true"],
            out=tmp_path / "e",
        )
    assert not list(tmp_path.glob("[a-e]/run.json")) and not (place / "d").exists()


def test_a_rehearsal_starts_from_the_parent_too(place: Path) -> None:
    plan = plan_of(
        "text/ar", place / "zh", [*SHORT, f"start_from={place / 'parent'}", "training.adapt.lora=4"]
    )
    found = rehearse(plan, steps=1)
    assert found.spec == Run.open(place / "parent").spec and found.parameters > 0


def test_pictures_fine_tune_too(tmp_path: Path) -> None:
    """The loss that is compared is that of a model in evaluation mode, whatever its layers do in
    training.
    """
    tiny = [
        "codec.size=8",
        "family.width=8",
        "training.steps=4",
        "training.batch=16",
        "training.sample_every=0",
        "training.threads=1",
    ]
    parent = castalia.train("image/vae", "builtin/digits", tiny, out=tmp_path / "parent")
    run = castalia.train(
        "image/vae",
        "builtin/digits",
        [*tiny, f"start_from={parent.folder}"],
        out=tmp_path / "child",
    )
    found = json.loads((run.folder / "eval" / "forgetting.json").read_text())
    assert found["unit"] == "nats per item" and found["new"]["before"] == found["old"]["before"]
    assert isinstance(found["new"]["after"], float) and isinstance(
        parent.model().nats(Batch(torch.zeros(1, 1, 8, 8))), torch.Tensor
    )
