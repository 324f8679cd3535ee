"""Exact matches of one text in another by a suffix array: for each place, the longest stretch that
the other text has, too.

A suffix array by doubling (Manber & Myers 1993): ranks of all substrings of length 1, 2, 4, ... of
both texts joined, each round one sort. The training suffixes next to a query in that order share
the longest beginning with it. Stops as soon as substrings are as long as the longest query. 1 M
symbols take seconds. Metrics of the matches are in ngram_overlap.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Matches(NamedTuple):
    """For each query and place in it, int64 arrays: the length of the longest match (0: none), and
    where in the corpus it stands (document, place).
    """

    lengths: list[np.ndarray]
    documents: list[np.ndarray]
    places: list[np.ndarray]


def matches(queries: Sequence[Tensor], corpus: Sequence[Tensor]) -> Matches:
    """queries and corpus: rows (n,) int64, not negative. No match crosses the end of a row."""
    nothing = [np.zeros(len(query), np.int64) for query in queries]
    longest = max((len(query) for query in queries), default=0)
    if not longest or not any(map(len, corpus)):
        return Matches(nothing, nothing, nothing)
    text, owners = _joined([*corpus, *queries], len(corpus))
    known = owners[0] < len(corpus)
    ranks = _ranks(text, longest)
    order = np.argsort(ranks[-1], kind="stable")
    before, after = _neighbours(order, known)
    asked = np.flatnonzero(~known)
    lengths = np.zeros(len(asked), np.int64)
    positions = np.zeros(len(asked), np.int64)
    for side in (before, after):
        place = side[asked]
        shared = np.where(place >= 0, _common(ranks, asked, np.maximum(place, 0)), 0)
        better = shared > lengths
        lengths = np.where(better, shared, lengths)
        positions = np.where(better, place, positions)
    cuts = np.cumsum([len(query) + 1 for query in queries])[:-1]
    parts = [
        [part[:-1] for part in np.split(values, cuts)]
        for values in (lengths, owners[0][positions], owners[1][positions])
    ]
    return Matches(*parts)


def _joined(
    rows: Sequence[Tensor], corpus: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The rows end to end, each closed by a mark (corpus 0, queries 1), and the row and place of
    every symbol.
    """
    parts, owners, places = [], [], []
    for number, row in enumerate(rows):
        parts += [row.numpy() + 2, np.array([0 if number < corpus else 1])]
        owners.append(np.full(len(row) + 1, number))
        places.append(np.arange(len(row) + 1))
    return np.concatenate(parts), (np.concatenate(owners), np.concatenate(places))


def _ranks(text: np.ndarray, longest: int) -> list[np.ndarray]:
    """ranks[k][i] (int32): the rank of the 2**k symbols at i among all such, equal for equal ones;
    until 2**k >= longest.
    """
    ranks = [np.unique(text, return_inverse=True)[1].astype(np.int32)]
    size = 1
    while size < longest and size < len(text):
        last = ranks[-1]
        second = np.full(len(text), 0, np.int64)
        second[:-size] = last[size:].astype(np.int64) + 1
        key = last * np.int64(len(text) + 1) + second
        order = np.argsort(key)
        ordered = key[order]
        ranks.append(np.empty(len(text), np.int32))
        ranks[-1][order] = np.cumsum(np.diff(ordered, prepend=ordered[0]) != 0)
        size *= 2
    return ranks


def _neighbours(order: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each suffix the nearest suffix of the corpus before and after it in `order`; -1 where
    there is none.
    """
    sides = []
    for path in (order, order[::-1]):
        last = np.maximum.accumulate(np.where(known[path], np.arange(len(path)), -1))
        side = np.empty(len(order), np.int64)
        side[path] = np.where(last >= 0, path[np.maximum(last, 0)], -1)
        sides.append(side)
    return sides[0], sides[1]


def _common(ranks: Sequence[np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many symbols the suffixes at a and at b have in common, from the ranks, longest pieces
    first.
    """
    end = len(ranks[0])
    a, b, shared = a.copy(), b.copy(), np.zeros(len(a), np.int64)
    for k in range(len(ranks) - 1, -1, -1):
        inside = (a < end) & (b < end)
        same = inside & (ranks[k][np.minimum(a, end - 1)] == ranks[k][np.minimum(b, end - 1)])
        step = np.where(same, 1 << k, 0)
        a, b, shared = a + step, b + step, shared + step
    return shared
