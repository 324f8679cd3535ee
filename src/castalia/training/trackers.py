"""Experiment trackers: scalars and sample sheets for TensorBoard, MLflow or Weights & Biases, all
in the run's own folder.

    castalia train image/gan photos/ training.tracker=tensorboard
        then: tensorboard --logdir runs
    castalia train image/gan photos/ training.tracker=mlflow
        then: mlflow ui --backend-store-uri RUN/mlflow
    castalia train image/gan photos/ training.tracker=wandb
        then: wandb sync RUN/wandb/offline-run-*

Nothing is sent anywhere and nobody logs in: MLflow writes files, Weights & Biases is in its offline
mode. metrics.jsonl is written beside, as always. A tracker is a hook, so it changes no weight.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from castalia import bounded
from castalia.errors import MissingExtra, RunError
from castalia.run import Run
from castalia.training.hooks import Hook, Progress


class Tracker(Protocol):
    """What a tracker takes: numbers and sheets of a step, and the end."""

    def scalars(self, values: Mapping[str, float], step: int) -> None: ...

    def picture(self, path: Path, step: int) -> None: ...

    def text(self, text: str, step: int) -> None: ...

    def close(self) -> None: ...


def tracker(run: Run) -> Hook | None:
    """A hook that logs to the tracker of the run's recipe; None where it asks for none. Raises
    MissingExtra when its package is not installed.
    """
    name = run.recipe.training.tracker
    if name == "none":
        return None
    return following(TRACKERS[name](run), run.folder / "samples")


def following(sink: Tracker, sheets: Path) -> Hook:
    """A hook that sends a tracker what is logged, and the sheets that lie in a folder as step-N.png
    or .txt. `held out` is among the numbers.
    """

    def hook(progress: Progress) -> None:
        if progress.event == "log":
            sink.scalars({**progress.parts, "items_per_second": progress.speed}, progress.step)
        elif progress.event == "sample":
            if progress.held_out is not None:
                sink.scalars({"held_out": progress.held_out}, progress.step)
            sheet = sheets / f"step-{progress.step:08d}"
            if sheet.with_suffix(".png").exists():
                sink.picture(sheet.with_suffix(".png"), progress.step)
            elif sheet.with_suffix(".txt").exists():
                sink.text(sheet.with_suffix(".txt").read_text(encoding="utf-8"), progress.step)
        elif progress.event == "end":
            sink.close()

    return hook


class TensorBoard:
    """Event files in RUN/tensorboard. A resumed run goes on after its last step."""

    def __init__(self, run: Run) -> None:
        _needs("tensorboard", "tensorboard")
        writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        step = run.last_step
        self.writer = writer(
            str(run.folder / "tensorboard"), purge_step=None if step is None else step + 1
        )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def picture(self, path: Path, step: int) -> None:
        with Image.open(path) as picture:
            self.writer.add_image(
                "samples", np.asarray(picture.convert("RGB")), step, dataformats="HWC"
            )

    def text(self, text: str, step: int) -> None:
        # Markdown's form of text as it is
        self.writer.add_text("samples", "    " + text.replace("\n", "\n    "), step)

    def close(self) -> None:
        self.writer.close()


class MlFlow:
    """Files in RUN/mlflow. A resumed run is the same run there."""

    def __init__(self, run: Run) -> None:
        module = _needs("mlflow", "mlflow")
        # MLflow 3 wants this set for a file store
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self.client = module.MlflowClient(tracking_uri=(run.folder.resolve() / "mlflow").as_uri())
        kept = run.folder / "mlflow" / "castalia-run"
        if kept.exists():
            self.id = bounded.read_text(kept, "yaml_bytes", RunError).strip()
        else:
            existing = self.client.get_experiment_by_name("castalia")
            experiment = (
                existing.experiment_id
                if existing is not None
                else self.client.create_experiment("castalia")
            )
            self.id = self.client.create_run(experiment, run_name=run.id).info.run_id
            kept.write_text(self.id, encoding="utf-8")
            self.client.log_dict(self.id, run.recipe.as_dict(), "recipe.yaml")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.client.log_metric(self.id, name, value, step=step)

    def picture(self, path: Path, step: int) -> None:
        self.client.log_artifact(self.id, str(path), "samples")

    def text(self, text: str, step: int) -> None:
        self.client.log_text(self.id, text, f"samples/step-{step:08d}.txt")

    def close(self) -> None:
        self.client.set_terminated(self.id)


class WandB:
    """An offline run in RUN/wandb, to be synchronised by hand. A resumed run is a further part with
    the same name.
    """

    def __init__(self, run: Run) -> None:
        self.module = _needs("wandb", "wandb")
        self.run = self.module.init(
            mode="offline",
            dir=str(run.folder),
            project="castalia",
            name=run.id,
            id=run.id,
            config=run.recipe.as_dict(),
            settings=self.module.Settings(silent=True, console="off"),
        )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def picture(self, path: Path, step: int) -> None:
        self.run.log({"samples": self.module.Image(str(path))}, step=step)

    def text(self, text: str, step: int) -> None:
        self.run.log(
            {
                "samples": self.module.Html(
                    f"<pre>{text.replace('&', '&amp;').replace('<', '&lt;')}</pre>"
                )
            },
            step=step,
        )

    def close(self) -> None:
        self.run.finish()


TRACKERS: dict[str, Callable[[Run], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MlFlow,
    "wandb": WandB,
}


def _needs(package: str, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtra(package, extra, f"training.tracker={extra}") from error
