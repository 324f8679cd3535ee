"""Cut and pack token documents into rows, shuffled anew each epoch, as functions of counters.

Training lays the documents of an epoch end to end in a random order, joins the ends to a ring, and
cuts it at a random phase into windows of `length` coded tokens, each with the token before it as
context. So no token is padding, none is seen twice in an epoch, fewer than `length` are left out,
and no two epochs cut alike. Where tokens come in steps of several (`Tokens.period`), `begin` fills
documents of the ring up to whole steps and the phase is a whole number of them, so that a token's
slot in its step is known from its column. Where items have conditions (classes), which belong to
whole rows, or `data.pack` is false, each piece of a document has a row of its own instead.

Documents with loss weights (conversations) are not cut where they fit a row, because an answer is
worth little without its question: whole documents are packed, the longest first, each into the
fullest row with room for it, once for all epochs (compare Ding et al. 2024, arXiv:2404.10830); the
order of the rows is drawn anew each epoch. Longer ones are cut into pieces as in evaluation.

Evaluation (`take`) reads each document from its beginning in pieces of `length` tokens, one piece a
row. Rows are as spec.Tokens describes: what follows `begin` is another document, and packed
documents do not attend to one another unless `data.segments` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from castalia.codecs.base import Augmentation
from castalia.data.cache import Documents
from castalia.data.shuffle import Epochs, make_room, nothing_there
from castalia.nn.counter_random import counter_seed, generator
from castalia.spec import Batch, Tokens


class Windows:
    """One side of token data, with the methods of `Split`. All are pure functions of their
    arguments.
    """

    def __init__(
        self,
        spec: Tokens,
        documents: Documents,
        index: Tensor,
        cond: dict[str, Tensor],
        augmentations: Sequence[tuple[str, Augmentation]] = (),
        segments: bool = True,
        pack: bool = True,
    ) -> None:
        """index (n,) int64: which documents of the cache. cond: name -> (n, ...), one entry a
        document. pack: documents share rows.
        """
        self.spec = spec
        self.captions: list[str | None] | None = None
        self._documents, self._index, self._cond = documents, index.numpy(), cond
        self._augmentations = tuple(augmentations)
        self._segments, self._pack = segments, pack and not cond
        self._lengths = documents.lengths[self._index]
        self._rooms = -(-self._lengths // spec.period) * spec.period  # in the ring
        self.tokens = int(self._lengths.sum())
        self._round = int(self._rooms.sum())
        pieces = np.maximum(1, -(-(self._lengths - 1) // spec.length))
        # of each piece: its document here
        self._owner = np.repeat(np.arange(len(self._index)), pieces)
        self._start = (
            np.arange(len(self._owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        ) * spec.length
        self._width = min(
            spec.length, max(spec.period, (self._round - 1) // spec.period * spec.period)
        )
        self._epochs: dict[tuple[int, int], _Ring] = {}  # the last two
        self._packed = (
            None
            if documents.weights is None or not self._pack
            else _packed(
                np.minimum(self._lengths[self._owner] - self._start, spec.length + 1),
                self._start > 0,
                spec.length + 1,
            )
        )
        # of rows that are not cut from the ring
        self._stream = Epochs(len(self._owner) if self._packed is None else len(self._packed))
        # how to name a document in a message or on a page
        self.where: Callable[[int], str] = "document {}".format

    def __len__(self) -> int:
        """Rows that `take` can give."""
        return len(self._owner)

    @property
    def rows_a_pass(self) -> int:
        """Rows of `batch` in which every document stands about once: fewer than documents where
        these share rows.
        """
        if not self._pack:
            return len(self)
        if self._packed is not None:
            return len(self._packed)
        return max(1, self._round // self._width)

    def batch(self, counter: int, size: int, seed: int, augment: bool = False) -> Batch:
        """Micro-batch number `counter` (from 0) of `size` rows, (size, length + 1) where documents
        are packed.
        """
        self._not_empty()
        if not self._pack:
            chosen = self._stream.draw(counter * size, size, seed)
            return self._batch(*self._rows(chosen), chosen, counter, seed, augment)
        if self._packed is not None:
            rows = [self._packed[int(row)] for row in self._stream.draw(counter * size, size, seed)]
            return self._batch(*self._joined(rows), None, counter, seed, augment)
        rows, start, count = [], counter * size, size
        windows = max(1, self._round // self._width)
        while count > 0:
            epoch, offset = divmod(start, windows)
            ring = self._ring(seed, epoch, windows)
            part = ring.order[offset : offset + count]
            rows.append(self._cut(ring, part))
            start, count = start + len(part), count - len(part)
        return self._batch(
            torch.from_numpy(np.concatenate(rows)), None, None, counter, seed, augment
        )

    def take(self, indices: Tensor | Sequence[int]) -> Batch:
        """The rows at `indices` in [0, len), filled up with `begin` to the longest; no
        augmentation.
        """
        self._not_empty()
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return self._batch(*self._rows(chosen), chosen, 0, 0, False)

    def mixed(self, mine: Tensor, other: Windows, theirs: Tensor) -> Windows:
        """A side of the documents `mine` of this one and `theirs` of another side of the same data
        (indices, int64).
        """
        index = torch.from_numpy(
            np.concatenate([self._index[mine.numpy()], other._index[theirs.numpy()]])
        )
        cond = {
            name: torch.cat([values[mine], other._cond[name][theirs]])
            for name, values in self._cond.items()
        }
        return Windows(
            self.spec, self._documents, index, cond, self._augmentations, self._segments, self._pack
        )

    def once(self, size: int, seed: int) -> Iterator[Batch]:
        """Every document once, whole, one a batch: x (1, n)."""
        for document in self.documents():
            yield Batch(document[None])

    def documents(self) -> Iterator[Tensor]:
        """(n,) int64 each, as the codec encoded them."""
        for row in self._index:
            yield torch.from_numpy(self._documents.read(int(row)).astype(np.int64))

    def document_of(self, indices: Tensor | Sequence[int]) -> Tensor:
        """(n,) int64: the document, in the order of `documents()`, that each row of `take` belongs
        to.
        """
        return torch.from_numpy(self._owner[torch.as_tensor(indices, dtype=torch.int64).numpy()])

    def answered(self) -> tuple[np.ndarray, np.ndarray]:
        """Of documents with loss weights, in the order of `documents()`: (tokens up to the first
        that is learned, 0 where none is; tokens), int64 each.
        """
        first = np.zeros(len(self._index), dtype=np.int64)
        for place, row in enumerate(self._index):
            learned = np.flatnonzero(self._documents.weigh(int(row)))
            first[place] = learned[0] + 1 if len(learned) else 0
        return first, self._lengths.astype(np.int64)

    def weights(self) -> Iterator[Tensor]:
        """(n,) uint8 each: the loss weights of `documents()`."""
        for row in self._index:
            yield torch.from_numpy(np.array(self._documents.weigh(int(row))))

    def _rows(self, chosen: Tensor) -> tuple[Tensor, Tensor | None]:
        """The pieces with these numbers, a row each: tokens (n, T) int64 and their weights (n, T)
        float32, None where all count.
        """
        return self._joined([[int(piece)] for piece in chosen], whole=False)

    def _joined(
        self, rows: Sequence[Sequence[int]], whole: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Rows of several pieces, filled up with `begin`, of weight 0, to the context (whole) or to
        the longest of them.
        """
        last = np.minimum(self._start + self.spec.length + 1, self._lengths[self._owner])
        longest = max(sum(int(last[piece] - self._start[piece]) for piece in row) for row in rows)
        width = self.spec.length + 1 if whole else max(2, longest)
        x = np.full((len(rows), width), self.spec.begin, dtype=np.int64)
        weight = (
            None
            if self._documents.weights is None
            else np.zeros((len(rows), width), dtype=np.float32)
        )
        for number, row in enumerate(rows):
            at = 0
            for piece in row:
                place = (
                    int(self._index[self._owner[piece]]),
                    int(self._start[piece]),
                    int(last[piece]),
                )
                part = self._documents.read(*place)
                x[number, at : at + len(part)] = part
                if weight is not None:
                    weight[number, at : at + len(part)] = self._documents.weigh(*place)
                at += len(part)
        return torch.from_numpy(x), None if weight is None else torch.from_numpy(weight)

    def _cut(self, ring: _Ring, windows: np.ndarray) -> np.ndarray:
        """(n, width + 1) int64: windows of the ring, by number."""
        places = (
            ring.phase + windows[:, None] * self._width + np.arange(self._width + 1)
        ) % self._round
        document = np.searchsorted(ring.ends, places, side="right")
        if self.spec.period == 1:
            return self._documents.gather(ring.offsets[document] + places)
        real = places < ring.lasts[document]
        tokens = self._documents.gather(
            ring.offsets[document] + np.where(real, places, ring.lasts[document] - 1)
        )
        return np.where(real, tokens, self.spec.begin)

    def _ring(self, seed: int, epoch: int, windows: int) -> _Ring:
        key = (seed, epoch)
        if key not in self._epochs:
            make_room(self._epochs)
            order = torch.randperm(
                len(self._index), generator=generator("documents", seed, epoch)
            ).numpy()
            ends = np.cumsum(self._rooms[order])
            starts = ends - self._rooms[order]
            offsets = self._documents.offsets[self._index[order]] - starts
            shuffled = torch.randperm(windows, generator=generator("epoch", seed, epoch)).numpy()
            phase = (
                counter_seed("phase", seed, epoch)
                % (self._round // self.spec.period)
                * self.spec.period
            )
            self._epochs[key] = _Ring(ends, starts + self._lengths[order], offsets, phase, shuffled)
        return self._epochs[key]

    def _batch(
        self,
        x: Tensor,
        weight: Tensor | None,
        chosen: Tensor | None,
        counter: int,
        seed: int,
        augment: bool,
    ) -> Batch:
        if augment and weight is None:  # what moves tokens would leave their weights behind
            for name, function in self._augmentations:
                x = function(x, generator("augment", name, seed, counter))
        begins = x == self.spec.begin
        begins[:, 0] = False
        segment = begins.cumsum(1) if self._segments and bool(begins.any()) else None
        cond = (
            {}
            if chosen is None
            else {name: values[self.document_of(chosen)] for name, values in self._cond.items()}
        )
        return Batch(x, weight=weight, segment=segment, cond=cond)

    def _not_empty(self) -> None:
        if len(self) == 0:
            raise nothing_there()


def _packed(lengths: np.ndarray, goes_on: np.ndarray, room: int) -> list[list[int]]:
    """Rows of pieces, none longer than `room`: the longest first, each into the fullest row with
    room for it.

    lengths (n,): tokens of each piece. goes_on (n,) bool: it is the later part of a document, so it
    opens a row: its first token is context.
    """
    rows: list[list[int]] = []
    open_rows: list[list[int]] = [[] for _ in range(room + 1)]  # by the room that is left
    for piece in np.lexsort((np.arange(len(lengths)), -lengths, ~goes_on)).tolist():
        length = int(lengths[piece])
        left = (
            room
            if goes_on[piece]
            else next((left for left in range(length, room + 1) if open_rows[left]), room)
        )
        row = open_rows[left].pop() if open_rows[left] and not goes_on[piece] else len(rows)
        if row == len(rows):
            rows.append([])
        rows[row].append(piece)
        open_rows[left - length].append(row)
    return rows


class _Ring:
    """The documents of one epoch end to end. ends (n,): where the next begins; lasts (n,): where
    each ends before it is filled up; offsets (n,): what turns a place of the ring into one of the
    cache; phase: where the first window begins; order: the windows, shuffled.
    """

    def __init__(
        self,
        ends: np.ndarray,
        lasts: np.ndarray,
        offsets: np.ndarray,
        phase: int,
        order: np.ndarray,
    ) -> None:
        self.ends, self.lasts, self.offsets, self.phase, self.order = (
            ends,
            lasts,
            offsets,
            phase,
            order,
        )
