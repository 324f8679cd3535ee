"""The checker of exercises, on exercises that nobody here generated."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.apps.lesson.checking import check, working_holds
from castalia.apps.lesson.expressions import Leaf, Operation, Tree, read, worth
from castalia.apps.lesson.file_checks import checked
from castalia.apps.lesson.printing import printed
from castalia.apps.lesson.quantities import UNITS
from castalia.apps.lesson.units import LADDERS
from castalia.apps.lesson.working import solution, steps
from castalia.errors import DataError
from tests.apps.command import inside


@pytest.mark.parametrize(
    ("question", "answer", "state"),
    [
        ("3 × (14 − 5) = ?", "27", "right"),
        ("3 * (14 - 5) =", "28", "wrong"),
        ("Work out: 1,200 ÷ 5 = ____", "240", "right"),
        ("计算：１/２＋１/３＝？", "5/6", "right"),
        ("½ + 0.25 = ?", "3/4", "right"),
        ("1 1/2 − 2/3 = ?", "0.8333", "wrong"),
        ("2 − 3 = ?", "-1", "right"),
        ("5/6 + 1/6 = ?", "5/0", "wrong"),
        ("3x + 5 = 20", "x = 5", "right"),
        ("3x + 5 = 20", "x = 4", "wrong"),
        ("5(x + 3) = 2x − 9", "-8", "right"),
        ("□ + 27 = 75", "48", "right"),
        ("2x = 2x", "1", "wrong"),
        ("2x + 1 = 2x", "1", "wrong"),
        ("x × x = 4", "2", "unread"),
        ("1/0 = ?", "1", "unread"),
        ("Simplify 18/24", "3/4", "right"),
        ("Simplify 18/24", "9/12", "wrong"),
        ("约成最简分数：18/24", "0.75", "wrong"),
        ("3/5 ○ 5/8", "<", "right"),
        ("3/5 ○ 5/8", ">", "wrong"),
        ("47 ÷ 5 = ? R ?", "9 R 2", "right"),
        ("47 ÷ 5 = ?……?", "9……2", "right"),
        ("47 ÷ 5 = ? R ?", "8 R 7", "wrong"),
        ("2 h 35 min = ? min", "155 min", "right"),
        ("155 min = ? h ? min", "1 h 95 min", "wrong"),
        ("3.5 km = ? m", "3500", "right"),
        ("3 元 5 角 = ? 分", "350 分", "right"),
        ("3 时 5 分 = ? 分", "185 分", "right"),
        ("3 kg = ? m", "3 m", "unread"),
        ("1 斤 = ? 克", "500 克", "right"),
        ("Tom has 24 nuts. Ann gives him 7 more. How many nuts does Tom have now?", "31", "right"),
        ("小雨有4盒弹珠，每盒6颗。后来她弄丢了3颗。小雨现在有多少颗弹珠？", "21", "right"),
        ("小雨有4盒弹珠，每盒6颗。后来她弄丢了3颗。小雨现在有多少颗弹珠？", "27", "wrong"),
        ("What is love?", "4", "unread"),
        ("(" * 40 + "1" + ")" * 40 + " = ?", "1", "unread"),
        ("9" * 400 + " = ?", "1", "unread"),
        ("9" * 20_000, "1", "unread"),
    ],
)
def test_exercises_from_elsewhere(question: str, answer: str, state: str):
    assert check(question, answer).state == state


def test_exactly_one_choice_may_be_right():
    assert check("1/2 + 1/2 = ?", "1", ["1", "2", "1/2"]).state == "right"
    found = check("1/2 + 1/2 = ?", "1", ["1", "2/2", "1/2"])
    assert found.state == "wrong" and "2 of the choices" in found.why


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("2 + 3 × 4", ("= 2 + 12", "= 14")),
        ("1/2 + 1/3", ("= 3/6 + 2/6", "= 5/6")),
        ("3/4 ÷ 9/2", ("= 3/4 × 2/9", "= 6/36", "= 1/6")),
        ("1 1/2 − 2/3", ("= 3/2 − 2/3", "= 9/6 − 4/6", "= 5/6")),
        ("18/24", ("= 3/4",)),
        ("1/2 + 0.25", ("= 1/2 + 1/4", "= 2/4 + 1/4", "= 3/4")),
    ],
)
def test_steps_are_those_of_a_textbook(question: str, lines: tuple[str, ...]):
    assert steps(read(question)) == lines


@pytest.mark.parametrize(
    ("left", "right", "lines"),
    [
        ("3(x − 2)", "9", ("3x − 6 = 9", "3x = 15", "x = 5")),
        ("x/4 − 3", "2", ("x/4 = 5", "x = 20")),
        ("7 − x", "3", ("x + 3 = 7", "x = 4")),
        ("20", "3x + 5", ("3x = 15", "x = 5")),
        ("2x + 3 + 4", "11", ("2x + 7 = 11", "2x = 4", "x = 2")),
    ],
)
def test_equations_are_solved_step_by_step(left: str, right: str, lines: tuple[str, ...]):
    assert solution(read(left), read(right)) == lines


def test_a_false_line_of_a_working_is_found():
    assert working_holds("3x + 5 = 20", "x = 5", ["3x = 15", "x = 5"])
    assert not working_holds("3x + 5 = 20", "x = 5", ["3x = 14", "x = 5"])
    assert not working_holds("2 + 3 × 4 = ?", "14", ["= 5 × 4", "= 14"])
    assert not working_holds("3 元 5 角 = ? 分", "350 分", ["= 30 角 + 5 角", "= 305 分"])


def trees(depth: int = 3) -> st.SearchStrategy[Tree]:
    leaf = st.builds(lambda over: Leaf(Fraction(over)), st.integers(0, 20)) | st.builds(
        lambda over, under: Leaf(Fraction(over), under), st.integers(1, 9), st.integers(2, 9)
    )
    if not depth:
        return leaf
    inner = trees(depth - 1)
    return leaf | st.builds(Operation, st.sampled_from("+−×÷"), inner, inner)


@given(trees())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_printed_reads_back_with_the_same_value(tree: Tree):
    try:
        value = worth(tree)
    except DataError:  # a division by zero
        return
    assert worth(read(printed(tree))) == value
    lines = steps(tree)
    assert all(worth(read(line.removeprefix("="))) == value for line in lines)


def test_the_ladders_agree_with_the_table_of_the_checker():
    for ladder in (one for ladders in LADDERS.values() for one in ladders):
        table = next(units for units in UNITS.values() if all(name in units for name, _ in ladder))
        for (above, times), (below, _) in pairwise(ladder):
            assert table[above] == times * table[below], (above, below)


def test_a_table_of_exercises_is_checked(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "question,answer,choices\n3 × 4 = ?,12,\n3 × 5 = ?,16,\n"
        "1/2 + 1/4 = ?,3/4,3/4 | 1/6 | 0.75\nWhy?,because,\n",
        encoding="utf-8",
    )
    said = inside("lesson", "check", path, cwd=tmp_path, code=3)
    assert "line 3: 3 × 5 = ?" in said and "right: 15" in said
    assert "2 of the choices are right" in said
    assert re.search(r"4 exercises: 1 right, 2 wrong, 1 that could not be checked", said)
    with pytest.raises(DataError, match="no column 'question'"):
        checked(_written(tmp_path / "b.csv", "q,a\n1,1\n"))
    with pytest.raises(DataError, match="no question and answer"):
        checked(_written(tmp_path / "b.json", '{"exercises": [{"question": 3}]}'))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
