"""Texts that were copied: the most telling span that a sample has in common with the training texts, word for word or nearly so.

Texts are compared as the codec's pieces (words, Chinese characters), whatever the tokenizer, without regard to case. A hash index of all
SEED-grams of the training texts gives places that agree; from each the common span is extended both ways over changed, missing and added
pieces (greedy, with a drop limit, as Altschul et al. 1990 extend seeds). A span is worth the bits of its pieces under their frequency in
training, less EDIT for each change, so common phrases are cheap and about one change in ten is borne. `distance` is
1 / (1 + bits / 100): 0.5 for a hundred bits, some ten words. Not here: paraphrase and translation; how many bits make a copy (calibration.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.evaluation.passages import mixed
from castalia.governance.copies import Found
from castalia.spec import Tokens

SEED = 5  # pieces that agree; one change in ten leaves runs of nine
HITS = 48  # places that are tried for one seed
EDIT, DROP = 20.0, 50.0  # bits that a change costs, and how far the sum may fall before an extension ends
AHEAD = 32  # pieces that are looked at after a change
AROUND = 12  # pieces that a page shows before and after a span
BETWEEN, UNKNOWN = -1, -2


class Span(NamedTuple):
    """pieces [start, stop) of the query, [first, last) of the joined training texts."""

    bits: float
    start: int
    stop: int
    first: int
    last: int
    edits: int


class Texts:
    """training: texts, or other items that the codec cuts into pieces."""

    kinds: ClassVar = ("exact", "edited")
    planted: ClassVar = ("exact", "edited")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec, self._texts = codec, list(training)
        self.pieces = [pieces_of(codec, text) for text in self._texts]
        counts = Counter(_plain(piece) for row in self.pieces for piece in row)
        self._numbers = {piece: number for number, piece in enumerate(counts)}
        total = sum(counts.values())
        self._bits = np.array([-np.log2(count / (total + 1)) for count in counts.values()] or [0.0])
        rows = [self.numbered(row) for row in self.pieces]
        self.joined = (
            np.concatenate([part for row in rows for part in (row, [BETWEEN])]).astype(np.int64) if rows else np.zeros(0, np.int64)
        )
        self._begins = np.cumsum([0, *(len(row) + 1 for row in rows)])[:-1] if rows else np.zeros(0, np.int64)
        codes = _grams(self.joined)
        self._order = np.argsort(codes, kind="stable").astype(np.int32)
        self._codes = codes[self._order]

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return isinstance(codec.spec, Tokens)

    def __len__(self) -> int:
        return len(self.pieces)

    def numbered(self, pieces: Sequence[str]) -> np.ndarray:
        return np.array([self._numbers.get(_plain(piece), UNKNOWN) for piece in pieces], dtype=np.int64)

    def match(self, queries: Sequence[Any]) -> Found:
        """queries: texts -> the training text that each has the most telling span from."""
        train, bits, share, kinds, evidence = [], [], [], [], []
        for query in queries:
            pieces = pieces_of(self._codec, query)
            span = self.best(self.numbered(pieces))
            document = -1 if span is None else int(np.searchsorted(self._begins, span.first, side="right")) - 1
            train.append(document)
            bits.append(0.0 if span is None else span.bits)
            share.append(1.0 if span is None else span.edits / max(1, span.stop - span.start))
            kinds.append("exact" if span is not None and span.edits == 0 else "edited")
            evidence.append({} if span is None else self._shown(pieces, document, span))
        distance = 1 / (1 + torch.tensor(bits, dtype=torch.float64) / 100)
        return Found(torch.tensor(train, dtype=torch.int64), distance, torch.tensor(share, dtype=torch.float64), kinds, evidence)

    def best(self, query: np.ndarray) -> Span | None:
        """The span of the most bits; None where no seed is found."""
        found: Span | None = None
        covered: dict[int, int] = {}  # diagonal (place in training minus place in query) -> where an extension on it ended
        codes = _grams(query)
        low, high = np.searchsorted(self._codes, codes, side="left"), np.searchsorted(self._codes, codes, side="right")
        for place in np.flatnonzero(high > low).tolist():
            for hit in self._order[low[place] : min(high[place], low[place] + HITS)].tolist():
                if covered.get(hit - place, -1) > place:
                    continue
                span = self._extended(query, place, hit)
                covered[hit - place] = max(covered.get(hit - place, -1), place + SEED)
                covered[span.last - span.stop] = max(covered.get(span.last - span.stop, -1), span.stop)
                if found is None or span.bits > found.bits:
                    found = span
        return found

    def _extended(self, query: np.ndarray, place: int, hit: int) -> Span:
        ahead, length, reach, edits = self._walk(query[place:], self.joined[hit:])
        behind, back, reach_back, edits_back = self._walk(query[:place][::-1], self.joined[:hit][::-1])
        return Span(ahead + behind, place - back, place + length, hit - reach_back, hit + reach, edits + edits_back)

    def _walk(self, a: np.ndarray, b: np.ndarray) -> tuple[float, int, int, int]:
        """Bits, pieces of a, pieces of b and changes of the best common beginning."""
        i = j = edits = 0
        bits, best = 0.0, (0.0, 0, 0, 0)
        while True:
            run = _run(a, i, b, j)
            if run:
                bits += float(self._bits[a[i : i + run]].sum())
                i, j = i + run, j + run
                if bits > best[0]:
                    best = (bits, i, j, edits)
            if i >= len(a) or j >= len(b) or b[j] == BETWEEN:
                return best
            bits, edits = bits - EDIT, edits + 1
            if bits < best[0] - DROP or bits < -DROP:
                return best
            # a changed piece, one added, one missing: the one after which most agrees
            i, j = max(((i + 1, j + 1), (i + 1, j), (i, j + 1)), key=lambda step: _run(a, step[0], b, step[1], AHEAD))

    def _shown(self, pieces: list[str], document: int, span: Span) -> dict[str, Any]:
        begin = int(self._begins[document])
        return {
            "bits": round(span.bits, 1),
            "length": span.stop - span.start,
            "edits": span.edits,
            "sample_text": _around(pieces, span.start, span.stop),
            "train_text": _around(self.pieces[document], span.first - begin, span.last - begin),
        }

    def plant(self, items: Sequence[str], kind: str, rng: torch.Generator) -> list[Any]:
        """ "edited": one piece in ten replaced by another of the training texts."""
        if kind == "exact":
            return list(items)
        pool = list(self._numbers)
        changed = []
        for item in items:
            row = pieces_of(self._codec, item)
            for start in range(0, len(row) - len(row) % 10, 10):
                place = start + int(torch.randint(10, (), generator=rng))
                bare = row[place].lstrip()
                row[place] = row[place][: len(row[place]) - len(bare)] + pool[int(torch.randint(len(pool), (), generator=rng))]
            changed.append("".join(row))
        return changed

    @staticmethod
    def as_long(items: Sequence[Any], like: Sequence[Any], codec: Codec[Any]) -> list[Any]:
        """The texts of `items` end to end, cut into pieces as many as those of `like` in turn: what a span can be grows with its text."""
        lengths = [max(1, len(pieces_of(codec, item))) for item in like]
        stream = [piece for item in items for piece in (*pieces_of(codec, item), "\n")]
        cut, start = [], 0
        for turn in range(len(stream)):
            if start + (length := lengths[turn % len(lengths)] if lengths else len(stream)) > len(stream):
                break
            cut.append("".join(stream[start : start + length]))
            start += length
        return cut

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return {"texts": self._texts}, {}

    @classmethod
    def restore(cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]) -> Texts:
        return cls(codec, state["texts"])


def pieces_of(codec: Codec[Any], item: Any) -> list[str]:
    """Words and characters where the codec knows them, else the numbers of the tokens."""
    pieces = codec.pieces(item)
    return [f"{token} " for token in codec.encode(item).tolist()] if pieces is None else pieces


def _plain(piece: str) -> str:
    return piece.strip().casefold()


def _run(a: np.ndarray, i: int, b: np.ndarray, j: int, most: int | None = None) -> int:
    """How many pieces from a[i] and b[j] on are equal, at most `most`."""
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


def _grams(symbols: np.ndarray) -> np.ndarray:
    """(n - SEED + 1,) uint64 codes of all SEED-grams."""
    count = len(symbols) - SEED + 1
    code = np.zeros(max(0, count), np.uint64)
    for step in range(SEED if count > 0 else 0):
        code = mixed(code, symbols[step : step + count].astype(np.uint64))
    return code


def _around(pieces: list[str], start: int, stop: int) -> list[str]:
    """Text before, of and after a span of pieces."""
    return ["".join(pieces[max(0, start - AROUND) : start]), "".join(pieces[start:stop]), "".join(pieces[stop : stop + AROUND])]
