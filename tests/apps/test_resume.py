"""kill -9 at any moment, SIGTERM, Ctrl-C: the resumed run ends with the same bytes as one that was
never stopped.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from castalia import Run
from tests.apps.command import inside
from tests.texts import SHORT, corpus

SLOW = [
    "codec.size=8",
    "training.steps=60",
    "training.batch=8",
    "family.width=8",
    "training.save_every=10",
    "training.log_every=5",
    "training.sample_every=0",
    "training.threads=1",
]


def begin(
    folder: Path, recipe: str, overrides: list[str], data: str = "builtin/digits"
) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "castalia", "train", recipe, data, *overrides, "--out", "cut"]
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tensors_of(run: Run, group: str) -> bytes:
    """The file of a group of tensors at the last step."""
    return (run.checkpoint(run.last_step or 0) / f"{group}.safetensors").read_bytes()


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str], at_least: int) -> None:
    for _ in range(3000):
        steps = [
            int(path.parent.name[5:])
            for path in (folder / "cut" / "checkpoints").glob("step-*/state.json")
        ]
        if steps and max(steps) >= at_least:
            return
        assert process.poll() is None, process.communicate()[1][-2000:]
        time.sleep(0.02)
    raise AssertionError("no checkpoint within a minute")


@pytest.mark.parametrize(
    ("recipe", "extra"),
    [
        ("image/vae", ["training.accumulate=2"]),
        # with sheets of samples, whose series goes on, too
        ("image/gan", ["training.precision=bf16", "training.sample_every=3"]),
        ("image/vaegan", ["training.precision=fp32"]),
    ],
)
def test_kill_nine_then_resume_is_bit_identical(recipe: str, extra: list[str], tmp_path: Path):
    overrides = [*SLOW, *extra]
    process = begin(tmp_path, recipe, overrides)
    wait_for_checkpoint(tmp_path, process, 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cut = Run.open(tmp_path / "cut")
    assert not cut.finished
    inside("train", "--resume", "cut", cwd=tmp_path)
    inside("train", recipe, "builtin/digits", *overrides, "--out", "whole", cwd=tmp_path)
    whole = Run.open(tmp_path / "whole")
    assert cut.last_step == whole.last_step == 60
    for weights in ("model", "ema", "optimiser"):
        assert tensors_of(cut, weights) == tensors_of(whole, weights), weights
    curves = [
        [{key: value for key, value in row.items() if "/" in key} for row in run.metrics()]
        for run in (cut, whole)
    ]
    assert curves[0] == curves[1]
    sheets = [
        {path.name: path.read_bytes() for path in (run.folder / "samples").glob("*.png")}
        for run in (cut, whole)
    ]
    assert sheets[0] == sheets[1] and len(sheets[0]) == (21 if "sample" in extra[-1] else 0)
    distances = [[row for row in run.metrics() if "distance" in row] for run in (cut, whole)]
    assert distances[0] == distances[1]


def test_kill_nine_keeps_counts_and_gate(tmp_path: Path):
    """Counts are gathered before the first step and never again: the resumed run mixes with the
    same ones.
    """
    corpus(tmp_path / "texts", language="zh")
    overrides = [
        *SHORT,
        "training.steps=60",
        "training.save_every=10",
        "family.counts=4",
        "family.ngrams=[2]",
        "family.ngram_rows=512",
        "family.ngram_dropout=0.5",
        "family.dropout=0.1",
        "data.development=0.2",
        "training.accumulate=2",
    ]
    process = begin(tmp_path, "text/ar", overrides, "texts")
    wait_for_checkpoint(tmp_path, process, 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cut = Run.open(tmp_path / "cut")
    assert not cut.finished
    inside("train", "--resume", "cut", cwd=tmp_path)
    inside("train", "text/ar", "texts", *overrides, "--out", "whole", cwd=tmp_path)
    whole = Run.open(tmp_path / "whole")
    assert cut.last_step == whole.last_step == 60
    for weights in ("model", "optimiser"):
        assert tensors_of(cut, weights) == tensors_of(whole, weights), weights
    model = cut.tensors(60, "model")
    assert int(model["counts.count"].sum()) > 0 and float(model["gate.out.weight"].abs().sum()) > 0
    curves = [
        [{key: value for key, value in row.items() if "/" in key} for row in run.metrics()]
        for run in (cut, whole)
    ]
    assert curves[0] == curves[1] and any("gate/share" in row for row in curves[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_and_leave(number: int, tmp_path: Path):
    process = begin(tmp_path, "image/vae", [*SLOW, "training.steps=100000"])
    wait_for_checkpoint(tmp_path, process, 10)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "castalia train --resume" in errors and "Traceback" not in errors
    saved = Run.open(tmp_path / "cut")
    assert f"after step {saved.last_step}" in errors


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path):
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *SLOW,
        "training.steps=6",
        "--out",
        "cut",
        cwd=tmp_path,
    )
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*") if path.is_file()
    }
    inside("train", "--resume", "cut", cwd=tmp_path)
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*") if path.is_file()
    } == before


def test_a_changed_recipe_is_refused_with_its_differences(tmp_path: Path):
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *SLOW,
        "training.steps=6",
        "--out",
        "cut",
        cwd=tmp_path,
    )
    recipe = tmp_path / "cut" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("steps: 6", "steps: 60"))
    assert "training.steps: 6 -> 60" in inside("train", "--resume", "cut", cwd=tmp_path, code=4)
    assert "takes no recipe" in inside(
        "train", "image/vae", "--resume", "cut", cwd=tmp_path, code=2
    )


def test_another_machine_needs_allow_inexact(tmp_path: Path):
    process = begin(tmp_path, "image/vae", SLOW)
    wait_for_checkpoint(tmp_path, process, 10)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    path = tmp_path / "cut" / "run.json"
    facts = json.loads(path.read_text())
    facts["versions"]["torch"] = "2.8.0"
    path.write_text(json.dumps(facts))
    assert "torch: 2.8.0 ->" in inside("train", "--resume", "cut", cwd=tmp_path, code=4)
    inside("train", "--resume", "cut", "--allow-inexact", cwd=tmp_path)
    assert Run.open(tmp_path / "cut").finished
