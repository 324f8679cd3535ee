"""Captions of pictures and pictures of captions: command line, Python, HTTP, and bad input."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import PIL.Image
import pytest

import castalia
from castalia.errors import AbilityError, RecipeError
from castalia.run import Run
from castalia.verbs.evaluate import evaluate_agreement, evaluate_captions
from tests.apps.command import inside
from tests.apps.serving import serving
from tests.captioned import COLOURS, captioned

SHORT = {
    "training.steps": 120,
    "training.schedule.warmup": 5,
    "training.minutes": None,
    "training.batch": 16,
    "training.threads": 1,
    "family.width": 8,
    "family.text_width": 32,
    "training.optimiser.rate": 3e-3,
    "training.ema": 0.9,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions in two languages, in a table."""
    folder = captioned(tmp_path_factory.mktemp("words") / "data", 120)
    rows = []
    for picture in sorted(folder.glob("*.png")):
        english = picture.with_suffix(".txt").read_text(encoding="utf-8")
        picture.with_suffix(".txt").unlink()
        chinese = next(COLOURS[name][0] for name in COLOURS if name in english)
        size = "大" if "large" in english else "小"
        rows.append({"file": picture.name, "en": english, "zh": f"{size}{chinese}方块"})
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "captions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(data: Path) -> Run:
    options = SHORT | {"data.caption": ["en", "zh"]}
    return castalia.train("image/captioner", data, options, out=data.parent / "run")


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    picture = PIL.Image.new("RGB", (16, 16), (220, 215, 210))
    picture.paste((220, 30, 30), (2, 2, 14, 14))
    picture.save(path)
    return path


def test_both_languages_on_the_command_line(run: Run, red: Path, tmp_path: Path) -> None:
    words = ["describe", run.folder, red, "--out", tmp_path / "captions.jsonl"]
    assert "red square" in inside(*words, "--language", "en", cwd=tmp_path)
    assert "红方块" in inside(*words, "--language", "zh", cwd=tmp_path)
    row = json.loads((tmp_path / "captions.jsonl").read_text(encoding="utf-8"))
    assert row["file"] == "red.png" and "红" in row["caption"] and row["synthetic"] is True
    assert any('"event": "released"' in line or '"released"' in line for line in ledger(run))


def ledger(run: Run) -> list[str]:
    return (run.folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()


def test_several_captions_are_different_and_ordered(run: Run, red: Path) -> None:
    one = castalia.describe(run, [red], n=8, temperature=3.0)[0]
    texts = [said.text for said in one.captions]
    scores = [said.agreement or 0 for said in one.captions]
    assert len(texts) == len(set(texts)) > 1 and scores == sorted(scores, reverse=True)
    again = castalia.describe(run, [red], n=8, temperature=3.0)[0]
    assert again == one


def test_a_text_finds_its_pictures(run: Run, data: Path, tmp_path: Path) -> None:
    found = json.loads(
        inside("find", run.folder, "红方块", data, "--top", 10, "--json", cwd=tmp_path)
    )["found"]
    truth = {row["file"]: row["zh"] for row in map(json.loads, (data / "captions.jsonl").open())}
    right = [one for one in found if "红" in truth[Path(one["source"]).name]]
    assert len(found) == 10 and len(right) >= 9
    with pytest.raises(RecipeError, match="none of these words"):
        castalia.find(run, "Ωμέγα", [data])
    with pytest.raises(RecipeError, match="at least one"):
        castalia.find(run, "red", [data], top=0)


def test_evaluation_beats_chance_in_both_languages(run: Run, tmp_path: Path) -> None:
    said = inside("evaluate", run.folder, "--lang", "zh", cwd=tmp_path)
    assert "汉字" in said
    document = evaluate_captions(run)
    assert document == json.loads((run.folder / "eval" / "captions.json").read_text())
    words = [row for row in document["rows"] if "F1" in row["question"]]
    assert {row["language"] for row in words} == {"en", "zh"}
    assert all(row["low"] > row["baseline"] for row in words)


def test_a_captioner_judges_what_is_drawn(run: Run, data: Path, tmp_path: Path) -> None:
    """A flow of random weights draws noise: no caption fits it better than by chance; real pictures
    do better.
    """
    options = {
        "training.steps": 2,
        "training.minutes": None,
        "training.sample_every": 0,
        "family.width": 8,
        "family.steps": 2,
        "data.caption": ["en", "zh"],
    }
    flow = castalia.train("image/flow-words", data, options, out=tmp_path / "flow")
    rows = evaluate_agreement(flow, run)["rows"]
    assert all(row["baseline"] >= row["value"] for row in rows)
    inside("evaluate", flow.folder, "--agreement", run.folder, cwd=tmp_path)
    with pytest.raises(AbilityError, match="judged by its samples"):
        evaluate_agreement(run, flow)


def test_a_policy_holds_for_captions(run: Run, red: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    rule = "{id: words, terms: [square], message: {en: 'no', zh: 不}}"
    policy.write_text(f"blocked: [{rule}]\n", encoding="utf-8")
    words = ["describe", run.folder, red, "--language", "en", "--policy", policy]
    assert "no" in inside(*words, cwd=tmp_path, code=7)
    assert any("refused" in line for line in ledger(run))


def test_other_runs_say_what_they_lack(data: Path, red: Path, tmp_path: Path) -> None:
    options = SHORT | {"training.steps": 1, "data.caption": ["en"]}
    for key in (
        "family.text_width",
        "training.schedule.warmup",
        "training.optimiser.rate",
        "training.ema",
    ):
        del options[key]
    vae = castalia.train("image/vae", data, options, out=tmp_path / "vae")
    with pytest.raises(AbilityError, match="describe"):
        castalia.describe(vae, [red])
    with pytest.raises(AbilityError, match="compare items with texts"):
        castalia.find(vae, "red", [red])


def test_data_without_captions(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "data", 24)
    for path in folder.glob("*.txt"):
        path.unlink()
    with pytest.raises(castalia.CastaliaError, match="caption"):
        castalia.train("image/captioner", folder, SHORT, out=tmp_path / "run")


def test_over_http(run: Run, red: Path) -> None:
    item = base64.b64encode(red.read_bytes()).decode()
    with serving(run.folder) as up:
        body = {"run": "run", "items": [item], "language": "zh", "n": 1}
        answer = up.post("/api/describe", body).json()
        said = answer["items"][0]["captions"][0]
        assert "红" in said["caption"] and said["manifest"]["synthetic"] is True
        given = [f"data:image/png;base64,{item}", "red square", "blue square"]
        vectors = up.client.embeddings.create(model="run", input=given).data
        picture, right, wrong = (one.embedding for one in vectors)
        assert dot(picture, right) > dot(picture, wrong)
        assert up.post("/api/describe", body | {"language": "fr"}).status_code == 400
        assert up.post("/api/describe", body | {"items": ["//"]}).status_code in (400, 422)
        unknown = up.post("/v1/embeddings", {"model": "run", "input": "Ωμέγα"})
        assert unknown.status_code == 400 and "none of these words" in unknown.text


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
