"""Local alignment: the best common stretch of a sequence of symbols with one of many, exact or
nearly so.

A hash index of all runs of `seed` symbols gives places that agree; from each the common span is
extended both ways over changed, missing and added symbols (greedy, with a drop limit, as Altschul
et al. 1990 extend seeds). A span is worth the bits of its symbols, less `edit` for each change.
Not here: what a symbol is and how many bits it is worth (modalities/*/copies.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from castalia.evaluation.token_evidence import mixed

BETWEEN, UNKNOWN = -1, -2  # ends a row; a symbol that no row has


class Span(NamedTuple):
    """symbols [start, stop) of the query, [first, last) of the joined rows."""

    bits: float
    start: int
    stop: int
    first: int
    last: int
    edits: int


@dataclass(frozen=True)
class Prices:
    """seed: symbols that agree before a place is tried; hits: places that are tried for one seed.

    edit, drop  bits that a change costs, and how far the sum may fall before an extension ends;
                ahead symbols compared after a change.
    """

    seed: int
    hits: int
    edit: float
    drop: float
    ahead: int = 32


class Aligned:
    """rows: sequences (n,) int64 >= 0; bits: of each, (n,) what its symbols are worth where they
    stand.
    """

    def __init__(
        self, rows: Sequence[np.ndarray], bits: Sequence[np.ndarray], prices: Prices
    ) -> None:
        self.prices = prices
        self.joined = _joined(rows, BETWEEN).astype(np.int64)
        self.bits = _joined(bits, 0)
        self.begins = (
            np.cumsum([0, *(len(row) + 1 for row in rows)])[:-1] if rows else np.zeros(0, np.int64)
        )
        codes = self._grams(self.joined)
        self._order = np.argsort(codes, kind="stable").astype(np.int32)
        self._codes = codes[self._order]

    def row_of(self, span: Span) -> int:
        return int(np.searchsorted(self.begins, span.first, side="right")) - 1

    def spans(self, query: np.ndarray) -> list[Span]:
        """Of each place where a seed matches that no other span of the same alignment covers."""
        spans: list[Span] = []
        # diagonal (place in the rows minus place in the query) -> where an extension on it ended
        covered: dict[int, int] = {}
        codes, seed, hits = self._grams(query), self.prices.seed, self.prices.hits
        low, high = (
            np.searchsorted(self._codes, codes, side="left"),
            np.searchsorted(self._codes, codes, side="right"),
        )
        for place in np.flatnonzero(high > low).tolist():
            for hit in self._order[low[place] : min(high[place], low[place] + hits)].tolist():
                if covered.get(hit - place, -1) > place:
                    continue
                span = self._extended(query, place, hit)
                covered[hit - place] = max(covered.get(hit - place, -1), place + seed)
                covered[span.last - span.stop] = max(
                    covered.get(span.last - span.stop, -1), span.stop
                )
                spans.append(span)
        return spans

    def best(self, query: np.ndarray) -> Span | None:
        """The span of the most bits; None where no seed matches."""
        return max(self.spans(query), key=lambda span: span.bits, default=None)

    def _extended(self, query: np.ndarray, place: int, hit: int) -> Span:
        ahead, length, reach, edits = self._walk(query[place:], self.joined[hit:], self.bits[hit:])
        behind, back, reach_back, edits_back = self._walk(
            query[:place][::-1], self.joined[:hit][::-1], self.bits[:hit][::-1]
        )
        return Span(
            ahead + behind,
            place - back,
            place + length,
            hit - reach_back,
            hit + reach,
            edits + edits_back,
        )

    def _walk(self, a: np.ndarray, b: np.ndarray, worth: np.ndarray) -> tuple[float, int, int, int]:
        """Bits, symbols of a, symbols of b and changes of the best common beginning. worth: bits of
        b's symbols.
        """
        i = j = edits = 0
        bits, best, prices = 0.0, (0.0, 0, 0, 0), self.prices
        while True:
            run = _run(a, i, b, j)
            if run:
                bits += float(worth[j : j + run].sum())
                i, j = i + run, j + run
                if bits > best[0]:
                    best = (bits, i, j, edits)
            if i >= len(a) or j >= len(b) or b[j] == BETWEEN:
                return best
            bits, edits = bits - prices.edit, edits + 1
            if bits < best[0] - prices.drop or bits < -prices.drop:
                return best
            # a changed symbol, one added, one missing: the one after which most agrees
            i, j = max(
                ((i + 1, j + 1), (i + 1, j), (i, j + 1)),
                key=lambda step: _run(a, step[0], b, step[1], prices.ahead),
            )

    def _grams(self, symbols: np.ndarray) -> np.ndarray:
        """(n - seed + 1,) uint64 codes of all runs of `seed` symbols."""
        count = len(symbols) - self.prices.seed + 1
        code = np.zeros(max(0, count), np.uint64)
        for step in range(self.prices.seed if count > 0 else 0):
            code = mixed(code, symbols[step : step + count].astype(np.uint64))
        return code


def _joined(rows: Sequence[np.ndarray], between: int) -> np.ndarray:
    """One row of all, `between` behind each."""
    return (
        np.concatenate([part for row in rows for part in (row, [between])]) if rows else np.zeros(0)
    )


def _run(a: np.ndarray, i: int, b: np.ndarray, j: int, most: int | None = None) -> int:
    """How many symbols from a[i] and b[j] on are equal, at most `most`."""
    count, width = 0, 16
    while True:
        left = a[i + count : i + count + width]
        right = b[j + count : j + count + width]
        size = min(len(left), len(right))
        differ = np.flatnonzero(left[:size] != right[:size])
        if len(differ):
            return count + int(differ[0]) if most is None else min(most, count + int(differ[0]))
        count += size
        if size < width or (most is not None and count >= most):
            return count if most is None else min(most, count)
        width = min(4 * width, 4096)
