"""Whatever goes wrong ends in three lines and an exit code, and leaves earlier results intact."""

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from castalia import Run
from castalia.modalities.image.codec import ImageCodec  # noqa: F401 - the codec under test must import
from tests.apps.command import TINY, castalia, inside
from tests.texts import SHORT, corpus


def pictures(folder: Path, count: int, *, same: bool = False) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        pixels = np.random.default_rng(0 if same else index).integers(
            0, 256, (12, 12, 3), dtype=np.uint8
        )
        PIL.Image.fromarray(pixels).save(folder / f"{index:03d}.png")
    return folder


def fails(*words: object, cwd: Path, code: int, says: str) -> None:
    """One error of what / at / try (the first may list several problems), no traceback."""
    three_lines(inside(*words, cwd=cwd, code=code), says)


def three_lines(text: str, says: str) -> None:
    assert says in text, text
    assert "\nat:  " in text and "\ntry: " in text, text


def test_recipe_and_data_mistakes(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    texts = tmp_path / "texts"
    texts.mkdir()
    for index in range(3):
        (texts / f"{index}.txt").write_text("words")
    pictures(tmp_path / "three", 3)
    pictures(tmp_path / "same", 20, same=True)
    fails(
        "train",
        "image/vae",
        "builtin/digits",
        "family.latnet=3",
        cwd=tmp_path,
        code=2,
        says="did you mean 'family.latent'",
    )
    fails("train", "image/vae", "empty", cwd=tmp_path, code=3, says="empty")
    fails("train", "image/vae", "nowhere", cwd=tmp_path, code=3, says="nowhere")
    fails("train", "image/vae", "three", cwd=tmp_path, code=3, says="3")
    fails("train", "image/vae", "same", cwd=tmp_path, code=3, says="ident")
    fails("train", "image/vae", "texts", cwd=tmp_path, code=3, says=".txt")
    assert not (tmp_path / "runs").exists()


def test_a_bad_file_stops_training_unless_told_otherwise(tmp_path: Path):
    folder = pictures(tmp_path / "photos", 40)
    good = (folder / "007.png").read_bytes()
    (folder / "007.png").write_bytes(good[: len(good) // 2])
    fails("train", "image/vae", "photos", *TINY, cwd=tmp_path, code=3, says="007.png")
    inside(
        "train", "image/vae", "photos", *TINY, "data.skip_bad=true", "--out", "run", cwd=tmp_path
    )
    assert "007.png" in json.dumps(Run.open(tmp_path / "run").about["data"]["report"]["skipped"])


def test_an_output_path_under_a_regular_file(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    fails(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "--out",
        "file/run",
        cwd=tmp_path,
        code=4,
        says="file",
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_loss_that_is_not_finite_names_step_phase_and_parts(tmp_path: Path):
    words = [
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "training.steps=60",
        "training.save_every=2",
        "training.optimiser.rate=1e20",
        "--out",
        "run",
    ]
    fails(*words, cwd=tmp_path, code=6, says="not finite")


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path):
    words = ["train", "image/vae", "builtin/digits", *TINY, "training.threads=1", "--out", "run"]
    inside(*words, "training.steps=2", cwd=tmp_path)
    size = max(
        path.stat().st_size for path in (tmp_path / "run" / "checkpoints").rglob("*.safetensors")
    )
    shutil.rmtree(tmp_path / "run")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1))

    three_lines(castalia(*words, cwd=tmp_path, code=6, preexec_fn=small_disk), "checkpoint")
    run = Run.open(tmp_path / "run")
    assert run.steps == [] and not list((tmp_path / "run" / "checkpoints").glob(".*"))
    inside("train", "--resume", "run", cwd=tmp_path)
    assert Run.open(tmp_path / "run").finished


def test_two_writers_a_newer_format_and_a_second_run_in_one_folder(tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    run = Run.open(tmp_path / "run")
    weights = run.model_hash()
    fails(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "--out",
        "run",
        cwd=tmp_path,
        code=4,
        says="already a run",
    )
    shutil.rmtree(run.checkpoint(4))
    with run.writing():
        fails("train", "--resume", "run", cwd=tmp_path, code=4, says="another process")
    inside("train", "--resume", "run", cwd=tmp_path)
    assert Run.open(tmp_path / "run").model_hash() == weights
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**facts, "format": 99}))
    fails("sample", "run", cwd=tmp_path, code=4, says="format 99")


@pytest.mark.parametrize("damage", ["run.json", "codec.json", "recipe.yaml"])
def test_a_damaged_run_names_the_file(damage: str, tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    (tmp_path / "run" / damage).write_bytes(b"\xff{")
    fails("sample", "run", cwd=tmp_path, code=4, says=damage)


def test_a_family_that_cannot(tmp_path: Path):
    corpus(tmp_path / "texts", files=10)
    inside("train", "text/ar", "texts", *SHORT, "--out", "run", cwd=tmp_path)
    for kind in ("vary", "invert"):
        fails("edit", "run", kind, "a text", "--out", "v", cwd=tmp_path, code=3, says="seqvae")
