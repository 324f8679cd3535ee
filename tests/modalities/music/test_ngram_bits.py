"""The bits of a step given the steps before it, by all other pieces: against counting by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from castalia.modalities.music.ngram_bits import surprise


def by_hand(rows: list[list[int]], owners: list[int], vocab: int, order: int) -> list[list[float]]:
    """The same with dictionaries, one symbol at a time."""
    found = []
    for number, row in enumerate(rows):
        bits = []
        for place, symbol in enumerate(row):
            share = 1 / vocab
            for length in range(min(order, place) + 1):
                context, followers, seen, alike = row[place - length : place], set(), 0, 0
                for other, owner in zip(rows, owners, strict=True):
                    for at in range(length, len(other)):
                        if other[at - length : at] == context:
                            followers.add(other[at])
                            if owner != owners[number]:
                                seen += 1
                                alike += other[at] == symbol
                if seen:
                    share = (alike + len(followers) * share) / (seen + len(followers))
            bits.append(-math.log2(share))
        found.append(bits)
    return found


@pytest.mark.parametrize("order", [0, 1, 3])
def test_it_is_what_counting_says(order: int) -> None:
    rng = random.Random(order)
    rows = [[rng.randrange(3) for _ in range(rng.randrange(12))] for _ in range(9)]
    owners = [0, 0, 1, 2, 2, 2, 3, 4, 5]
    found = surprise([np.array(row, dtype=np.int64) for row in rows], owners, 3, order)
    assert [len(bits) for bits in found] == [len(row) for row in rows]
    for bits, wanted in zip(found, by_hand(rows, owners, 3, order), strict=True):
        np.testing.assert_allclose(bits, wanted, rtol=1e-12)


def test_what_many_pieces_have_is_cheap_and_what_one_has_is_dear() -> None:
    scale, own = [1, 2, 3, 4, 5, 6], [9, 7, 8, 9, 8, 7]
    rows = [np.array(scale), np.array(scale), np.array(scale), np.array(own), np.array(own)]
    found = [float(bits.sum()) for bits in surprise(rows, [0, 1, 2, 3, 3], 10, 3)]
    # repeated within its own piece, it is as dear
    assert found[0] == found[1] == found[2] < 12 < found[3] == found[4]


def test_nothing_is_worth_nothing() -> None:
    assert surprise([], [], 5, 3) == []
    assert [len(bits) for bits in surprise([np.zeros(0, np.int64)], [0], 5, 3)] == [0]
    # there is no other piece
    assert surprise([np.array([2, 2])], [0], 4, 3)[0].tolist() == [2.0, 2.0]
