"""Gaps of code filled from the command line, and copied lines with their file and licence."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from castalia.apps.code.copied_lines import TrainingLines, comparable
from castalia.apps.code.filling import with_gap
from castalia.errors import RecipeError
from tests.apps.command import inside

LICENSED = "# SPDX-License-Identifier: MIT OR Apache-2.0\n"
LINE = "    total = sum(values) / len(values)\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of functions that are nearly alike."""
    made = tmp_path_factory.mktemp("code")
    (made / "repository").mkdir()
    for number in range(12):
        text = "".join(
            f"def mean_{number}{n}(values):\n{LINE}    return total\n\n\n" for n in range(4)
        )
        head = LICENSED if number == 0 else ""
        (made / "repository" / f"m{number:02d}.py").write_text(head + text)
    inside(
        *("train", "text/code", "repository", "--out", "run", "training.steps=120"),
        *("training.minutes=null", "training.sample_every=0", "codec.vocab=300"),
        *("codec.length=96", "family.width=48", "family.depth=1", "family.heads=2"),
        *("training.threads=1", "data.validation=0.1"),
        cwd=made,
    )
    (made / "draft.py").write_text("def mean_999(values):\n    pass\n    return total\n")
    return made


def test_a_gap_is_filled_by_versions_that_parse_and_name_their_copied_lines(folder: Path):
    told = json.loads(
        inside("code", "fill", "run", "draft.py", "--at", "2", "-n", "2", "--json", cwd=folder)
    )
    assert told["versions"]
    for one in told["versions"]:
        assert ast.parse(one["text"]).body
        assert one["text"].startswith("def mean_999(values):\n    ")
        assert one["text"].endswith("\n    return total\n")
    copied = [line for one in told["versions"] for line in one["copied"]]
    assert all(
        (line["file"], line["licence"]) == ("m00.py", "MIT OR Apache-2.0") for line in copied
    )
    words = inside("code", "fill", "run", "draft.py", "--at", "2", cwd=folder)
    assert "no general coder" in words


def test_lines_of_any_file_are_looked_up(folder: Path):
    (folder / "theirs.py").write_text(f"def f(values):\n{LINE}    return total\n")
    told = json.loads(inside("code", "copies", "run", "theirs.py", "--json", cwd=folder, code=7))
    (one,) = told["copied"]
    assert (one["line"], one["file"], one["at"]) == (2, "m00.py", 3)
    assert "1 of 3 lines" in inside("code", "copies", "run", "theirs.py", cwd=folder, code=7)
    (folder / "own.py").write_text("def own(things):\n    return things\n")
    assert "0 of 2 lines" in inside("code", "copies", "run", "own.py", cwd=folder)


def test_short_lines_are_nobodys():
    assert (
        comparable("        return   self.value_of(other, 1)") == "return self.value_of(other, 1)"
    )
    assert not comparable("return self") and not comparable("}" * 60)
    lines = TrainingLines([("a.py", "x = the_first_of(many, things)\n", "MIT")])
    assert [one.licence for one in lines.copied("  x  =  the_first_of(many, things)")] == ["MIT"]
    assert lines.copied("x = the_first_of(many, things)", only=[2]) == []


def test_gaps_that_there_are_not_are_named():
    assert with_gap("a\n  b\nc\n", 2) == "a\n  [[]]\nc\n" and with_gap("a [[]]", None) == "a [[]]"
    for text, at in (("a", None), ("[[]] [[]]", None), ("a\n", 2), ("a\n", 0)):
        with pytest.raises(RecipeError):
            with_gap(text, at)
