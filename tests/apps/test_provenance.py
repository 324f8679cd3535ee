"""From files back to their run, as users do it: verify, reproduce, ledger, card and policies at the
command line.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import PIL.Image
import pytest

from castalia.modalities.image.codec import read_manifest
from tests.apps.command import TINY, castalia, inside
from tests.apps.test_bad_input import fails, three_lines
from tests.texts import SHORT, corpus

POLICY = """
producer: {name: 示例公司}
licence: CC-BY-4.0
blocked:
  - {id: bombs, terms: [big bomb, 敏感词], applies: output}
  - {id: names, terms: [老国王], applies: input, message: {en: no kings, zh: 不提国王}}
options:
  - {id: calm, option: temperature, most: 1.2}
  - {id: gentle, option: strength, most: 0.5}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture run, a text run that fills gaps, and a policy."""
    folder = tmp_path_factory.mktemp("provenance")
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "pictures", cwd=folder)
    corpus(folder / "texts", files=10, language="zh")
    inside("train", "text/ar-infill", "texts", *SHORT, "--out", "text", cwd=folder)
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return folder


def told(place: Path, *words: object, code: int = 0) -> dict[str, object]:
    # what follows went to stderr
    found, _ = json.JSONDecoder().raw_decode(inside(*words, "--json", cwd=place, code=code))
    assert isinstance(found, dict)
    return found


# Verify -------------------------------------------------------------------------------------------


def test_verify_says_which_run_when_and_under_which_licence(place: Path) -> None:
    inside("sample", "pictures", "-n", 3, "--out", "a", "--policy", "policy.yaml", cwd=place)
    said = inside("verify", "a/00000.png", "a/00002.png", cwd=place)
    manifest = read_manifest(place / "a" / "00000.png") or {}
    for word in (
        "a/00000.png: intact",
        "a/00002.png: intact",
        manifest["run"],
        manifest["time"],
        "CC BY 4.0",
        "CC-BY-4.0",
        "ledger line",
    ):
        assert word in said
    (first,) = told(place, "verify", "a/00000.png", "--run", "pictures")["files"]  # type: ignore[misc]
    assert (
        first["state"] == "intact" and first["manifest"] == manifest and first["ledger_line"] == 1
    )
    assert inside("verify", "a/00000.png", "--run", "text", cwd=place, code=3)


def test_equal_content_may_leave_twice(place: Path) -> None:
    inside("sample", "pictures", "-n", 1, "--seed", 8, "--out", "once", cwd=place)
    # names a producer
    inside(
        "sample",
        "pictures",
        "-n",
        1,
        "--seed",
        8,
        "--out",
        "twice",
        "--policy",
        "policy.yaml",
        cwd=place,
    )
    (first,), (second,) = (
        told(place, "verify", f"{name}/00000.png")["files"] for name in ("once", "twice")
    )  # type: ignore[misc]
    assert (first["state"], second["state"]) == ("intact", "intact") and first[
        "ledger_line"
    ] < second["ledger_line"]


def test_verify_gives_the_worst_code(place: Path) -> None:
    inside("sample", "pictures", "-n", 2, "--out", "b", cwd=place)
    PIL.Image.new("L", (8, 8)).save(place / "b" / "foreign.png")
    assert "unknown" in inside("verify", "b/00000.png", "b/foreign.png", cwd=place, code=3)
    with PIL.Image.open(place / "b" / "00001.png") as picture:
        picture.save(place / "b" / "edited.png")  # an editor that drops what it does not know
    said = inside("verify", "b/foreign.png", "b/edited.png", "b/00000.png", cwd=place, code=7)
    assert "does not match: its manifest was taken out" in said
    fails("verify", "b/nowhere.png", cwd=place, code=3, says="no such file")
    (place / "b" / "what.xyz").write_bytes(b"")
    fails("verify", "b/what.xyz", cwd=place, code=3, says="no codec knows")


# Reproduce ----------------------------------------------------------------------------------------


def same_bytes(place: Path, path: str, *words: object) -> None:
    inside("reproduce", path, "--out", "again", *words, cwd=place)
    again = place / "again" / Path(path).name
    assert again.read_bytes() == (place / path).read_bytes()
    if again.suffix == ".txt":
        assert (
            again.with_suffix(".json").read_bytes()
            == (place / path).with_suffix(".json").read_bytes()
        )
    shutil.rmtree(place / "again")


def test_a_picture_in_another_process_without_naming_the_run(place: Path) -> None:
    inside(
        "sample",
        "pictures",
        "-n",
        5,
        "--seed",
        4,
        "--cond",
        "label=7",
        "--temperature",
        0.8,
        "--out",
        "c",
        cwd=place,
    )
    said = castalia("reproduce", "c/00003.png", "--out", "again", cwd=place)
    assert "identical, byte for byte" in said
    assert (place / "again" / "00003.png").read_bytes() == (place / "c" / "00003.png").read_bytes()
    shutil.rmtree(place / "again")
    same_bytes(place, "c/00000.png", "--run", "pictures")


def test_texts_with_prompt_and_constraint_from_files(place: Path) -> None:
    """And neither file's place is in a manifest."""
    (place / "a secret place").mkdir()
    (place / "a secret place" / "prompt.txt").write_text("那只猫", encoding="utf-8")
    (place / "a secret place" / "schema.json").write_text('{"type": "integer"}', encoding="utf-8")
    words = [
        "--prompt",
        "@a secret place/prompt.txt",
        "--constraint",
        "json:@a secret place/schema.json",
        "--seed",
        3,
        "--stop",
        "。",
    ]
    inside("sample", "text", "-n", 3, "--out", "d", *words, cwd=place)
    same_bytes(place, "d/00001.txt")
    manifest = (place / "d" / "00001.json").read_text(encoding="utf-8")
    assert (
        "那只猫" in manifest
        and "integer" in manifest
        and "secret" not in manifest
        and str(place) not in manifest
    )


