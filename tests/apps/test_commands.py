"""The main job as subprocesses: train, show, sample, edit, evaluate, list, clean."""

import json
from pathlib import Path

import PIL.Image
import pytest

from castalia.modalities.image.codec import read_manifest
from tests.apps.command import TINY, castalia, document, inside


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one trained VAE run, `runs/vae`."""
    folder = tmp_path_factory.mktemp("work")
    castalia("train", "image/vae", "builtin/digits", *TINY, "--out", "runs/vae", cwd=folder)
    return folder


def test_train_names_the_run_and_what_to_do_next(folder: Path):
    done = castalia("train", "image/gan", "builtin/digits", *TINY, cwd=folder)
    runs = [path.name for path in (folder / "runs").iterdir() if "image-gan" in path.name]
    assert len(runs) == 1
    assert f"castalia sample runs/{runs[0]}" in done
    # --show-recipe prints every key
    assert "recipe: " in done and "4 steps of 16 items" in done and "format: 1" not in done
    # and what was found
    assert "data: 1,797 items (array L): 1,633 for training, 164 held out" in done


def test_sample_writes_files_with_manifests_and_a_sheet(folder: Path):
    found = document("sample", "runs/vae", "-n", 5, "--seed", 3, "--out", "out", cwd=folder)
    assert found["files"] == [f"{index:05d}.png" for index in range(5)]
    manifest = read_manifest(folder / "out" / "00002.png")
    assert {"run", "model", "data", "recipe", "time", "licence"} <= set(manifest)
    assert (manifest["seed"], manifest["index"], manifest["rows"], manifest["row"]) == (3, 2, 5, 2)
    assert str(folder) not in json.dumps(manifest)
    page = (folder / "out" / "sheet.html").read_text()
    assert page.count("<img") == 5 and "://" not in page
    castalia("sample", "vae", "-n", 1, cwd=folder)  # a prefix is enough
    assert (folder / "runs/vae/samples/seed-0/00000.png").exists()


def test_a_manifest_reproduces_its_picture(folder: Path):
    from castalia import Run
    from castalia.sampling.generate import reproduce

    castalia("sample", "runs/vae", "-n", 7, "--seed", 9, "--out", "again", cwd=folder)
    path = folder / "again" / "00004.png"
    sample = reproduce(Run.open(folder / "runs/vae"), read_manifest(path))
    assert sample.item.tobytes() == PIL.Image.open(path).tobytes()


def test_a_condition_is_checked(folder: Path):
    done = inside("sample", "runs/vae", "--cond", "label=nine", "--out", "x", cwd=folder, code=2)
    assert done.count("\n") == 3 and "try:" in done


def test_edit_interpolates_and_varies(folder: Path):
    castalia("sample", "runs/vae", "-n", 2, "--out", "ends", cwd=folder)
    found = document(
        "edit",
        "runs/vae",
        "interpolate",
        "ends/00000.png",
        "ends/00001.png",
        "--steps",
        5,
        "--out",
        "between",
        cwd=folder,
    )
    assert len(found["files"]) == 5
    found = document(
        "edit",
        "runs/vae",
        "vary",
        "ends/00000.png",
        "--steps",
        3,
        "--seed",
        1,
        "--out",
        "varied",
        cwd=folder,
    )
    assert len(found["files"]) == 3
    pictures = {PIL.Image.open(folder / "varied" / name).tobytes() for name in found["files"]}
    assert len(pictures) == 3


def test_evaluate_prints_one_document(folder: Path):
    found = document("evaluate", "runs/vae", "-n", 200, cwd=folder)
    assert found["schema"] == 1 and found["run"] == "vae"
    keys = {
        "name",
        "value",
        "low",
        "high",
        "n",
        "seeds",
        "better",
        "floor",
        "baselines",
        "informative",
        "seconds",
        "details",
    }
    assert all(set(score) == keys for score in found["scores"])
    assert json.loads((folder / "runs/vae/eval/scores.json").read_text()) == found
    page = (folder / "runs/vae/eval/report.html").read_text()
    assert 'src="http' not in page and 'href="http' not in page


def test_compare_and_evaluate_in_chinese(folder: Path):
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "training.seed=1",
        "--out",
        "runs/vae-1",
        cwd=folder,
    )
    said = inside("compare", "runs/vae", "runs/vae-1", "-n", 60, "--lang", "zh", cwd=folder)
    assert "vae-1" in said and "个差别中有" in said
    assert '<html lang="zh-Hans">' in (folder / "runs/compare/compare.html").read_text(
        encoding="utf-8"
    )
    assert list(
        json.loads((folder / "runs/compare/compare.json").read_text(encoding="utf-8"))["runs"]
    ) == ["vae", "vae-1"]
    assert "no language 'fr'" in inside("evaluate", "runs/vae", "--lang", "fr", cwd=folder, code=2)


def test_dry_run_trains_nothing(folder: Path):
    before = sorted((folder / "runs").iterdir())
    facts = document("train", "image/vae", "builtin/digits", *TINY, "--dry-run", cwd=folder)
    assert facts["recipe"]["training"]["steps"] == 4 and facts["parameters"] > 1000
    assert facts["cpu_seconds"] > 0 and facts["memory_mb"] > 50
    assert sorted((folder / "runs").iterdir()) == before


@pytest.mark.parametrize("kind", ["runs", "recipes", "data", "families", "codecs"])
def test_list(folder: Path, kind: str):
    assert document("list", kind, cwd=folder)


def test_show_env_and_clean(folder: Path):
    facts = document("show", "runs/vae", cwd=folder)
    assert facts["finished"] and facts["steps"] == 4 and "encodes" in facts["can"]
    assert document("env", cwd=folder)["torch"]
    assert (
        document("clean", cwd=folder, environment={"CASTALIA_HOME": str(folder / "home")})["caches"]
        == []
    )


def test_what_a_family_lacks_is_said(folder: Path):
    done = inside("show", "runs/vae", "--attention", "a", cwd=folder, code=3)
    assert (
        "cannot show where it looks" in done and not (folder / "runs/vae/attention.html").exists()
    )
    assert "text/ar" in inside(
        "export", "runs/vae", "--to", "transformers", "out-of-here", cwd=folder, code=3
    )
    assert "one of: bundle, onnx, safetensors, transformers" in inside(
        "export", "runs/vae", "--to", "onyx", "out-of-here", cwd=folder, code=2
    )
    assert not (folder / "out-of-here").exists()


def test_unknown_words_get_suggestions(folder: Path):
    assert "castalia train" in inside("trian", cwd=folder, code=2)
    assert "--help" in inside("sample", "--nonsense", cwd=folder, code=2)
    from castalia.cli.commands import verbs

    for verb in verbs():
        assert f"Example: castalia {verb}" in inside(*verb.split(), "--help", cwd=folder).replace(
            "\n", " "
        ).replace("  ", " ")
