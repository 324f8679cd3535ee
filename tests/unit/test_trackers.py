"""What trackers are told: a real TensorBoard, and stand-ins for the two that are large; all of it
lies in the run's folder.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.texts import SHORT, corpus

import castalia
from castalia.cli.show import curves
from castalia.cli.terminal_curve import curve
from castalia.errors import MissingExtra, RecipeError
from castalia.recipe import load

TINY = {
    "codec.size": 8,
    "family.width": 8,
    "training.batch": 16,
    "training.threads": 1,
    "training.steps": 4,
    "training.log_every": 2,
    "training.sample_every": 2,
    "data.limit": 100,
}


def test_tensorboard_has_scalars_and_sheets(tmp_path: Path):
    run = castalia.train(
        "image/vae",
        "builtin/digits",
        {**TINY, "training.tracker": "tensorboard"},
        out=tmp_path / "run",
    )
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    rows = [row for row in run.metrics() if "seconds" in row]
    assert [event.step for event in events.Scalars("main/total")] == [2, 4]
    assert [event.value for event in events.Scalars("main/total")] == pytest.approx(
        [row["main/total"] for row in rows]
    )
    held_out = [row["held_out"] for row in run.metrics() if "held_out" in row]
    assert [event.value for event in events.Scalars("held_out")] == pytest.approx(held_out) and len(
        held_out
    ) == 2
    assert [event.step for event in events.Images("samples")] == [2, 4]
    plain = castalia.train("image/vae", "builtin/digits", TINY, out=tmp_path / "plain")
    assert plain.model_hash() == run.model_hash()  # a tracker changes nothing


def test_a_tracker_that_is_not_installed_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("tensorboard", "mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra) as caught:
            castalia.train(
                "image/vae",
                "builtin/digits",
                {**TINY, "training.tracker": name},
                out=tmp_path / name,
            )
        assert caught.value.fix == f"pip install 'castalia[{name}]'"
    with pytest.raises(RecipeError, match="tracker"):
        load("image/vae", "x", ["training.tracker=tensorbored"])


def test_mlflow_is_told_into_files_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[Any, ...]] = []

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            assert tracking_uri == (tmp_path / "run" / "mlflow").as_uri()
            (tmp_path / "run" / "mlflow").mkdir()

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str) -> str:
            return "7"

        def create_run(self, experiment: str, run_name: str) -> Any:
            return SimpleNamespace(info=SimpleNamespace(run_id=f"{experiment}-{run_name}"))

        def __getattr__(self, name: str) -> Any:
            return lambda run, *words, **more: told.append((name, run, *words, *more.values()))

    module = ModuleType("mlflow")
    module.MlflowClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    corpus(tmp_path / "texts")
    settings = [
        *SHORT,
        "training.steps=4",
        "training.log_every=2",
        "training.sample_every=4",
        "training.tracker=mlflow",
    ]
    castalia.train("text/ar", tmp_path / "texts", settings, out=tmp_path / "run")
    assert {one[1] for one in told} == {"7-run"}
    assert [one[4] for one in told if one[0] == "log_metric" and one[2] == "main/total"] == [2, 4]
    assert [one[3] for one in told if one[0] == "log_text"] == ["samples/step-00000004.txt"]
    assert (
        any(one[2] == "held_out" for one in told if one[0] == "log_metric")
        and told[-1][0] == "set_terminated"
    )


def test_wandb_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[dict[str, Any], int]] = []
    given: dict[str, Any] = {}
    module = ModuleType("wandb")
    run = SimpleNamespace(
        log=lambda values, step: told.append((values, step)), finish=lambda: told.append(({}, -1))
    )
    module.init = lambda **settings: (given.update(settings), run)[1]  # type: ignore[attr-defined]
    module.Settings = lambda **settings: settings  # type: ignore[attr-defined]
    module.Image = lambda path: Path(path).name  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    castalia.train(
        "image/vae", "builtin/digits", {**TINY, "training.tracker": "wandb"}, out=tmp_path / "run"
    )
    assert (
        given["mode"] == "offline"
        and given["dir"] == str(tmp_path / "run")
        and given["config"]["title"] == "image/vae"
    )
    assert [values["samples"] for values, _ in told if "samples" in values] == [
        "step-00000002.png",
        "step-00000004.png",
    ]
    assert [step for values, step in told if "main/total" in values] == [2, 4] and told[-1] == (
        {},
        -1,
    )


def test_a_curve_falls_from_the_upper_left_to_the_lower_right():
    drawn = curve([(step, 100.0 - step) for step in range(0, 101, 10)], 40, 4)
    assert len(drawn) == 5 and all(len(line) <= 40 for line in drawn)
    assert (
        drawn[0].startswith("100 ┤")
        and drawn[3].startswith("  0 ┤")
        and drawn[4].split() == ["0", "100"]
    )
    assert (
        drawn[0][5] != "\u2800"
        and len(drawn[0]) < len(drawn[3])
        and set(drawn[3][5:-12]) == {"\u2800"}
    )
    assert curve([(0, 1.0)], 40) == [] and curve([(0, float("nan")), (1, 2.0)], 40) == []


def test_show_draws_the_loss_and_what_is_held_out():
    rows = [
        {
            "step": step,
            "seconds": 1.0,
            "main/total": 9.0 - step,
            **({"gate/total": 1.0} if step == 2 else {}),
        }
        for step in range(1, 4)
    ]
    names = [
        line.strip()
        for line in curves([*rows, {"step": 1, "held_out": 3.0}, {"step": 3, "held_out": 2.0}], 60)
        if "┤" not in line
    ]
    assert [name for name in names if name and not name[0].isdigit()] == ["main", "held out"]
    assert "  loss" in curves([{"step": step, "main/total": 1.0 * step} for step in (1, 2)], 60)