@pytest.mark.parametrize("kind", ["interpolate", "vary"])
def test_edits_of_pictures(place: Path, kind: str) -> None:
    ends = place / "e" / "7"  # the name of the folder is a class of the run
    inside("sample", "pictures", "-n", 2, "--out", ends, cwd=place)
    inputs = [ends / "00000.png", ends / "00001.png"]
    inside("edit", "pictures", kind, *inputs, "--steps", 3, "--seed", 5, "--out", "f", cwd=place)
    moved = place / "elsewhere"
    shutil.copytree(ends, moved)
    given = [word for path in inputs for word in ("--inputs", moved / path.name)]
    same_bytes(place, "f/00001.png", *given)
    fails(
        "reproduce",
        "f/00001.png",
        "--out",
        "again",
        cwd=place,
        code=3,
        says="it needs what it was made from",
    )
    fails(
        "reproduce",
        "f/00001.png",
        "--out",
        "again",
        *given[2:],
        *given[:2],
        cwd=place,
        code=3,
        says="not the files",
    )
    shutil.rmtree(moved)
    assert str(place) not in json.dumps(read_manifest(place / "f" / "00001.png"))


def test_filled_gaps(place: Path) -> None:
    (place / "gap.txt").write_text("那只猫[[3]]一条狗", encoding="utf-8")
    inside("edit", "text", "infill", "gap.txt", "--steps", 2, "--out", "g", cwd=place)
    same_bytes(place, "g/00001.txt", "--inputs", "gap.txt")


def test_a_file_that_was_altered_is_not_reproduced(place: Path) -> None:
    inside("sample", "text", "-n", 1, "--length", 6, "--out", "h", cwd=place)
    path = place / "h" / "00000.txt"
    path.write_text(path.read_text(encoding="utf-8") + "！", encoding="utf-8")
    said = inside("reproduce", path, "--out", "again", cwd=place, code=7)
    assert "the file was altered since" in said and "from character" in said
    shutil.rmtree(place / "again")


def test_a_run_that_is_not_here(place: Path, tmp_path: Path) -> None:
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "training.seed=3",
        "--out",
        "run",
        cwd=tmp_path,
    )
    inside("sample", "run", "-n", 1, "--out", "out", cwd=tmp_path)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    fails(
        "reproduce",
        "out/00000.png",
        "--out",
        "again",
        cwd=tmp_path,
        code=4,
        says="was here, but is no longer",
    )
    assert "is no longer" in inside("verify", "out/00000.png", cwd=tmp_path)
    inside("reproduce", "out/00000.png", "--run", "moved", "--out", "again", cwd=tmp_path)
    three_lines(
        inside(
            "reproduce",
            "out/00000.png",
            "--run",
            place / "pictures",
            "--out",
            "again",
            cwd=tmp_path,
            code=4,
        ),
        "does not have the weights",
    )
    alone = {"CASTALIA_HOME": str(tmp_path / "nobody")}
    three_lines(
        castalia(
            "reproduce", "out/00000.png", "--out", "again", cwd=tmp_path, code=4, environment=alone
        ),
        "not known on this machine",
    )


# Policies -----------------------------------------------------------------------------------------


def test_a_blocked_prompt_and_a_blocked_option(place: Path) -> None:
    given = ["--policy", "policy.yaml", "--ledger", "own.jsonl"]
    said = inside("sample", "text", "--prompt", "老國王", *given, "--out", "x", cwd=place, code=7)
    three_lines(said, "no kings · 不提国王")
    assert "rule names" in said and "老" not in said
    fails(
        "sample",
        "text",
        "--temperature",
        1.5,
        *given,
        "--out",
        "x",
        cwd=place,
        code=7,
        says="temperature",
    )
    (place / "gap2.txt").write_text("老国王[[2]]", encoding="utf-8")
    fails(
        "edit",
        "text",
        "infill",
        "gap2.txt",
        *given,
        "--out",
        "x",
        cwd=place,
        code=7,
        says="no kings",
    )
    inside("sample", "pictures", "-n", 1, "--out", "i", cwd=place)
    fails(
        "edit",
        "pictures",
        "vary",
        "i/00000.png",
        "--strength",
        0.9,
        *given,
        "--out",
        "x",
        cwd=place,
        code=7,
        says="strength",
    )
    assert not (place / "x").exists()
    assert "4 refused" in inside("ledger", "verify", "own.jsonl", cwd=place)
    fails("sample", "text", "--policy", "nowhere.yaml", cwd=place, code=2, says="policy")


