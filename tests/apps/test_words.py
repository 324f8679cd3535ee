"""Words to pictures: captions beside files and in tables, prompts, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

import castalia
from castalia.abilities import SampleOptions
from castalia.captions import known_words
from castalia.errors import AbilityError, DataError, RecipeError
from castalia.governance.policy import Policy
from castalia.governance.release_gate import Gate
from castalia.run import Run
from castalia.sampling.generate import passed_over, request_of
from castalia.spec import Words
from castalia.training.setup import open_data
from tests.apps.command import inside
from tests.captioned import COLOURS, captioned
from tests.untrained import untrained

SHORT = {
    "training.steps": 4,
    "training.batch": 8,
    "training.threads": 1,
    "training.sample_every": 0,
    "family.width": 8,
    "family.steps": 2,
    "sampling.n": 2,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("words")
    return castalia.train("image/flow-words", captioned(place / "data"), SHORT, out=place / "run")


def test_the_model_is_told_the_captions(run: Run) -> None:
    kind = run.conditions["caption"]
    assert isinstance(kind, Words) and {"red", "large", "square"} <= set(kind.vocabulary)
    assert run.about["data"]["report"]["captions"] == 24


def test_a_prompt_changes_what_is_drawn(run: Run) -> None:
    red, blue, none = (
        castalia.sample(run, 1, 0, cond)[0].x
        for cond in ({"caption": "a red square"}, {"caption": "a blue square"}, {})
    )
    assert not torch.equal(red, blue) and not torch.equal(red, none)


def test_a_negative_prompt_needs_guidance(run: Run) -> None:
    def drawn(**options: object) -> torch.Tensor:
        return castalia.sample(
            run,
            1,
            0,
            {"caption": "a red square"},
            SampleOptions(**options),  # type: ignore[arg-type]
        )[0].x

    plain, guided = drawn(), drawn(guidance=3.0)
    assert not torch.equal(plain, guided)
    assert not torch.equal(guided, drawn(guidance=3.0, negative="blue"))
    assert torch.equal(plain, drawn(negative="blue"))
    with pytest.raises(RecipeError, match="none of these words"):
        drawn(guidance=3.0, negative="zebra")


def test_negative_words_are_refused_by_a_model_that_is_told_none(tmp_path: Path) -> None:
    other = castalia.train(
        "image/flow",
        captioned(tmp_path / "data"),
        SHORT | {"data.label": None},
        out=tmp_path / "run",
    )
    with pytest.raises(RecipeError, match="no condition 'caption'"):
        castalia.sample(other, 1, 0, {"caption": "red"})


def test_words_that_the_model_does_not_know_are_named(run: Run) -> None:
    assert passed_over(run.conditions, {"caption": "a red zebra"})[0].endswith("zebra")
    assert passed_over(run.conditions, {"caption": "a red square"}) == []
    with pytest.raises(RecipeError, match="none of these words"):
        castalia.sample(run, 1, 0, {"caption": "Ωμέγα"})


def test_the_command_line_takes_a_prompt(run: Run, tmp_path: Path) -> None:
    words = ["--prompt", "a RED square", "--guidance", "2", "--negative", "blue", "-n", "2"]
    inside("sample", run.folder, *words, "--out", tmp_path / "made", cwd=tmp_path)
    made = sorted((tmp_path / "made").glob("*.png"))
    manifest = run.codec.read_manifest(made[0])
    assert manifest is not None and manifest["cond"] == {"caption": "a RED square"}
    assert manifest["options"]["negative"] == "blue"
    assert "a RED square" in (tmp_path / "made" / "sheet.html").read_text(encoding="utf-8")
    again = [made[1], "--run", run.folder, "--out", tmp_path / "again"]
    inside("reproduce", *again, cwd=tmp_path)
    assert (tmp_path / "again" / made[1].name).read_bytes() == made[1].read_bytes()


@pytest.mark.parametrize("kind", ["denoise", "upscale", "infill", "outpaint", "vary"])
def test_edits_take_a_prompt(tmp_path: Path, kind: str) -> None:
    """Every edit is told the words; random weights of a flow are too wild to tell more by."""
    pictures = sorted(captioned(tmp_path / "data").glob("*.png"))[:2]
    items = [PIL.Image.open(path).convert("RGB") for path in pictures]
    words = known_words(["a red square", "a blue square"])
    sizes = ("family.width=8", "family.steps=2")
    run = untrained(
        tmp_path / "run", "image/flow-words", items, *sizes, conditions={"caption": words}
    )
    more: dict[str, Any] = {"infill": {"mask": "4,4,6,6", "steps": 1}, "outpaint": {"by": 4}}.get(
        kind, {"noise": 20} if kind == "denoise" else {}
    )
    made = [
        castalia.edit(run, kind, pictures, cond={"caption": text}, **more)
        for text in ("a red square", "a blue square")
    ]
    assert len(made[0]) == len(made[1]) >= 2
    if kind == "denoise":
        assert made[0][0].tobytes() != made[1][0].tobytes()
    with pytest.raises(RecipeError, match="none of these words"):
        castalia.edit(run, kind, pictures, cond={"caption": "Ωμέγα"}, **more)


def test_a_policy_reads_prompts(run: Run, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    rule = "{id: words, terms: [forbidden], message: {en: 'no', zh: 不}}"
    policy.write_text(f"blocked: [{rule}]\n", encoding="utf-8")
    gate = Gate(run, policy=Policy.load(policy), ledger=tmp_path / "ledger.jsonl")
    gate.prepare(request_of(run, 1, 0, {"caption": "a red square"}))
    with pytest.raises(castalia.errors.Refused):
        gate.prepare(request_of(run, 1, 0, {"caption": "a forbidden square"}))
    with pytest.raises(castalia.errors.Refused):
        gate.prepare(request_of(run, 1, 0, {}, SampleOptions(negative="forbidden")))


def test_captions_of_a_table_in_two_languages(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "data")
    rows = []
    for picture in sorted(folder.glob("*.png")):
        text = picture.with_suffix(".txt").read_text(encoding="utf-8")
        picture.with_suffix(".txt").unlink()
        colour = next(name for name in COLOURS if name in text)
        rows.append({"file": picture.name, "en": text, "zh": f"{COLOURS[colour][0]}方块"})
    rows[3]["zh"] = ""
    table = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "captions.jsonl").write_text(table, encoding="utf-8")
    run = castalia.train(
        "image/flow-words", folder, SHORT | {"data.caption": ["en", "zh"]}, out=tmp_path / "run"
    )
    kind = run.conditions["caption"]
    assert isinstance(kind, Words) and {"red", "红", "方"} <= set(kind.vocabulary)
    assert len(castalia.sample(run, 1, 0, {"caption": "红方块"})) == 1
    side = open_data(run).train
    drawn = {tuple(side.batch(counter, 1, 0).cond["caption"][0].tolist()) for counter in range(100)}
    whole = {tuple(row.tolist()) for row in side.take(range(len(side))).cond["caption"]}
    assert len(drawn) > len(whole)  # `take` gives the first of each item alone
    # a word of a held-out caption that no training item has is not learned
    with pytest.raises(DataError, match="no column 'fr'"):
        castalia.train("image/flow-words", folder, SHORT | {"data.caption": "fr"})


def test_other_captions_are_other_data(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "data")
    run = castalia.train("image/flow-words", folder, SHORT, out=tmp_path / "run")
    (folder / "000.txt").write_text("a purple square", encoding="utf-8")
    with pytest.raises(castalia.errors.RunError, match="not what this run was trained on"):
        open_data(run)


def test_no_captions_at_all(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "data")
    for text in folder.glob("*.txt"):
        text.unlink()
    with pytest.raises(DataError, match="no item has a caption"):
        castalia.train("image/flow-words", folder, SHORT)


def test_items_without_a_caption_are_counted(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "data")
    (folder / "001.txt").unlink()
    (folder / "002.txt").write_text("  ", encoding="utf-8")
    run = castalia.train("image/flow-words", folder, SHORT, out=tmp_path / "run")
    assert any("2 items have no caption" in note for note in run.about["data"]["report"]["notes"])


def test_texts_cannot_be_told_captions(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("some words of a text\n\n" * 400, encoding="utf-8")
    (tmp_path / "text.txt.txt").write_text("a caption", encoding="utf-8")
    with pytest.raises((RecipeError, DataError)):
        castalia.train(
            "text/ar-small",
            tmp_path / "text.txt",
            {"data.conditions": ["caption"], "training.steps": 1},
        )


def test_a_model_that_is_told_texts_is_not_exported_as_a_graph(run: Run, tmp_path: Path) -> None:
    with pytest.raises(AbilityError):
        castalia.export(run, "onnx", tmp_path / "onnx")
    castalia.export(run, "safetensors", tmp_path / "weights")


def test_a_check_says_that_there_are_captions(tmp_path: Path) -> None:
    found = castalia.check(captioned(tmp_path / "data")).document.findings
    words = next(one.words for one in found if one.code == "captioned")
    assert words.startswith("24 pictures have captions") and "image/flow-words" in words
