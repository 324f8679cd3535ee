"""Marks at the command line: put on by a policy, found without metadata, led back to the run."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import PIL.Image
import pytest

from castalia.governance.policy import Policy
from tests.apps.command import TINY, inside
from tests.apps.serving import serving
from tests.texts import SHORT, corpus


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


LONG = "--length", 260, "--constraint", "regex:[^x]{240}"  # a model of six steps ends soon


# Texts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of Chinese texts, and what it wrote under a policy with marks."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "policy.yaml").write_text("watermark: {}\n")
    corpus(folder / "data", files=10, language="zh")
    inside("train", "text/ar", "data", *SHORT, "--out", "run", cwd=folder)
    words = "-n", 2, *LONG, "--out", "drawn", "--policy", "policy.yaml"
    inside("sample", "run", *words, cwd=folder)
    inside("sample", "run", "-n", 2, *LONG, "--out", "plain", cwd=folder)
    return folder


def test_a_text_is_found_after_it_was_copied_and_changed(texts: Path):
    text = (texts / "drawn" / "00000.txt").read_text()
    changed = [*text]
    changed[::9] = "国" * len(changed[::9])
    (texts / "copied.txt").write_text("".join(changed))
    (texts / "short.txt").write_text(text[:30])
    files = "drawn/00001.txt", "copied.txt", "plain/00000.txt", "short.txt"
    made = found(texts, "detect", *files, code=7)
    assert [one["state"] for one in made] == ["yes", "yes", "no", "unknown"]
    (finding,) = found(texts, "verify", "copied.txt", code=7)
    assert Path(str(finding["run"])).name == "run"
    assert found(texts, "detect", "copied.txt", "--run", "run")[0]["state"] == "yes"


def test_a_marked_text_is_made_again_and_an_unmarked_one_is_another(texts: Path):
    inside("reproduce", "drawn/00001.txt", "--out", "again", cwd=texts)
    again, drawn, plain = (texts / name / "00001.txt" for name in ("again", "drawn", "plain"))
    assert again.read_bytes() == drawn.read_bytes() != plain.read_bytes()
    manifest = json.loads((texts / "drawn" / "00001.json").read_text())
    assert manifest["watermark"]["method"] == "tournament-1"
    assert "quality" not in manifest["watermark"]


def test_a_streamed_text_has_the_mark(texts: Path):
    words = *LONG, "--policy", "policy.yaml", "--stream"
    said = inside("sample", "run", *words, cwd=texts)
    (texts / "streamed.txt").write_text(said)
    assert found(texts, "detect", "streamed.txt")[0]["state"] == "yes"
    assert said.strip() in (texts / "drawn" / "00000.txt").read_text()


# Signed claims ------------------------------------------------------------------------------------


def test_a_policy_signs_files_and_verify_reads_them(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("c2pa")
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path))
    (place / "signs.yaml").write_text("credentials: true\n")
    words = "sample", "run", "-n", 1, "--out", "signed", "--policy", "signs.yaml"
    assert "castalia keys new" in inside(*words, cwd=place, code=4)
    assert "Example Ltd" in inside("keys", "new", "--name", "Example Ltd", cwd=place)
    inside("keys", "new", "--name", "Another", cwd=place, code=4)
    inside(*words, cwd=place)
    file = place / "signed" / "00000.png"
    (finding,) = found(place, "verify", file)
    assert finding["credentials"]["state"] == "trusted"  # type: ignore[index]
    assert finding["manifest"]["credentials"] == "Example Ltd"  # type: ignore[index]
    assert "no signature can be made twice" in inside(
        "reproduce", file, "--out", "again", cwd=place, code=7
    )
    # the claim is taken out, and all else is left as it is
    before, chunk, after = file.read_bytes().partition(b"caBX")
    length = int.from_bytes(before[-4:], "big")
    file.write_bytes(before[:-4] + after[length + 4 :])
    (finding,) = found(place, "verify", file, code=7)
    assert finding["problems"] == ["its content credentials (C2PA) were taken out"]
    assert chunk


# Labels -------------------------------------------------------------------------------------------


def test_labels_are_put_on_by_policy_and_made_again(place: Path, texts: Path):
    for folder, language, ending in ((place, "zh", ".png"), (texts, "en", ".txt")):
        rules = f"labels: {{language: {language}}}\nwatermark: {{}}\n"
        (folder / "labels.yaml").write_text(rules)
        words = "sample", "run", "-n", 1, "--out", "labelled", "--policy", "labels.yaml"
        inside(*words, cwd=folder)
        file = folder / "labelled" / f"00000{ending}"
        (finding,) = found(folder, "verify", file)
        assert finding["manifest"]["label"] == language  # type: ignore[index]
        inside("reproduce", file, "--out", "once-more", cwd=folder)
        assert (folder / "once-more" / file.name).read_bytes() == file.read_bytes()
    assert file.read_text().startswith("[AI-generated]\n")
    said = inside("sample", "run", "--policy", "labels.yaml", "--stream", cwd=texts)
    assert said.startswith("[AI-generated]\n")
    inside("sample", "run", "-n", 1, *LONG, "--out", "form", "--policy", "labels.yaml", cwd=texts)
    assert "AI-generated" not in (texts / "form" / "00000.txt").read_text()


# Over HTTP ----------------------------------------------------------------------------------------


def test_a_server_marks_and_labels_what_it_sends(place: Path, texts: Path, tmp_path: Path):
    pytest.importorskip("openai")
    policy = Policy.model_validate({"watermark": {}, "labels": {"language": "zh"}})
    with serving(place / "run", policy=policy) as up:
        drawn = up.client.images.generate(model="run", prompt="3", response_format="b64_json")
        (tmp_path / "sent.png").write_bytes(base64.b64decode(drawn.data[0].b64_json))
    (finding,) = found(tmp_path, "verify", "sent.png")
    manifest = finding["manifest"]
    assert (manifest["label"], bool(manifest["watermark"]["mark"])) == ("zh", True)  # type: ignore[index]
    assert found(tmp_path, "detect", "sent.png")[0]["state"] == "yes"
    with serving(texts / "run", policy=policy) as up:
        asked = {"model": "run", "prompt": "那只猫", "max_tokens": 200, "seed": 3}
        whole = up.client.completions.create(**asked).choices[0].text
        pieces = up.client.completions.create(**asked, stream=True)
        streamed = "".join(one.choices[0].text for one in pieces if one.choices)
        form = up.client.completions.create(
            **asked, extra_body={"constraint": "regex:[^x]{120}"}
        ).choices[0]
    assert whole == streamed
    assert whole.startswith("【AI生成】\n")
    assert not form.text.startswith("【")
    (tmp_path / "form.txt").write_text("那只猫" + form.text)
    assert found(tmp_path, "detect", "form.txt")[0]["state"] == "yes"
