"""The training loop: early stopping, logging, precision, and what a rehearsal predicts."""

from pathlib import Path

import pytest
import torch

import castalia
from castalia.errors import TrainingError
from castalia.families.ar import Ar, ArConfig
from castalia.recipe import load
from castalia.recipe_sections import TrainConfig
from castalia.spec import Tokens
from castalia.training.device import resolve_precision
from castalia.verbs import dry_run
from castalia.verbs.dry_run import rehearse

TINY = {
    "codec.size": 8,
    "family.width": 8,
    "training.batch": 16,
    "training.threads": 1,
    "training.sample_every": 0,
    "training.log_every": 5,
    "data.limit": 200,
}


def test_early_stop_ends_the_run_and_saves(tmp_path: Path):
    stop = {"part": "nelbo", "every": 5, "patience": 2}
    overrides = {
        **TINY,
        "training.steps": 500,
        "training.optimiser.rate": 1e-12,
        "training.early_stop": stop,
        "training.ema": 0.0,
    }
    run = castalia.train("image/vae", "builtin/digits", overrides, out=tmp_path / "run")
    assert run.finished and (run.last_step or 0) < 100
    checks = [row["validation"] for row in run.metrics() if "validation" in row]
    assert len(checks) >= 3 and min(checks[:-2]) <= min(checks[-2:])
    assert castalia.resume(run).last_step == run.last_step


def test_early_stop_names_the_parts_there_are(tmp_path: Path):
    overrides = {**TINY, "training.steps": 20, "training.early_stop": {"part": "elbow", "every": 5}}
    with pytest.raises(TrainingError, match="no loss part 'elbow'") as caught:
        castalia.train("image/vae", "builtin/digits", overrides, out=tmp_path / "run")
    assert "nelbo" in caught.value.fix


def test_metrics_are_means_over_the_log_interval(tmp_path: Path):
    every = castalia.train(
        "image/vae",
        "builtin/digits",
        {**TINY, "training.steps": 10, "training.log_every": 1},
        out=tmp_path / "every",
    )
    fifth = castalia.train(
        "image/vae", "builtin/digits", {**TINY, "training.steps": 10}, out=tmp_path / "fifth"
    )
    single = [row["main/total"] for row in every.metrics()]
    assert [row["main/total"] for row in fifth.metrics()] == pytest.approx(
        [sum(single[:5]) / 5, sum(single[5:]) / 5], rel=1e-5
    )


def test_keep_removes_old_checkpoints(tmp_path: Path):
    run = castalia.train(
        "image/vae",
        "builtin/digits",
        {**TINY, "training.steps": 9, "training.save_every": 2, "training.keep": 3},
        out=tmp_path / "run",
    )
    assert run.steps == [6, 8, 9]


def test_precision_is_what_was_asked_for_or_measured():
    device = torch.device("cpu")
    assert resolve_precision(TrainConfig(precision="bf16"), torch.nn.Linear(1, 1), device) == "bf16"
    # casting costs more than it saves
    assert resolve_precision(TrainConfig(), torch.nn.Linear(1, 1), device) == "fp32"
    large = [
        resolve_precision(TrainConfig(), module, device)
        for module in (torch.nn.Linear(784, 512), torch.nn.Conv2d(1, 1, 3))
    ]
    # many tokens an item
    large.append(
        resolve_precision(TrainConfig(), Ar(ArConfig(width=16), Tokens(8, 9, 0), {}), device)
    )
    assert len(set(large)) == 1 and large[0] == (
        "bf16"
        if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        else "fp32"
    )


def test_a_rehearsal_writes_nothing_and_counts_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    found = rehearse(load("image/vae", "builtin/digits", {**TINY, "training.steps": 1000}), steps=3)
    longer = rehearse(
        load("image/vae", "builtin/digits", {**TINY, "training.steps": 4000}), steps=3
    )
    assert found.cpu_seconds < longer.cpu_seconds
    assert found.items + 10 < 200 and found.parameters > 1000
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_part_counts_the_passes_over_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dry_run, "MOST_ITEMS", 100)
    given = {"codec.size": 8, "family.width": 8, "training.batch": 16, "training.threads": 1}
    recipe = load("image/vae", "builtin/digits", {**given, "training.epochs": 2})
    found = rehearse(recipe)
    assert found.items > 1000
    assert found.steps == pytest.approx(2 * found.items / 16, rel=0.02)
