"""With `--lang zh`, no English sentence stands on a page, in a table, in an error or in a line of
progress: each verb is run on a small run of every modality, and what it prints and writes is read.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.apps.chinese import english, visible
from tests.apps.command import inside

ARCHIVES = Path(__file__).parents[1] / "fixtures" / "runs"
NAMES = ("array-vae", "image-vae", "image-gan", "music-ar-grid", "text-ar")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    for name in NAMES:
        with tarfile.open(ARCHIVES / f"{name}.tar.gz") as archive:
            archive.extractall(folder / "runs", filter="data")
    return folder


def run(place: Path, *words: object, code: int = 0) -> list[str]:
    return english(inside(*words, "--lang", "zh", cwd=place, code=code))


def test_it_finds_english():
    assert english("这是 the file 的名称") and english("样本 drawn by a model")
    assert english("请看：castalia evaluate runs/x to see it") == []
    assert english("frechet-castalia-net32-v1  0.5") == []


@pytest.mark.parametrize("kind", ["runs", "recipes", "families", "codecs", "data"])
def test_lists(place: Path, kind: str):
    assert run(place, "list", kind) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_a_run_is_and_made(place: Path, name: str):
    folder = place / "runs" / name
    out = place / "samples" / name
    assert run(place, "show", folder) == []
    assert run(place, "sample", folder, "-n", 2, "--out", out) == []
    assert [english(visible(page)) for page in out.glob("*.html")] == [[]]
    made = next(path for path in sorted(out.iterdir()) if path.suffix not in (".html", ".json"))
    assert run(place, "verify", made) == []
    assert run(place, "card", folder) == []
    assert english((folder / "card.zh.md").read_text(encoding="utf-8")) == []
    assert run(place, "ledger", "verify", folder) == []


def test_a_check(place: Path):
    assert run(place, "check", place / "runs" / "made", "--out", "check", code=3) == []
    assert english(visible(place / "check" / "report.html")) == []


def test_a_check_of_tables(place: Path):
    folder = place / "tables"
    folder.mkdir()
    rows = "".join(f"mail {number} to a{number}@example.com,猫\n" for number in range(12))
    (folder / "rows.csv").write_text(f"text,kind\n{rows}again,猫\nagain,猫\n", encoding="utf-8")
    turns = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好"}]
    line = json.dumps({"messages": turns}, ensure_ascii=False)
    (folder / "talks.jsonl").write_text(f"{line}\n" * 9, encoding="utf-8")
    assert run(place, "check", folder, "--out", "tables-check") == []
    shown = visible(place / "tables-check" / "report.html")
    assert english(shown) == []
    for words in ("messages 中的对话", "拉丁字母", "rows.csv，第 12 条", "文本", "类别"):
        assert words in shown
    assert ", item" not in shown and "Latin" not in shown


def test_edits(place: Path):
    folder, out = place / "runs" / "image-vae", place / "edited"
    made = place / "runs" / "made" / "00000.png"
    assert run(place, "edit", folder, "vary", made, "--steps", 2, "--out", out) == []
    assert "变体：00000.png" in visible(out / "sheet.html")
    assert run(place, "edit", folder, "interpolate", made, made, "--out", out) == []
    assert "插值：00000.png、00000.png" in visible(out / "sheet.html")


def test_scores_and_comparisons(place: Path):
    folder = place / "runs" / "image-vae"
    assert run(place, "evaluate", folder, "-n", 64) == []
    (page,) = (folder / "eval").glob("*.html")
    assert english(visible(page)) == []
    other = place / "runs" / "image-gan"
    assert run(place, "compare", folder, other, "-n", 64, "--out", "compared") == []
    assert english(visible(place / "compared" / "compare.html")) == []


def test_an_audit(place: Path):
    folder = place / "runs" / "image-gan"
    assert run(place, "audit", folder, "-n", 16) == []
    shown = visible(folder / "audit" / "audit.html")
    assert english(shown) == [] and "种子 0" in shown and "seed" not in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sample", "RUN", "--temperature", 500), 2),
        (("sample", "RUN", "--cond", "label=dog"), 2),
        (("sample", "runs/text-ar", "--constraint", "regex:(?=a)b"), 2),
        (("edit", "RUN", "vary", "nothing.png", "--out", "x"), 3),
        (("edit", "RUN", "colour", "nothing.png", "--out", "x"), 2),
        (("export", "RUN", "--to", "paper", "x"), 2),
        (("train", "image/vae", "builtin/digits", "training.steps=0"), 2),
        (("compare", "RUN"), 4),
    ],
)
def test_errors(place: Path, words: tuple[object, ...], code: int):
    given = [place / "runs" / "image-vae" if word == "RUN" else word for word in words]
    assert run(place, *given, code=code) == []
