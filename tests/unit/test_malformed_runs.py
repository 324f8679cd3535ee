"""No run, manifest or file beside them, however it is malformed, makes anything but a CastaliaError
come out, soon and in little memory.

A whole run is altered: any value of its JSON files and its recipe, bytes of any file, its length,
what it is. Then it is read by what every verb begins with, in this process and without the net of
cli/crash.py. The long version, for files of data too, is benchmarks/fuzz.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.untrained import SMALL_TEXT, untrained

from castalia.cli.main import main
from castalia.errors import CastaliaError
from castalia.governance import card, ledger
from castalia.governance.audit_index import open_index
from castalia.language import LANGUAGES
from castalia.run import Run
from castalia.testing.malformed import VALUES, WAYS, copied, damage, places, replaced

SECONDS = 20  # of CPU for one malformed run, on the slowest machine of CI; most take 10 ms


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of pictures and one of texts, with a ledger, scores, an audit's index and a released
    item each.
    """
    folder = tmp_path_factory.mktemp("runs")
    pictures = [
        PIL.Image.fromarray(np.full((8, 8), 16 * number, dtype=np.uint8)) for number in range(4)
    ]
    report = {
        "source": "x",
        "items": 4,
        "distinct": 4,
        "train": 3,
        "validation": 1,
        "ignored": {".md": 1},
        "notes": ["a"],
        "classes": {"a": 4},
    }
    report["duplicates"] = {"copies": 0, "examples": []}
    made = {
        "picture": untrained(
            folder / "picture",
            "image/vae",
            pictures,
            "codec.size=8",
            "family.width=8",
            "family.depth=0",
            "training.threads=1",
        ),
        "text": untrained(
            folder / "text",
            "text/ar-small",
            ["a b c\n" * 9, "春眠不觉晓"],
            *SMALL_TEXT,
            "training.threads=1",
        ),
    }
    for run in made.values():
        about = json.loads((run.folder / "run.json").read_text())
        about["data"]["report"] = report
        (run.folder / "run.json").write_text(json.dumps(about))
        run.record({"step": 1, "seconds": 1.0, "memory_mb": 100.0, "main/total": 2.0})
        (run.folder / "eval").mkdir()
        score = {
            "name": "kid",
            "value": 0.5,
            "low": 0.1,
            "high": 0.9,
            "floor": 0.0,
            "better": "lower",
            "informative": False,
        }
        (run.folder / "eval" / "scores.json").write_text(json.dumps({"scores": [score]}))
        said(["sample", str(run.folder), "-n", "1", "--out", str(run.folder / "out")])
    return {name: run.folder for name, run in made.items()}


def said(words: list[str]) -> str:
    """What `castalia` says, run in this process. Raises whatever main() does not expect."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(words)
        except SystemExit as stop:
            assert stop.code in (0, 2, 3, 4, 5, 7, None), (words, stop.code, out.getvalue()[-2000:])
    assert "\x1b[31m" not in out.getvalue() and "\u202e" not in out.getvalue()
    return out.getvalue()


READS: list[Callable[[Path], Any]] = [
    lambda folder: said(["show", str(folder)]),
    lambda folder: said(["card", str(folder)]),
    lambda folder: said(["ledger", "verify", str(folder)]),
    lambda folder: said(["verify", str(released(folder))]),
    lambda folder: said(
        ["reproduce", str(released(folder)), "--run", str(folder), "--out", str(folder / "again")]
    ),
    lambda folder: said(["sample", str(folder), "-n", "1", "--out", str(folder / "new")]),
    lambda folder: Run.open(folder).metrics(),
    lambda folder: Run.open(folder).finished,
    lambda folder: open_index(Run.open(folder)),
]


def released(folder: Path) -> Path:
    return next(
        (one for one in sorted((folder / "out").iterdir()) if one.suffix in (".png", ".txt")),
        folder / "out" / "none.png",
    )


def read(folder: Path) -> None:
    """All reads; only CastaliaError may come out, each in bounded time."""
    for look in READS:
        begun = time.process_time()
        with contextlib.suppress(CastaliaError):
            look(folder)
        assert time.process_time() - begun < SECONDS


DOCUMENTS = (
    "run.json",
    "codec.json",
    "checkpoints/step-00000001/state.json",
    "eval/scores.json",
    "recipe.yaml",
    "metrics.jsonl",
    "ledger.jsonl",
    "out/00000.json",
)
FEW = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)


@pytest.fixture
def damaged(runs: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A function: a fresh copy of a run."""

    def copy(kind: str) -> Path:
        return copied(runs[kind], tmp_path / kind)

    return copy


def test_whole_runs_are_read(runs: dict[str, Path]):
    for folder in runs.values():
        assert "not finished" in said(["show", str(folder)])
        assert said(["verify", str(released(folder))]).splitlines()[0].endswith(": intact")


