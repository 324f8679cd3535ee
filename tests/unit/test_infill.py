"""Filling the gaps of texts: [[n]] by a model of any order, [[]] by fill-in-the-middle; what is
given comes back as it was.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.texts import SHORT, corpus

import castalia
from castalia.errors import AbilityError, RecipeError, SpecError
from castalia.modalities.text.fill_middle import SHORTEST, rearranged
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.sampling.infill import fill

MARKS = (2, 3, 4)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("infill")
    texts = corpus(folder / "texts", language="zh")
    byte = [*SHORT, "codec.tokenizer=byte", "codec.length=64"]
    castalia.train("text/ar-infill", texts, SHORT, out=folder / "any")
    castalia.train("text/ar-infill", texts, byte, out=folder / "bytes")
    castalia.train("text/ar", texts, [*byte, "codec.fill_middle=true"], out=folder / "middle")
    castalia.train("text/ar", texts, SHORT, out=folder / "left")
    return folder


def filled(place: Path, run: str, text: str, count: int = 6) -> list[str]:
    opened = Run.open(place / run)
    return fill(opened.model(), opened.codec, text, count=count, seed=0)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("那只猫[[3]]国王", r"那只猫.{0,3}国王"),
        ("[[2]]那只猫", r".{0,2}那只猫"),
        ("那只猫[[2]]", r"那只猫.{0,2}"),
        ("那[[1]]猫[[2]]国王", r"那.{0,1}猫.{0,2}国王"),
        ("那[[2]][[3]]王", r"那.{0,5}王"),
        ("那[[0]]王", "那王"),
        ("那[[0]]猫[[1]]", r"那猫.{0,1}"),
        ("[[4]]", r".{0,4}"),
        ("unknown letters é😀[[2]]!", r"unknown letters é😀.{0,2}!"),
    ],
)
def test_what_is_given_comes_back(text: str, pattern: str, place: Path) -> None:
    for run in ("any", "bytes"):
        results = filled(place, run, text)
        assert len(results) == 6
        for result in results:
            assert re.fullmatch(pattern, result, re.DOTALL), (run, result)
            assert "\ufffd" not in result, (run, result)
    assert filled(place, "any", text) == filled(place, "any", text)


def test_gaps_of_bytes_hold_whole_characters(place: Path) -> None:
    """Whatever the length: an untrained model would break them at once."""
    for size in range(1, 9):
        for result in filled(place, "bytes", f"那[[{size}]]王", count=20):
            assert len(result.encode()) == 6 + size and "\ufffd" not in result


def test_one_gap_of_free_length(place: Path) -> None:
    for result in filled(place, "middle", "那只猫[[]]国王"):
        assert result.startswith("那只猫") and result.endswith("国王") and "\ufffd" not in result


def test_marks_are_never_written(place: Path) -> None:
    run = Run.open(place / "middle")
    for sample in castalia.sample(run, n=20):
        assert not set(sample.x.tolist()) & set(run.codec.middle or ())


@pytest.mark.parametrize(
    ("run", "text", "error", "says"),
    [
        ("any", "nothing to fill", RecipeError, "no gap"),
        ("any", "a[[]]b", RecipeError, "length of a gap"),
        ("middle", "a[[]]b[[]]c", RecipeError, "length of a gap"),
        ("middle", "a[[3]]b", AbilityError, "left to right"),
        ("left", "a[[3]]b", AbilityError, "left to right"),
        ("any", "a[[33]]b", SpecError, "longer than the context"),
        ("any", "a[[999999999999999]]b", SpecError, "longer than the context"),
        ("middle", "a[[]]" + "b" * 64, SpecError, "longer than the context"),
    ],
)
def test_what_cannot_be_filled(
    run: str, text: str, error: type[Exception], says: str, place: Path
) -> None:
    with pytest.raises(error, match=says):
        filled(place, run, text)


# Fill in the middle -------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    closed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_rearranged_piece_is_its_text_in_another_order(
    pieces: list[int], closed: bool, seed: int
) -> None:
    """All but the first three tokens, which make room for the marks; `begin`, `end` and lengths
    stay where they were.
    """
    row: list[int] = []
    for length in pieces:
        row += [0, *range(10 + len(row), 10 + len(row) + length), *([1] if closed else [])]
    x = torch.tensor([row])
    found = rearranged(x, generator("middle", seed), begin=0, end=1, marks=MARKS)
    assert found.shape == x.shape and torch.equal(found <= 1, x <= 1)
    start = 0
    for length in pieces:
        before, after = (one[0, start + 1 : start + 1 + length].tolist() for one in (x, found))
        start += 1 + length + closed
        if before == after:
            continue
        assert length >= SHORTEST and sorted(after) == sorted([*MARKS, *before[3:]])
        prefix, suffix, middle = (after.index(mark) for mark in MARKS)
        assert prefix == 0 < suffix < middle
        assert after[1:suffix] + after[middle + 1 :] + after[suffix + 1 : middle] == before[3:]


def test_half_of_the_pieces_are_rearranged_in_training_and_none_elsewhere(place: Path) -> None:
    from castalia.training.setup import open_data

    data, run = open_data(Run.open(place / "middle")), Run.open(place / "middle")
    mark = (run.codec.middle or (0,))[0]
    changed: Any = [
        bool((data.train.batch(counter, 1, 0, augment=True).x == mark).any())
        for counter in range(60)
    ]
    assert 15 < sum(changed) < 60
    assert (
        not (data.train.batch(0, 60, 0).x == mark).any()
        and not (data.validation.take([0, 1]).x == mark).any()
    )
