"""The copy matcher of texts and other sequences: the span with the most bits that a sample has in
common with the training items, piece for piece or nearly so.

Items are compared as the codec's pieces (words, Chinese characters), whatever the tokenizer and
without regard to case; as tokens where the codec cuts them into no pieces. A span
(local_alignment.py) is worth the bits of its pieces under their frequency in training, so common
phrases are cheap and about one change in ten is borne. `distance` is 1 / (1 + bits / 100): 0.5 for
a hundred bits, some ten words. Not here: paraphrase and translation; how many bits make a copy
(calibration.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.codecs.protocols import CutsPieces
from castalia.governance.copy_matcher import Matches
from castalia.governance.local_alignment import UNKNOWN, Aligned, Prices, Span
from castalia.spec import Tokens

PRICES = Prices(seed=5, hits=48, edit=20.0, drop=50.0)  # one change in ten leaves runs of nine
AROUND = 12  # pieces that a page shows before and after a span


class Pieces(list[str]):
    """An item that exists as its pieces only: what is made of items that are not joined pieces."""


class Passages:
    """training: texts, or other items of a codec of Tokens."""

    name: ClassVar = "texts"
    kinds: ClassVar = ("exact", "edited")
    planted: ClassVar = ("exact", "edited")
    farthest: ClassVar = 0.5

    def __init__(self, codec: Codec[Any], training: Iterable[Any]) -> None:
        self._codec, self._texts = codec, list(training)
        self.pieces = [pieces_of(codec, text) for text in self._texts]
        counts = Counter(_plain(piece) for row in self.pieces for piece in row)
        self._numbers = {piece: number for number, piece in enumerate(counts)}
        total = sum(counts.values())
        bits = np.array([-np.log2(count / (total + 1)) for count in counts.values()] or [0.0])
        rows = [self.numbered(row) for row in self.pieces]
        self.index = Aligned(rows, [bits[row] for row in rows], PRICES)

    @staticmethod
    def fits(codec: Codec[Any]) -> bool:
        return isinstance(codec.spec, Tokens)

    def __len__(self) -> int:
        return len(self.pieces)

    def numbered(self, pieces: Sequence[str]) -> np.ndarray:
        return np.array(
            [self._numbers.get(_plain(piece), UNKNOWN) for piece in pieces], dtype=np.int64
        )

    def match(self, queries: Sequence[Any]) -> Matches:
        """queries: texts -> the training text with which each shares the span of the most bits."""
        train, bits, share, kinds, evidence = [], [], [], [], []
        for query in queries:
            pieces = pieces_of(self._codec, query)
            span = self.index.best(self.numbered(pieces))
            document = -1 if span is None else self.index.row_of(span)
            train.append(document)
            bits.append(0.0 if span is None else span.bits)
            share.append(1.0 if span is None else span.edits / max(1, span.stop - span.start))
            kinds.append("exact" if span is not None and span.edits == 0 else "edited")
            evidence.append({} if span is None else self._shown(pieces, document, span))
        distance = 1 / (1 + torch.tensor(bits, dtype=torch.float64) / 100)
        return Matches(
            torch.tensor(train, dtype=torch.int64),
            distance,
            torch.tensor(share, dtype=torch.float64),
            kinds,
            evidence,
        )

    def _shown(self, pieces: list[str], document: int, span: Span) -> dict[str, Any]:
        begin = int(self.index.begins[document])
        return {
            "bits": round(span.bits, 1),
            "length": span.stop - span.start,
            "edits": span.edits,
            "sample_text": _around(pieces, span.start, span.stop),
            "train_text": _around(self.pieces[document], span.first - begin, span.last - begin),
        }

    def plant(self, items: Sequence[Any], kind: str, rng: torch.Generator) -> list[Any]:
        """ "edited": one piece in ten replaced by another of the training texts."""
        if kind == "exact":
            return list(items)
        pool = list(self._numbers)
        changed = []
        for item in items:
            row = list(pieces_of(self._codec, item))
            for start in range(0, len(row) - len(row) % 10, 10):
                place = start + int(torch.randint(10, (), generator=rng))
                bare = row[place].lstrip()
                row[place] = (
                    row[place][: len(row[place]) - len(bare)]
                    + pool[int(torch.randint(len(pool), (), generator=rng))]
                )
            changed.append(_joined(row, item))
        return changed

    @staticmethod
    def as_long(items: Sequence[Any], like: Sequence[Any], codec: Codec[Any]) -> list[Any]:
        """The texts of `items` end to end, cut into pieces as many as those of `like` in turn: what
        a span can be grows with its text.
        """
        lengths = [max(1, len(pieces_of(codec, item))) for item in like]
        stream = [piece for item in items for piece in (*pieces_of(codec, item), "\n")]
        cut, start = [], 0
        for turn in range(len(stream)):
            if start + (length := lengths[turn % len(lengths)] if lengths else len(stream)) > len(
                stream
            ):
                break
            cut.append(_joined(stream[start : start + length], items[0]))
            start += length
        return cut

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if all(isinstance(text, str) for text in self._texts):
            return {"texts": self._texts}, {}
        return {"pieces": self.pieces}, {}

    @classmethod
    def restore(
        cls, codec: Codec[Any], state: dict[str, Any], tensors: dict[str, Tensor]
    ) -> Passages:
        cut = [Pieces(row) for row in state.get("pieces", ())]
        return cls(codec, state.get("texts", cut))


def pieces_of(codec: Codec[Any], item: Any) -> list[str]:
    """Words and characters where the codec knows them, else the labels of the tokens."""
    if isinstance(item, Pieces):
        return item
    if isinstance(codec, CutsPieces):
        return codec.pieces(item)
    return [f"{label} " for label in codec.labels(codec.encode(item).long())]


def _joined(pieces: Sequence[str], like: Any) -> Any:
    """An item of the same kind as `like`, or its pieces where items are no texts."""
    return "".join(pieces) if isinstance(like, str) else Pieces(pieces)


def _plain(piece: str) -> str:
    return piece.strip().casefold()


def _around(pieces: list[str], start: int, stop: int) -> list[str]:
    """Text before, of and after a span of pieces."""
    return [
        "".join(pieces[max(0, start - AROUND) : start]),
        "".join(pieces[start:stop]),
        "".join(pieces[stop : stop + AROUND]),
    ]