@given(data=st.data())
@FEW
def test_any_value_of_any_document(damaged: Callable[[str], Path], data: st.DataObject):
    folder = damaged(data.draw(st.sampled_from(["picture", "text"])))
    path = folder / data.draw(
        st.sampled_from([one for one in DOCUMENTS if (folder / one).exists()])
    )
    text = path.read_text(encoding="utf-8")
    document = (
        yaml.safe_load(text)
        if path.suffix == ".yaml"
        else json.loads(text.splitlines()[0] if path.suffix == ".jsonl" else text)
    )
    place, value = data.draw(st.sampled_from(places(document))), data.draw(st.sampled_from(VALUES))
    changed = replaced(document, place, value)
    path.write_text(
        yaml.safe_dump(changed, allow_unicode=False)
        if path.suffix == ".yaml"
        else json.dumps(changed) + "\n",
        encoding="utf-8",
    )
    read(folder)


@given(
    seed=st.integers(0, 2**32), kind=st.sampled_from(["picture", "text"]), way=st.sampled_from(WAYS)
)
@FEW
def test_any_bytes_of_any_file(damaged: Callable[[str], Path], seed: int, kind: str, way: str):
    folder, rng = damaged(kind), random.Random(seed)
    files = sorted(one for one in folder.rglob("*") if one.is_file() and one.name != "lock")
    damage(rng.choice(files), way, rng)
    read(folder)


MALFORMED = {  # manifest's key -> a value that asks for what cannot be
    "rows": [10**9, 10**6, 0, -1, True, "1", 1.5, None, [1]],
    "seed": [10**40, "x", 1.5],
    "index": [-1, 2**63, 10**40],
    "row": [10**9, -1, 5],
    "versions": [{"threads": 10**9}, {"threads": 0}, {"threads": "x"}, [], None, "x"],
    "options": [
        {"temperature": -1.0},
        {"top_k": 2**63},
        {"length": 10**12},
        {"stop": [""]},
        {"none": 1},
        {"stop": 3},
        [],
    ],
    "weights": ["../../x", 3, None],
    "cond": [{"label": []}, {"x": "y"}, []],
    "model": [3, "x", None],
    "prompt_tokens": [[-1], [10**12], "x", [[1]]],
    "messages": [[{"role": 1}], "x", [[]]],
}


@pytest.mark.parametrize("key", MALFORMED)
def test_reproduce_believes_no_manifest(key: str, runs: dict[str, Path], tmp_path: Path):
    """Sealed anew, so that nothing but its values is wrong."""
    from castalia.governance import ai_mark

    for value in MALFORMED[key]:
        target = tmp_path / "00000.txt"
        shutil.copy(released(runs["text"]), target)
        manifest = json.loads((runs["text"] / "out" / "00000.json").read_text())
        manifest[key] = value
        ai_mark.seal(manifest, manifest["content"])
        target.with_suffix(".json").write_text(json.dumps(manifest))
        text = said(
            ["reproduce", str(target), "--run", str(runs["text"]), "--out", str(tmp_path / "again")]
        )
        assert ("\nat:  " in text and "\ntry: " in text) or "identical" in text, (key, value, text)
        said(["verify", str(target)])


def test_a_line_of_a_ledger_without_end(runs: dict[str, Path], tmp_path: Path):
    """A line of 100 MB is read in pieces, and is no entry."""
    path = tmp_path / "ledger.jsonl"
    shutil.copy(runs["text"] / "ledger.jsonl", path)
    with open(path, "ab") as file:
        file.truncate(path.stat().st_size + 100_000_000)
    verdict = ledger.verify(path)
    assert not verdict.intact or verdict.notes
    ledger.append(path, {"event": "x"})


def test_cards_show_what_they_quote(runs: dict[str, Path], tmp_path: Path):
    hostile = "<script>x</script> | `a` [l](javascript:x) \u202e\n\n# T"
    folder = tmp_path / "run"
    shutil.copytree(runs["picture"], folder)
    about = json.loads((folder / "run.json").read_text())
    about["data"] |= {"licence": hostile}
    about["data"]["report"] |= {
        "classes": {hostile: 3},
        "told": {hostile: {hostile: 2}},
        "source": hostile,
    }
    about["parents"] = [{"run": hostile, "model": "a", "data": "b"}]
    about["versions"]["cpu"] = hostile
    (folder / "run.json").write_text(json.dumps(about))
    scores = json.loads((folder / "eval" / "scores.json").read_text())
    scores["scores"][0]["name"] = hostile
    (folder / "eval" / "scores.json").write_text(json.dumps(scores))
    for language in LANGUAGES:
        text = card.render(Run.open(folder), language)
        bare = re.sub(r"\\.", "", text)  # without what a backslash escapes
        assert (
            "<script" not in bare
            and "](" not in bare
            and "\n# T" not in text
            and "\u202e" not in text
            and "`a`" not in bare
        )
        assert all(line.count("|") in (0, 3, 6, 7) for line in bare.splitlines()), text
        assert text.count("script") >= 6