def test_blocked_outputs_are_counted_and_the_others_written(place: Path) -> None:
    words = ["--policy", "policy.yaml", "--ledger", "outputs.jsonl"]
    found = told(
        place,
        "sample",
        "text",
        "-n",
        6,
        "--constraint",
        "regex:(a big bomb|a little cat)",
        *words,
        "--out",
        "j",
        code=7,
    )
    refused = [entry["index"] for entry in found["refused"]]  # type: ignore[union-attr,index]
    assert refused and len(refused) < 6, "seed 0 gives both"
    assert found["texts"] == ["a little cat"] * (6 - len(refused))
    assert sorted(path.name for path in (place / "j").glob("*.txt")) == found["files"]
    said = inside(
        "sample",
        "text",
        "-n",
        2,
        "--constraint",
        "regex:a big bomb",
        *words,
        "--out",
        "k",
        cwd=place,
        code=7,
    )
    three_lines(said, "not allowed")
    assert not (place / "k").exists()


def test_a_stream_never_shows_half_a_blocked_term(place: Path) -> None:
    words = [
        "sample",
        "text",
        "--stream",
        "--policy",
        "policy.yaml",
        "--ledger",
        "stream.jsonl",
        "--constraint",
    ]
    said = inside(*words, "regex:那只猫敏感词。", cwd=place, code=7)
    assert said.startswith("那只猫\n") and "敏" not in said and "rule bombs" in said
    assert inside(*words, "regex:那只猫敏感的。", cwd=place) == "那只猫敏感的。\n"
    entries = [
        json.loads(line)
        for line in (place / "stream.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(entry["event"], entry["streamed"]) for entry in entries] == [
        ("refused", "refused"),
        ("released", "whole"),
    ]


def test_a_policy_that_wants_an_audit_does_not_start_without(place: Path) -> None:
    (place / "close.yaml").write_text("similarity: {id: no-copies, most: 0.9}")
    fails(
        "sample",
        "pictures",
        "--policy",
        "close.yaml",
        "--out",
        "x",
        cwd=place,
        code=7,
        says="no audit index",
    )
    assert not (place / "x").exists()


# The card -----------------------------------------------------------------------------------------


def test_cards_in_both_languages(place: Path) -> None:
    inside("sample", "pictures", "-n", 2, "--out", "l", cwd=place)
    inside("card", "pictures", "--policy", "policy.yaml", cwd=place)
    found = told(place, "card", "pictures", "--lang", "zh", "--policy", "policy.yaml")
    english, chinese = (
        (place / "pictures" / "card.md").read_text(encoding="utf-8"),
        Path(str(found["card"])),
    )
    chinese_text = (place / chinese).read_text(encoding="utf-8")
    weights = (read_manifest(place / "l" / "00000.png") or {})["model"]
    for text in (english, chinese_text):
        for fact in (
            weights,
            "CC BY 4.0",
            "CC-BY-4.0",
            "示例公司",
            "1797",
            "TC260:AIGC",
            "Art. 50(2)",
            "第五条",
        ):
            assert fact in text
        assert str(place) not in text and "| ☐ |" in text and "| ☑ |" in text
        rows = [line for line in text.splitlines() if line.startswith(("| ☐", "| ☑", "| ◐"))]
        assert len(rows) == 19 and all(line.count("|") == 6 for line in rows)
    assert (
        "released" in english
        and "Not judged yet" in english
        and "尚未评估" in chinese_text
        and "待确认" in chinese_text
    )
    fails("card", "pictures", "--lang", "fr", cwd=place, code=2, says="fr")


def test_a_text_card_does_not_claim_what_pictures_have(place: Path) -> None:
    inside("card", "text", "--out", "card.md", cwd=place)
    text = (place / "card.md").read_text(encoding="utf-8")
    assert (
        "text that is copied loses it" in text
        and "empty: set `producer`" in text
        and "The licence of the data is not stated" in text
    )
    assert "☑ | Art. 50(2)" not in text


def test_all_of_it_left_whole_ledgers(place: Path) -> None:
    for run in ("pictures", "text"):
        inside("ledger", "verify", run, cwd=place)
    fails("ledger", "mend", "pictures", cwd=place, code=2, says="mend")
    fails("ledger", "verify", "nowhere", cwd=place, code=4, says="nowhere")
