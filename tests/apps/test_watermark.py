"""Marks at the command line: put on by a policy, found without metadata, led back to the run."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from tests.apps.command import TINY, inside


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of large pictures, and what it drew under a policy with marks."""
    folder = tmp_path_factory.mktemp("marks")
    (folder / "policy.yaml").write_text("watermark: {quality: 38}\n")
    words = [word for word in TINY if not word.startswith("codec.size")]
    inside(
        "train",
        "image/vae-mlp",
        "builtin/digits",
        *words,
        "codec.size=192",
        "--out",
        "run",
        cwd=folder,
    )
    inside("sample", "run", "-n", 2, "--out", "drawn", "--policy", "policy.yaml", cwd=folder)
    inside("sample", "run", "-n", 1, "--out", "plain", cwd=folder)
    PIL.Image.open(folder / "drawn" / "00001.png").convert("RGB").save(folder / "bare.jpg")
    PIL.Image.open(folder / "drawn" / "00001.png").resize((40, 40)).save(folder / "tiny.png")
    return folder


def found(place: Path, *words: object, code: int = 0) -> list[dict[str, object]]:
    told, _ = json.JSONDecoder().raw_decode(inside(*words, "--json", cwd=place, code=code))
    return list(told["files"])


def test_detect_says_yes_no_or_unknown_and_which_run(place: Path):
    files = "drawn/00000.png", "bare.jpg", "plain/00000.png", "tiny.png"
    made = found(place, "detect", *files, code=7)
    assert [one["state"] for one in made] == ["yes", "yes", "no", "unknown"]
    assert Path(str(made[1]["run"])).name == "run"
    assert float(str(made[1]["chance"])) < 1e-4 < float(str(made[2]["chance"]))
    assert made[3]["notes"]
    assert "yes" in inside("detect", "bare.jpg", cwd=place)
    assert found(place, "detect", "tiny.png", code=3)


def test_manifest_and_ledger_hold_the_mark(place: Path):
    (finding,) = found(place, "verify", "drawn/00000.png")
    mark = finding["manifest"]["watermark"]  # type: ignore[index]
    assert mark["quality"] == 38
    lines = (place / "run" / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line).get("mark") for line in lines] == [mark["mark"]] * 2 + [None]
    (made,) = found(place, "detect", "drawn/00000.png")
    assert made["mark"] == mark["mark"]


def test_verify_finds_the_run_where_the_metadata_are_gone(place: Path):
    (finding,) = found(place, "verify", "bare.jpg", code=7)
    assert finding["state"] == "altered"
    assert Path(str(finding["run"])).name == "run"


def test_a_marked_file_is_made_again_byte_for_byte(place: Path):
    inside("reproduce", "drawn/00001.png", "--out", "again", cwd=place)
    again, drawn = (place / folder / "00001.png" for folder in ("again", "drawn"))
    assert again.read_bytes() == drawn.read_bytes()
    assert again.read_bytes() != (place / "plain" / "00000.png").read_bytes()


def test_without_the_key_nothing_is_known_and_nothing_forged(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path))
    (made,) = found(place, "detect", "bare.jpg", code=3)
    assert made["state"] == "unknown"
    said = inside("reproduce", "drawn/00001.png", "--out", "forged", cwd=place, code=4)
    assert "another installation" in said
    assert not (place / "forged" / "00001.png").exists()
