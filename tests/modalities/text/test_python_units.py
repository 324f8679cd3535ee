"""Units of Python: what is cut out of files, what parses, and what never leaves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.untrained import untrained

from castalia.errors import DataError, Refused
from castalia.governance.release_gate import Gate
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.modalities.text.python_units import LONGEST, MOST, flaw, units
from castalia.run import Run
from castalia.sampling.generate import generate, request_of

FILE = '''"""A module."""
import os

VALUE = 1

@decorated(
    "twice",
)
def first(a):
    """One."""
    return a


class Small:
    def inner(self):
        return 1


async def last(): return 2
'''


def test_units_are_functions_and_classes_with_their_decorators():
    found = list(units(FILE, "a.py"))
    assert [one.split("\n")[0] for one in found] == [
        "@decorated(",
        "class Small:",
        found[2].strip(),
    ]
    assert all(flaw(one) == "" for one in found)
    assert "VALUE" not in "".join(found)


def test_methods_of_large_classes_stand_alone_at_the_left_edge():
    text = "class Large:\n" + "".join(
        f"    def method_{n}(self):\n        return {'1' * LONGEST}\n\n" for n in range(3)
    )
    found = list(units(text, "a.py"))
    assert [one.split("(")[0] for one in found] == [f"def method_{n}" for n in range(3)]
    assert all(flaw(one) == "" for one in found)


def test_a_unit_whose_strings_lie_at_the_left_edge_still_parses():
    text = (
        f'class A:\n    def f(self):\n        return """\nleft\n"""\n\n    x = "{"y" * LONGEST}"\n'
    )
    assert all(flaw(one) == "" for one in units(text, "a.py"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(:\n", "line 1"),
        ("  x = 1\n", "indent"),
        ("# only a comment\n", "no statement"),
        ("", "no statement"),
        ("x = '\0'", "null"),
        ("(" * 500, "nested"),
        ("-" * 100_000 + "1", ""),
        ("x = 1\n" * MOST, "longer than"),
    ],
)
def test_what_is_no_unit_is_named_and_stops_nothing(text: str, why: str):
    assert flaw(text) and why in str(flaw(text))


def test_escapes_that_warn_are_python():
    assert flaw('x = "\\d"') == ""


def test_a_file_that_is_no_python_is_named(tmp_path: Path):
    (tmp_path / "bad.py").write_text("def f(:\n")
    codec = TextCodec(TextConfig(document="unit"))
    with pytest.raises(DataError, match="no Python") as caught:
        list(codec.read(tmp_path / "bad.py"))
    assert "bad.py" in str(caught.value.where) and "skip_bad" in str(caught.value.fix)
    (tmp_path / "good.py").write_text(FILE)
    assert len(list(codec.read(tmp_path / "good.py"))) == 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Random weights over an alphabet of two letters, a line end and a space: some of what it
    writes is Python.
    """
    return untrained(
        tmp_path_factory.mktemp("code") / "run",
        "text/code",
        ["a\n", "b a\n"],
        "codec.tokenizer=char",
        "codec.unknown=error",
        "codec.length=12",
        "codec.fill_middle=false",
        "codec.tries=200",
        "family.width=16",
        "family.depth=1",
        "family.heads=2",
    )


def test_all_units_that_are_drawn_parse(run: Run):
    samples = list(generate(run, request_of(run, 30, 0)))
    assert all(ast.parse(one.item).body for one in samples)
    assert max(one.facts["tries"] for one in samples) > 1
    assert samples[0].facts["parses"] == "python"


def test_the_gate_lets_no_text_out_that_is_no_python(run: Run, tmp_path: Path):
    gate = Gate(run)
    with pytest.raises(Refused, match="no Python"):
        gate.emit("a b", tmp_path / "a.txt", gate.facts_of())
    with pytest.raises(Refused, match="nothing is streamed"):
        gate.screen("a")
    assert list(tmp_path.iterdir()) == []


def test_texts_of_other_recipes_are_not_judged():
    codec = TextCodec(TextConfig())
    assert not codec.vets and TextCodec(TextConfig(parses="python")).vets
