"""A text run from end to end as users have it, in English and Chinese; and what happens with bad
texts, prompts and constraints.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.apps.command import castalia as command
from tests.apps.command import inside
from tests.apps.test_bad_input import fails, three_lines
from tests.texts import SHORT, corpus, sentences

import castalia
from castalia import Run
from castalia.abilities import SampleOptions
from castalia.sampling.generate import Request, reproduce, stream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text-runs")
    corpus(folder / "texts", files=12)
    for number, language in enumerate(["zh"] * 12):
        text = sentences(30, 50 + number, language)
        # as files come from everywhere
        encoded = text.encode(("utf-8", "gb18030", "utf-16")[number % 3])
        (folder / "texts" / f"zh{number}.txt").write_bytes(encoded)
    steps = [
        "training.steps=40",
        "training.batch=16",
        "training.save_every=20",
        "training.sample_every=20",
    ]
    inside("train", "text/ar", "texts", *SHORT, *steps, "--out", "run", cwd=folder)
    return folder


def sampled(place: Path, *words: object, n: int = 3) -> list[str]:
    found = json.loads(
        inside("sample", "run", "-n", n, "--json", "--out", "out", *words, cwd=place)
    )
    assert [(place / "out" / name).read_bytes().decode() for name in found["files"]] == found[
        "texts"
    ]
    return found["texts"]


# A whole run --------------------------------------------------------------------------------------


def test_the_run_knows_its_encodings_and_wrote_texts(place: Path) -> None:
    run = Run.open(place / "run")
    report = run.about["data"]["report"]
    assert report["items"] == 24 and {"UTF-8", "GB18030"} <= set(report["encodings"])
    assert "猫".encode() in run.codec.token_bytes  # characters of all three encodings
    sheets = sorted(path.name for path in (place / "run" / "samples").glob("step-*.txt"))
    assert sheets == ["step-00000020.txt", "step-00000040.txt"]
    assert "\ufffd" not in (place / "run" / "samples" / sheets[-1]).read_text(encoding="utf-8")
    inside("show", "run", cwd=place)
    inside("list", "runs", cwd=place)


def test_a_dry_run_writes_nothing(place: Path, tmp_path: Path) -> None:
    told = inside("train", "text/ar", place / "texts", *SHORT, "--dry-run", cwd=tmp_path)
    assert "Tokens(length=32" in told and "0x" not in told and not list(tmp_path.iterdir())


def test_prompts_stay_and_manifests_make_the_same_bytes(place: Path) -> None:
    texts = sampled(
        place,
        "--prompt",
        "那只猫",
        "--seed",
        3,
        "--temperature",
        0.8,
        "--top-k",
        20,
        "--length",
        20,
    )
    assert all(text.startswith("那只猫") and len(text) <= 23 for text in texts)
    run = Run.open(place / "run")
    for number, text in enumerate(texts):
        manifest = json.loads((place / "out" / f"{number:05d}.json").read_text(encoding="utf-8"))
        assert manifest["prompt"] == "那只猫" and manifest["tokens"] <= 20
        assert reproduce(run, manifest).item == text
    assert (
        sampled(
            place,
            "--prompt",
            "那只猫",
            "--seed",
            3,
            "--temperature",
            0.8,
            "--top-k",
            20,
            "--length",
            20,
            n=2,
        )
        != []
    )
    (place / "prompt.txt").write_text("一条狗", encoding="utf-8")
    assert all(
        text.startswith("一条狗")
        for text in sampled(place, "--prompt", "@prompt.txt", "--length", 5)
    )


def test_streaming_gives_the_text_of_the_first_sample(place: Path) -> None:
    """In whole characters, and without the beginning of a stop string."""
    run = Run.open(place / "run")
    for stop in ((), ("听。\n",), ("the", "。")):
        request = Request(
            1, seed=5, options=SampleOptions(length=30, stop=stop), prompt="老国王", batch=1
        )
        whole = next(iter(castalia.sampling.generate.generate(run, request)))  # type: ignore[attr-defined]
        pieces = list(stream(run, request))
        assert "老国王" + "".join(pieces) == whole.item and "\ufffd" not in whole.item
        assert not any(text in whole.item.removeprefix("老国王") for text in stop)
    printed = inside("sample", "run", "--stream", "--prompt", "老国王", "--length", 10, cwd=place)
    assert printed.startswith("老国王")


def test_what_a_run_can_be_held_to(place: Path) -> None:
    for text in sampled(place, "--constraint", "regex:[a-z]{3} [a-z]{2,5}[.]"):
        assert re.fullmatch(r"[a-z]{3} [a-z]{2,5}[.]", text)


def test_early_stop_reads_held_out_texts(place: Path) -> None:
    stop = [
        "training.early_stop.part=nats",
        "training.early_stop.every=2",
        "training.early_stop.patience=1",
    ]
    inside(
        "train",
        "text/ar",
        "texts",
        *SHORT,
        "training.steps=12",
        *stop,
        "training.optimiser.muon_rate=3",
        "training.optimiser.rate=3",
        "training.clip=null",
        "--out",
        "stopped",
        cwd=place,
    )
    rows = [
        row["validation"] for row in Run.open(place / "stopped").metrics() if "validation" in row
    ]
    assert rows and all(value == value for value in rows)
    assert Run.open(place / "stopped").finished


# Prompts and constraints that do not fit ----------------------------------------------------------


def test_of_a_long_prompt_the_tail_is_read(place: Path) -> None:
    """docs: a prompt longer than the context is kept whole in the text; the model reads its last
    half context.
    """
    long = sentences(40, 9)
    texts = sampled(place, "--prompt", long, "--length", 8)
    assert all(text.startswith(long) for text in texts)
    tail = sampled(place, "--prompt", long[-16:], "--length", 8)
    assert len(texts) == len(tail) == 3


def test_a_stop_string_that_never_comes_ends_at_the_length(place: Path) -> None:
    texts = sampled(place, "--stop", "不会出现的字", "--length", 12)
    assert all(len(text) <= 12 for text in texts)
    assert {
        json.loads((place / "out" / f"{n:05d}.json").read_text())["ended"] for n in range(3)
    } <= {"length", "end"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--constraint", "regex:[a-z]{50}", "--length", 10), "needs at least 50 tokens"),
        (("--constraint", "regex:[a-z"), "regular expression"),
        (("--constraint", "poem"), "poem"),
        (("--length", 0), "length"),
        (("--temperature", -1), "temperature"),
        (("--top-p", 0), "top_p"),
        (("--prompt", "@nowhere.txt"), "nowhere.txt"),
        (("--cond", "label=1"), "no condition"),
        (("-n", 0), "at least one"),
    ],
)
def test_requests_that_cannot_be_met(words: tuple[object, ...], says: str, place: Path) -> None:
    code = 3 if "@nowhere.txt" in words else 2
    fails("sample", "run", "--out", "none", *words, cwd=place, code=code, says=says)
    assert not (place / "none").exists()


# Data that are none -------------------------------------------------------------------------------


def refused(folder: Path, *words: object, says: str, code: int = 3) -> None:
    fails("train", "text/ar", *words, *SHORT, "--out", "run", cwd=folder, code=code, says=says)
    assert not (folder / "run").exists()


def test_an_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank" / "a.txt").write_text("")
    (tmp_path / "blank" / "b.txt").write_text(" \n\n\t\n")
    (tmp_path / "empty.txt").write_text("")
    refused(tmp_path, "empty", says="empty")
    refused(tmp_path, "blank", says="")
    refused(tmp_path, "empty.txt", says="")


def test_a_corpus_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("All happy families are alike.\n")
    refused(tmp_path, "one.txt", says="too few items to learn from: 1")
    refused(tmp_path, "one.txt", says="codec.document=paragraph or line")


def test_one_small_file_is_enough(tmp_path: Path) -> None:
    """20 KB: one document would be too few."""
    (tmp_path / "one.txt").write_text(sentences(700), encoding="utf-8")
    inside("train", "text/ar", "one.txt", *SHORT, "--out", "run", cwd=tmp_path)
    report = Run.open(tmp_path / "run").about["data"]["report"]
    assert report["items"] >= 8 and report["validation"] > 0
    (tmp_path / "short.txt").write_text(sentences(60), encoding="utf-8")
    inside(
        "train",
        "text/ar",
        "short.txt",
        *SHORT,
        "codec.document=line",
        "--out",
        "lines",
        cwd=tmp_path,
    )


def test_a_binary_file(tmp_path: Path) -> None:
    corpus(tmp_path / "texts")
    (tmp_path / "texts" / "photo.txt").write_bytes(bytes(range(256)) * 40)
    refused(tmp_path, "texts", says="photo.txt")
    inside("train", "text/ar", "texts", *SHORT, "data.skip_bad=true", "--out", "run", cwd=tmp_path)
    assert "photo.txt" in json.dumps(Run.open(tmp_path / "run").about["data"]["report"]["skipped"])


def test_one_very_long_line(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text(
        "".join(sentences(90_000, language="zh").splitlines()), encoding="utf-8"
    )
    assert (tmp_path / "line.txt").stat().st_size > 2 << 20
    inside("train", "text/ar", "line.txt", *SHORT, "--out", "run", cwd=tmp_path)
    run = Run.open(tmp_path / "run")
    assert run.finished and run.about["data"]["report"]["items"] > 100


def test_counts_without_a_development_part_leave_no_run(tmp_path: Path) -> None:
    corpus(tmp_path / "texts")
    refused(tmp_path, "texts", "family.counts=3", says="data.development", code=2)
    inside(
        "train",
        "text/ar",
        "texts",
        *SHORT,
        "family.counts=3",
        "data.development=0.0001",
        "--out",
        "run",
        cwd=tmp_path,
    )
    assert Run.open(tmp_path / "run").about["data"]["report"]["development"] > 0


def test_a_broken_text_in_a_process_of_its_own(tmp_path: Path) -> None:
    corpus(tmp_path / "texts")
    (tmp_path / "texts" / "bad.txt").write_bytes(
        "好的".encode() + b"\xff\xfe\x00\x01" + "好的".encode()
    )
    three_lines(command("train", "text/ar", "texts", *SHORT, cwd=tmp_path, code=3), "bad.txt")
    assert not (tmp_path / "runs").exists()
